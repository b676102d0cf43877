"""Where pixels of a cube lie on the Earth, and which pixel lies at a place."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyproj
from odc.geo.geobox import GeoBox

from cubestore_catalog.errors import RequestError
from cubestore_catalog.views.opened import OpenedCube
from cubestore_catalog.views.sampling import Part

Position = tuple[float, float]
"""Longitude and latitude, degrees."""


@dataclass(frozen=True, slots=True)
class Pixel:
    """A pixel of a cube, and the metres from which it was found."""

    row: int
    column: int
    x: float
    y: float


def corners(opened: OpenedCube, part: Part) -> list[Position]:
    """Return the corners of a part, from the upper left clockwise.

    Off the Earth, where the sinusoidal grid has corners too, that of the tile's outline is given.
    """
    columns = np.array([part.left, part.right, part.right, part.left], float)
    rows = np.array([part.top, part.top, part.bottom, part.bottom], float)
    a, _, left, _, e, top, *_ = opened.grid.affine
    x, y = left + a * columns, top + e * rows
    lon, lat = _to_degrees(opened.grid).transform(x, y)
    west, south, east, north = opened.cube.tile.footprint.bounds
    lon = np.where(np.isfinite(lon), lon, [west, east, east, west])
    lat = np.where(np.isfinite(lat), lat, [north, north, south, south])
    return list(zip(lon.tolist(), lat.tolist(), strict=True))


def bounds(positions: list[Position]) -> tuple[float, float, float, float]:
    """Return west, south, east, north of some positions."""
    lon, lat = zip(*positions, strict=True)
    return min(lon), min(lat), max(lon), max(lat)


def pixel_at(opened: OpenedCube, at: Position) -> Pixel:
    """Return the pixel of a cube at a place.

    Raises:
        RequestError: the place is not in the cube.
    """
    x, y = _to_degrees(opened.grid).transform(*at, direction="INVERSE")
    column, row = ~opened.grid.affine * (x, y)
    height, width = opened.grid.shape
    if not (0 <= row < height and 0 <= column < width):  # not so either where it is infinite
        raise RequestError(
            f"{at[0]:g} {at[1]:g} is not in {opened.cube.tile.id}",
            expected="a place in the cube, longitude before latitude",
        )
    return Pixel(int(row), int(column), float(x), float(y))


def _to_degrees(grid: GeoBox) -> Any:  # noqa: ANN401 - pyproj's, which has no types here
    return _transformer(grid.crs.to_wkt() if grid.crs else "")


@lru_cache(maxsize=64)
def _transformer(wkt: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(pyproj.CRS(wkt), "OGC:CRS84", always_xy=True)
