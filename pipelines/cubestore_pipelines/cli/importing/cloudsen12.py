"""The verbs ``import cloudsen12`` and ``export cloudsen12``."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from cubestore_pipelines.benchmarks import cloudsen12 as data_set
from cubestore_pipelines.benchmarks.cloudsen12.resplit import parse
from cubestore_pipelines.cli.building import Words
from cubestore_pipelines.cli.importing.telling import show, watched
from cubestore_pipelines.cli.output import Json, show_json, show_table


def cloudsen12(  # noqa: PLR0913 - a verb's options
    source: Path,
    store: Path,
    /,
    *,
    part: Literal["high", "scribble", "nolabel"] | None = None,
    bands: Words = (),
    padding: str = "find",
    resplit: str = "",
    seed: int = 42,
    compat: Literal["by-image"] | None = None,
    limit: int | None = None,
    plan_only: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Bring CloudSEN12 into a store: its memmaps, or a folder of GeoTIFFs a patch.

    Each folder of .dat files becomes a patch set such as cloudsen12/high-train; GeoTIFFs become
    cloudsen12/high. Pixels and labels are stored as published, without the padding around them.

    Example: cubestore import cloudsen12 SOURCE STORE --part high

    Args:
        source: a folder of .dat files with metadata.csv, a folder of such folders, or of patches.
        store: path of the store.
        part: only this part, as the labels tell it.
        bands: a band of Sentinel-2 (B04); repeatable. All, where none is named, and all must be
            there.
        padding: where the image lies in its 512 pixels: find, around, left-bottom, TOP,LEFT (the
            rows above it and the columns to its left), or none.
        resplit: shares of train, val and test, 0.7,0.1,0.2: draw new splits over all images, by
            regions of interest, into one set cloudsen12/high-resplit-SEED.
        seed: of the new splits.
        compat: by-image: draw images instead of regions, as the data set's card does.
        limit: take the first so many patches of each set.
        plan_only: tell what would be written, and write nothing.
        json: print one JSON object.
    """
    with watched() as progress:
        done = data_set.import_cloudsen12(
            source,
            store,
            part=part,
            bands=bands or None,
            padding=padding,
            resplit=parse(resplit) if resplit else None,
            seed=seed,
            compat=compat or "",
            limit=limit,
            plan_only=plan_only,
            progress=progress,
        )
    return show(store, done, json=json)


def export_cloudsen12(
    store: str,
    name: str,
    directory: Path,
    /,
    *,
    json: Json = False,
) -> None:
    """Write a patch set's .dat files and metadata.csv again, a folder each that it came from.

    Example: cubestore export cloudsen12 STORE cloudsen12/high-train DIR

    Args:
        store: path or address of the store.
        name: of the patch set.
        directory: where to write.
        json: print one JSON object.
    """
    folders = [str(folder) for folder in data_set.export_cloudsen12(store, name, directory)]
    show_json({"name": name, "folders": folders}) if json else show_table(
        ("folder",), [[folder] for folder in folders]
    )
