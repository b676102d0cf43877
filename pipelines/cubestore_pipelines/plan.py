"""What a build will do: which scenes were chosen for which slots, read onto which shards.

And what was refused, and why. A plan made twice is the same; ``planfile`` keeps it.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import shapely
from odc.geo.geobox import GeoBox
from odc.geo.geom import Geometry

import cubestore
from cubestore import grids, layout
from cubestore.errors import CubestoreError
from cubestore.grids import Tile
from cubestore.sensors import Sensor
from cubestore_pipelines import providers as known_providers
from cubestore_pipelines.acquisitions import Acquisition, acquisitions
from cubestore_pipelines.choices import Choices
from cubestore_pipelines.errors import ItemError, NothingFoundError, PlanError
from cubestore_pipelines.harmonise import harmonise
from cubestore_pipelines.items import Item
from cubestore_pipelines.products import product as product_of
from cubestore_pipelines.providers import Provider
from cubestore_pipelines.scene import Scene
from cubestore_pipelines.search import Catalog, Query, Result, catalog, interval, search
from cubestore_pipelines.select import select

AT_ONCE = 50
"""Tiles of one search."""

AREA = 2
"""The dimension of what has an area."""

AROUND = 1.0
"""Degrees about a tile within which its CRS is used: what lies further off is none of its."""

METRES_A_DEGREE = 110_000.0
"""Of latitude; of WGS 84 it has 110,574 at the equator and more elsewhere."""

Shard = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An item that is not built from, and why."""

    item: str
    found: str
    expected: str = ""
    remedy: str = ""
    tile: str = ""
    """Of the cube that lacks it, where that is known."""

    sensor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CubePlan:
    """What is to be built of one cube."""

    tile: str
    sensor: str
    bands: tuple[str, ...]
    shards: tuple[Shard, ...]
    """The (row, column) that each slot is asked for."""

    acquisitions: tuple[Acquisition, ...]
    """By time."""

    @property
    def scenes(self) -> list[Scene]:
        """Those of all acquisitions."""
        return [scene for acquisition in self.acquisitions for scene in acquisition.scenes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a build will do."""

    choices: Choices
    cubes: tuple[CubePlan, ...]
    refused: tuple[Refusal, ...] = ()

    @property
    def profile(self) -> Provider | None:
        """The user's profile, or that of the catalogue."""
        return _catalog(self.choices).profile

    @property
    def address(self) -> str:
        """Of the catalogue: it says what its items may point to."""
        return _catalog(self.choices).address

    def summary(self) -> dict[str, Any]:
        """Return the plan's figures, for people and as JSON."""
        return {
            "cubes": len(self.cubes),
            "slots": sum(len(one.acquisitions) for one in self.cubes),
            "items": len({s.item_id for one in self.cubes for s in one.scenes}),
            "shards": sum(len(one.acquisitions) * len(one.shards) for one in self.cubes),
            "bytes": sum(_size(one) for one in self.cubes),
            "refused": len(self.refused),
        }


def plan(store: str | Path, choices: Choices) -> Plan:
    """Return what a build would do.

    Args:
        store: where the cubes lie, or will; only its cubes' bands are looked at.
        choices: what is wanted.

    Raises:
        CatalogError: the catalogue cannot be searched.
        NothingFoundError: nothing matches.
        PlanError: choices that contradict each other.
    """
    made, refused, found = [], [], 0
    for sensor in map(cubestore.sensor, choices.sensors):
        for tiles in _batches(_tiles(choices, sensor)):
            result = _search(choices, sensor, tiles)
            found += len(result.items) + len(result.unreadable)
            unreadable = [_refusal(item, error) for item, error in result.unreadable]
            for tile in tiles:
                cube, problems = _cube_plan(store, choices, sensor, tile, result.items)
                problems += unreadable
                refused += [replace(one, tile=tile.id, sensor=sensor.id) for one in problems]
                made += [cube] if cube.acquisitions else []
    if not found:
        raise _nothing(choices)
    return Plan(choices=choices, cubes=tuple(made), refused=tuple(dict.fromkeys(refused)))


def find(choices: Choices) -> list[Item]:
    """Return the items of a catalogue that a plan would choose from, by time.

    Raises:
        CatalogError: the catalogue cannot be searched.
        NothingFoundError: nothing matches.
    """
    found: dict[tuple[str, str], Item] = {}
    for sensor in map(cubestore.sensor, choices.sensors):
        for tiles in _batches(_tiles(choices, sensor)):
            grounds = [_Ground(sensor, tile, choices.area) for tile in tiles]
            for item in _search(choices, sensor, tiles).items:
                if any(ground.shows(item) for ground in grounds):
                    found[item.collection, item.id] = item
    if not found:
        raise _nothing(choices)
    return sorted(found.values(), key=lambda item: (item.time, item.id))


def _nothing(choices: Choices) -> NothingFoundError:
    return NothingFoundError(
        f"{choices.catalog} has no item of {', '.join(choices.sensors)} there and then",
        expected="some",
        remedy="widen --datetime or the area, or name the collection with --collection",
    )


def _tiles(choices: Choices, sensor: Sensor) -> list[Tile]:
    if choices.tiles:
        named = [grids.tile(tile) for tile in choices.tiles]
        return [tile for tile in named if tile.grid == sensor.grid] or _refuse_grid(named, sensor)
    return grids.tiles_covering(choices.area or shapely.Polygon(), sensor.grid)


def _batches(tiles: Sequence[Tile]) -> Iterator[Sequence[Tile]]:
    """Yield as many tiles as make a search that a server will take."""
    for start in range(0, len(tiles), AT_ONCE):
        yield tiles[start : start + AT_ONCE]


def _refuse_grid(tiles: Sequence[Tile], sensor: Sensor) -> list[Tile]:
    raise PlanError(
        f"Tiles {', '.join(tile.id for tile in tiles)} for {sensor.id}",
        expected=f"tiles of the grid {sensor.grid}",
        remedy="see `cubestore tiles --grid`",
    )


def _search(choices: Choices, sensor: Sensor, tiles: Sequence[Tile]) -> Result:
    start, end = interval(choices.datetime)
    area = shapely.union_all([tile.footprint for tile in tiles])
    if choices.area is not None:
        area = shapely.intersection(_widened(choices.area, sensor), area)
    query = Query(
        sensor=sensor,
        area=area,
        start=start,
        end=end,
        collections=choices.collections,
    )
    return search(_catalog(choices), query, timeout=choices.timeout)


def _cube_plan(
    store: str | Path, choices: Choices, sensor: Sensor, tile: Tile, items: Iterable[Item]
) -> tuple[CubePlan, list[Refusal]]:
    bands = _bands(store, choices, sensor, tile)
    ground = _Ground(sensor, tile, choices.area)
    scenes, refused = [], []
    for item in items:
        if item.id in choices.skip_items or not ground.shows(item):
            continue
        if _of_other_sensor(item, sensor, choices):
            continue
        try:
            scenes.append(_harmonised(item, sensor, bands, choices))
        except ItemError as error:
            refused.append(_refusal(item.id, error))
    scenes, lacking = _with_masks(scenes)
    chosen = select(acquisitions(scenes, tile), choices.select, max_cloud=choices.max_cloud)
    one = CubePlan(
        tile=tile.id,
        sensor=sensor.id,
        bands=bands,
        shards=ground.shards,
        acquisitions=tuple(chosen),
    )
    return one, refused + lacking


def _of_other_sensor(item: Item, sensor: Sensor, choices: Choices) -> bool:
    """Whether an item's collection is known to hold something else: catalogues hold many."""
    profiles = [_catalog(choices).profile, *known_providers.providers().values()]
    told = [
        p.collections[item.collection] for p in profiles if p and item.collection in p.collections
    ]
    return bool(told) and all(collection.sensor != sensor.id for collection in told)


def _harmonised(item: Item, sensor: Sensor, bands: Sequence[str], choices: Choices) -> Scene:
    profile = _catalog(choices).profile
    return harmonise(item, sensor, bands, profile=profile, dn_offset=choices.dn_offset)


def _catalog(choices: Choices) -> Catalog:
    profile = known_providers.profile(choices.profile) if choices.profile else None
    return catalog(choices.catalog, profile)


def _with_masks(scenes: Sequence[Scene]) -> tuple[list[Scene], list[Refusal]]:
    """Refuse scenes that lack a mask which others of their collection have."""
    masks: dict[str, set[str]] = {}
    for scene in scenes:
        masks.setdefault(scene.collection, set()).update(scene.layers)
    whole = [s for s in scenes if masks[s.collection] <= set(s.layers)]
    lacking = [
        Refusal(
            item=scene.item_id,
            found=f"Item {scene.item_id} has no asset for {' '.join(missing)}",
            expected=f"one, as other items of {scene.collection or 'the catalogue'} have",
            remedy="report it to the provider",
        )
        for scene in scenes
        if (missing := sorted(masks[scene.collection] - set(scene.layers)))
    ]
    return whole, lacking


def _bands(store: str | Path, choices: Choices, sensor: Sensor, tile: Tile) -> tuple[str, ...]:
    """Return the bands of a cube: those that it has, else those that are wanted."""
    wanted = tuple(choices.bands) or None
    names = tuple(band.name for band in layout.bands_of(sensor, wanted))
    try:
        cube = cubestore.open_store(store).cube(tile.id, sensor.id)
    except (FileNotFoundError, KeyError):
        return names
    there = tuple(str(name) for name in cube.open().band.values)
    if wanted and there != names:
        raise PlanError(
            f"The cube {tile.id} {sensor.id} holds the bands {' '.join(there)}",
            expected=" ".join(names),
            remedy="leave out --bands: a cube's are fixed when it is created",
        )
    return there


class _Ground:
    """What of a tile is built: whole shards, however small the area."""

    def __init__(self, sensor: Sensor, tile: Tile, area: shapely.Geometry | None) -> None:
        self._sensor, self._tile = sensor, tile
        self._grid = layout.geobox(sensor, tile)
        boxes = dict(self._boxes())
        wanted = None if area is None else self._in_crs(area)
        self.shards = tuple(s for s, box in boxes.items() if wanted is None or _share(wanted, box))
        self._built = shapely.union_all([boxes[shard] for shard in self.shards])

    def shows(self, item: Item) -> bool:
        """Whether an item may have pixels here: cut to this tile or none, and meeting a shard."""
        cut_to = product_of(self._sensor).facts(item).get("tile", "")
        if not self.shards or cut_to not in {"", self._tile.id}:
            return False
        return item.geometry is None or _share(self._in_crs(item.geometry), self._built)

    def _boxes(self) -> Iterator[tuple[Shard, shapely.Geometry]]:
        rows, columns = (-(-size // layout.SHARD) for size in self._grid.shape)
        for shard in product(range(rows), range(columns)):
            yield shard, shapely.box(*shard_grid(self._grid, shard).boundingbox.bbox)

    def _in_crs(self, geometry: shapely.Geometry) -> shapely.Geometry:
        """Return a geometry in the tile's CRS, its edges bent as they are on the ground."""
        near = shapely.intersection(geometry, shapely.buffer(self._tile.footprint, AROUND))
        if near.is_empty:
            return near
        return Geometry(near, "EPSG:4326").to_crs(str(self._grid.crs), resolution=0.05).geom


def _widened(area: shapely.Geometry, sensor: Sensor) -> shapely.Geometry:
    """Return an area with what may lie in a shard with it, and more."""
    _, south, _, north = area.bounds
    narrowest = math.cos(math.radians(min(89.0, max(abs(south), abs(north)))))
    across = math.sqrt(2) * layout.SHARD * sensor.gsd / METRES_A_DEGREE
    return shapely.buffer(area, across / narrowest)


def _share(area: shapely.Geometry, box: shapely.Geometry) -> bool:
    """Whether they have more in common than an edge; a point or line lies in what it touches."""
    spread = shapely.get_dimensions(area) == AREA
    return bool(area.intersects(box)) and not (spread and area.touches(box))


def shard_grid(grid: GeoBox, shard: Shard) -> GeoBox:
    """Return a shard's pixels, cut at the cube's far edges."""
    (top, left), (rows, columns) = (n * layout.SHARD for n in shard), grid.shape
    return grid[top : min(top + layout.SHARD, rows), left : min(left + layout.SHARD, columns)]


def _refusal(item: str, error: CubestoreError) -> Refusal:
    return Refusal(item=item, found=error.found, expected=error.expected, remedy=error.remedy)


def _size(one: CubePlan) -> int:
    """Return the bytes of a cube's slots before they are encoded."""
    sensor = cubestore.sensor(one.sensor)
    pixel = len(one.bands) * sensor.pixels.dtype.itemsize
    pixel += sum(layer.dtype.itemsize for layer in layout.layers_of(sensor))
    grid = layout.geobox(sensor, grids.tile(one.tile))
    area = sum(math.prod(shard_grid(grid, shard).shape) for shard in one.shards)
    return pixel * area * len(one.acquisitions)
