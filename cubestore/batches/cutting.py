"""Crops out of a chip and into their places in the batch, and which of their pixels hold data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore.compiled import compiled
from cubestore.foreign import copy

Array = NDArray[Any]

NOT_ASKED = np.empty((0, 0), bool)
"""Instead of a place for the validity of pixels."""


@compiled
def cut(
    memcpy: int, chip: Array, corner: tuple[int, int], fill: float, out: Array, valid: Array
) -> None:
    """Copy a crop, and mark the pixels that hold data in any band; NaN is none where fill is.

    Both in one call, and in the order in which memory is written.

    Args:
        memcpy: its address, see `foreign`; loops would take three times as long.
        chip: ``(band, y, x)``, contiguous.
        corner: first row and column of the crop in it.
        fill: what says that there are no data.
        out: ``(band, y, x)``, of the crop, contiguous.
        valid: ``(y, x)``; `NOT_ASKED`: it is not wanted.
    """
    top, left = corner
    height, width = out.shape[1:]
    whole = width == chip.shape[2]
    rows, count = (1, height * width) if whole else (height, width)
    for band in range(len(out)):
        for y in range(rows):
            source, into = chip[band, top + y, left:], out[band, y]
            size = count * out.itemsize
            copy(memcpy, (into.ctypes.data, source.ctypes.data, size))
    for y in range(len(valid)):
        first = chip[0, top + y, left : left + width]
        if _mark(first, fill, valid[y]):
            for band in range(1, len(chip)):
                _mark_too(chip[band, top + y, left : left + width], fill, valid[y])


@compiled
def _mark(line: Array, fill: float, valid: Array) -> int:
    """Mark the pixels of a line that hold data; return how many do not."""
    rest = 0
    for x in range(len(line)):
        there = (line[x] != fill) & (line[x] == line[x])
        valid[x] = there
        rest += not there
    return rest


@compiled
def _mark_too(line: Array, fill: float, valid: Array) -> None:
    for x in range(len(line)):
        valid[x] |= (line[x] != fill) & (line[x] == line[x])
