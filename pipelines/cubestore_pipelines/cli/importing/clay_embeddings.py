"""The verb ``import clay-embeddings``."""

from dataclasses import asdict
from pathlib import Path

from cubestore_pipelines.benchmarks.clay_embeddings import import_clay_embeddings
from cubestore_pipelines.cli.output import Json, show_json, show_table
from cubestore_pipelines.cli.status import DONE


def clay_embeddings(
    source: Path,
    store: Path,
    /,
    *,
    name: str = "",
    model: str = "clay-v0.1",
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
        json: print one JSON object.
    """
    done = import_clay_embeddings(source, store, name=name, model=model)
    if json:
        show_json({"store": str(store), "made": [asdict(one) for one in done]})
    else:
        show_table(("made", "vectors"), [[one.name, one.patches] for one in done])
    return DONE
