"""Items as GeoParquet, one file a collection: for engines that ask it, and to load all of them.

Columns are those of stac-geoparquet, in which what one item lacks and another has is null; so each
row keeps its item whole as JSON too, as it lies in its own file, and that is what is loaded.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import orjson
import pyarrow as pa

from cubestore import disk
from cubestore_catalog.stac.records import Json

FILE = "items.parquet"
WHOLE = "cubestore:item"
"""The column of items as JSON."""

LEFT = frozenset({"cubestore:slots", "cube:variables", "cube:dimensions", "cubestore:embedding"})
"""Properties that are no columns: each item has its own members there."""

OUTLINE = "proj:geometry"
"""A column of geometries, where all items have one: stac-geoparquet cannot read one that lacks."""


def write(path: Path, members: Sequence[Json], collection: Json) -> None:
    """Put the items of a collection into a GeoParquet file, in one step.

    Args:
        path: of the file.
        members: the items, at least one.
        collection: what they belong to; it is kept in the file's metadata.
    """
    from stac_geoparquet import arrow  # noqa: PLC0415 - it takes a second, and readers need it not

    left = LEFT if all(OUTLINE in item["properties"] for item in members) else {*LEFT, OUTLINE}
    flat = [_flat(item, left) for item in members]
    table = pa.table(arrow.parse_stac_items_to_arrow(flat).read_all())
    whole = pa.array([orjson.dumps(item).decode() for item in members], pa.large_string())
    table = table.append_column(WHOLE, whole)
    aside = path.with_name(f".{path.name}{disk.PARTIAL}")
    try:
        arrow.to_parquet(
            table, aside, collections={collection["id"]: collection}, compression="zstd"
        )
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _flat(item: Json, left: Collection[str]) -> Json:
    """Return what of an item makes columns; nodata is a number here and a word there.

    Addresses are relative to the file, for who reads it knows of no other place.
    """
    kept = {name: value for name, value in item["properties"].items() if name not in left}
    assets = {key: {**_lifted(asset), **_bands(asset)} for key, asset in item["assets"].items()}
    links = [_lifted(link) for link in item["links"]]
    return {**item, "properties": kept, "assets": assets, "links": links}


def _lifted(one: Json) -> Json:
    """Return a link or an asset of an item, which lies a folder deeper, as from the file."""
    return {**one, "href": one["href"].removeprefix("../")}


def _bands(asset: Json) -> Json:
    if "bands" not in asset:
        return {}
    return {"bands": [{n: v for n, v in b.items() if n != "nodata"} for b in asset["bands"]]}
