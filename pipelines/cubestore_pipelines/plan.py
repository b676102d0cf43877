"""What a build will do: which scenes were chosen for which slots, read onto which shards.

And what was refused, and why. A plan made twice is the same; ``planfile`` keeps it.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import shapely

import cubestore
from cubestore import Cube, grids, layout
from cubestore.errors import MismatchError
from cubestore.grids import Tile
from cubestore.sensors import Sensor
from cubestore_pipelines import ledger, pairs, providers
from cubestore_pipelines.acquisitions import Acquisition, acquisitions
from cubestore_pipelines.choices import Choices
from cubestore_pipelines.coverage import Ground, Shard, shard_grid, widened
from cubestore_pipelines.errors import (
    ItemError,
    NothingFoundError,
    OtherProductError,
    PlanError,
)
from cubestore_pipelines.failures import Refusal
from cubestore_pipelines.harmonise import harmonise
from cubestore_pipelines.items import Item
from cubestore_pipelines.products import IN_SHEETS, MAPS
from cubestore_pipelines.scene import Scene
from cubestore_pipelines.search import Catalog, Query, Result, catalog, interval, search
from cubestore_pipelines.select import Place, Selection, less_cloudy, searched, select

AT_ONCE = 50
"""Tiles of one search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CubePlan:
    """What is to be built of one cube."""

    tile: str
    sensor: str
    bands: tuple[str, ...]
    layers: tuple[str, ...] = ()
    """Optional ones."""

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
    def catalog(self) -> Catalog:
        """Where it was searched: it says what its items may point to, and how they are signed."""
        return _catalog(self.choices)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidates:
    """What there is of a sensor on a tile, before a rule chooses."""

    sensor: Sensor
    tile: Tile
    ground: Ground
    bands: tuple[str, ...]
    layers: tuple[str, ...]
    found: tuple[Acquisition, ...]
    refused: tuple[Refusal, ...]
    others: tuple[Refusal, ...]
    """Products of other platforms: no failures, unless there is nothing else."""


def plan(store: str | Path, choices: Choices) -> Plan:
    """Return what a build would do.

    Args:
        store: where the cubes lie, or will; only its cubes' bands and slots are looked at.
        choices: what is wanted.

    Raises:
        CatalogError: the catalogue cannot be searched.
        NothingFoundError: nothing matches.
        PlanError: choices that contradict each other.
    """
    _refuse_unknown_names(choices)
    candidates = {(c.tile.id, c.sensor.id): c for c in _candidates(store, choices)}
    if not any(c.found or c.refused for c in candidates.values()):
        others = [other for c in candidates.values() for other in c.others]
        raise _nothing(choices, others)
    chosen = _Chooser(store, choices, candidates)
    made = tuple(chosen.cube_plan(*key) for key in candidates)
    refused = [
        replace(one, tile=c.tile.id, sensor=c.sensor.id)
        for c in candidates.values()
        for one in c.refused
    ]
    return Plan(
        choices=choices,
        cubes=tuple(cube for cube in made if cube.acquisitions),
        refused=tuple(dict.fromkeys([*refused, *chosen.refused])),
    )


def find(choices: Choices) -> list[Item]:
    """Return the items of a catalogue that a plan would choose from, by time.

    Raises:
        CatalogError: the catalogue cannot be searched.
        NothingFoundError: nothing matches.
    """
    found: dict[tuple[str, str], Item] = {}
    where = _catalog(choices)
    for sensor, tiles in _searches(choices):
        grounds = [Ground(sensor, tile, choices.area) for tile in tiles]
        for item in _search(where, choices, sensor, tiles).items:
            if any(ground.shows(item) for ground in grounds):
                found[item.collection, item.id] = item
    if not found:
        raise _nothing(choices, [])
    return sorted(found.values(), key=lambda item: (item.time, item.id))


def _nothing(choices: Choices, others: Sequence[Refusal]) -> NothingFoundError:
    sensors = ", ".join(choices.sensors)
    if others:
        first = others[0]
        return NothingFoundError(
            f"{choices.catalog or choices.profile} has no item of {sensors} there and then;"
            f" {len(others)} are something else: {first.found}",
            expected=first.expected,
            remedy=first.remedy,
        )
    return NothingFoundError(
        f"{choices.catalog or choices.profile} has no item of {sensors} there and then",
        expected="some",
        remedy="widen --datetime or the area, or name the collection with --collection",
    )


# What there is.


def _candidates(store: str | Path, choices: Choices) -> Iterator[_Candidates]:
    where = _catalog(choices)
    for sensor, tiles in _searches(choices):
        result = _search(where, choices, sensor, tiles)
        unreadable = [Refusal.of(item, error) for item, error in result.unreadable]
        for tile in tiles:
            yield _Sifting(store, choices, where, sensor, tile).sift(result.items, unreadable)


def _searches(choices: Choices) -> Iterator[tuple[Sensor, Sequence[Tile]]]:
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
        remedy="see `cubestore tiles --grid`",
    )


