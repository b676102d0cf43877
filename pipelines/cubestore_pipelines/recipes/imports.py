"""The steps that import a published data set; what is there already is left as it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from cubestore.errors import CubeExistsError
from cubestore_pipelines.benchmarks.clay_embeddings import import_clay_embeddings
from cubestore_pipelines.benchmarks.clay_embeddings.importing import MODEL
from cubestore_pipelines.benchmarks.imported import Imported
from cubestore_pipelines.choices import File, Words, words
from cubestore_pipelines.recipes.building import searched
from cubestore_pipelines.recipes.steps import Result, Setting, later


def clay_embeddings(
    setting: Setting, *, source: File, name: str = "", model: str = MODEL
) -> Result:
    """Import Clay's embeddings."""
    if setting.plan_only:
        return _later(source)
    return _made(import_clay_embeddings(str(source), setting.store, name=name, model=model))


def cloudsen12(
    setting: Setting,
    *,
    source: File,
    part: Literal["high", "scribble", "nolabel"] | None = None,
    bands: Words = (),
    padding: str = "find",
    resplit: Sequence[float] | None = None,
    seed: int = 42,
    compat: Literal["", "by-image"] = "",
) -> Result:
    """Import CloudSEN12."""
    from cubestore_pipelines.benchmarks.cloudsen12 import import_cloudsen12  # noqa: PLC0415 - loads rasterio

    if setting.plan_only:
        return _later(source)
    made = import_cloudsen12(
        str(source),
        setting.store,
        part=part,
        bands=words(bands) or None,
        padding=padding,
        resplit=resplit,
        seed=seed,
        compat=compat,
    )
    return _made(made)


def floods(
    setting: Setting,
    *,
    source: File,
    catalog: str = "",
    layout: str = "",
    incomplete: bool = False,
    compat: Literal["", "clay"] = "",
) -> Result:
    """Import C2S-MS floods or Sen1Floods11; with a catalogue, Clay's way."""
    from cubestore_pipelines.benchmarks.floods import import_floods  # noqa: PLC0415 - loads rasterio

    if setting.plan_only:
        return _later(source)
    archive: dict[str, Any] = searched(setting, catalog) if catalog else {}
    how: dict[str, Any] = {"layout": layout, "incomplete": incomplete, "compat": compat}
    return _made([import_floods(str(source), setting.store, **how, **archive)])


def ssl4eo(
    setting: Setting,
    *,
    source: File,
    modality: Words = (),
    resample: bool = False,
    remove_offset: bool = False,
    incomplete: bool = False,
    name: str = "",
) -> Result:
    """Import SSL4EO-S12."""
    from cubestore_pipelines.benchmarks.ssl4eo import import_ssl4eo  # noqa: PLC0415 - loads rasterio
    from cubestore_pipelines.benchmarks.ssl4eo.choices import Choices  # noqa: PLC0415 - the same

    if setting.plan_only:
        return _later(source)
    choices = Choices(
        modality=words(modality),
        resample=resample,
        remove_offset=remove_offset,
        incomplete=incomplete,
        name=name,
    )
    try:
        return _made([import_ssl4eo(Path(str(source)), setting.store, choices=choices)])
    except CubeExistsError as error:
        return Result(facts={"state": error.found})


def _made(made: Sequence[Imported]) -> Result:
    """Return what was made; what could not be taken counts as failed."""
    left_out = sum(len(one.left_out) for one in made)
    facts = {"made": [one.name for one in made], "patches": sum(one.patches for one in made)}
    return Result(facts={**facts, "left_out": left_out}, failed=left_out)


def _later(source: File) -> Result:
    return later(f"{source} is imported")
