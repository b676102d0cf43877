"""Pixels out of blosc's bit planes, straight to where they are wanted.

Blosc's bitshuffle lays bit 0 of all elements of a block side by side, then bit 1, and so on.
Undoing that in one sweep with the copy into a batch, and only for the rows and bands that are
asked for, takes a third of the time of undoing it for the whole chunk and copying afterwards.
Blosc itself decompresses: it is told, by the flag in a chunk's header, that nothing is shuffled.

The format is c-blosc 1's (README_CHUNK_FORMAT.rst) and bitshuffle's 0.3: plane k of a block holds
bit k of its elements, the least significant first, eight elements a byte.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cubestore.compiled import compiled

Array = NDArray[Any]

TOGETHER = 2048
"""Elements that are put together at a time: they stay in the first cache."""

HEADER_BYTES = 16

FLAGS, ITEMSIZE, SIZE, BLOCK, STORED = 2, 3, 4, 8, 12
"""Where in the header they stand: bytes of an element, in all, of a block, and of the chunk."""

_COPIED, _BITSHUFFLED = 0x2, 0x4
_BITS = 8
_TWO_BYTES = 2


class Window(NamedTuple):
    """Which pixels of a chunk go where."""

    top: int
    left: int
    """First row and column in the chunk."""

    height: int
    width: int
    down: int
    right: int
    """First row and column in the destination."""


@compiled
def number_at(data: Array, at: int) -> int:
    """Return the four bytes there as a number, the least significant first."""
    low, high = np.uint32(data[at]), np.uint32(data[at + 3])
    low |= (np.uint32(data[at + 1]) << np.uint32(8)) | (np.uint32(data[at + 2]) << np.uint32(16))
    return int(low | (high << np.uint32(24)))


@compiled
def block_of(chunk: Array, shape: Array) -> int:
    """Return the bytes of a block if `place` can take the chunk's planes apart, else 0.

    Args:
        chunk: as blosc compressed it, bytes.
        shape: bands, rows and columns of pixels in it.
    """
    if len(chunk) < HEADER_BYTES:
        return 0
    flags, row = chunk[FLAGS], shape[2] * chunk[ITEMSIZE]
    size, block = np.int64(number_at(chunk, SIZE)), np.int64(number_at(chunk, BLOCK))
    shuffled = flags & _BITSHUFFLED and not flags & _COPIED
    whole = shape[2] % _BITS == 0 and size == row * shape[0] * shape[1]
    return int(block) if shuffled and whole and block > 0 and block % row == 0 else 0


@compiled
def leave_shuffled(chunk: Array) -> None:
    """Mark a chunk, in place, as one that blosc has nothing to unshuffle of."""
    chunk[FLAGS] &= ~_BITSHUFFLED


@compiled
def _transposed(bits: np.uint64) -> np.uint64:
    """Return an 8 x 8 matrix of bits transposed: Warren, Hacker's Delight, section 7-3."""
    swap = (bits ^ (bits >> np.uint64(7))) & np.uint64(0x00AA00AA00AA00AA)
    bits = bits ^ swap ^ (swap << np.uint64(7))
    swap = (bits ^ (bits >> np.uint64(14))) & np.uint64(0x0000CCCC0000CCCC)
    bits = bits ^ swap ^ (swap << np.uint64(14))
    swap = (bits ^ (bits >> np.uint64(28))) & np.uint64(0x00000000F0F0F0F0)
    return bits ^ swap ^ (swap << np.uint64(28))


@compiled
def _bytes_of(planes: Array, first: int, step: int, count: int, out: Array) -> None:
    """Put eight planes together: ``out[k]`` is one byte of each of eight elements."""
    p0, p1 = planes[first : first + count], planes[first + step : first + step + count]
    first += 2 * step
    p2, p3 = planes[first : first + count], planes[first + step : first + step + count]
    first += 2 * step
    p4, p5 = planes[first : first + count], planes[first + step : first + step + count]
    first += 2 * step
    p6, p7 = planes[first : first + count], planes[first + step : first + step + count]
    for k in range(count):
        bits = np.uint64(p0[k]) | (np.uint64(p1[k]) << np.uint64(8))
        bits |= (np.uint64(p2[k]) << np.uint64(16)) | (np.uint64(p3[k]) << np.uint64(24))
        bits |= (np.uint64(p4[k]) << np.uint64(32)) | (np.uint64(p5[k]) << np.uint64(40))
        bits |= (np.uint64(p6[k]) << np.uint64(48)) | (np.uint64(p7[k]) << np.uint64(56))
        out[k] = _transposed(bits)


@compiled
def _join(values: Array, width: int, to: Window, top: int, count: int, out: Array) -> None:
    """Make elements of their bytes: ``values`` has one row for each byte of an element."""
    kind = out.dtype.type
    for y in range(count):
        start = y * width + to.left
        line, low = out[top + y, to.right : to.right + to.width], values[0, start:]
        if len(values) == _TWO_BYTES:  # the common case, in one sweep
            high = values[1, start:]
            for x in range(to.width):
                line[x] = kind(low[x]) | kind(kind(high[x]) << kind(8))
            continue
        for x in range(to.width):
            line[x] = low[x]
        for j in range(1, len(values)):
            byte, shift = values[j, start:], kind(8 * j)
            for x in range(to.width):
                line[x] |= kind(kind(byte[x]) << shift)


@compiled
def place(
    planes: Array, block: int, shape: Array, bands: Array, window: Window, out: Array
) -> None:
    """Fill a window of ``out`` (bands, y, x) from a chunk whose bits are still in planes.

    Args:
        planes: the chunk as bytes, decompressed and shuffled.
        block: bytes of a block, as `block_of` says.
        shape: bands, rows and columns of the chunk.
        bands: which bands of the chunk become those of ``out``.
        window: which pixels, and where they go.
        out: contiguous, unsigned.
    """
    height, width = shape[1], shape[2]
    row = width * out.itemsize
    together = max(1, TOGETHER // width)
    scratch = np.empty((out.itemsize, together * width // 8), np.uint64)
    values = scratch.view(np.uint8)
    for k in range(len(bands)):
        y = 0
        while y < window.height:
            line = bands[k] * height + window.top + y
            start = line * row // block * block
            size = min(block, len(planes) - start)
            first = line - start // row
            count = min(together, window.height - y, size // row - first)
            for j in range(out.itemsize):
                at = start + (8 * j * size // out.itemsize + first * width) // 8
                eights = count * width // 8
                _bytes_of(planes, at, size // out.itemsize // 8, eights, scratch[j])
            _join(values, width, window, window.down + y, count, out[k])
            y += count
