"""What every tile can do, whatever its grid: pixels of a GSD, and its place on the Earth.

A tile is a square in a projected CRS and nothing else. Its pixels are a `GeoBox` that is asked
for, because one tile carries cubes of many pixel sizes.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pyproj
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from odc.geo.geom import BoundingBox
from shapely.affinity import translate
from shapely.geometry.polygon import orient

from cubestore.errors import GridMismatchError

ANTIMERIDIAN = 180
"""Degrees."""

MILLIMETRE = 1e-3
"""Parts that meet to within it are joined."""

EXACT = 1e-9
"""Relative difference of two floats that mean the same number."""

EDGE_TOLERANCE = 1e-3
"""How far from a pixel's edge, in pixels, bounds may lie: metres are written with rounding."""


@dataclass(frozen=True, slots=True)
class Tile(ABC):
    """One square of a grid. Made by `tile`, `tiles_at` …; equal to another of the same id."""

    grid: ClassVar[str]
    """The grid's name, which is the store's folder: ``mgrs`` or ``sin``."""

    gsd: ClassVar[float]
    """Pixel size where none is asked for, metres."""

    gsd_tolerance: ClassVar[float]
    """How far a rounded pixel size may be off, as a fraction of itself."""

    id: str
    """The canonical id: ``31UDQ``, ``h18v04``."""

    @property
    @abstractmethod
    def crs(self) -> CRS:
        """The CRS of `bounds`, in metres."""

    @property
    @abstractmethod
    def bounds(self) -> BoundingBox:
        """The square: left, bottom, right, top in `crs`, metres."""

    @property
    @abstractmethod
    def grid_code(self) -> str:
        """The id in the spelling of STAC's grid extension: ``MGRS-31UDQ``, ``MSIN-1804``."""

    @property
    @abstractmethod
    def footprint(self) -> shapely.Polygon | shapely.MultiPolygon:
        """The tile in lon/lat (EPSG:4326): true edges, only Earth, cut at the antimeridian."""

    @property
    @abstractmethod
    def center(self) -> tuple[float, float]:
        """Longitude in [-180, 180) and latitude, degrees, of the middle of what is Earth in it."""

    @abstractmethod
    def neighbours(self) -> "tuple[Tile, ...]":
        """Return the tiles of this grid that touch or overlap this one, sorted by id."""

    def geobox(self, gsd: float | None = None, margin: float = 0.0) -> GeoBox:
        """Return the pixels of the tile: north-up, from the north-west corner.

        Args:
            gsd: pixel size in metres; the grid's own where None.
            margin: metres by which the square is grown on each of its sides. Landsat's edges
                lie at 15 mod 30: ``geobox(30, margin=15)`` has 3661 x 3661 of its pixels.

        Raises:
            GridMismatchError: the side is no whole number of such pixels.
        """
        box = self.bounds.buffered(margin)
        side = box.right - box.left
        wanted = self.gsd if gsd is None else gsd
        count = _whole(side, wanted, self.gsd, self.gsd_tolerance)
        pixel = side / count
        corner = Affine(pixel, 0.0, box.left, 0.0, -pixel, box.top)
        return GeoBox((count, count), corner, self.crs)

    def overlap(self, other: "Tile") -> shapely.Geometry:
        """Return what ``other`` has in common with this tile, in this tile's CRS.

        Between tiles of one UTM zone or of the sinusoidal grid it is the exact rectangle, the
        equator between them or not. Otherwise it follows the footprints, to some metres.

        Returns:
            A geometry with an area, or an empty polygon.
        """
        box = self._shared_plane(other)
        if box is None:
            return _project(shapely.intersection(self.footprint, other.footprint), self.crs)
        return _rectangle(self.bounds, box)

    def _shared_plane(self, other: "Tile") -> BoundingBox | None:
        """Return the bounds of ``other`` in this CRS where they are a rectangle in it."""
        return other.bounds if self.crs == other.crs else None


