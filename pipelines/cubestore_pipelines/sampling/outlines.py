"""Tiles -> their outlines in lon/lat, as tables of tiles carry them."""

from functools import cache

import numpy as np
import pyproj
import shapely
from odc.geo.crs import CRS

from cubestore.grids import MgrsTile, Tile
from cubestore.grids.tiles import cut_at_antimeridian, wrap

_WEST_EAST, _SOUTH_NORTH = [0, 2, 2, 0, 0], [1, 1, 3, 3, 1]
"""Which of a square's bounds its corners have, counter-clockwise from the south-west."""


def outline(tile: Tile) -> shapely.MultiPolygon:
    """Return a tile's outline, in parts where it crosses the antimeridian.

    That of a Sentinel-2 tile has its four corners alone, as in ESA's table: so do tables that
    were published, and the box around it is theirs.
    """
    shape = _corners(tile) if isinstance(tile, MgrsTile) else tile.footprint
    return shape if isinstance(shape, shapely.MultiPolygon) else shapely.MultiPolygon([shape])


def _corners(tile: Tile) -> shapely.Geometry:
    edges = tile.bounds.bbox
    x, y = ([edges[n] for n in order] for order in (_WEST_EAST, _SOUTH_NORTH))
    longitudes, latitudes = _to_lonlat(tile.crs).transform(x, y)
    middle = tile.center[0]
    ring = [
        (middle + wrap(lon - middle), lat) for lon, lat in zip(longitudes, latitudes, strict=True)
    ]
    return cut_at_antimeridian(np.array([ring]))[0]


@cache
def _to_lonlat(crs: CRS) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(crs.proj, "EPSG:4326", always_xy=True)
