"""The verbs ``export …``: chips, embeddings and pictures of slots for other software."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from cubestore.embeddings.export import Schema, export_embeddings
from cubestore.index.stacchip import export_chips
from cubestore_pipelines.cli.building import Words
from cubestore_pipelines.cli.importing.cloudsen12 import export_cloudsen12
from cubestore_pipelines.cli.indexing import Compat, Question
from cubestore_pipelines.cli.output import Json, show_json, show_table
from cubestore_pipelines.cli.verbs import VERBS

export = App(
    name="export",
    help=VERBS["export"].help,
    help_format="plaintext",
)
export.command(export_cloudsen12, name="cloudsen12")


@export.command
def chips(
    store: str,
    directory: Path,
    /,
    question: Question | None = None,
    *,
    pixels: bool = False,
    compat: Compat = None,
    json: Json = False,
) -> None:
    """Write chips as stacchip's indexes, and their pixels as its training files.

    Example: cubestore export chips STORE DIR --sensor sentinel-2-l2a --max-cloud 0.1 --pixels

    Args:
        store: path or address of a store that is indexed.
        directory: where to write.
        question: which chips.
        pixels: write training files too, 128 chips each.
        compat: stacchip: write longitude and latitude into them as stacchip does, swapped.
        json: print one JSON object.
    """
    asked = (question or Question()).asked()
    told = export_chips(store, directory, pixels=pixels, compat=compat or "", **asked)
    if json:
        show_json(asdict(told))
        return
    rows = [
        [platform, count, told.chips[platform], told.pixels.get(platform, 0)]
        for platform, count in told.items.items()
    ]
    show_table(("platform", "items", "chips", "with_pixels"), rows)


@export.command
def cog(
    store: str,
    /,
    *,
    tile: str,
    sensor: str,
    time: str = "",
    bands: Words = (),
    directory: Annotated[Path, Parameter(name=("--directory", "-o"))] = Path(),
    compression: Literal["deflate", "zstd"] = "deflate",
    json: Json = False,
) -> None:
    """Write the slots of a cube as Cloud Optimized GeoTIFFs, for GIS programs, each with its item.

    Example: cubestore export cog STORE --tile 31UDQ --sensor sentinel-2-l2a --time 2023-06 -o DIR

    Args:
        store: path of the store.
        tile: whose cube.
        sensor: whose cube.
        time: A/B in UTC, each a year, month, day, moment or .. for open.
        bands: a band; repeatable, in the order wanted. Without it all of the cube.
        directory: where to write TILE_SENSOR_TIME_SLOT.tif, and its STAC item as .json; made where
            it is not there.
        compression: deflate, which everything reads, or zstd.
        json: print one JSON object.
    """
    from cubestore_pipelines.cogs import export_cogs  # noqa: PLC0415 - GDAL is not there for all

    done = export_cogs(
        store,
        directory,
        tile=tile,
        sensor=sensor,
        time=time,
        bands=bands or None,
        compression=compression,
    )
    if json:
        show_json({"store": store, "files": [asdict(one) for one in done]})
    else:
        columns = ("slot", "time", "width", "height", "bytes", "path")
        show_table(columns, [[getattr(one, name) for name in columns] for one in done])


@export.command
def embeddings(
    store: str,
    directory: Path,
    /,
    question: Question | None = None,
    *,
    model: str = "",
    patches: Words = (),
    schema: Schema = "v1",
    version: int = 1,
    json: Json = False,
) -> None:
    """Write the embeddings of a model as GeoParquet, a file a cube.

    With --patches it writes those of patch sets, a file a set; a row is then an acquisition of a
    patch, and of the words that choose there are --bbox, --datetime and --split.

    Example: cubestore export embeddings STORE DIR --model clay-v1.5 --schema v1

    Args:
        store: path or address of the store.
        directory: where to write; made where it is not there.
        question: which chips; other words than sensor, tile, bbox and datetime need the chip index.
        model: whose embeddings; may be left out where the store has one model's.
        patches: this patch set, instead of the cubes; repeatable. all: every one with embeddings.
        schema: v0.1, as Clay published (TILE_FIRSTDAY_LASTDAY_vVERSION.gpq, of a patch set
            DATASET-PART_…); v1, as it proposed; or vectors, for databases of vectors.
        version: of the embeddings, in the names of v0.1.
        json: print one JSON object.
    """
    done = export_embeddings(
        store,
        directory,
        model=model,
        patches=patches,
        schema=schema,
        version=version,
        **(question or Question()).asked(),
    )
    if json:
        show_json({"store": store, "files": [asdict(one) for one in done]})
    else:
        columns = ("patches" if patches else "tile", "sensor", "rows", "path")
        show_table(columns, [[getattr(one, name) for name in columns] for one in done])
