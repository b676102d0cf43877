"""The step that builds: a tile or a place at a time, reduced where the run is."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import cubestore
from cubestore import layout
from cubestore.chips import CHIP_SIZE
from cubestore_pipelines import place
from cubestore_pipelines.build import build as carry_out
from cubestore_pipelines.choices import Choices, File, choices, words
from cubestore_pipelines.coverage import shard_grid
from cubestore_pipelines.errors import NothingFoundError, PlanError
from cubestore_pipelines.failures import Refusal
from cubestore_pipelines.plan import CubePlan, Plan
from cubestore_pipelines.plan import plan as make_plan
from cubestore_pipelines.providers import profile
from cubestore_pipelines.recipes.steps import Result, Setting


def build(setting: Setting, *, places: File | None = None, **options: Any) -> Result:  # noqa: ANN401 - those of choices
    """Plan and build, a tile or a place at a time; what is there already is left as it is.

    Args:
        setting: of the run.
        places: a vector file of which each feature is an area of its own: rules choose for it.
        options: see :func:`cubestore_pipelines.choices`.
    """
    total: Counter[str] = Counter()
    for chosen in _each(setting, places, options):
        total["places"] += 1
        try:
            made = _reduced(make_plan(setting.store, chosen), setting.limit)
        except NothingFoundError as error:
            _tell_nothing(setting, error)
            total["nothing_found"] += 1
            continue
        total.update(_planned(made) if setting.plan_only else _built(setting, made))
    return Result(facts=dict(total), failed=total["failed"] + total["nothing_found"])


def _each(setting: Setting, places: File | None, options: dict[str, Any]) -> Iterator[Choices]:
    """Yield the choices of each place: the features of a file, else tiles, else one area."""
    where = {**options, **searched(setting, options.get("catalog", ""))}
    tiles = words(where.pop("tile", ()))
    if (file := where.pop("tiles", None)) is not None:
        tiles = (*tiles, *place.tiles(Path(file)))
    if places is not None:
        _refuse_two_places(tiles, where)
        for area in place.places(Path(places))[: setting.limit]:
            yield choices(**where, aoi=area)
    elif tiles:
        for tile in tiles[: setting.limit]:
            yield choices(**where, tile=tile)
    else:
        yield choices(**where)


def _refuse_two_places(tiles: Sequence[str], where: Mapping[str, Any]) -> None:
    if others := [name for name in ("bbox", "aoi") if name in where] + list(tiles[:1]):
        raise PlanError(
            f"Places, and {others[0]} beside them",
            expected="either places, each for itself, or tiles and an area",
            remedy="leave out one of them",
        )


def searched(setting: Setting, catalog: str) -> dict[str, str]:
    """Return where a build searches: as its recipe has it, or where the run is told to.

    What an earlier step has found, or lies in the user's folder, is searched as it is.
    """
    if Path(catalog).exists():
        return {"catalog": catalog}
    address = setting.catalogs.get(catalog) or setting.catalogs.get("", "")
    if address.endswith((".yaml", ".yml")):
        return {"catalog": "", "profile": address}
    return {"catalog": address or catalog}


def address(setting: Setting, catalog: str) -> str:
    """Return where a sample is drawn from: the same, as an address alone."""
    told = searched(setting, catalog)
    return told["catalog"] or profile(told["profile"]).url


def _reduced(made: Plan, limit: int | None) -> Plan:
    """Return a plan with the first acquisitions of each cube alone."""
    cubes = (replace(one, acquisitions=one.acquisitions[:limit]) for one in made.cubes)
    return replace(made, cubes=tuple(cubes))


def _planned(made: Plan) -> dict[str, int]:
    """Return what would be done."""
    told = made.summary()
    return {
        "cubes": told["cubes"],
        "scenes": told["items"],
        "slots": told["slots"],
        "chips": sum(map(_chips, made.cubes)),
        "bytes": told["bytes"],
        "failed": told["refused"],
    }


def _chips(one: CubePlan) -> int:
    """Return how many chips of 256 pixels lie in what is to be read, cut ones at edges too."""
    grid = layout.geobox(cubestore.sensor(one.sensor), cubestore.tile(one.tile))
    shapes = (shard_grid(grid, shard).shape for shard in one.shards)
    return len(one.acquisitions) * sum(prod(-(-n // CHIP_SIZE) for n in shape) for shape in shapes)


def _built(setting: Setting, made: Plan) -> dict[str, int]:
    """Build, and return what was done."""
    report = carry_out(setting.store, made, watcher=setting.watcher, start=setting.start)
    return {
        "cubes": len(report.cubes),
        "committed": len(report.committed),
        "unchanged": report.unchanged,
        "left_out": len(report.left_out),
        "shards": report.shards,
        "bytes": report.bytes,
        "failed": len(report.failures),
    }


def _tell_nothing(setting: Setting, error: NothingFoundError) -> None:
    if setting.watcher is not None:
        told = {"found": error.found, "expected": error.expected, "remedy": error.remedy}
        setting.watcher.failed(Refusal(item="", **told))
