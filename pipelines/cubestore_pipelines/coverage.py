"""What of a tile is built, and what of it a footprint covers.

An area is widened to whole shards of the cube. Footprints are lon/lat polygons that providers have
drawn with a coarse pen: they say where a scene may have pixels, never where it has.
"""

import math
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import product

import shapely
from odc.geo.geobox import GeoBox
from odc.geo.geom import Geometry

from cubestore import layout
from cubestore.grids import Tile
from cubestore.sensors import Sensor
from cubestore_pipelines.items import Item
from cubestore_pipelines.products import product as product_of

AREA = 2
"""The dimension of what has an area."""

AROUND = 1.0
"""Degrees about a tile within which its CRS is used: what lies further off is none of its."""

COARSE = 5_000.0
"""Metres by which a footprint may miss the pixels that it stands for."""

METRES_A_DEGREE = 110_000.0
"""Of latitude; of WGS 84 it has 110,574 at the equator and more elsewhere."""

Shard = tuple[int, int]
"""Row and column of a cube's shard."""


class Footprints:
    """Lon/lat polygons on a tile, in its CRS."""

    def __init__(self, tile: Tile) -> None:
        self._crs = str(tile.crs)
        self._around = shapely.buffer(tile.footprint, AROUND)
        self._known: dict[shapely.Geometry, shapely.Geometry] = {}

    def project(self, geometry: shapely.Geometry) -> shapely.Geometry:
        """Return a geometry in the tile's CRS, its edges bent as they are on the ground."""
        if geometry not in self._known:
            self._known[geometry] = self._bent(geometry)
        return self._known[geometry]

    def _bent(self, geometry: shapely.Geometry) -> shapely.Geometry:
        near = shapely.intersection(geometry, self._around)
        if near.is_empty:
            return near
        return Geometry(near, "EPSG:4326").to_crs(self._crs, resolution=0.05).geom

    def meet(self, footprint: shapely.Geometry | None, grid: GeoBox) -> bool:
        """Whether what has a footprint lies in a part of the tile, as far as it is drawn."""
        return _meets(
            None if footprint is None else self.project(footprint),
            shapely.box(*grid.boundingbox.bbox),
        )

    def may_meet(self, footprint: shapely.Geometry | None, grid: GeoBox) -> bool:
        """Whether what has a footprint may have pixels in a part of the tile."""
        if footprint is None:
            return True
        box = shapely.box(*grid.boundingbox.bbox)
        return bool(shapely.dwithin(self.project(footprint), box, COARSE))


class Ground:
    """What of a tile is built: whole shards, however small the area."""

    def __init__(self, sensor: Sensor, tile: Tile, area: shapely.Geometry | None) -> None:
        self._tile, self._product = tile, product_of(sensor)
        self._footprints = Footprints(tile)
        self._grid = layout.geobox(sensor, tile)
        boxes = dict(self._boxes())
        wanted = None if area is None else self._footprints.project(area)
        self.shards = tuple(s for s, box in boxes.items() if wanted is None or _share(wanted, box))
        """The (row, column) of the shards that are built."""

        self._whole = shapely.box(*self._grid.boundingbox.bbox)
        self._built = shapely.union_all([boxes[shard] for shard in self.shards])
        self._exact = self._built if wanted is None else shapely.intersection(wanted, self._built)

    def shows(self, item: Item) -> bool:
        """Whether an item may have pixels here: on the tile, and meeting a shard."""
        return self._is_mine(item) and self.meets(item.geometry)

    def on_tile(self, item: Item) -> bool:
        """Whether an item may have pixels anywhere on the tile."""
        return self._is_mine(item) and _meets(self._projected(item.geometry), self._whole)

    def meets(self, footprint: shapely.Geometry | None) -> bool:
        """Whether what has a footprint may have pixels in a shard that is built."""
        return bool(self.shards) and _meets(self._projected(footprint), self._built)

    def _is_mine(self, item: Item) -> bool:
        """Whether an item is cut to this tile, or to none."""
        return self._product.tile(item) in {"", self._tile.id}

    def _projected(self, footprint: shapely.Geometry | None) -> shapely.Geometry | None:
        return None if footprint is None else self._footprints.project(footprint)

    @cached_property
    def place(self) -> shapely.Geometry:
        """The area that is wanted, in the tile's CRS; the whole tile where none is named."""
        spread = shapely.get_dimensions(self._exact) == AREA
        return self._exact if spread else self._built

    def covered(self, footprints: Iterable[shapely.Geometry | None]) -> float:
        """Return the fraction of the place that footprints cover; NaN where one is not known."""
        known = list(footprints)
        if any(footprint is None for footprint in known) or not self.place.area:
            return math.nan
        there = shapely.union_all([self._footprints.project(one) for one in known if one])
        return float(shapely.intersection(there, self.place).area / self.place.area)

    def _boxes(self) -> Iterator[tuple[Shard, shapely.Geometry]]:
        rows, columns = (-(-size // layout.SHARD) for size in self._grid.shape)
        for shard in product(range(rows), range(columns)):
            yield shard, shapely.box(*shard_grid(self._grid, shard).boundingbox.bbox)


def widened(area: shapely.Geometry, sensor: Sensor) -> shapely.Geometry:
    """Return an area with what may lie in a shard with it, and more."""
    _, south, _, north = area.bounds
    narrowest = math.cos(math.radians(min(89.0, max(abs(south), abs(north)))))
    across = math.sqrt(2) * layout.SHARD * sensor.gsd / METRES_A_DEGREE
    return shapely.buffer(area, across / narrowest)


def shard_grid(grid: GeoBox, shard: Shard) -> GeoBox:
    """Return a shard's pixels, cut at the cube's far edges."""
    (top, left), (rows, columns) = (n * layout.SHARD for n in shard), grid.shape
    return grid[top : min(top + layout.SHARD, rows), left : min(left + layout.SHARD, columns)]


def _meets(footprint: shapely.Geometry | None, place: shapely.Geometry) -> bool:
    """Whether they share something; what has no footprint may lie anywhere."""
    return footprint is None or _share(footprint, place)


def _share(area: shapely.Geometry, box: shapely.Geometry) -> bool:
    """Whether they have more in common than an edge; a point or line lies in what it touches."""
    spread = shapely.get_dimensions(area) == AREA
    return bool(area.intersects(box)) and not (spread and area.touches(box))
