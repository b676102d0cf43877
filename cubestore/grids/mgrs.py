"""The Sentinel-2 tiles: the squares of MGRS, each grown to 109.8 km of its UTM zone.

All zones are congruent: one projection, of longitudes relative to the central meridian, serves
the sixty of them, and northings counted from the equator serve both hemispheres.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any, ClassVar

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geom import BoundingBox

from cubestore.grids import squares
from cubestore.grids.squares import ROWS, SQUARE, ZONES, Square
from cubestore.grids.tiles import EXACT, Tile, cut_at_antimeridian, wrap

ID = squares.ID
"""What a canonical id looks like."""

SIDE = 109_800
"""Side of a tile, metres: ESA's table, `squares.TILPAR`."""

STEP = 60
"""Corners lie on multiples of the coarsest pixel, metres: the same."""

FALSE_NORTHING = 10_000_000
"""Of the equator in the southern zones, metres: EPSG 16101 to 16160."""

ZONE_WIDTH = 6
"""Degrees of longitude."""

UTM = "+proj=tmerc +lon_0=0 +k=0.9996 +x_0=500000 +ellps=WGS84"
"""Every zone, once longitudes count from its central meridian: EPSG 16001 to 16060."""

REACH = 2
"""How many zones away a tile covers anything: 109.8 km are 10° of longitude at 84° N."""

ROW_DEGREES = 0.9
"""Degrees of latitude in a row; tiles leave their row by a third of that at most."""

SEGMENTS = 24
"""Pieces of a footprint's edge; at 84° of latitude they leave the true one by 4.4 m."""

_CORNERS = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])


@dataclass(frozen=True, slots=True)
class MgrsTile(Tile):
    """A Sentinel-2 tile."""

    grid: ClassVar[str] = "mgrs"
    gsd: ClassVar[float] = 10.0
    gsd_tolerance: ClassVar[float] = EXACT

    square: Square = field(compare=False, repr=False)
    """The 100 km square that it is grown from."""

    @property
    def crs(self) -> CRS:
        """UTM of the zone, on the square's side of the equator."""
        return CRS(f"EPSG:{(32700 if self.square.row < 0 else 32600) + self.square.zone}")

    @property
    def bounds(self) -> BoundingBox:
        """The square's north-west corner, outwards to 60 m, and 109.8 km from there."""
        left, row = west(self.square.column), self.square.row
        top = north(row) + _false_northing(row)
        return BoundingBox(left, top - SIDE, left + SIDE, top, self.crs)

    @property
    def grid_code(self) -> str:
        """``MGRS-31UDQ``."""
        return f"MGRS-{self.id}"

    @property
    def footprint(self) -> shapely.Polygon | shapely.MultiPolygon:
        """The tile in lon/lat, with 24 pieces to each edge."""
        return footprints([self])[0]

    @property
    def center(self) -> tuple[float, float]:
        """Longitude and latitude of the tile's middle."""
        x, y = west(self.square.column) + SIDE / 2, north(self.square.row) - SIDE / 2
        longitude, latitude = _plane().transform(x, y, direction="INVERSE")
        return wrap(longitude + _central_meridian(self.square.zone)), latitude

    def neighbours(self) -> tuple[Tile, ...]:
        """Return the tiles that touch or overlap this one, those of other zones too."""
        footprint = self.footprint
        near = candidates(shapely.bounds(shapely.get_parts(footprint)))
        touching = shapely.intersects(footprint, footprints(near))
        return tuple(
            one for one, touches in zip(near, touching, strict=True) if touches and one != self
        )

    def _shared_plane(self, other: Tile) -> BoundingBox | None:
        if not isinstance(other, MgrsTile) or other.square.zone != self.square.zone:
            return None
        left, bottom, right, top = other.bounds
        shift = _false_northing(self.square.row) - _false_northing(other.square.row)
        return BoundingBox(left, bottom + shift, right, top + shift, self.crs)


def west(column: int) -> int:
    """Return the easting of a column's tiles' west edge, metres."""
    return column * SQUARE // STEP * STEP


