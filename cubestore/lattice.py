"""Where the pixels of a target lie in a source: exact coordinates, and few of them.

PROJ is asked for 25 places of a cell of the target. A polynomial of second degree on either axis,
through nine of them, stands for the cell where it meets the others to a hundred-thousandth of a
pixel; else the cell is quartered, and what cannot be quartered any more is asked for pixel by
pixel. So the antimeridian and the outline of a sinusoidal world cost time, and never a pixel.
A place exists only where the way back leads to the pixel that it came from.
"""

import contextlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from pyproj.enums import TransformDirection
from pyproj.network import (  # type: ignore[attr-defined]
    is_network_enabled,
    set_network_enabled,
)

from cubestore.kernels import CELL, Lattice

TOLERANCE = 1e-5
"""Pixels of the source by which a cell's polynomial may be off; in a scene's zone it is off by a
thousandth of it."""

SMALLEST = 16
"""Pixels along the side of a cell that is computed exactly where it cannot be approximated."""

DESERT = 32
"""Pixels along the side of a cell that is given up where none of its 25 places exists."""

FAR = 0.5
"""Pixels of the target by which the way back may miss."""

EDGE = 1e-3
"""Pixels beyond a source's edges that count as in it: coordinates are rounded later."""

KEPT = 64
"""Lattices that a process keeps."""

TURN, HALF_TURN = 360.0, 180.0
"""Degrees."""

NODES = np.linspace(0, 1, 5)
FIT = np.array([[1.0, 0.0, 0.0], [-3.0, 4.0, -1.0], [2.0, -4.0, 2.0]])
"""From values at 0, 1/2 and 1 to the factors of 1, t and t^2."""

POWERS = NODES[:, None] ** np.arange(3)
HULL = np.array([[1.0, 0.0, 0.0], [1.0, 0.5, 0.0], [1.0, 1.0, 1.0]])
"""From those factors to Bernstein's, which a polynomial does not leave."""

Numbers = NDArray[Any]


def lattice(source: GeoBox, target: GeoBox) -> Lattice:
    """Return where the pixels of ``target`` lie in ``source``, in pixels of it.

    What takes time depends on the CRS and the pixel size of the source alone, and is kept: all
    bands of a scene, and all windows of it, share it.
    """
    inverse = ~source.affine
    linear = inverse.a, inverse.b, inverse.d, inverse.e
    return through(_in_crs(source.crs, linear, _middle(source), target), inverse)


def through(places: Lattice, affine: Affine) -> Lattice:
    """Return the same places in other coordinates of the plane."""
    a, b, c, d, e, f, *_ = affine
    turn, shift = np.array([[a, b], [d, e]]), np.array([c, f])
    patches = np.einsum("ij,njkl->nikl", turn, places.patches)
    patches[:, :, 0, 0] += shift
    exact = np.einsum("ij,njkl->nikl", turn, places.exact) + shift[:, None, None]
    return Lattice(places.spans, patches, exact, turn @ places.steps)


def bounds(places: Lattice, shape: tuple[int, int]) -> Numbers | None:
    """Return what is used of a source, ``[[left, top], [right, bottom]]``, never too little.

    Args:
        places: in pixels of the source.
        shape: rows and columns of the source.
    """
    hull = (HULL @ places.patches @ HULL.T).reshape(-1, 2, HULL.size)
    spots = places.exact.swapaxes(0, 1).reshape(2, -1).T
    low, high = np.concatenate([hull.min(2), spots]), np.concatenate([hull.max(2), spots])
    size = np.array(shape[::-1], float)
    used = ((high >= -EDGE) & (low <= size + EDGE)).all(axis=1)
    if not used.any():
        return None
    low, high = low[used].min(axis=0), high[used].max(axis=0)
    return np.array([low.clip(0, size), high.clip(0, size)])


def coordinates(source: GeoBox, target: GeoBox) -> Numbers:
    """Return ``(2, y, x)``: x and y in ``source`` of each pixel's centre of ``target``, by PROJ.

    They count pixels from the outer corner of the first; NaN where there is no such place. It
    asks for every pixel: half a second for a million.
    """
    rows, columns = (np.arange(size) + 0.5 for size in target.shape)
    places = _places(source.crs, _middle(source), target, rows[:, None], columns[None, :])
    a, b, c, d, e, f, *_ = ~source.affine
    return np.stack([a * places[0] + b * places[1] + c, d * places[0] + e * places[1] + f])


@lru_cache(KEPT)
def transformer(source: CRS, target: CRS) -> Transformer:
    """Return PROJ's way from ``target`` to ``source``, x or longitude first."""
    return Transformer.from_crs(target.proj, source.proj, always_xy=True)


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Keep PROJ from fetching grids: the same input has the same place everywhere."""
    online = is_network_enabled()
    set_network_enabled(active=False)
    try:
        yield
    finally:
        set_network_enabled(active=online)


@lru_cache(KEPT)
def _in_crs(
    crs: CRS | None,
    linear: tuple[float, float, float, float],
    middle: float | None,
    target: GeoBox,
) -> Lattice:
    """Return where a target's pixels lie in a CRS; ``linear`` turns its units into pixels."""
    to_pixels = np.array(linear).reshape(2, 2)
    todo = _tiled(target.shape.yx)
    spans, patches, rest = [todo[:0]], [np.empty((0, 2, 3, 3))], [todo[:0]]
    while len(todo):
        rows, columns = _between(todo[:, :2]), _between(todo[:, 2:])
        places = _places(crs, middle, target, rows[:, :, None], columns[:, None, :]).swapaxes(0, 1)
        fitted = FIT @ places[:, :, ::2, ::2] @ FIT.T
        off = np.einsum("ij,njkl->nikl", to_pixels, POWERS @ fitted @ POWERS.T - places)
        good = (np.abs(off) <= TOLERANCE).all(axis=(1, 2, 3))
        side = np.maximum(todo[:, 1] - todo[:, 0], todo[:, 3] - todo[:, 2])
        nowhere = np.isnan(places).all(axis=(1, 2, 3)) & (side <= DESERT)
        small = side <= SMALLEST
        spans.append(todo[good])
        patches.append(fitted[good])
        rest.append(todo[~good & ~nowhere & small])
        todo = _quartered(todo[~good & ~nowhere & ~small])
    small = np.concatenate(rest)
    exact = _each(crs, middle, target, small)
    steps = _steps(crs, middle, target)
    return Lattice(np.concatenate([*spans, small]), np.concatenate(patches), exact, steps)


