"""The loops of a warp, compiled: row by row, cell by cell, each pixel of a source touched once.

A row's coordinates come from its cell's polynomial, eight at a time; then each pixel is taken from
around them. Nothing here knows a CRS, and nothing holds the interpreter's lock.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cubestore.compiled import compiled

CELL = 256
"""Most pixels along the side of a cell: its part of a source stays in the processor's cache."""

GRAIN = 2.0**20
"""Parts of a pixel that are told apart: what meets an edge or a centre but for rounding meets it.
"""

BEYOND = 4.0
"""Pixels outside a source at which coordinates are held, so that they fit into integers."""

HALF = 0.5

Array = NDArray[Any]


class Lattice(NamedTuple):
    """Where the pixels of a target lie, cell by cell, as ``(x, y)`` from a source's first corner.

    The first cells have polynomials; those that follow have coordinates for every pixel.
    """

    spans: NDArray[np.int64]
    """``(cell, 4)``: first row and the one after the last, and so for the columns."""

    patches: NDArray[np.float64]
    """``(cell, 2, 3, 3)``: factors of x and y by powers of the place down and along the cell, each
    from 0 at the centre of its first pixel to 1 at that of its last."""

    exact: NDArray[np.float64]
    """``(cell, 2, row, column)``; NaN where a pixel has no place."""

    steps: NDArray[np.float64]
    """``(2, 2)``: by how much x and y grow from column to column and from row to row."""


class Rule(NamedTuple):
    """What is data, and how a value becomes a pixel."""

    masked: bool
    nodata: Any
    instead: Any
    """What is stored for an interpolated value that would be nodata."""

    whole: bool
    """Whether values are rounded, and held between the next two."""

    low: float
    high: float


# Coordinates.


@compiled
def _held(value: float, size: int) -> float:
    """Round a coordinate to the grain and hold it near the source; NaN lies outside."""
    value = np.floor(value * GRAIN + HALF) / GRAIN
    value = value if value > -BEYOND else -BEYOND  # noqa: FURB136 - NaN is not less
    return min(value, size + BEYOND)


@compiled
def _curve(patch: Array, down: float, size: int, shift: float, first: Array, part: Array) -> None:
    """Split a row's coordinates, on one axis, into pixels and parts of them."""
    start = patch[0, 0] + down * (patch[1, 0] + down * patch[2, 0])
    slope = patch[0, 1] + down * (patch[1, 1] + down * patch[2, 1])
    bend = patch[0, 2] + down * (patch[1, 2] + down * patch[2, 2])
    step = 1.0 / max(1, len(first) - 1)
    for column in range(len(first)):
        along = column * step
        value = _held(start + along * (slope + along * bend), size) - shift
        pixel = np.floor(value)
        first[column] = np.int32(pixel)
        part[column] = value - pixel


@compiled
def _points(values: Array, size: int, shift: float, first: Array, part: Array) -> None:
    """Do as `_curve` does with coordinates that are known one by one."""
    for column in range(len(first)):
        value = _held(values[column], size) - shift
        pixel = np.floor(value)
        first[column] = np.int32(pixel)
        part[column] = value - pixel


@compiled
def _axis(
    lattice: Lattice,
    cell: int,
    axis: int,
    row: int,
    size: int,
    shift: float,
    first: Array,
    part: Array,
) -> None:
    """Fill ``first`` and ``part`` with a row's coordinates, less ``shift``, on an axis."""
    top, bottom, _, _ = lattice.spans[cell]
    rough = len(lattice.patches)
    if cell < rough:
        down = (row - top) / max(1, bottom - top - 1)
        _curve(lattice.patches[cell, axis], down, size, shift, first, part)
    else:
        _points(lattice.exact[cell - rough, axis, row - top], size, shift, first, part)


# Pixels. What is called for each of them takes numbers: to hand over an array costs more than that.


@compiled
def _data(value: float, rule: Rule) -> bool:
    """Tell data; of what is masked neither NaN nor an infinity is."""
    return not rule.masked or (value != rule.nodata and value - value == 0)


@compiled
def _within(value: float, rule: Rule) -> float:
    """Return a value as a pixel takes it: for integers the nearest, half away from zero."""
    if rule.whole:
        value = min(max(value, rule.low), rule.high)
        value += np.copysign(HALF, value)
    return value


@compiled
def _keys(part: float) -> tuple[float, float, float, float]:
    """Return the weights of four pixels: Keys' cubic with a = -1/2, that of Catmull and Rom."""
    square = part * part
    cube = square * part
    return (
        HALF * (2.0 * square - part - cube),
        HALF * (3.0 * cube - 5.0 * square + 2.0),
        HALF * (4.0 * square - 3.0 * cube + part),
        HALF * (cube - square),
    )


@compiled
def _weighted(
    pixels: Array, row: int, column: int, down: float, along: float, rule: Rule
) -> tuple[bool, float]:
    """Interpolate between those of four pixels that are there and have data.

    None of it where the pixel that contains the place has not.
    """
    height, width = pixels.shape
    value = total = 0.0
    for y in range(2):
        for x in range(2):
            i, j = row + y, column + x
            there = 0 <= i < height and 0 <= j < width and _data(pixels[i, j], rule)
            if there:
                weight = (down if y else 1.0 - down) * (along if x else 1.0 - along)
                value += weight * pixels[i, j] if weight > 0.0 else 0.0
                total += weight
            elif y == (down >= HALF) and x == (along >= HALF):
                return False, 0.0
    return True, value / total


# Rows.


