"""The loops of counting, compiled: how many pixels of each chip hold data, or some code.

Each takes a chunk that begins ``y`` rows and ``x`` columns behind the first corner of the first
chip of ``out``, and adds to ``out``. Only the first ``height`` rows and ``width`` columns count.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore.compiled import compiled

Array = NDArray[Any]


@compiled
def data(
    pixels: Array,
    nodata: np.generic,
    height: int,
    width: int,
    size: int,
    y: int,
    x: int,
    out: Array,
) -> None:
    """Count pixels that hold data in any band; ``pixels`` are (band, y, x)."""
    for row in range(height):
        line, column = (y + row) // size, 0
        while column < width:
            chip = (x + column) // size
            end = min(width, (chip + 1) * size - x)
            count = 0
            for place in range(column, end):
                for band in range(len(pixels)):
                    value = pixels[band, row, place]
                    if value == value and value != nodata:  # noqa: PLR0124 - NaN is no data
                        count += 1
                        break
            out[line, chip] += count
            column = end


@compiled
def bands(
    pixels: Array,
    nodata: np.generic,
    height: int,
    width: int,
    size: int,
    y: int,
    x: int,
    out: Array,
) -> None:
    """Count the data of each band; ``out`` is (band, row, column)."""
    for band in range(len(pixels)):
        data(pixels[band : band + 1], nodata, height, width, size, y, x, out[band])


@compiled
def codes(
    mask: Array, table: Array, height: int, width: int, size: int, y: int, x: int, out: Array
) -> None:
    """Count pixels whose code the table has; of a code as many low bits count as it is long."""
    low = len(table) - 1
    for row in range(height):
        line, column = (y + row) // size, 0
        while column < width:
            chip = (x + column) // size
            end = min(width, (chip + 1) * size - x)
            count = 0
            for place in range(column, end):
                count += table[mask[row, place] & low]
            out[line, chip] += count
            column = end


@compiled
def areas(classes: Array, table: Array, rows: Array, columns: Array, out: Array) -> None:
    """Add up the areas of classes in chips that other pixels make up than the classes'.

    Args:
        classes: codes, (y, x).
        table: of each code the place in ``out``; those that have none lie behind its end.
        rows: (n, 3): a row of ``classes``, a row of chips, the part of the first in the second.
        columns: the same.
        out: (row, column, class), in pixels of ``classes``.
    """
    for i in range(len(rows)):
        row, line, height = int(rows[i, 0]), int(rows[i, 1]), rows[i, 2]
        for j in range(len(columns)):
            place = table[classes[row, int(columns[j, 0])]]
            if place < out.shape[2]:
                out[line, int(columns[j, 1]), place] += height * columns[j, 2]