def window(
    geobox: GeoBox, bounds: BoundingBox | tuple[float, float, float, float]
) -> tuple[slice, slice]:
    """Return the pixels of a north-up GeoBox that ``bounds`` covers.

    Args:
        geobox: the pixels.
        bounds: left, bottom, right, top in the GeoBox's CRS, on pixel edges.

    Returns:
        Slices for ``(y, x)``; y counts from the north.

    Raises:
        GridMismatchError: ``bounds`` falls between pixel edges, outside, or holds no pixel.
    """
    left, bottom, right, top = bounds
    pixel, _, west, _, step, north, *_ = geobox.affine
    y0, y1, x0, x1 = edges = np.array(
        [
            (top - north) / step,
            (bottom - north) / step,
            (left - west) / pixel,
            (right - west) / pixel,
        ]
    )
    whole = np.rint(edges)
    if not (np.abs(edges - whole) <= EDGE_TOLERANCE).all():
        raise GridMismatchError(
            f"Bounds {tuple(bounds)} lie at rows {y0:.9g} to {y1:.9g}, columns {x0:.9g} to"
            f" {x1:.9g}",
            expected=f"edges of the {pixel:.9g} m pixels",
            remedy="snap the bounds to the pixels of the tile's geobox",
        )
    top_row, bottom_row, left_column, right_column = (int(edge) for edge in whole)
    height, width = geobox.shape
    if not (0 <= top_row < bottom_row <= height and 0 <= left_column < right_column <= width):
        raise GridMismatchError(
            f"Bounds {tuple(bounds)} are rows {top_row} to {bottom_row}, columns {left_column} to"
            f" {right_column}",
            expected=f"at least one pixel, and none outside {height} rows and {width} columns",
            remedy="clip the bounds to the geobox; they are left, bottom, right, top",
        )
    return slice(top_row, bottom_row), slice(left_column, right_column)


def wrap(longitude: float) -> float:
    """Return a longitude as one in [-180, 180)."""
    return (longitude + 180) % 360 - 180


def cut_at_antimeridian(rings: NDArray[np.float64]) -> NDArray[Any]:
    """Return polygons of lon/lat rings that may reach beyond 180°, cut there in two.

    Args:
        rings: (n, vertices, 2), closed and counter-clockwise; longitudes run on past 180°.

    Returns:
        n geometries, those with a part on either side as MultiPolygons.
    """
    polygons: NDArray[Any] = shapely.polygons(rings)
    for index in np.flatnonzero(np.abs(rings[..., 0]).max(axis=1) > ANTIMERIDIAN):
        polygons[index] = _cut(polygons[index])
    return polygons


def _cut(polygon: shapely.Polygon) -> shapely.Geometry:
    """Carry what lies beyond the antimeridian to the other side."""
    turns = {shift: shapely.box(shift - 180, -90, shift + 180, 90) for shift in (-360, 0, 360)}
    parts = [translate(polygon.intersection(box), -shift) for shift, box in turns.items()]
    areas = [orient(part) for part in parts if part.area > 0]
    return shapely.MultiPolygon(areas) if len(areas) > 1 else areas[0]


def _whole(side: float, gsd: float, own: float, tolerance: float) -> int:
    """Return how many pixels of ``gsd`` make up ``side``.

    A rounded gsd is understood where it means the grid's ``own`` pixel, several or a part of
    one: else 500 m would be taken for 499.98 m on the sinusoidal grid.
    """
    possible = gsd > MILLIMETRE and 0 < side < math.inf
    count, usual = (side / gsd, round(side / own)) if possible else (0.0, 1)
    pixels = round(count)
    nested = pixels > 0 and (pixels % usual == 0 or usual % pixels == 0)
    slack = pixels * (tolerance if nested else EXACT)
    if pixels < 1 or abs(count - pixels) > slack:
        raise GridMismatchError(
            f"A pixel of {gsd:.10g} m fits {count:.6f} times into a side of {side:.10g} m",
            expected="a whole number of pixels",
            remedy="choose another gsd, or a margin that makes room for it",
        )
    return pixels


def _rectangle(one: BoundingBox, other: BoundingBox) -> shapely.Polygon:
    left, right = max(one.left, other.left), min(one.right, other.right)
    bottom, top = max(one.bottom, other.bottom), min(one.top, other.top)
    if left >= right or bottom >= top:
        return shapely.Polygon()
    return shapely.box(left, bottom, right, top)


def _project(geometry: shapely.Geometry, crs: CRS) -> shapely.Geometry:
    """Carry what has an area from lon/lat to ``crs``; the cut at the antimeridian closes again."""
    transform = _from_lonlat(crs).transform
    areas = [part for part in shapely.get_parts(geometry) if part.area > 0]
    moved = shapely.transform(areas, lambda xy: np.column_stack(transform(xy[:, 0], xy[:, 1])))
    return shapely.union_all(moved, grid_size=MILLIMETRE) if areas else shapely.Polygon()


@cache
def _from_lonlat(crs: CRS) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs("EPSG:4326", crs.proj, always_xy=True)
