"""The verb ``import clay-embeddings``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from cubestore_pipelines.benchmarks.clay_embeddings import import_clay_embeddings
from cubestore_pipelines.cli.importing.telling import show, watched
from cubestore_pipelines.cli.output import Json


def clay_embeddings(
    source: Path,
    store: Path,
    /,
    *,
    name: str = "",
    model: str = "clay-v0.1",
    limit: int | None = None,
    plan_only: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Bring Clay's embeddings, GeoParquet v0.1, into a store.

    Vectors of chips on the chip grid of a cube that has a slot of their day and address become
    that cube's embedding; all others become one patch set. The column date is taken for the day
    of acquisition.

    Example: cubestore import clay-embeddings 03WVN_20220610_20220610_v001.gpq STORE

    Args:
        source: a file MGRS_MINDATE_MAXDATE_vVERSION.gpq, or a folder of such files.
        store: path of the store; made where it is not there.
        name: DATASET/PART, of the patch set; by default clay-embeddings/ and the source's name.
        model: the id under which the vectors lie.
        limit: take the first so many vectors.
        plan_only: tell what would be written, and write nothing.
        json: print one JSON object.
    """
    with watched() as progress:
        done = import_clay_embeddings(
            source,
            store,
            name=name,
            model=model,
            limit=limit,
            plan_only=plan_only,
            progress=progress,
        )
    return show(store, done, json=json)