@compiled
def _nearest_row(pixels: Array, rows: Array, columns: Array, rule: Rule, out: Array) -> None:
    height, width = pixels.shape
    for place in range(len(out)):
        row, column = int(rows[place]), int(columns[place])
        if 0 <= row < height and 0 <= column < width:
            pixel = pixels[row, column]
            if _data(pixel, rule):
                out[place] = pixel


@compiled
def _bilinear_row(
    pixels: Array, rows: Array, columns: Array, down: Array, along: Array, rule: Rule, out: Array
) -> None:
    height, width = pixels.shape
    for place in range(len(out)):
        row, column = int(rows[place]), int(columns[place])
        y, x = down[place], along[place]
        there, value = False, 0.0
        if 0 <= row < height - 1 and 0 <= column < width - 1:
            a, b = pixels[row, column], pixels[row, column + 1]
            c, d = pixels[row + 1, column], pixels[row + 1, column + 1]
            if _data(a, rule) and _data(b, rule) and _data(c, rule) and _data(d, rule):
                above = float(a) + x * (float(b) - float(a))
                below = float(c) + x * (float(d) - float(c))
                there, value = True, above + y * (below - above)
        if not there:
            there, value = _weighted(pixels, row, column, y, x, rule)
        if there:
            out[place] = _within(value, rule)
            if rule.masked and out[place] == rule.nodata:
                out[place] = rule.instead


@compiled
def _cubic_row(
    pixels: Array, rows: Array, columns: Array, down: Array, along: Array, rule: Rule, out: Array
) -> None:
    """Interpolate between 16 pixels; bilinear where one of them has no data or is not there."""
    height, width = pixels.shape
    for place in range(len(out)):
        row, column = int(rows[place]), int(columns[place])
        y, x = down[place], along[place]
        there, value = False, 0.0
        if 1 <= row < height - 2 and 1 <= column < width - 2:
            across, downward = _keys(x), _keys(y)
            there = True
            for k in range(4):
                a, b = pixels[row - 1 + k, column - 1], pixels[row - 1 + k, column]
                c, d = pixels[row - 1 + k, column + 1], pixels[row - 1 + k, column + 2]
                there &= _data(a, rule) & _data(b, rule) & _data(c, rule) & _data(d, rule)
                line = across[0] * a + across[1] * b + across[2] * c + across[3] * d
                value += downward[k] * line
        if not there:
            there, value = _weighted(pixels, row, column, y, x, rule)
        if there:
            out[place] = _within(value, rule)
            if rule.masked and out[place] == rule.nodata:
                out[place] = rule.instead


# Rasters. All are of (band, y, x); `out` is full of nodata.


@compiled
def nearest(pixels: Array, lattice: Lattice, rule: Rule, out: Array) -> None:
    """Take the pixel that contains the centre of each of the target's."""
    rows, columns = np.empty(CELL, np.int32), np.empty(CELL, np.int32)
    part = np.empty(CELL)
    for cell in range(len(lattice.spans)):
        top, bottom, left, right = lattice.spans[cell]
        y, x = rows[: right - left], columns[: right - left]
        for row in range(top, bottom):
            _axis(lattice, cell, 0, row, pixels.shape[2], 0.0, x, part)
            _axis(lattice, cell, 1, row, pixels.shape[1], 0.0, y, part)
            for band in range(len(pixels)):
                _nearest_row(pixels[band], y, x, rule, out[band, row, left:right])


@compiled
def interpolate(pixels: Array, lattice: Lattice, rule: Rule, out: Array, cubic: bool) -> None:  # noqa: FBT001
    """Interpolate between the pixels around the centre of each of the target's."""
    rows, columns = np.empty(CELL, np.int32), np.empty(CELL, np.int32)
    downs, alongs = np.empty(CELL), np.empty(CELL)
    for cell in range(len(lattice.spans)):
        top, bottom, left, right = lattice.spans[cell]
        y, x = rows[: right - left], columns[: right - left]
        down, along = downs[: right - left], alongs[: right - left]
        for row in range(top, bottom):
            _axis(lattice, cell, 0, row, pixels.shape[2], HALF, x, along)
            _axis(lattice, cell, 1, row, pixels.shape[1], HALF, y, down)
            for band in range(len(pixels)):
                line = out[band, row, left:right]
                if cubic:
                    _cubic_row(pixels[band], y, x, down, along, rule, line)
                else:
                    _bilinear_row(pixels[band], y, x, down, along, rule, line)


@compiled
def average(
    pixels: Array, data: Array, block: tuple[int, int], phase: tuple[int, int], out: Array
) -> None:
    """Average those pixels of each block that are data; NaN where none is.

    Args:
        pixels: ``(band, y, x)``.
        data: the same, which of them are data.
        block: rows and columns of a block.
        phase: row and column, in its block, of the first pixel.
        out: ``(band, block, block)``, float64.
    """
    bands, height, width = pixels.shape
    for band in range(bands):
        for row in range(out.shape[1]):
            top = row * block[0] - phase[0]
            for column in range(out.shape[2]):
                left = column * block[1] - phase[1]
                total, count = 0.0, 0
                for y in range(max(0, top), min(height, top + block[0])):
                    for x in range(max(0, left), min(width, left + block[1])):
                        if data[band, y, x]:
                            total += float(pixels[band, y, x])
                            count += 1
                out[band, row, column] = total / count if count else np.nan


@compiled
def store(values: Array, data: Array, rule: Rule, out: Array) -> None:
    """Store values, flat arrays all, where there is data."""
    for place in range(len(out)):
        if data[place]:
            out[place] = _within(values[place], rule)
            if rule.masked and out[place] == rule.nodata:
                out[place] = rule.instead
