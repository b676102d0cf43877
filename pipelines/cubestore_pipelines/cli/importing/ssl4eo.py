"""The verb ``import ssl4eo``: SSL4EO-S12's files -> a patch set."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from cubestore_pipelines.benchmarks.ssl4eo.choices import Choices
from cubestore_pipelines.benchmarks.ssl4eo.importing import import_ssl4eo
from cubestore_pipelines.cli.importing.telling import show, watched
from cubestore_pipelines.cli.output import Json


def ssl4eo(
    source: Path,
    store: Path,
    /,
    *,
    choices: Annotated[Choices | None, Parameter(name="*", negative=())] = None,
    limit: int | None = None,
    plan_only: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Bring SSL4EO-S12 into a store as one patch set: four seasons of every patch, all sensors.

    v1 (folders of GeoTIFFs) or v1.1 (train and val with .zarr.zip); which one, the folders tell.

    Example: cubestore import ssl4eo SSL4EO-S12 STORE --modality s2c --resample

    Args:
        source: the folder that has s1, s2a and s2c in it; or train and val.
        store: path of the store; made where there is none.
        choices: what of it, and how.
        limit: take the first so many patches.
        plan_only: tell what would be written, and write nothing.
        json: print one JSON object.
    """
    with watched() as progress:
        done = import_ssl4eo(
            source, store, choices=choices, limit=limit, plan_only=plan_only, progress=progress
        )
    return show(store, done, json=json)