def _each(crs: CRS | None, middle: float | None, target: GeoBox, spans: NDArray[Any]) -> Numbers:
    """Return the place of every pixel of some cells; what lies beyond a cell is NaN."""
    along = np.arange(SMALLEST)
    rows, columns = spans[:, :1] + along, spans[:, 2:3] + along
    inside = (rows < spans[:, 1:2])[:, :, None] & (columns < spans[:, 3:])[:, None, :]
    places = _places(crs, middle, target, rows[:, :, None] + 0.5, columns[:, None, :] + 0.5)
    return np.where(inside, places, np.nan).swapaxes(0, 1)


def _steps(crs: CRS | None, middle: float | None, target: GeoBox) -> Numbers:
    """Return how far apart pixels lie: the median of nine of them, nothing where none exists."""
    thirds = np.array([1, 3, 5]) / 6
    rows, columns = (size * thirds for size in target.shape)
    rows, columns = (x.ravel() for x in np.meshgrid(rows, columns, indexing="ij"))
    half = np.array([[-0.5], [0.5]])
    right = np.diff(_places(crs, middle, target, rows + 0 * half, columns + half), axis=1)
    down = np.diff(_places(crs, middle, target, rows + half, columns + 0 * half), axis=1)
    found = np.stack([right[:, 0], down[:, 0]], axis=1)
    known = found[..., ~np.isnan(found).any(axis=(0, 1))]
    return np.median(known, axis=2) if known.size else np.zeros((2, 2))


def _tiled(shape: tuple[int, int]) -> NDArray[np.int64]:
    """Return the cells of a target: first row and the one after the last, and so for columns."""
    starts = [np.arange(0, size, CELL) for size in shape]
    top, left = (x.ravel() for x in np.meshgrid(*starts, indexing="ij"))
    ends = np.minimum(top + CELL, shape[0]), np.minimum(left + CELL, shape[1])
    return np.stack([top, ends[0], left, ends[1]], axis=1).astype(np.int64)


def _quartered(spans: NDArray[np.int64]) -> NDArray[np.int64]:
    top, bottom, left, right = spans.T
    middle, centre = (top + bottom + 1) // 2, (left + right + 1) // 2
    halves = ((top, middle), (middle, bottom)), ((left, centre), (centre, right))
    parts = np.concatenate([np.stack([*y, *x], axis=1) for y in halves[0] for x in halves[1]])
    return parts[(parts[:, 0] < parts[:, 1]) & (parts[:, 2] < parts[:, 3])]


def _between(span: NDArray[np.int64]) -> Numbers:
    """Return five places from the centre of a span's first pixel to that of its last."""
    return span[:, :1] + 0.5 + NODES * (span[:, 1:] - 1 - span[:, :1])


def _places(
    crs: CRS | None, middle: float | None, target: GeoBox, rows: Numbers, columns: Numbers
) -> Numbers:
    """Return x and y in ``crs`` of places in a target's pixels; NaN where there are none."""
    a, b, c, d, e, f, *_ = target.affine
    x, y = a * columns + b * rows + c, d * columns + e * rows + f
    if crs is None or target.crs is None or crs == target.crs:
        return np.stack([x, y])
    with offline(), np.errstate(invalid="ignore"):
        way = transformer(crs, target.crs)
        there = np.stack(way.transform(x, y))
        back = way.transform(there[0], there[1], direction=TransformDirection.INVERSE)
        missed = np.stack([back[0] - x, back[1] - y])
        if _in_degrees(target.crs):
            missed[0] = _wrapped(missed[0], 0.0)
        a, b, _, d, e, _, *_ = ~target.affine
        off = np.stack([a * missed[0] + b * missed[1], d * missed[0] + e * missed[1]])
        there[:, ~(np.abs(off) <= FAR).all(axis=0)] = np.nan
    if middle is not None:
        there[0] = _wrapped(there[0], middle)
    return there


def _middle(source: GeoBox) -> float | None:
    """Return the longitude around which a source lies that reaches beyond 180 degrees."""
    if source.crs is None or not _in_degrees(source.crs):
        return None
    a, b, c, *_ = source.affine
    rows, columns = source.shape
    corners = [a * x + b * y + c for x in (0, columns) for y in (0, rows)]
    west, east = min(corners), max(corners)
    return (west + east) / 2 if west < -HALF_TURN or east > HALF_TURN else None


def _in_degrees(crs: CRS) -> bool:
    return bool(crs.geographic) and crs.units[0].startswith("degree")


def _wrapped(longitude: Numbers, middle: float) -> Numbers:
    return (longitude - middle + HALF_TURN) % TURN - HALF_TURN + middle
