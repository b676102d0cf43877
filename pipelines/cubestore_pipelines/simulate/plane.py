"""The common plane: the simulated world is a function of it, so every tile shows the same ground.

It is the sinusoidal plane of the MODIS grid. Fields are computed at nodes, every 240 m of the
pixels' own CRS, and interpolated between them. Nodes and weights are short binary fractions:
sums of their products are exact, so a pixel's value depends on no window, order or library.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyproj
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

STEP = 240
"""Metres between nodes; a multiple of every pixel size of Sentinel-2."""

RADIUS = 6_371_007.181
"""Of the sphere of the MODIS sinusoidal grid, metres."""

PLANE = f"+proj=sinu +lon_0=0 +R={RADIUS} +units=m"

_QUANTUM = 2.0**-12
"""Of values at nodes; with 8 in front of the point, 15 bits …"""

_WEIGHT = 2.0**-8
"""… and 8 of a weight: no more than float32's 24."""

_WAVES = 7

Field = NDArray[np.float32]
Places = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Nodes:
    """Places on the common plane, metres east and north."""

    east: Places
    north: Places

    def moved(self, east: Places | float, north: Places | float) -> "Nodes":
        """Return these places, each so many metres further."""
        return Nodes(self.east + east, self.north + north)

    @property
    def latitude(self) -> Places:
        """Degrees."""
        return np.degrees(self.north / RADIUS)

    @property
    def longitude(self) -> Places:
        """Degrees."""
        return np.degrees(self.east / RADIUS / np.cos(self.north / RADIUS))


@dataclass(frozen=True, slots=True)
class Lattice:
    """The nodes about a grid of pixels, and the way from their values to the pixels'."""

    nodes: Nodes
    _rows: Places
    _columns: Places

    def pixels(self, values: Places) -> Field:
        """Return a field on the pixels, from its values at the nodes (less than 8)."""
        down = _rounded(self._rows.astype("float32") @ _rounded(values).astype("float32"))
        field: Field = down @ self._columns.astype("float32")
        return field

    def cells(self, values: Places) -> NDArray[np.int32]:
        """Return the whole numbers below a field on the pixels, from its values at the nodes."""
        base = np.floor(values.min())
        down = _rounded(self._rows @ _rounded(values - base))
        return (down @ self._columns).astype("int32") + np.int32(base)


def lattice(grid: GeoBox) -> Lattice:
    """Return the lattice of some pixels.

    Args:
        grid: north up; pixels of 10, 20 or 60 m on multiples of their size.

    Raises:
        ValueError: other pixels.
    """
    pixel, left, top = grid.affine.a, grid.affine.c, grid.affine.f
    if STEP % pixel or left % pixel or top % pixel or grid.affine.e != -pixel:
        raise ValueError(
            f"Pixels of {pixel} m from ({left}, {top}), not multiples of a divisor"
            f" of {STEP} m, north up"
        )
    height, width = grid.shape
    x, columns = _axis(left, pixel, width)
    y, rows = _axis(-top, pixel, height)
    east, north = _to_plane(str(grid.crs)).transform(*np.meshgrid(x, -y))
    return Lattice(Nodes(east, north), rows, columns.T)


def waves(at: Nodes, seed: int, period: float) -> Places:
    """Return a smooth random field of mean 0 and variance 1.

    Args:
        at: where.
        seed: which of many.
        period: metres from crest to crest, on average.
    """
    random = np.random.default_rng(seed)
    field = np.zeros_like(at.east)
    for _ in range(_WAVES):
        angle, phase = random.uniform(0, 2 * math.pi, 2)
        length = 2 * math.pi / (period * random.uniform(0.4, 1.6))
        along = at.east * math.cos(angle) + at.north * math.sin(angle)
        field += np.sin(length * along + phase)
    return field * math.sqrt(2 / _WAVES)


def slope(height: Callable[[Nodes], Places], at: Nodes) -> tuple[Places, Places]:
    """Return by how much a field rises per metre east, and per metre north."""
    half = STEP / 2
    east = height(at.moved(half, 0)) - height(at.moved(-half, 0))
    north = height(at.moved(0, half)) - height(at.moved(0, -half))
    return east / STEP, north / STEP


def _axis(start: float, pixel: float, count: int) -> tuple[Places, Places]:
    """Return the nodes along an axis that grows, and the weights (pixel, node) of each."""
    first = start // STEP
    place = (start + pixel * (np.arange(count) + 0.5)) / STEP - first
    nodes = np.arange(int(place[-1]) + 2)
    share = _to(_WEIGHT, place % 1)
    before = place.astype(int)
    weights = np.zeros((count, len(nodes)))
    weights[np.arange(count), before] = 1 - share
    weights[np.arange(count), before + 1] = share
    return np.asarray((first + nodes) * STEP, "float64"), weights


def _rounded(values: Places) -> Places:
    return _to(_QUANTUM, values)


def _to(step: float, values: Places) -> Places:
    """Round to multiples of a step."""
    rounded: Places = np.rint(values / step) * step
    return rounded


@cache
def _to_plane(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(crs, PLANE, always_xy=True)
