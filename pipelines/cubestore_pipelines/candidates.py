"""What there is of a sensor on a tile, before a rule chooses: searched, sifted, made into slots.

Items that are another tile's, another sensor's or another platform's are left out; those that
cannot be used are refused, each with the reason.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import shapely

import cubestore
from cubestore import Cube, grids, layout
from cubestore.encoding import MANTISSA_BITS
from cubestore.errors import MismatchError
from cubestore.grids import Tile
from cubestore.sensors import Sensor
from cubestore_pipelines import providers
from cubestore_pipelines.acquisitions import Acquisition, acquisitions
from cubestore_pipelines.choices import Choices
from cubestore_pipelines.coverage import Ground, widened
from cubestore_pipelines.errors import ItemError, OtherProductError, PlanError
from cubestore_pipelines.failures import Refusal
from cubestore_pipelines.harmonise import harmonise
from cubestore_pipelines.items import Item
from cubestore_pipelines.products import IN_SHEETS, MAPS
from cubestore_pipelines.scene import Scene
from cubestore_pipelines.search import Catalog, Query, Result, catalog, interval, search
from cubestore_pipelines.select import Place, searched

AT_ONCE = 50
"""Tiles of one search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What there is of a sensor on a tile."""

    sensor: Sensor
    tile: Tile
    ground: Ground
    bands: tuple[str, ...]
    layers: tuple[str, ...]
    found: tuple[Acquisition, ...]
    refused: tuple[Refusal, ...]
    others: tuple[Refusal, ...]
    """Products of other platforms: no failures, unless there is nothing else."""


def candidates(store: str | Path | None, choices: Choices) -> Iterator[Candidates]:
    """Yield what there is of each sensor on each tile.

    Args:
        store: whose cubes say which bands are read; None: it is not for cubes.
        choices: what is wanted.

    Raises:
        CatalogError: the catalogue cannot be searched.
        PlanError: choices that contradict each other, or a cube that is there.
    """
    where = catalog_of(choices)
    for sensor, tiles in searches(choices):
        result = found_by(where, choices, sensor, tiles)
        unreadable = [Refusal.of(item, error) for item, error in result.unreadable]
        for tile in tiles:
            yield _Sifting(store, choices, where, sensor, tile).sift(result.items, unreadable)


def searches(choices: Choices) -> Iterator[tuple[Sensor, Sequence[Tile]]]:
    """Yield each sensor with as many of its tiles as make a search that a server will take."""
    for sensor in map(cubestore.sensor, choices.sensors):
        tiles = _tiles(choices, sensor)
        for start in range(0, len(tiles), AT_ONCE):
            yield sensor, tiles[start : start + AT_ONCE]


def _tiles(choices: Choices, sensor: Sensor) -> list[Tile]:
    """Return the tiles of a sensor's grid: those named, or those that the area meets."""
    if not choices.tiles:
        return grids.tiles_covering(choices.area or shapely.Polygon(), sensor.grid)
    named = [grids.tile(tile) for tile in choices.tiles]
    if mine := [tile for tile in named if tile.grid == sensor.grid]:
        return mine
    raise PlanError(
        f"Tiles {', '.join(tile.id for tile in named)} for {sensor.id}",
        expected=f"tiles of the grid {sensor.grid}",
        remedy="see `cubestore tiles --grid`; tiles of both grids may be named side by side",
    )


def found_by(where: Catalog, choices: Choices, sensor: Sensor, tiles: Sequence[Tile]) -> Result:
    """Search the tiles; for a small area less, where each product is cut to its tile or small.

    What makes up a slot must not depend on the area for which it was first built: of frames, paths
    and sheets of a map all that lie on the tile are found.
    """
    area = shapely.union_all([tile.footprint for tile in tiles])
    if choices.area is not None and sensor.id not in IN_SHEETS:
        area = shapely.intersection(widened(choices.area, sensor), area)
    if area.is_empty:  # tiles that are named, and an area elsewhere
        return Result(items=(), unreadable=())
    times = [searched(choices.selection(sensor.id), place_of(choices, tile)) for tile in tiles]
    starts, ends = [start for start, _ in times], [end for _, end in times]
    query = Query(
        sensor=sensor,
        area=area,
        start=None if None in starts or sensor.id in MAPS else min(filter(None, starts)),
        end=None if None in ends or sensor.id in MAPS else max(filter(None, ends)),
        collections=choices.collections,
    )
    return search(where, query, timeout=choices.timeout)


def place_of(choices: Choices, tile: Tile) -> Place:
    """Return where and when rules choose on a tile."""
    start, end = interval(choices.datetime)
    return Place(name=tile.id, seed=choices.seed, start=start, end=end)


def catalog_of(choices: Choices) -> Catalog:
    """Return where the choices are searched; a profile of the user's is read."""
    profile = providers.profile(choices.profile) if choices.profile else None
    return catalog(choices.catalog, profile)


