"""Pictures as PNG: eight bits of red, green, blue and opacity, in the few lines that it takes.

Source: W3C, Portable Network Graphics (Third Edition), sections 5, 9.2 and 11.
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
DEPTH, RGBA = 8, 6
UP = 2
"""The filter that keeps of each row what differs from the one above."""
LEVEL = 6


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a picture as a PNG file.

    Args:
        pixels: ``(y, x, 4)``: red, green, blue and opacity.
    """
    height, width, _ = pixels.shape
    rows = pixels.reshape(height, width * 4)
    differences = np.diff(rows, axis=0, prepend=np.zeros((1, rows.shape[1]), np.uint8))
    filtered = np.insert(differences, 0, UP, axis=1)
    header = struct.pack(">IIBBBBB", width, height, DEPTH, RGBA, 0, 0, 0)
    data = zlib.compress(filtered.tobytes(), LEVEL)
    parts = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return SIGNATURE + b"".join(_part(kind, content) for kind, content in parts)


def _part(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
