"""A plan as a file: JSON that people can read, review, and build from.

It holds no signed address, and nothing that a second build would do otherwise.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import shapely

from cubestore.errors import SlotError
from cubestore.slot import refuse_tokens
from cubestore_pipelines.acquisitions import Acquisition
from cubestore_pipelines.choices import Choices
from cubestore_pipelines.errors import PlanError
from cubestore_pipelines.failures import Refusal
from cubestore_pipelines.plan import CubePlan, Plan
from cubestore_pipelines.scene import Raster, Scene

FORMAT = 2
"""1 had one rule of selection, and no footprints."""

COARSE = 1e-4
"""Degrees to which a footprint is kept."""


def save(made: Plan, path: str | Path) -> None:
    """Write a plan to a file.

    Raises:
        PlanError: an item's address carries a signature or a token.
    """
    document = {"cubestore:plan": FORMAT, "summary": made.summary(), **_jsonable(made)}
    for one in made.cubes:
        for scene in one.scenes:
            _refuse_signed(scene)
    Path(path).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _refuse_signed(scene: Scene) -> None:
    """Refuse addresses that are signed already: a plan outlives them, and tells them to others."""
    rasters = (*scene.bands.values(), *scene.layers.values())
    addresses = [scene.url, *(raster.href for raster in rasters)]
    try:
        refuse_tokens(" ".join(address for address in addresses if "://" in address))
    except SlotError as error:
        raise PlanError(
            f"Item {scene.item_id}: {error.found}",
            expected="addresses as the catalogue has them",
            remedy="search without signing: a build signs by itself",
        ) from None


def load(path: str | Path) -> Plan:
    """Return the plan of a file.

    Raises:
        PlanError: it is none, or one of another format.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        if document["cubestore:plan"] != FORMAT:
            raise PlanError(
                f"{path} is a plan of format {document['cubestore:plan']}",
                expected=f"format {FORMAT}",
                remedy="make it again with `cubestore plan`",
            )
        return _parsed(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, PlanError):
            raise
        raise PlanError(
            f"{path} is no plan: {type(error).__name__} {error}",
            expected="a file that `cubestore plan` wrote",
            remedy="make it again with `cubestore plan`",
        ) from None


def _jsonable(made: Plan) -> dict[str, Any]:
    choices = {f.name: getattr(made.choices, f.name) for f in fields(made.choices)}
    area = made.choices.area
    return {
        "choices": {**choices, "area": area and json.loads(shapely.to_geojson(area))},
        "cubes": [_jsonable_cube(one) for one in made.cubes],
        "refused": [asdict(refusal) for refusal in made.refused],
    }


def _jsonable_cube(one: CubePlan) -> dict[str, Any]:
    slots = [[_jsonable_scene(scene) for scene in a.scenes] for a in one.acquisitions]
    told = {f.name: getattr(one, f.name) for f in fields(one) if f.name != "acquisitions"}
    return {**told, "slots": slots}


def _jsonable_scene(scene: Scene) -> dict[str, Any]:
    told = {f.name: getattr(scene, f.name) for f in fields(scene)}
    rasters = {
        name: {key: _filled(asdict(raster)) for key, raster in told[name].items()}
        for name in ("bands", "layers")
    }
    times = {name: told[name].isoformat() for name in ("time", "time_end")}
    told["metadata"] = _filled(asdict(scene.metadata)) if scene.metadata else None
    drawn = shapely.set_precision(scene.footprint, COARSE) if scene.footprint else None
    told["footprint"] = shapely.to_wkt(drawn, rounding_precision=4) if drawn else ""
    # NaN, unequal to itself, has no JSON.
    return {k: v for k, v in {**told, **rasters, **times}.items() if v == v}  # noqa: PLR0124


def _filled(raster: Mapping[str, Any]) -> dict[str, Any]:
    nodata = raster["nodata"]
    spelled = {} if nodata is None or math.isfinite(nodata) else {"nodata": str(nodata)}
    return {k: v for k, v in {**raster, **spelled}.items() if v not in (None, "", ())}


def _parsed(document: Mapping[str, Any]) -> Plan:
    told = dict(document["choices"])
    area = told.pop("area")
    lists = {k: tuple(v) for k, v in told.items() if isinstance(v, list)}
    return Plan(
        choices=Choices(
            **{**told, **lists}, area=shapely.from_geojson(json.dumps(area)) if area else None
        ),
        cubes=tuple(_parsed_cube(one) for one in document["cubes"]),
        refused=tuple(Refusal(**one) for one in document["refused"]),
    )


def _parsed_cube(one: Mapping[str, Any]) -> CubePlan:
    return CubePlan(
        tile=one["tile"],
        sensor=one["sensor"],
        bands=tuple(one["bands"]),
        layers=tuple(one["layers"]),
        shards=tuple((row, column) for row, column in one["shards"]),
        acquisitions=tuple(Acquisition(tuple(map(_parsed_scene, s))) for s in one["slots"]),
    )


def _parsed_scene(told: Mapping[str, Any]) -> Scene:
    rasters = {
        name: {key: _parsed_raster(raster) for key, raster in told[name].items()}
        for name in ("bands", "layers")
    }
    times = {name: datetime.fromisoformat(told[name]) for name in ("time", "time_end")}
    footprint = shapely.from_wkt(told["footprint"]) if told["footprint"] else None
    metadata = _parsed_raster(told["metadata"]) if told["metadata"] else None
    drawn = {"footprint": footprint, "metadata": metadata}
    return Scene(**{**told, **rasters, **times, **drawn})


def _parsed_raster(told: Mapping[str, Any]) -> Raster:
    lists = {name: tuple(told[name]) for name in ("transform", "shape") if name in told}
    spelled = isinstance(told.get("nodata"), str)
    nodata = {"nodata": float(told["nodata"])} if spelled else {}
    return Raster(**{**told, **lists, **nodata})
