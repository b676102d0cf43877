"""From an id or a place to tiles, in whichever grid.

Places are longitudes and latitudes on WGS 84. What runs on past the antimeridian is given in two
parts, or as a box whose west is greater than its east.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from re import Pattern
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import shapely
from numpy.typing import NDArray

from cubestore.errors import GridMismatchError, UnknownTileError
from cubestore.grids import mgrs, sinusoidal
from cubestore.grids.tiles import Tile


class Grid(Protocol):
    """What a module of this package offers to be a grid."""

    ID: Pattern[str]

    def tile(self, tile_id: str, /) -> Tile:
        """Return the tile of an id that matches `ID`, or raise UnknownTileError."""

    def respell(self, text: str, /) -> str:
        """Return the canonical id that ``text`` may have meant."""

    def tiles(self) -> Iterator[Tile]:
        """Yield every tile."""

    def at(self, longitude: float, latitude: float, /) -> Sequence[Tile]:
        """Return the tiles that cover a point."""

    def candidates(self, boxes: NDArray[np.float64], /) -> Sequence[Tile]:
        """Return every tile that could meet one of some boxes."""

    def footprints(self, some: Sequence[Any], /) -> NDArray[Any]:
        """Return the footprints of tiles."""


GRIDS: Mapping[str, Grid] = MappingProxyType({"mgrs": mgrs, "sin": sinusoidal})
"""The grids by name, which is the store's folder."""

AREA = 2
"""The dimension of what has an area."""

COLLECTION = shapely.GeometryType.MULTIPOINT
"""The first of shapely's types that are made of others."""


def tile(tile_id: str) -> Tile:
    """Return the tile of a canonical id: ``31UDQ``, ``h18v04``.

    Raises:
        UnknownTileError: no grid has such a tile, or the id is spelled in another way.
    """
    for grid in GRIDS.values():
        if grid.ID.fullmatch(tile_id):
            return grid.tile(tile_id)
    meant = next(_meant(tile_id), "")
    raise UnknownTileError(
        f"{tile_id!r} is no tile id",
        expected="a Sentinel-2 tile like 31UDQ, or a MODIS sinusoidal tile like h18v04",
        remedy=f"write {meant}" if meant else "`cubestore tiles --point LON LAT` lists a place's",
    )


def tiles_at(lon: float, lat: float, grid: str = "mgrs") -> list[Tile]:
    """Return the tiles that cover a point, sorted by id.

    A tile's north and west edges are its own, so of the sinusoidal grid it is always one.

    Raises:
        GridMismatchError: no such grid, longitude or latitude.
    """
    _check(lon, lat, lon, lat)
    return sorted(_grid(grid).at(lon, lat), key=_id)


def tiles_in(
    west: float, south: float, east: float, north: float, grid: str = "mgrs"
) -> list[Tile]:
    """Return the tiles that have a part in a box, sorted by id.

    Args:
        west: degrees; greater than ``east`` where the box crosses the antimeridian.
        south: degrees.
        east: degrees.
        north: degrees.
        grid: ``mgrs`` or ``sin``.

    Raises:
        GridMismatchError: no such grid, longitude or latitude, or south lies north of north.
    """
    _check(west, south, east, north)
    if south > north:
        raise GridMismatchError(
            f"A box from {south}° to {north}° of latitude",
            expected="south below north",
            remedy="give west, south, east, north",
        )
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    boxes = [_box(start, south, end, north) for start, end in spans]
    return tiles_covering(shapely.GeometryCollection(boxes), grid)


def tiles_covering(geometry: shapely.Geometry, grid: str = "mgrs") -> list[Tile]:
    """Return the tiles that have a part in a geometry, sorted by id.

    An area that only touches a tile from outside has no part in it; a line has.

    Args:
        geometry: in lon/lat (EPSG:4326), in parts where it crosses the antimeridian.
        grid: ``mgrs`` or ``sin``.

    Raises:
        GridMismatchError: no such grid, longitude or latitude, or a geometry that is not valid.
    """
    chosen, parts = _grid(grid), _simple(geometry)
    if not len(parts):
        return []
    _check(*shapely.total_bounds(parts).tolist())
    _check_valid(geometry)
    dimensions = shapely.get_dimensions(parts)
    points = parts[dimensions == 0]
    found = {one for point in points for one in chosen.at(point.x, point.y)}
    for dimension in (1, AREA):
        found |= _meeting(chosen, parts[dimensions == dimension])
    return sorted(found, key=_id)


def _meeting(grid: Grid, parts: NDArray[Any]) -> set[Tile]:
    """Return the tiles that meet lines, or areas."""
    if not len(parts):
        return set()
    near = grid.candidates(shapely.bounds(parts))
    outlines = grid.footprints(near)
    tree = shapely.STRtree(outlines)
    shapely.prepare(parts)
    part, index = tree.query(parts, predicate="intersects")
    if shapely.get_dimensions(parts[0]) == AREA:
        index = index[~shapely.touches(parts[part], outlines[index])]
    return {near[one] for one in np.unique(index).tolist()}


def _simple(geometry: shapely.Geometry) -> NDArray[Any]:
    """Return the points, lines and polygons that a geometry is made of."""
    parts = shapely.get_parts(geometry)
    while (shapely.get_type_id(parts) >= COLLECTION).any():
        parts = shapely.get_parts(parts)
    filled: NDArray[Any] = parts[~shapely.is_empty(parts)]
    return filled


def _box(west: float, south: float, east: float, north: float) -> shapely.Geometry:
    """Return a box, which is a line or a point where it has no width or height."""
    if west < east and south < north:
        return shapely.box(west, south, east, north)
    ends = shapely.LineString([(west, south), (east, north)])
    return ends if ends.length else shapely.Point(west, south)


def _check(west: float, south: float, east: float, north: float) -> None:
    longitudes, latitudes = (west, east), (south, north)
    if all(abs(lon) <= 180 for lon in longitudes) and all(abs(lat) <= 90 for lat in latitudes):  # noqa: PLR2004 - degrees
        return
    raise GridMismatchError(
        f"Longitudes {west} to {east}, latitudes {south} to {north}",
        expected="longitudes from -180 to 180 and latitudes from -90 to 90, in degrees",
        remedy="give longitude before latitude, on EPSG:4326; beyond 180° subtract 360°",
    )


def _check_valid(geometry: shapely.Geometry) -> None:
    if not geometry.is_valid:
        raise GridMismatchError(
            f"The geometry is not valid: {shapely.is_valid_reason(geometry)}",
            expected="polygons whose rings do not cross themselves or one another",
            remedy="mend it with shapely.make_valid",
        )


def _grid(name: str) -> Grid:
    if name not in GRIDS:
        raise GridMismatchError(
            f"There is no grid {name!r}",
            expected=f"one of {', '.join(GRIDS)}",
            remedy="choose one of these",
        )
    return GRIDS[name]


def _meant(text: str) -> Iterator[str]:
    """Yield the tiles that a misspelled id may have meant."""
    for grid in GRIDS.values():
        canonical = grid.respell(text)
        if grid.ID.fullmatch(canonical):
            with suppress(UnknownTileError):
                yield grid.tile(canonical).id


def _id(one: Tile) -> str:
    return one.id
