"""Items as they lie in GeoParquet: columns to search by, and each as text until it is asked for.

A document in memory is ten times as large as its text, and most are never asked for.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from cubestore_catalog.errors import ItemError
from cubestore_catalog.search.held import TOP_LEVEL, Held, Kinds
from cubestore_catalog.search.paging import Key
from cubestore_catalog.stac.parquet import WHOLE

OUTSIDE = frozenset(
    {*TOP_LEVEL, "geometry", "bbox", "type", "stac_version", "stac_extensions", "links", "assets"}
)
"""Columns that are no properties."""

KINDS = (
    (pa.types.is_boolean, bool),
    (pa.types.is_integer, int),
    (pa.types.is_floating, float),
    (pa.types.is_string, str),
    (pa.types.is_timestamp, str),
    (pa.types.is_list, list),
    (pa.types.is_struct, dict),
    (pa.types.is_null, type(None)),
)
"""What columns are made of, and what their values were in JSON."""

SCALARS = frozenset({bool, int, float, str})
"""What can be compared."""


def compared(schema: pa.Schema) -> list[str]:
    """Return the columns of a file that an index reads."""
    known = (*TOP_LEVEL, "geometry", WHOLE)
    plain = {field.name for field in schema if _kind(field) in SCALARS} - OUTSIDE
    return [name for name in schema.names if name in known or name in plain]


class Stored(Held):
    """The items of some tables, one after another.

    Args:
        tables: one a collection, with the columns that are `compared`.
        schemas: of their files, with all columns.

    Raises:
        ItemError: an item has no time, or a geometry that cannot be read.
    """

    def __init__(self, tables: Sequence[pa.Table], schemas: Sequence[pa.Schema]) -> None:
        self._tables = tables
        texts = [part for table in tables for part in table[WHOLE].chunks]
        self._texts = pa.chunked_array(texts, pa.large_string())
        self.keys = [key for table in tables for key in _keys(table)]
        self.ends = _joined([_moments(table, "end_datetime") for table in tables], np.int64)
        self.shapes = _joined([_shapes(table) for table in tables], object)
        self.kinds = {
            table["collection"][0].as_py(): _kinds(schema)
            for table, schema in zip(tables, schemas, strict=True)
            if len(table)
        }

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, row: Any) -> Any:  # noqa: ANN401 - an item, or some
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        return orjson.loads(memoryview(self._texts[row].as_buffer()))

    def values(self, name: str) -> Sequence[object]:
        """Return what each has of a property that can be compared."""
        return [value for table in self._tables for value in _values(table, name)]

    def size(self, row: int) -> int:
        """Return the bytes of an item as JSON."""
        return int(self._texts[row].as_buffer().size)


def _keys(table: pa.Table) -> Iterator[Key]:
    before = (-_moments(table, "start_datetime")).tolist()
    names = (table[name].to_pylist() for name in ("id", "collection"))
    return zip(before, *names, strict=True)


def _moments(table: pa.Table, name: str) -> NDArray[np.int64]:
    """Return the microseconds of ``datetime``, or of ``name`` where that is null."""
    known = [table[column] for column in ("datetime", name) if column in table.column_names]
    told = pc.coalesce(*(pc.cast(column, pa.timestamp("us", "UTC")) for column in known))
    if told.null_count:
        raise ItemError("An item has no time", expected="a datetime, or a start and an end")
    moments: NDArray[np.int64] = pc.cast(told, pa.int64()).to_numpy()
    return moments


def _shapes(table: pa.Table) -> NDArray[Any]:
    try:
        shapes: NDArray[Any] = shapely.from_wkb(table["geometry"].to_numpy())
    except shapely.GEOSException as error:
        raise ItemError(f"A geometry cannot be read: {error}", expected="WKB") from error
    return shapes


def _joined(parts: list[NDArray[Any]], kind: Any) -> NDArray[Any]:  # noqa: ANN401 - a dtype
    return np.concatenate([np.empty(0, kind), *parts])


def _kinds(schema: pa.Schema) -> Kinds:
    told = {field.name: _kind(field) for field in schema if field.name not in OUTSIDE}
    return {name: frozenset({kind}) for name, kind in told.items() if kind}


def _kind(field: pa.Field) -> type | None:
    return next((kind for meets, kind in KINDS if meets(field.type)), None)


def _values(table: pa.Table, name: str) -> Sequence[object]:
    if name not in table.column_names or name in (WHOLE, "geometry"):
        return [None] * len(table)
    column = table[name]
    if pa.types.is_timestamp(column.type):
        return _times(pc.cast(column, pa.timestamp("us")))
    values: list[object] = column.to_pylist()
    return values


def _times(column: pa.ChunkedArray) -> Sequence[object]:
    """Return times as items have them: without a fraction where there is none."""
    moments = column.to_numpy()
    whole = np.datetime_as_string(moments, unit="s")
    parted = np.where(moments == moments.astype("M8[s]"), whole, np.datetime_as_string(moments))
    missing = np.isnat(moments).tolist()
    return [None if lost else f"{text}Z" for text, lost in zip(parted, missing, strict=True)]
