"""Where chips lie on the Earth: their outlines in lon/lat, computed once for every place.

In UTM a chip is its four corners. In the sinusoidal grid its sides are meridians of the sphere
bent towards the pole, so they get vertices between; what lies off the Earth is cut away there.
A chip at the edge of a cube is whole, the part beyond the edge included.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore.grids import Tile
from cubestore.grids.sinusoidal import EARTH_RADIUS
from cubestore.grids.tiles import ANTIMERIDIAN, cut_at_antimeridian

PIECES = 32
"""Of a side that is bent; a chip of 119 km then leaves the true side by 10 m at 60° of latitude."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Footprints:
    """The outlines of some chips of a cube."""

    geometry: NDArray[Any]
    """Polygons; MultiPolygons where the antimeridian cuts them."""

    bounds: Numbers
    """(n, 4): west, south, east, north; west > east where a chip crosses the antimeridian."""


def footprints(
    tile: Tile, grid: GeoBox, size: int, rows: NDArray[Any], columns: NDArray[Any]
) -> Footprints:
    """Return the outlines of chips.

    Args:
        tile: where they lie.
        grid: the cube's pixels.
        size: pixels along a chip's side.
        rows: of chips, counted from the north.
        columns: of chips, counted from the west. The chips have a part on the Earth: see
            `on_earth`.
    """
    west, north = _edges(grid, size, rows, columns)
    side = size * grid.affine.a
    boxes = np.stack([west, north - side, west + side, north], axis=-1)
    return _outlined(_bent(boxes) if tile.grid == "sin" else _corners(tile, boxes))


def of_rings(lon: Numbers, lat: Numbers, middle: Numbers) -> Footprints:
    """Return the outlines of squares that lie anywhere.

    Args:
        lon: ``(n, vertices)`` of each ring, closed and counter-clockwise, degrees; on either side
            of 180° where it lies there.
        lat: the same.
        middle: ``(n,)``: a longitude within half a turn of all of a ring's.
    """
    far = middle[:, None] + _wrap(lon - middle[:, None])
    return _outlined(np.stack([far, lat], axis=-1))


def _outlined(rings: Numbers) -> Footprints:
    """Return outlines with their bounds; longitudes of rings run on past 180°."""
    lon, lat = rings[..., 0], rings[..., 1]
    bounds = np.stack([lon.min(1), lat.min(1), lon.max(1), lat.max(1)], axis=-1)
    return Footprints(_cut(rings), _wrapped(bounds))


def on_earth(
    tile: Tile, grid: GeoBox, size: int, rows: NDArray[Any], columns: NDArray[Any]
) -> NDArray[np.bool_]:
    """Tell which chips have a part on the Earth: the corners of the sinusoidal grid have none."""
    if tile.grid != "sin":
        return np.ones(len(rows), bool)
    west, north = _edges(grid, size, rows, columns)
    side = size * grid.affine.a
    start, end = _latitudes(np.stack([west, north - side, west + side, north], axis=-1))
    on: NDArray[np.bool_] = start < end - _THIN
    return on


_THIN = 1e-9
"""Degrees: less than a tenth of a millimetre is no part of the Earth."""


def _edges(
    grid: GeoBox, size: int, rows: NDArray[Any], columns: NDArray[Any]
) -> tuple[Numbers, Numbers]:
    """Return the west and north edges of chips, metres."""
    pixel, _, left, _, step, top, *_ = grid.affine
    x, y = np.asarray(columns, np.int64) * size, np.asarray(rows, np.int64) * size
    return left + pixel * x, top + step * y


def _corners(tile: Tile, boxes: Numbers) -> Numbers:
    """Return rings of four corners, counter-clockwise; longitudes run on past 180°."""
    x, y = boxes[:, [0, 2, 2, 0, 0]], boxes[:, [1, 1, 3, 3, 1]]
    transformer = pyproj.Transformer.from_crs(tile.crs.proj, "EPSG:4326", always_xy=True)
    lon, lat = transformer.transform(x, y)
    middle = tile.center[0]
    return np.stack([middle + _wrap(lon - middle), lat], axis=-1)


def _wrap(degrees: Numbers) -> Numbers:
    return (degrees + ANTIMERIDIAN) % (2 * ANTIMERIDIAN) - ANTIMERIDIAN


