"""A chunk of a shard's file in one go: read, compared with its checksum, decompressed, placed.

Nothing in between comes back to the interpreter, whose lock threads would wait for each time. What
is not as usual is left to `cubestore.shards`, which does the same step by step and says what is
wrong.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore.bitplanes import (
    HEADER_BYTES,
    STORED,
    Window,
    block_of,
    leave_shuffled,
    number_at,
    place,
)
from cubestore.compiled import compiled
from cubestore.encoding import CRC_BYTES
from cubestore.foreign import ADDRESSES, crc32c, decompress, pread

Array = NDArray[Any]

IN_ONE_GO = all(ADDRESSES)
"""Whether the libraries here export what `decoded` calls."""


@compiled
def decoded(
    addresses: tuple[int, int, int],
    origin: tuple[int, int],
    room: tuple[Array, Array],
    verify: bool,  # noqa: FBT001 - a keyword would cost numba more
    shape: Array,
    bands: Array,
    window: Window,
    out: Array,
) -> bool:
    """Fill a window of ``out`` from a chunk; False: something is unusual, or wrong.

    Args:
        addresses: of the functions called, see `foreign`.
        origin: the shard's file, open, and where the chunk begins in it.
        room: for the chunk's bytes, with its checksum behind them, and for its planes.
        verify: whether the bytes are compared with it.
        shape: planes, rows and columns of the chunk.
        bands: see `place`.
        window: see `place`.
        out: see `place`.
    """
    (read, unpack, checksum), (data, planes), (file, offset) = addresses, room, origin
    size, stored = len(data), len(data) - CRC_BYTES
    if stored < HEADER_BYTES:
        return False
    if pread(read, (file, data.ctypes.data, size, offset)) != size:
        return False
    if verify and not _matches(checksum, data, stored):
        return False
    block = block_of(data[:stored], shape)
    if block == 0 or number_at(data, STORED) != stored:
        return False
    leave_shuffled(data)
    into, most = planes.ctypes.data, len(planes)
    if decompress(unpack, (data.ctypes.data, into, most, 1)) != most:
        return False
    place(planes, block, shape, bands, window, out)
    return True


@compiled
def _matches(address: int, data: Array, count: int) -> bool:
    """Whether the first bytes have the checksum that is behind them."""
    found = crc32c(address, (0, data.ctypes.data, count))
    return bool(np.uint32(found) == np.uint32(number_at(data, count)))
