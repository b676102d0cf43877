"""The part of a tile that has data: what the stored shards of its slots cover.

On the tile's plane shards are squares and their union has few corners. On the Earth their edges are
bent, so they are cut in pieces first, and put back where they cross the antimeridian.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from shapely.affinity import translate

from cubestore import layout
from cubestore.committed import Shard
from cubestore.grids import Tile

PIECE = 5000.0
"""Metres of an edge that are drawn as a straight line."""

PIECE_DEGREES = 0.05
"""The same, of an edge that is known in degrees."""

SLACK = 5e-5
"""Degrees by which an outline may leave the true one: five metres."""

MOST_PARTS = 16
"""Of an outline; where data lie more scattered, the hull of all is told."""

SLIVER = 1e-9
"""Square degrees, ten square metres: what rounding leaves at an edge of the Earth."""

TURN = 360
"""Degrees."""


def covered(shards: Iterable[Shard], grid: GeoBox) -> shapely.Geometry:
    """Return what shards cover, in the CRS of the cube; all of it where there are none.

    Args:
        shards: row and column of each; many may be the same.
        grid: the cube's pixels.
    """
    places = np.array(sorted(set(shards)), np.int64).reshape(-1, 2)
    if not len(places):
        return shapely.box(*grid.boundingbox.bbox)
    starts = places * layout.SHARD
    ends = np.minimum(starts + layout.SHARD, grid.shape)
    pixel, _, west, _, step, north, *_ = grid.affine
    left, right = (west + pixel * edges[:, 1] for edges in (starts, ends))
    top, bottom = (north + step * edges[:, 0] for edges in (starts, ends))
    whole = shapely.union_all(shapely.box(left, bottom, right, top))
    tidy = shapely.simplify(whole, 0)
    return tidy if len(shapely.get_parts(tidy)) <= MOST_PARTS else shapely.convex_hull(tidy)


def on_earth(shape: shapely.Geometry, tile: Tile, grid: GeoBox) -> shapely.Geometry:
    """Return a part of a cube in longitude and latitude, cut at the antimeridian.

    Args:
        shape: in the CRS of the cube; what is not Earth is left out.
        tile: the cube's.
        grid: the cube's pixels: of all of them the outline is the tile's own footprint.
    """
    if shape.equals(shapely.box(*grid.boundingbox.bbox)):
        return tile.footprint
    middle = tile.center[0]
    pieces = shapely.segmentize(shapely.intersection(shape, _earth(tile)), PIECE)
    moved = shapely.transform(pieces, lambda xy: _lonlat(tile.crs, xy, middle))
    return _cut(shapely.make_valid(shapely.simplify(moved, SLACK))) or tile.footprint


def _lonlat(crs: CRS, xy: NDArray[np.float64], middle: float) -> NDArray[np.float64]:
    """Return longitudes, which run on past 180° beside the tile's middle, and latitudes."""
    longitude, latitude = _to_plane(crs).transform(xy[:, 0], xy[:, 1], direction="INVERSE")
    return np.column_stack([longitude + TURN * np.rint((middle - longitude) / TURN), latitude])


def _cut(shape: shapely.Geometry) -> Any:  # noqa: ANN401 - None where nothing is left
    """Carry what lies beyond the antimeridian to the other side."""
    turns = {turn: shapely.box(turn - 180, -90, turn + 180, 90) for turn in (-TURN, 0, TURN)}
    carried = [translate(shape.intersection(box), -turn) for turn, box in turns.items()]
    parts = [p for p in shapely.get_parts(shapely.get_parts(carried)) if p.area > SLIVER]
    outlines = list(shapely.orient_polygons(parts))
    return shapely.MultiPolygon(outlines) if len(outlines) > 1 else next(iter(outlines), None)


def _earth(tile: Tile) -> shapely.Geometry:
    """Return what of a tile's plane is Earth: of the MODIS grid's outer tiles a part."""
    if tile.grid != "sin":
        return shapely.box(*tile.bounds.buffered(layout.SHARD))
    to_plane = _to_plane(tile.crs).transform
    bent = shapely.segmentize(tile.footprint, PIECE_DEGREES)
    return shapely.transform(bent, lambda xy: np.column_stack(to_plane(xy[:, 0], xy[:, 1])))


@cache
def _to_plane(crs: CRS) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs("EPSG:4326", crs.proj, always_xy=True)
