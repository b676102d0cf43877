"""The items of a catalogue, read from its GeoParquet.

What one item lacks and another has is null in its columns, so each row has its item whole as JSON
too, and that is what is given out.
"""

import os
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from cubestore.store import open_store
from cubestore_catalog.errors import ItemError
from cubestore_catalog.search.held import TOP_LEVEL
from cubestore_catalog.search.stored import Stored, compared
from cubestore_catalog.stac.parquet import FILE, WHOLE
from cubestore_catalog.stac.records import CATALOG, CATALOG_FILE, Json


def read(*paths: Path) -> Stored:
    """Return the items of some files, each as it was.

    Raises:
        ItemError: one is none of ours.
    """
    tables = [_table(path) for path in paths]
    return Stored([table for table, _ in tables], [schema for _, schema in tables])


def _table(path: Path) -> tuple[pa.Table, pa.Schema]:
    """Return the columns of a file that are searched, and which there are."""
    try:
        with pq.ParquetFile(path) as file:
            table, schema = file.read(compared(file.schema_arrow)), file.schema_arrow
            table.select([*TOP_LEVEL, "geometry", WHOLE])
    except (pa.ArrowException, OSError, KeyError) as error:
        raise ItemError(
            f"{path} cannot be read: {str(error)[:200]}",
            expected="the items of a catalogue",
            remedy="remove it, and run `cubestore catalog` again",
        ) from error
    return table, schema


def load(store: str | os.PathLike[str]) -> tuple[Stored, list[Json]]:
    """Return all items and collections of a store's catalogue.

    Args:
        store: path of the store.

    Returns:
        The items, each made when it is asked for, and the collections; hrefs are relative to the
        items' own places in the catalogue, ``catalog/COLLECTION/ITEM/ITEM.json``.

    Raises:
        NotAStoreError: the path holds no store.
        ItemError: the store has no catalogue, or a file of it cannot be read.
    """
    folder = Path(open_store(store).path, CATALOG)
    if not (folder / CATALOG_FILE).exists():
        raise ItemError(
            f"{folder.parent} has no catalogue",
            expected=f"{CATALOG}/catalog.json in the store",
            remedy="write it with `cubestore catalog`",
        )
    listed = orjson.loads((folder / CATALOG_FILE).read_bytes())["links"]
    homes = [folder / one["href"] for one in listed if one["rel"] == "child"]
    try:
        collections = [orjson.loads(home.read_bytes()) for home in homes]
    except FileNotFoundError as error:
        raise ItemError(
            f"{error.filename} has gone",
            expected=f"what {CATALOG}/catalog.json lists",
            remedy="try again: the catalogue is being written",
        ) from error
    items = read(*(home.with_name(FILE) for home in homes))
    pa.default_memory_pool().release_unused()  # as much again as the items themselves
    return items, collections
