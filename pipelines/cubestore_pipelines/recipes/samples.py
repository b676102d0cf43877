"""The steps that draw tiles and places: each makes the file that later steps build from."""

from collections.abc import Sequence
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cubestore.disk import replace, writable
from cubestore_pipelines.choices import File, Words, words
from cubestore_pipelines.recipes.building import address
from cubestore_pipelines.recipes.steps import Result, Setting

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

ITEMS = ".json"
"""Ending of a list of scenes, in which a build searches."""


def landcover(
    setting: Setting,
    *,
    output: Path,
    worldcover: str,
    tile: Words = (),
    bbox: Sequence[float] | None = None,
) -> Result:
    """Count the land cover of MGRS tiles; what was counted is not counted again."""
    from cubestore_pipelines import sampling  # noqa: PLC0415 - a second to load

    box = None if bbox is None else (bbox[0], bbox[1], bbox[2], bbox[3])
    place = address(setting, worldcover)
    done = sampling.landcover(place, output, tile=words(tile), bbox=box)
    return Result(facts={"tiles": done.tiles, "empty": done.empty}, failed=len(done.failures))


def clay_v1(
    _: Setting,
    *,
    output: Path,
    statistics: File,
    seed: int | None = None,
    compat: Literal["", "clay"] = "",
) -> Result:
    """Draw the MGRS tiles of Clay v1."""
    from cubestore_pipelines import sampling  # noqa: PLC0415 - a second to load

    drawn = sampling.clay_v1(Path(statistics), seed=seed, compat=compat)
    return _written(drawn.tiles, output, "tiles")


def clay_v01(
    _: Setting,
    *,
    output: Path,
    statistics: File,
    seed: int | None = None,
    compat: Literal["", "clay"] = "",
) -> Result:
    """Draw the MGRS tiles of Clay v0.1."""
    from cubestore_pipelines import sampling  # noqa: PLC0415 - a second to load

    drawn = sampling.clay_v01(Path(statistics), seed=seed, compat=compat)
    return _written(drawn.tiles, output, "tiles")


def sin(_: Setting, *, output: Path) -> Result:
    """List the sinusoidal tiles without nodata, as published."""
    from cubestore_pipelines import sampling  # noqa: PLC0415 - a second to load

    return _written(sampling.sin(), output, "tiles")


def naip(  # noqa: PLR0913 - a file a kind
    _: Setting,
    *,
    output: Path,
    places: File | None = None,
    parks: File | None = None,
    airports: File | None = None,
    ports: File | None = None,
    rivers: File | None = None,
    lakes: File | None = None,
    within: File | None = None,
    points: int = 4000,
    seed: int = 42,
) -> Result:
    """Draw the places of NAIP."""
    from cubestore_pipelines import sampling  # noqa: PLC0415 - a second to load

    files = {"places": places, "parks": parks, "airports": airports, "ports": ports}
    files |= {"rivers": rivers, "lakes": lakes, "within": within}
    paths = {kind: Path(file) for kind, file in files.items() if file is not None}
    return _written(sampling.naip(**paths, points=points, seed=seed), output, "places")


def linz(
    setting: Setting,
    *,
    output: Path,
    catalog: str = "linz",
    surveys: Literal["latest", "published", "all"] = "latest",
    seed: int = 42,
) -> Result:
    """Draw LINZ's scenes: their outlines, or the list of them where the file ends in .json."""
    from cubestore_pipelines import sampling  # noqa: PLC0415 - a second to load

    drawn = sampling.linz(address(setting, catalog), surveys=surveys, seed=seed)
    if output.suffix == ITEMS:
        with writable(output):
            replace(output, dumps(drawn.collection()).encode())
    else:
        _written(drawn.table(), output, "scenes")
    facts = {"scenes": len(drawn.items), "surveys": len(drawn.surveys)}
    return Result(facts={**facts, "absent": len(drawn.absent)}, failed=len(drawn.absent))


def ssl4eo(
    _: Setting,
    *,
    output: Path,
    cities: File | None = None,
    locations: int = 250_000,
    largest: int = 10_000,
    std: float = 50.0,
    radius: float = 1320.0,
    seed: int = 42,
    compat: Literal["", "ssl4eo-s12"] = "",
) -> Result:
    """Draw the places of SSL4EO-S12."""
    from cubestore_pipelines import sampling  # noqa: PLC0415 - a second to load

    found = sampling.ssl4eo(
        None if cities is None else Path(cities),
        locations=locations,
        largest=largest,
        std=std,
        radius=radius,
        seed=seed,
        compat=compat,
    )
    return _written(found, output, "places")


def _written(table: "GeoDataFrame", output: Path, what: str) -> Result:
    from cubestore_pipelines.sampling import vector  # noqa: PLC0415 - a second to load

    vector.write(table, output)
    return Result(facts={what: len(table)})
