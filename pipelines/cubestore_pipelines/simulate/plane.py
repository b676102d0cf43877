"""The common plane: the simulated world is a function of it, so every tile shows the same ground.

It is the sinusoidal plane of the MODIS grid. Fields are computed at nodes, about every 240 m of
the pixels' own CRS, and interpolated between them. Nodes and weights are short binary fractions:
sums of their products are exact, so a pixel's value depends on no window, order or library.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

STEP = 240
"""Metres between nodes; a multiple of most pixel sizes. Of others it is the nearest one."""

DEGREE = 111_320.0
"""Metres, on the equator."""

_ALIGNED = 1e-3
"""Of half a pixel: what edges may be off, since they are published with rounding."""

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


def part(grid: GeoBox, window: tuple[slice, slice]) -> GeoBox:
    """Return some pixels ``(y, x)`` of a grid that is north up."""
    rows, columns = window
    a, b, c, d, e, f = tuple(grid.affine)[:6]
    corner = Affine(a, b, c + a * columns.start, d, e, f + e * rows.start)
    return GeoBox((rows.stop - rows.start, columns.stop - columns.start), corner, grid.crs)


def at(longitude: float, latitude: float) -> Nodes:
    """Return one place."""
    north = RADIUS * math.radians(latitude)
    east = RADIUS * math.radians(longitude) * math.cos(math.radians(latitude))
    return Nodes(np.array([east]), np.array([north]))


def crs_of(grid: GeoBox) -> CRS:
    """Return the CRS of some pixels, of which all here have one."""
    if grid.crs is None:
        raise ValueError("Pixels without a CRS")
    return grid.crs


def lattice(grid: GeoBox) -> Lattice:
    """Return the lattice of some pixels.

    Args:
        grid: north up; edges on multiples of half a pixel.

    Raises:
        ValueError: other pixels.
    """
    width, depth, left, top = grid.affine.a, -grid.affine.e, grid.affine.c, grid.affine.f
    halves = np.array([2 * left / width, 2 * top / depth]) if depth > 0 else np.array([math.nan])
    if not (np.abs(halves - np.rint(halves)) < _ALIGNED).all():
        raise ValueError(
            f"Pixels of {width:.9g} x {depth:.9g} from ({left:.9g}, {top:.9g}), not north up on"
            " multiples of half a pixel"
        )
    unit = DEGREE if crs_of(grid).geographic else 1.0
    x, columns = _axis(left, width, grid.shape[1], _step(width, unit))
    y, rows = _axis(-top, depth, grid.shape[0], _step(depth, unit))
    east, north = _to_plane(str(grid.crs)).transform(*np.meshgrid(x, -y))
    return Lattice(Nodes(east, north), rows, columns.T)


def bits(grid: GeoBox, seed: int) -> NDArray[np.uint32]:
    """Return 32 random bits for each pixel, whatever the window that it is seen in.

    Args:
        grid: north up; its pixels are counted from the origin of its CRS.
        seed: which of many.
    """
    first = (grid.affine.c / grid.affine.a, grid.affine.f / grid.affine.e)
    columns, rows = (
        np.arange(count) + math.floor(start + 0.25)  # half a pixel off, or not: rounding is none
        for start, count in zip(first, (grid.shape[1], grid.shape[0]), strict=True)
    )
    across = columns.astype("uint32") * np.array(0x9E3779B1, "uint32")
    down = (rows * 0x85EBCA77 + seed * 0xC2B2AE3D).astype("uint32")
    mixed: NDArray[np.uint32] = across[None, :] ^ down[:, None]
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        mixed ^= mixed >> shift
        mixed *= np.uint32(factor)
    mixed ^= mixed >> 16
    return mixed


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


def _step(pixel: float, unit: float) -> float:
    """Return how far apart nodes are: a whole number of pixels."""
    return pixel * max(1, round(STEP / (pixel * unit)))


def _axis(start: float, pixel: float, count: int, step: float) -> tuple[Places, Places]:
    """Return the nodes along an axis that grows, and the weights (pixel, node) of each."""
    first = start // step
    place = (start + pixel * (np.arange(count) + 0.5)) / step - first
    nodes = np.arange(int(place[-1]) + 2)
    share = _to(_WEIGHT, np.asarray(place % 1, "float64"))
    before = place.astype(int)
    weights = np.zeros((count, len(nodes)))
    weights[np.arange(count), before] = 1 - share
    weights[np.arange(count), before + 1] = share
    return np.asarray((first + nodes) * step, "float64"), weights


def _rounded(values: Places) -> Places:
    return _to(_QUANTUM, values)


def _to(step: float, values: Places) -> Places:
    """Round to multiples of a step."""
    rounded: Places = np.rint(values / step) * step
    return rounded


@cache
def _to_plane(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(crs, PLANE, always_xy=True)