def _search(where: Catalog, choices: Choices, sensor: Sensor, tiles: Sequence[Tile]) -> Result:
    """Search the tiles; for a small area less, where each product is cut to its tile or small.

    What makes up a slot must not depend on the area for which it was first built: of frames, paths
    and sheets of a map all that lie on the tile are found.
    """
    area = shapely.union_all([tile.footprint for tile in tiles])
    if choices.area is not None and sensor.id not in IN_SHEETS:
        area = shapely.intersection(widened(choices.area, sensor), area)
    times = [searched(choices.selection(sensor.id), _place(choices, tile)) for tile in tiles]
    starts, ends = [start for start, _ in times], [end for _, end in times]
    query = Query(
        sensor=sensor,
        area=area,
        start=None if None in starts or sensor.id in MAPS else min(filter(None, starts)),
        end=None if None in ends or sensor.id in MAPS else max(filter(None, ends)),
        collections=choices.collections,
    )
    return search(where, query, timeout=choices.timeout)


def _place(choices: Choices, tile: Tile) -> Place:
    start, end = interval(choices.datetime)
    return Place(name=tile.id, seed=choices.seed, start=start, end=end)


def _catalog(choices: Choices) -> Catalog:
    profile = providers.profile(choices.profile) if choices.profile else None
    return catalog(choices.catalog, profile)


