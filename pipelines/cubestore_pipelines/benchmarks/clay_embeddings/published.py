"""The files as they were published, read a few rows at a time, each row checked."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError

from cubestore import grids
from cubestore.errors import UnknownTileError
from cubestore.grids import Tile
from cubestore_pipelines.benchmarks.clay_embeddings.squares import GSD, Squares, squares
from cubestore_pipelines.errors import DatasetError

DIMENSIONS = 768
"""Of the mean of a chip's patches. Source: Clay-foundation/model, docs/clay-v0."""

ROWS = 4096
"""Of a file that are read at once: 13 MB of vectors."""

NAMED = "{MGRS:5}_{MINDATE:8}_{MAXDATE:8}_v{VERSION:3}.gpq"
_NAME = re.compile(
    r"(?P<tile>\d{2}[A-Z]{3})_(?P<first>\d{8})_(?P<last>\d{8})_v(?P<version>\d{3})(_[\w-]+)?\.gpq"
)
_CRS84 = CRS("OGC:CRS84")

_COLUMNS: Mapping[str, tuple[str, Any]] = {
    "source_url": ("text", lambda t: pa.types.is_string(t) or pa.types.is_large_string(t)),
    "date": ("days, date32", pa.types.is_date32),
    "embeddings": (
        "lists of float32",
        lambda t: hasattr(t, "value_type") and pa.types.is_float32(t.value_type),
    ),
    "geometry": ("WKB", lambda t: pa.types.is_binary(t) or pa.types.is_large_binary(t)),
}
"""Name -> what it holds, and whether a type is that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file, by its name."""

    path: Path
    tile: Tile
    first: date
    last: date
    version: str

    @property
    def digest(self) -> str:
        """The SHA-256 of its bytes."""
        with self.path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Some rows of a file."""

    file: File
    index: npt.NDArray[np.int64]
    url: npt.NDArray[np.object_]
    day: npt.NDArray[np.datetime64]
    """Days, M8[D]."""

    vectors: npt.NDArray[np.float32]
    """``(rows, 768)``."""

    squares: Squares

    def __len__(self) -> int:
        return len(self.index)

    def only(self, those: npt.NDArray[np.bool_]) -> "Rows":
        """Return some of the rows."""
        return Rows(
            file=self.file,
            index=self.index[those],
            url=self.url[those],
            day=self.day[those],
            vectors=self.vectors[those],
            squares=self.squares.only(those),
        )


def files(source: Path) -> list[File]:
    """Return the files of a folder, or the one that is named, by name.

    Raises:
        DatasetError: there is none, or one has another name.
    """
    found = sorted(source.glob("*.gpq")) if source.is_dir() else [source]
    if not found or not source.exists():
        raise DatasetError(
            f"{source} holds no .gpq file",
            expected=f"a file {NAMED}, or a folder of such files",
            remedy="check the path",
        )
    return [_file(path) for path in found]


def read(file: File) -> Iterator[Rows]:
    """Yield a file's rows, some at a time.

    Raises:
        DatasetError: it is not as it was published; names the row, counted from 0.
    """
    known: set[int] = set()
    first = 0
    try:
        opened = pq.ParquetFile(file.path)
        _refuse_other_columns(file, opened.schema_arrow)
        _refuse_other_crs(file, opened.schema_arrow.metadata or {})
        names = [n for n in ("index", *_COLUMNS) if n in opened.schema_arrow.names]
        for batch in opened.iter_batches(ROWS, columns=names):
            rows = _rows(file, batch, first)
            _refuse(file, first, np.isin(rows.index, list(known)), "its index stands there before")
            known |= set(rows.index.tolist())
            first += len(rows)
            yield rows
    except (pa.ArrowException, OSError) as error:
        told = " ".join(str(error).split())[:200]
        raise _unfit(file.path, f"it cannot be read: {told}", "GeoParquet") from None
    if not first:
        raise _unfit(file.path, "no rows", "a row for each chip")


def _file(path: Path) -> File:
    named = _NAME.fullmatch(path.name)
    told = named.groupdict() if named else {"tile": "", "first": "", "last": "", "version": ""}
    try:
        return File(
            path=path,
            tile=grids.tile(told["tile"]),
            first=date.fromisoformat(told["first"]),
            last=date.fromisoformat(told["last"]),
            version=told["version"],
        )
    except (ValueError, UnknownTileError):
        remedy = "give it the name that it was published under; more may follow after another _"
        raise DatasetError(f"{path}: its name", expected=NAMED, remedy=remedy) from None


def _refuse_other_columns(file: File, schema: pa.Schema) -> None:
    for name, (held, fits) in _COLUMNS.items():
        if name not in schema.names:
            found = f"no column {name} among {', '.join(schema.names)}"
            raise _unfit(file.path, found, ", ".join(_COLUMNS))
        if not fits(schema.field(name).type):
            raise _unfit(file.path, f"{name} of {schema.field(name).type}", held)


def _refuse_other_crs(file: File, metadata: Mapping[bytes, bytes]) -> None:
    """Refuse geometries of another CRS; where the key is absent it is CRS84, says GeoParquet."""
    try:
        told = json.loads(metadata[b"geo"])["columns"]["geometry"]
        crs = told.get("crs", "OGC:CRS84")
        fits = crs is not None and CRS.from_user_input(crs).equals(_CRS84, ignore_axis_order=True)
    except (KeyError, TypeError, AttributeError, ValueError, CRSError):
        raise _unfit(file.path, "geometry that nothing is told of", "GeoParquet's `geo`") from None
    if not fits:
        name = "no CRS" if crs is None else str(CRS.from_user_input(crs).name)
        raise _unfit(file.path, f"geometry of {name}", "OGC:CRS84, as published")


def _rows(file: File, batch: pa.RecordBatch, first: int) -> Rows:
    """Return rows as arrays, or refuse the first that is not as it was published."""
    count = batch.num_rows
    for name in batch.schema.names:
        absent = batch.column(name).is_null().to_numpy(zero_copy_only=False)
        _refuse(file, first, absent, f"no {name}")
    url = np.array(batch.column("source_url").to_pylist(), object)
    day = batch.column("date").to_numpy(zero_copy_only=False).astype("M8[D]")
    outside = (day < np.datetime64(file.first)) | (day > np.datetime64(file.last))
    between = f"a day from {file.first} to {file.last}, as its name tells"
    _refuse(file, first, outside, "its date {}", between, day)
    index = np.arange(first, first + count)
    if "index" in batch.schema.names:
        index = batch.column("index").to_numpy(zero_copy_only=False).astype("int64")
    twice = np.ones(count, bool)
    twice[np.unique(index, return_index=True)[1]] = False
    _refuse(file, first, twice, "its index stands there before")
    return Rows(
        file=file,
        index=index,
        url=url,
        day=day,
        vectors=_vectors(file, batch.column("embeddings"), first),
        squares=_squares(file, batch.column("geometry"), first),
    )


def _vectors(file: File, column: pa.Array, first: int) -> npt.NDArray[np.float32]:
    lengths = column.value_lengths().to_numpy(zero_copy_only=False)
    wanted = f"{DIMENSIONS}, the mean of a chip's patches"
    _refuse(file, first, lengths != DIMENSIONS, "a vector of {} numbers", wanted, lengths)
    vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, DIMENSIONS)
    _refuse(file, first, ~np.isfinite(vectors).all(axis=1), "a vector that is not finite")
    return np.ascontiguousarray(vectors, np.float32)


def _squares(file: File, column: pa.Array, first: int) -> Squares:
    shapes = shapely.from_wkb(column.to_numpy(zero_copy_only=False), on_invalid="ignore")
    found = squares(shapes, file.tile)
    expected = f"a square of whole pixels of {GSD} m on the grid of {file.tile.crs}"
    _refuse(file, first, ~found.sound, "its geometry", expected)
    return found


def _refuse(
    file: File,
    first: int,
    bad: npt.NDArray[np.bool_],
    found: str,
    expected: str = "one of its own in every row",
    values: npt.NDArray[Any] | None = None,
) -> None:
    """Refuse the first row that is bad, and tell its value."""
    if bad.any():
        at = int(np.argmax(bad))
        told = found.format(values[at]) if values is not None else found
        raise _unfit(f"{file.path}, row {first + at}", told, expected)


def _unfit(where: Path | str, found: str, expected: str) -> DatasetError:
    remedy = "fetch the file again; nothing of it was taken"
    return DatasetError(f"{where}: {found}", expected=expected, remedy=remedy)