def north(row: int) -> int:
    """Return the northing of a row's tiles' north edge, metres from the equator."""
    return -(-(row + 1) * SQUARE // STEP) * STEP


def tile(tile_id: str) -> MgrsTile:
    """Return the tile of a well-formed id; raise UnknownTileError where ESA has none."""
    return _tile(squares.read(tile_id))


def respell(text: str) -> str:
    """Return the canonical id that ``text`` may have meant, as T31UDQ or 1ccv do."""
    return re.sub("^(MGRS-|T)?(?=[0-9]{1,2}[A-Z])", "", text.strip().upper()).zfill(5)


def tiles() -> Iterator[MgrsTile]:
    """Yield all 56,686 tiles, zone by zone, from the south."""
    for zone, row in product(ZONES, ROWS):
        yield from _row(zone, row)


def at(longitude: float, latitude: float) -> list[MgrsTile]:
    """Return the tiles that cover a point; their north and west edges are theirs."""
    home = int((longitude + 180) // ZONE_WIDTH)
    zones = [(home + step) % len(ZONES) + 1 for step in range(-REACH, REACH + 1)]
    relative = [wrap(longitude - _central_meridian(zone)) for zone in zones]
    points = zip(zones, *_plane().transform(relative, [latitude] * len(zones)), strict=True)
    return [_tile(square) for zone, x, y in points for square in _squares_at(zone, x, y)]


def candidates(boxes: NDArray[np.float64]) -> list[MgrsTile]:
    """Return every tile that could meet one of some boxes, sorted by id.

    Args:
        boxes: (n, 4), each west, south, east, north in degrees.
    """
    rows = {cell for box in boxes.tolist() for cell in _rows_near(*box)}
    return sorted((tile for cell in rows for tile in _row(*cell)), key=lambda tile: tile.id)


def footprints(some: Sequence[MgrsTile]) -> NDArray[Any]:
    """Return the footprints of tiles as an array of geometries."""
    if not some:
        return np.empty(0, object)
    corners = np.array([(west(one.square.column), north(one.square.row) - SIDE) for one in some])
    meridians = np.array([_central_meridian(one.square.zone) for one in some])
    ring = corners[:, None, :] + SIDE * _unit_ring()
    longitude, latitude = _plane().transform(ring[..., 0], ring[..., 1], direction="INVERSE")
    return cut_at_antimeridian(np.stack([longitude + meridians[:, None], latitude], axis=-1))


def _tile(square: Square) -> MgrsTile:
    return MgrsTile(square.id, square)


def _row(zone: int, row: int) -> Iterable[MgrsTile]:
    return (_tile(Square(zone, column, row)) for column in squares.columns(zone, row))


def _rows_near(west: float, south: float, east: float, north: float) -> Iterable[tuple[int, int]]:
    """Return the zones and rows whose tiles can reach into a box."""
    first, last = (int((edge + 180) // ZONE_WIDTH) for edge in (west, east))
    zones = {zone % len(ZONES) + 1 for zone in range(first - REACH, last + REACH + 1)}
    bottom, top = (math.floor(edge / ROW_DEGREES) for edge in (south, north))
    return product(zones, range(bottom - 1, top + 2))


def _squares_at(zone: int, x: float, y: float) -> Iterator[Square]:
    """Yield the squares of a zone whose tiles cover a point; y counts from the equator."""
    column, row = math.floor(x / SQUARE), math.floor(y / SQUARE)
    for one in range(row - 1, row + 2):
        for other in squares.columns(zone, one):
            near = abs(other - column) <= 1
            if near and 0 <= x - west(other) < SIDE and 0 <= north(one) - y < SIDE:
                yield Square(zone, other, one)


def _false_northing(row: int) -> int:
    return FALSE_NORTHING if row < 0 else 0


def _central_meridian(zone: int) -> int:
    return zone * ZONE_WIDTH - 183


@cache
def _plane() -> pyproj.Transformer:
    """Return degrees from the central meridian and the equator -> easting, northing."""
    return pyproj.Transformer.from_pipeline(
        f"+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step {UTM}"
    )


@cache
def _unit_ring() -> NDArray[np.float64]:
    """Return the unit square's ring, (4 * SEGMENTS + 1, 2), counter-clockwise from the SW."""
    at = np.linspace(0, 4, 4 * SEGMENTS + 1)
    return np.column_stack([np.interp(at, range(5), _CORNERS[:, axis]) for axis in (0, 1)])