class _Sifting:
    """The way from the items of a search to what a tile can hold of a sensor."""

    def __init__(
        self, store: str | Path, choices: Choices, where: Catalog, sensor: Sensor, tile: Tile
    ) -> None:
        self._choices, self._sensor, self._tile = choices, sensor, tile
        self._profile = where.profile
        self._known = [p for p in (where.profile, *providers.providers().values()) if p]
        self._cube = _existing(store, tile, sensor)

    def sift(self, items: Iterable[Item], unreadable: Sequence[Refusal]) -> _Candidates:
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
        return _Candidates(
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
        return there, held

    def _refuse_others(self, what: str, there: Sequence[str], wanted: Sequence[str]) -> None:
        if wanted and tuple(there) != tuple(wanted):
            raise PlanError(
                f"The cube {self._tile.id} {self._sensor.id} holds the {what} {' '.join(there)}",
                expected=" ".join(wanted),
                remedy=f"leave out --{what}: a cube's are fixed when it is created",
            )


def _existing(store: str | Path, tile: Tile, sensor: Sensor) -> Cube | None:
    try:
        return cubestore.open_store(store).cube(tile.id, sensor.id)
    except (FileNotFoundError, KeyError):
        return None


def _refuse_unknown_names(choices: Choices) -> None:
    """Refuse bands and layers that none of the sensors has."""
    sensors = [cubestore.sensor(name) for name in choices.sensors]
    bands = {b.name for s in sensors for b in (*s.bands, *s.optional_bands)}
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
    known = {band.name for band in (*sensor.bands, *sensor.optional_bands)}
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


# What is chosen.


class _Chooser:
    """Who applies the rules: sensor after sensor, those first beside which others are wanted."""

    def __init__(
        self,
        store: str | Path,
        choices: Choices,
        candidates: Mapping[tuple[str, str], _Candidates],
    ) -> None:
        self._store, self._choices, self._candidates = store, choices, candidates
        self._rules = {name: choices.selection(name) for name in choices.sensors}
        self._chosen: dict[tuple[str, str], list[Acquisition]] = {}
        self._known: dict[tuple[str, str], set[str]] = {}
        self.refused: list[Refusal] = []
        self._refuse_chains()

    def cube_plan(self, tile: str, sensor: str) -> CubePlan:
        """Return what is to be built of one cube."""
        one = self._candidates[tile, sensor]
        return CubePlan(
            tile=tile,
            sensor=sensor,
            bands=one.bands,
            layers=one.layers,
            shards=one.ground.shards,
            acquisitions=tuple(self._choose(tile, sensor)),
        )

    def _choose(self, tile: str, sensor: str) -> list[Acquisition]:
        key = (tile, sensor)
        if key not in self._chosen:
            near = self._rules[sensor].near
            beside = self._beside if near else self._by_rule
            self._chosen[key] = beside(self._candidates[key], self._rules[sensor])
        return self._chosen[key]

    def _by_rule(self, one: _Candidates, rule: Selection) -> list[Acquisition]:
        """Choose by a rule what also has the partners that others are to be beside it."""
        followers = [
            other
            for name, selection in self._rules.items()
            if selection.near and selection.near.sensor == one.sensor.id
            if (other := self._candidates.get((one.tile.id, name)))
        ]

        def accept(acquisition: Acquisition) -> bool:
            return all(self._partners(acquisition.time, other)[1] for other in followers)

        place = _place(self._choices, one.tile)
        fine = self._fine(one, self._choices.max_nodata)
        found = select(fine, rule, place, accept=accept)
        if followers and (alone := len(select(fine, rule, place)) - len(found)):
            self.refused.append(_without_partner(one, followers, alone))
        return found

    def _beside(self, one: _Candidates, _: Selection) -> list[Acquisition]:
        """Choose what lies beside each acquisition of another sensor."""
        partners = (self._partners(moment, one)[0] for moment in self._moments(one))
        unique = {a.item_id: a for group in partners for a in group}
        return sorted(unique.values(), key=lambda a: (a.time, a.item_id))

    def _partners(self, moment: datetime, one: _Candidates) -> tuple[list[Acquisition], bool]:
        """Return what lies beside a moment, and whether it covers the place."""
        near = self._rules[one.sensor.id].near
        if near is None:
            return [], True
        fine = self._fine(one, max_nodata=None)  # parts of the place are added up
        found, covered = pairs.partners(moment, fine, near.within, one.ground)
        wanted = 1 - (self._choices.max_nodata or 0) / 100
        return found, bool(found) and covered >= min(wanted, pairs.COVERED)

    def _moments(self, one: _Candidates) -> list[datetime]:
        """Return the times of the other sensor: those of this plan, else of its cube."""
        near = self._rules[one.sensor.id].near
        name = near.sensor if near else ""
        if name in self._rules:
            there = (one.tile.id, name) in self._candidates
            return [a.time for a in self._choose(one.tile.id, name)] if there else []
        cube = _existing(self._store, one.tile, cubestore.sensor(name))
        if cube is None:
            raise PlanError(
                f"There is no cube {one.tile.id} {name} beside which to choose {one.sensor.id}",
                expected=f"one, or {name} among the sensors of this build",
                remedy=f"build it first, or add --sensor {name}",
            )
        return [_utc(moment) for moment in cube.open().time.values]

    def _fine(self, one: _Candidates, max_nodata: float | None) -> list[Acquisition]:
        """Leave out what is too cloudy or too empty, as far as that is known beforehand."""
        known = self._measured(one)
        return [
            a
            for a in less_cloudy(one.found, self._choices.max_cloud)
            if not (max_nodata is not None and _nodata(a, one.ground) > max_nodata)
            and a.item_id not in known
        ]

    def _measured(self, one: _Candidates) -> set[str]:
        """Return what an earlier build has read, and found cloudier or emptier than wanted."""
        key = one.tile.id, one.sensor.id
        if key not in self._known:
            self._known[key] = self._left_out(one)
        return self._known[key]

    def _left_out(self, one: _Candidates) -> set[str]:
        limits = self._choices
        cube = _existing(self._store, one.tile, one.sensor)
        if cube is None or (limits.max_measured_cloud, limits.max_measured_nodata) == (None, None):
            return set()
        return {
            entry.item
            for entry in ledger.left_out(cube)
            if set(one.ground.shards) == set(entry.shards)
            and entry.beyond(limits.max_measured_cloud, limits.max_measured_nodata)
        }

    def _refuse_chains(self) -> None:
        """Refuse rules that lean on one another, or on a sensor of another grid."""
        for name, rule in self._rules.items():
            if rule.near is None:
                continue
            other = cubestore.sensor(rule.near.sensor)
            leans = name == other.id or (other.id in self._rules and self._rules[other.id].near)
            if leans or other.grid != cubestore.sensor(name).grid:
                raise PlanError(
                    f"{name} is to be chosen near {other.id}",
                    expected="a sensor of the same grid that is chosen by a rule of its own",
                    remedy="give each its rule: --select SENSOR=RULE",
                )


def _without_partner(one: _Candidates, followers: Sequence[_Candidates], count: int) -> Refusal:
    names = " and ".join(follower.sensor.id for follower in followers)
    return Refusal(
        item="",
        found=f"{count} of what was to be chosen of {one.sensor.id} on {one.tile.id} has no"
        f" {names} beside it that covers the place",
        expected="a partner, within the time that near: names",
        remedy="allow more time, a wider --datetime, or gaps with --max-nodata",
        tile=one.tile.id,
        sensor=one.sensor.id,
    )


def _nodata(acquisition: Acquisition, ground: Ground) -> float:
    """Return the percent without data: as the provider tells, else by the footprints."""
    if not math.isnan(acquisition.nodata_cover):
        return acquisition.nodata_cover
    covered: Callable[..., float] = ground.covered
    share = covered(scene.footprint for scene in acquisition.scenes)
    return 0.0 if math.isnan(share) else 100 * (1 - share)


def _utc(moment: Any) -> datetime:  # noqa: ANN401 - numpy's
    return datetime.fromisoformat(f"{moment.astype('M8[us]')}+00:00")


def _size(one: CubePlan) -> int:
    """Return the bytes of a cube's slots before they are encoded."""
    sensor = cubestore.sensor(one.sensor)
    pixel = len(one.bands) * sensor.pixels.dtype.itemsize
    pixel += sum(layer.dtype.itemsize for layer in layout.layers_of(sensor, one.layers))
    grid = layout.geobox(sensor, grids.tile(one.tile))
    area = sum(math.prod(shard_grid(grid, shard).shape) for shard in one.shards)
    return pixel * area * len(one.acquisitions)
