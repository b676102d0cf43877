"""What a build will do: which scenes were chosen for which slots, read onto which shards.

And what was refused, and why. A plan made twice is the same; ``planfile`` keeps it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cubestore
from cubestore import grids, layout
from cubestore_pipelines.acquisitions import Acquisition
from cubestore_pipelines.candidates import (
    Candidates,
    candidates,
    catalog_of,
    found_by,
    refuse_unknown_names,
    searches,
)
from cubestore_pipelines.choices import Choices
from cubestore_pipelines.choose import Chooser
from cubestore_pipelines.coverage import Ground, Shard, shard_grid
from cubestore_pipelines.errors import NothingFoundError
from cubestore_pipelines.failures import Refusal
from cubestore_pipelines.items import Item
from cubestore_pipelines.scene import Scene
from cubestore_pipelines.search import Catalog


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
        return catalog_of(self.choices)

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
        store: where the cubes lie, or will; only its cubes' bands and slots are looked at.
        choices: what is wanted.

    Raises:
        CatalogError: the catalogue cannot be searched.
        NothingFoundError: nothing matches.
        PlanError: choices that contradict each other.
    """
    refuse_unknown_names(choices)
    there = {(one.tile.id, one.sensor.id): one for one in candidates(store, choices)}
    if not any(one.found or one.refused for one in there.values()):
        raise _nothing(choices, [other for one in there.values() for other in one.others])
    chooser = Chooser(store, choices, there)
    made = [_cube_plan(one, chooser.chosen(*key)) for key, one in there.items()]
    refused = [
        replace(refusal, tile=one.tile.id, sensor=one.sensor.id)
        for one in there.values()
        for refusal in one.refused
    ]
    return Plan(
        choices=choices,
        cubes=tuple(cube for cube in made if cube.acquisitions),
        refused=tuple(dict.fromkeys([*refused, *chooser.refused])),
    )


def _cube_plan(one: Candidates, chosen: Sequence[Acquisition]) -> CubePlan:
    return CubePlan(
        tile=one.tile.id,
        sensor=one.sensor.id,
        bands=one.bands,
        layers=one.layers,
        shards=one.ground.shards,
        acquisitions=tuple(chosen),
    )


def find(choices: Choices) -> list[Item]:
    """Return the items of a catalogue that a plan would choose from, by time.

    Raises:
        CatalogError: the catalogue cannot be searched.
        NothingFoundError: nothing matches.
    """
    found: dict[tuple[str, str], Item] = {}
    where = catalog_of(choices)
    for sensor, tiles in searches(choices):
        grounds = [Ground(sensor, tile, choices.area) for tile in tiles]
        for item in found_by(where, choices, sensor, tiles).items:
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


def _size(one: CubePlan) -> int:
    """Return the bytes of a cube's slots before they are encoded."""
    sensor = cubestore.sensor(one.sensor)
    pixel = len(one.bands) * sensor.pixels.dtype.itemsize
    pixel += sum(layer.dtype.itemsize for layer in layout.layers_of(sensor, one.layers))
    grid = layout.geobox(sensor, grids.tile(one.tile))
    area = sum(math.prod(shard_grid(grid, shard).shape) for shard in one.shards)
    return pixel * area * len(one.acquisitions)
