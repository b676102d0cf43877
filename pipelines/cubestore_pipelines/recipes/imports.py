"""The steps that import a published data set, or the first patches of its sets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from cubestore_pipelines.benchmarks.clay_embeddings import import_clay_embeddings
from cubestore_pipelines.benchmarks.clay_embeddings.importing import MODEL
from cubestore_pipelines.benchmarks.imported import Imported
from cubestore_pipelines.choices import File, Words, words
from cubestore_pipelines.failures import Refusal
from cubestore_pipelines.recipes.building import searched
from cubestore_pipelines.recipes.steps import Result, Setting


def clay_embeddings(
    setting: Setting, *, source: File, name: str = "", model: str = MODEL
) -> Result:
    """Import Clay's embeddings."""
    how = _reduced(setting)
    return _told(
        setting, import_clay_embeddings(str(source), setting.store, name=name, model=model, **how)
    )


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

    made = import_cloudsen12(
        str(source),
        setting.store,
        part=part,
        bands=words(bands) or None,
        padding=padding,
        resplit=resplit,
        seed=seed,
        compat=compat,
        **_reduced(setting),
    )
    return _told(setting, made)


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

    archive: dict[str, Any] = searched(setting, catalog) if catalog else {}
    how: dict[str, Any] = {"layout": layout, "incomplete": incomplete, "compat": compat}
    return _told(
        setting, import_floods(str(source), setting.store, **how, **archive, **_reduced(setting))
    )


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

    choices = Choices(
        modality=words(modality),
        resample=resample,
        remove_offset=remove_offset,
        incomplete=incomplete,
        name=name,
    )
    how = _reduced(setting)
    return _told(setting, import_ssl4eo(Path(str(source)), setting.store, choices=choices, **how))


def _reduced(setting: Setting) -> dict[str, Any]:
    """Return how much of it is imported."""
    return {"limit": setting.limit, "plan_only": setting.plan_only}


def _told(setting: Setting, made: Sequence[Imported]) -> Result:
    """Return what was made, or would be; what could not be taken is told, and counts as failed."""
    left_out = [text for one in made for text in one.left_out]
    if setting.watcher is not None:
        for text in left_out:
            setting.watcher.failed(Refusal(item="", found=text))
    facts = {
        "sets": [one.name for one in made],
        "patches": sum(one.patches for one in made),
        "bytes": sum(one.bytes for one in made),
        "left_out": len(left_out),
    }
    return Result(facts=facts, failed=len(left_out))