def _bent(boxes: Numbers) -> Numbers:
    """Return rings of chips in the sinusoidal grid, sides bent, held on the Earth."""
    start, end = _latitudes(boxes)
    far = _earth_ends(np.abs(boxes[:, [0, 2]]).max(axis=1))  # from there on, 180° is a side
    even = start[:, None] + (end - start)[:, None] * np.linspace(0, 1, PIECES + 1)
    bends = np.clip(np.stack([-far, far], axis=-1), start[:, None], end[:, None])
    latitude = np.sort(np.concatenate([even, bends], axis=1), axis=1)
    left, right = (_longitudes(boxes[:, [edge]], latitude) for edge in (0, 2))
    lon = np.concatenate([right, left[:, ::-1], right[:, :1]], axis=1)
    lat = np.concatenate([latitude, latitude[:, ::-1], latitude[:, :1]], axis=1)
    return np.stack([lon, lat], axis=-1)


def _latitudes(boxes: Numbers) -> tuple[Numbers, Numbers]:
    """Return the first and last latitude at which chips have a part on the Earth, degrees."""
    left, right = boxes[:, 0], boxes[:, 2]
    near = np.where((left < 0) & (right > 0), 0, np.minimum(np.abs(left), np.abs(right)))
    ends = _earth_ends(near)
    south, north = np.degrees(boxes[:, [1, 3]].T / EARTH_RADIUS)
    return np.maximum(south, -ends), np.minimum(north, ends)


def _earth_ends(x: Numbers) -> Numbers:
    """Return the latitude at which the Earth is ``x`` metres wide on either side, degrees."""
    return np.degrees(np.arccos(np.minimum(np.abs(x) / (np.pi * EARTH_RADIUS), 1)))


def _longitudes(x: Numbers, latitude: Numbers) -> Numbers:
    """Return the longitudes of meridional sides, not beyond 180°."""
    with np.errstate(divide="ignore", over="ignore"):
        lon = np.degrees(x / EARTH_RADIUS / np.abs(np.cos(np.radians(latitude))))
    return np.clip(lon, -ANTIMERIDIAN, ANTIMERIDIAN)


def _cut(rings: Numbers) -> NDArray[Any]:
    """Return the outlines, those that cross the antimeridian in two parts."""
    return cut_at_antimeridian(rings) if len(rings) else np.empty(0, object)


def _wrapped(bounds: Numbers) -> Numbers:
    """Return bounds with longitudes of the world: west > east where they cross 180°."""
    west, south, east, north = bounds.T
    home = np.where(west >= ANTIMERIDIAN, -360, np.where(east <= -ANTIMERIDIAN, 360, 0))
    west, east = west + home, east + home
    west = np.where(west < -ANTIMERIDIAN, west + 360, west)
    east = np.where(east > ANTIMERIDIAN, east - 360, east)
    return np.stack([west, south, east, north], axis=-1)


def around(bounds: Numbers) -> tuple[float, float, float, float]:
    """Return the bounds of bounds; west > east where some of them cross the antimeridian.

    Where others cross the meridian of Greenwich they go all round.
    """
    west, south, east, north = bounds.T
    crosses = bool((west > east).any())
    if crosses and ((west <= 0) & (east >= 0)).any():
        return -ANTIMERIDIAN, float(south.min()), ANTIMERIDIAN, float(north.max())
    starts = west[west > 0] if crosses else west
    ends = east[east < 0] if crosses else east
    return float(starts.min()), float(south.min()), float(ends.max()), float(north.max())


def centres(geometry: NDArray[Any]) -> tuple[Numbers, Numbers]:
    """Return longitude and latitude of the middles of outlines, of those cut at 180° too."""
    whole, cut = geometry.copy(), shapely.get_type_id(geometry) == shapely.GeometryType.MULTIPOLYGON
    whole[cut] = shapely.transform(whole[cut], _eastward)
    lon, lat = shapely.get_coordinates(shapely.centroid(whole)).T
    return np.where(cut, _wrap(lon), lon), lat


def _eastward(places: Numbers) -> Numbers:
    """Let longitudes run on past 180°."""
    return places + np.where(places[:, :1] < 0, [[2 * ANTIMERIDIAN, 0]], 0)


def kinds(outlines: Footprints) -> list[str]:
    """Return what geometries there are, as GeoParquet calls them."""
    there = sorted(set(shapely.get_type_id(outlines.geometry).tolist()))
    return [{3: "Polygon", 6: "MultiPolygon"}[kind] for kind in there]


def wkb(geometry: NDArray[Any]) -> NDArray[Any]:
    """Return geometries as WKB, little-endian, longitude first."""
    data: NDArray[Any] = shapely.to_wkb(geometry, byte_order=1)
    return data