class _Sifting:
    """The way from the items of a search to what a tile can hold of a sensor."""

    def __init__(
        self, store: str | Path | None, choices: Choices, where: Catalog, sensor: Sensor, tile: Tile
    ) -> None:
        self._choices, self._sensor, self._tile = choices, sensor, tile
        self._profile = where.profile
        self._known = [p for p in (where.profile, *providers.providers().values()) if p]
        self._cube = None if store is None else existing(store, tile, sensor)

    def sift(self, items: Iterable[Item], unreadable: Sequence[Refusal]) -> Candidates:
        """Return the acquisitions that items make, and what is refused of them."""
        bands, layers = self._variables()
        ground = Ground(self._sensor, self._tile, self._choices.area)
        scenes, refused, others = [], list(unreadable), []
        for item in items:
            if item.id in self._choices.skip_items or not self._shown(item, ground):
                continue
            if self._of_other_sensor(item):
                continue
            try:
                scenes.append(self._harmonised(item, bands, layers))
            except OtherProductError as error:
                others.append(Refusal.of(item.id, error))
            except ItemError as error:
                refused.append(Refusal.of(item.id, error))
        whole, lacking = _with_masks(scenes, self._sensor)
        _refuse_absent_layers(whole, layers)
        return Candidates(
            sensor=self._sensor,
            tile=self._tile,
            ground=ground,
            bands=bands,
            layers=layers,
            found=tuple(
                one
                for one in acquisitions(whole, self._tile)
                if any(ground.meets(scene.footprint) for scene in one.scenes)
            ),
            refused=(*refused, *lacking),
            others=tuple(others),
        )

    def _shown(self, item: Item, ground: Ground) -> bool:
        """Whether an item belongs to the slots of the place; of sheets all on the tile do."""
        return ground.on_tile(item) if self._sensor.id in IN_SHEETS else ground.shows(item)

    def _of_other_sensor(self, item: Item) -> bool:
        """Whether an item's collection is known to hold something else: catalogues hold many."""
        told = [
            p.collections[item.collection] for p in self._known if item.collection in p.collections
        ]
        return bool(told) and all(one.sensor != self._sensor.id for one in told)

    def _harmonised(self, item: Item, bands: Sequence[str], layers: Sequence[str]) -> Scene:
        return harmonise(
            item,
            self._sensor,
            bands,
            layers=layers,
            profile=self._profile,
            dn_offset=self._choices.dn_offset,
        )

    def _variables(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return bands and optional layers: those that the cube has, else those wanted."""
        bands = _wanted_bands(self._choices, self._sensor)
        layers = _wanted_layers(self._choices, self._sensor)
        if self._cube is None:
            return bands or tuple(band.name for band in self._sensor.bands), layers
        dataset = self._cube.open()
        there = tuple(str(name) for name in dataset.band.values)
        on_request = [layer.name for layer in self._sensor.optional_layers]
        held = tuple(name for name in on_request if name in dataset)
        self._refuse_others("bands", there, bands)
        self._refuse_others("layers", held, layers)
        if self._choices.lossless and MANTISSA_BITS in dataset[self._sensor.pixels.name].attrs:
            raise PlanError(
                f"The cube {self._tile.id} {self._sensor.id} keeps"
                f" {self._sensor.mantissa_bits} bits of each pixel's mantissa",
                expected="all of them, as --lossless asks for",
                remedy="leave out --lossless: how a cube is stored is fixed when it is created",
            )
        return there, held

    def _refuse_others(self, what: str, there: Sequence[str], wanted: Sequence[str]) -> None:
        if wanted and tuple(there) != tuple(wanted):
            raise PlanError(
                f"The cube {self._tile.id} {self._sensor.id} holds the {what} {' '.join(there)}",
                expected=" ".join(wanted),
                remedy=f"leave out --{what}: a cube's are fixed when it is created",
            )


def existing(store: str | Path, tile: Tile, sensor: Sensor) -> Cube | None:
    """Return a cube, or None where it is not there."""
    try:
        return cubestore.open_store(store).cube(tile.id, sensor.id)
    except (FileNotFoundError, KeyError):
        return None


def refuse_unknown_names(choices: Choices) -> None:
    """Refuse bands and layers that none of the sensors has."""
    sensors = [cubestore.sensor(name) for name in choices.sensors]
    bands = {b.name for s in sensors for b in s.every_band}
    layers = {layer.name for s in sensors for layer in s.optional_layers}
    for what, wanted, known in (
        ("bands", choices.bands, bands),
        ("layers", choices.layers, layers),
    ):
        if strange := sorted(set(wanted) - known):
            raise MismatchError(
                f"The {what} {' '.join(strange)} for {', '.join(choices.sensors)}",
                expected=f"some of {' '.join(sorted(known))}",
                remedy="see `cubestore sensors` for what a sensor has",
            )


def _wanted_bands(choices: Choices, sensor: Sensor) -> tuple[str, ...]:
    known = {band.name for band in sensor.every_band}
    names = tuple(name for name in choices.bands if name in known)
    return tuple(band.name for band in layout.bands_of(sensor, names)) if names else ()


def _wanted_layers(choices: Choices, sensor: Sensor) -> tuple[str, ...]:
    return tuple(layer.name for layer in sensor.optional_layers if layer.name in choices.layers)


def _with_masks(scenes: Sequence[Scene], sensor: Sensor) -> tuple[list[Scene], list[Refusal]]:
    """Refuse scenes that lack a mask which others of their collection have."""
    always = {layer.name for layer in sensor.layers}
    masks: dict[str, set[str]] = {}
    for scene in scenes:
        masks.setdefault(scene.collection, set()).update(always & set(scene.layers))
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


def _refuse_absent_layers(scenes: Sequence[Scene], layers: Sequence[str]) -> None:
    """Refuse optional layers that not one item has; where some have them others are nodata."""
    there = {name for scene in scenes for name in scene.layers}
    if scenes and (absent := [name for name in layers if name not in there]):
        raise PlanError(
            f"No item of {scenes[0].collection or 'the catalogue'} has an asset for"
            f" {' '.join(absent)}",
            expected="a catalogue that has it",
            remedy="leave it out of --layers, or tell with --profile which asset it is",
        )
