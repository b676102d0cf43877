"""The MODIS sinusoidal grid: 36 x 18 tiles, ten degrees of a sphere's equator on each side.

460 of them have a part in the Earth. What the projection makes of the Earth's outline is told in
`quadrant`; the rest of a tile is a square.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any, ClassVar

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geom import BoundingBox

from cubestore.errors import UnknownTileError
from cubestore.grids.quadrant import COLUMNS, DIGITS, ROWS, TILE_DEGREES, Quadrant, place
from cubestore.grids.tiles import Tile, wrap

ID = re.compile("h([0-2][0-9]|3[0-5])v(0[0-9]|1[0-7])")
"""Column from the west and row from the north."""

EARTH_RADIUS = 6_371_007.181
"""Of the sphere, metres: modis-land.gsfc.nasa.gov/GCTP.html, MODLAND Sinusoidal Grid."""

SIDE = 2 * math.pi * EARTH_RADIUS / COLUMNS
"""Side of a tile, metres: 1,111,950.52."""

PIXELS = 2400
"""Pixels along a tile's side in the 500 m products: MOD09 User's Guide."""

STEP = 0.05
"""Degrees of latitude between the vertices of a slanting edge: at most 70 m from the true one."""

WKT = f"""PROJCRS["MODIS Sinusoidal",
  BASEGEOGCRS["Unknown datum based upon the custom spheroid",
    DATUM["Not specified (based on custom spheroid)",
      ELLIPSOID["Custom spheroid",{EARTH_RADIUS},0,LENGTHUNIT["metre",1]]],
    PRIMEM["Greenwich",0,ANGLEUNIT["degree",0.0174532925199433]]],
  CONVERSION["Sinusoidal",
    METHOD["Sinusoidal"],
    PARAMETER["Longitude of natural origin",0,ANGLEUNIT["degree",0.0174532925199433]],
    PARAMETER["False easting",0,LENGTHUNIT["metre",1]],
    PARAMETER["False northing",0,LENGTHUNIT["metre",1]]],
  CS[Cartesian,2],
    AXIS["easting",east,ORDER[1],LENGTHUNIT["metre",1]],
    AXIS["northing",north,ORDER[2],LENGTHUNIT["metre",1]]]"""
"""The projection, which no authority has a code for; the names are those that GDAL writes."""


@dataclass(frozen=True, slots=True)
class SinusoidalTile(Tile):
    """A tile of the MODIS sinusoidal grid."""

    grid: ClassVar[str] = "sin"
    gsd: ClassVar[float] = SIDE / PIXELS
    gsd_tolerance: ClassVar[float] = 1e-4

    column: int = field(compare=False, repr=False)
    """h, from the west."""

    row: int = field(compare=False, repr=False)
    """v, from the north."""

    @property
    def crs(self) -> CRS:
        """The sinusoidal projection of the MODIS sphere."""
        return _crs()

    @property
    def bounds(self) -> BoundingBox:
        """The square, parts that are not Earth included."""
        left, top = self.column - COLUMNS // 2, ROWS // 2 - self.row
        return BoundingBox(left * SIDE, (top - 1) * SIDE, (left + 1) * SIDE, top * SIDE, self.crs)

    @property
    def grid_code(self) -> str:
        """``MSIN-1804``."""
        return f"MSIN-{self.column:02}{self.row:02}"

    @property
    def footprint(self) -> shapely.Polygon | shapely.MultiPolygon:
        """The part that is Earth in lon/lat, with a vertex every 0.05° of latitude."""
        return _footprint(self.column, self.row)

    @property
    def center(self) -> tuple[float, float]:
        """Halfway up the part that is Earth, and in the middle there."""
        quadrant = self.quadrant
        latitude = (quadrant.start + quadrant.end) / 2
        longitude = float(quadrant.longitudes(np.array([latitude])).mean())
        return quadrant.east * longitude, quadrant.north * latitude

    @property
    def quadrant(self) -> Quadrant:
        """Its place in the quadrant of the grid that it lies in."""
        return place(self.column, self.row)

    def neighbours(self) -> tuple[Tile, ...]:
        """Return the tiles that touch this one on the Earth, across the antimeridian too."""
        touching = (one for one in tiles() if one != self and self._touches(one))
        return tuple(sorted(touching, key=lambda one: one.id))

    def _touches(self, other: "SinusoidalTile") -> bool:
        adjacent = abs(self.column - other.column) <= 1 and abs(self.row - other.row) <= 1
        if adjacent and self.quadrant.touches(other.quadrant):
            return True
        return self.quadrant.faces(other.quadrant)


def tile(tile_id: str) -> SinusoidalTile:
    """Return the tile of a well-formed id.

    Raises:
        UnknownTileError: no part of it is Earth.
    """
    column, row = int(tile_id[1:3]), int(tile_id[4:6])
    if not _is_earth(column, row):
        ids = [one.id for one in tiles() if one.row == row]
        raise UnknownTileError(
            f"The MODIS tile {tile_id} lies wholly off the Earth",
            expected=f"in row v{row:02} one of {ids[0]} to {ids[-1]}",
            remedy="look the tiles of a place up with `cubestore tiles --grid sin --point LON LAT`",
        )
    return _tile(column, row)


def respell(text: str) -> str:
    """Return the canonical id that ``text`` may have meant, as H18V4 or MSIN-1804 do."""
    match = re.fullmatch(r"(?:H|MSIN-?)([0-9]{1,2}?)V?([0-9]{1,2})", text.strip().upper())
    return f"h{match[1]:>02}v{match[2]:>02}" if match else ""


def tiles() -> Iterator[SinusoidalTile]:
    """Yield all 460 tiles that have a part in the Earth, row by row from the north."""
    for row, column in product(range(ROWS), range(COLUMNS)):
        if _is_earth(column, row):
            yield _tile(column, row)


def at(longitude: float, latitude: float) -> list[SinusoidalTile]:
    """Return the one tile that covers a point; its north and west edges are its own."""
    x = wrap(longitude) * math.cos(math.radians(latitude)) / TILE_DEGREES
    column = math.floor(round(x, DIGITS)) + COLUMNS // 2
    row = math.floor((90 - latitude) / TILE_DEGREES)
    return [_tile(min(column, COLUMNS - 1), min(row, ROWS - 1))]


def candidates(boxes: NDArray[np.float64]) -> list[SinusoidalTile]:
    """Return every tile that could meet one of some boxes, sorted by id.

    Args:
        boxes: (n, 4), each west, south, east, north in degrees.
    """
    tops = np.floor((90 - boxes[:, 3]) / TILE_DEGREES).astype(int).tolist()
    ends = np.floor((90 - boxes[:, 1]) / TILE_DEGREES).astype(int).tolist()
    rows = {row for top, end in zip(tops, ends, strict=True) for row in range(top - 1, end + 1)}
    return sorted((one for one in tiles() if one.row in rows), key=lambda one: one.id)


def footprints(some: Sequence[SinusoidalTile]) -> NDArray[Any]:
    """Return the footprints of tiles as an array of geometries."""
    return np.array([one.footprint for one in some], dtype=object)


def _tile(column: int, row: int) -> SinusoidalTile:
    return SinusoidalTile(f"h{column:02}v{row:02}", column, row)


def _is_earth(column: int, row: int) -> bool:
    quadrant = place(column, row)
    return quadrant.start < quadrant.end


@cache
def _footprint(column: int, row: int) -> shapely.Polygon:
    quadrant = place(column, row)
    start, end = quadrant.start, quadrant.end
    vertices = [*np.arange(start, end, STEP), min(quadrant.bend, end), end]
    latitudes = np.unique(np.round(vertices, DIGITS))
    inner, outer = np.round(quadrant.longitudes(latitudes), DIGITS)
    longitudes = np.concatenate([outer, inner[::-1]])
    ring = np.column_stack([longitudes, [*latitudes, *latitudes[::-1]]])
    mirrored = ring * (quadrant.east, quadrant.north)
    return shapely.simplify(shapely.polygons(mirrored[:: quadrant.east * quadrant.north]), 0)


@cache
def _crs() -> CRS:
    return CRS(WKT)
