"""One file of the chip index: the chips of one cube at one chip size, as GeoParquet 1.1.

``STORE/index/chips/GRID-TILE-SENSOR-SIZE.parquet``; all of them together are the index, to any
engine that reads Parquet. A file is written aside and renamed, so that it is whole at all times,
and tells in its metadata which commit of which cube it describes.
"""

import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj

from cubestore import disk
from cubestore.committed import State
from cubestore.index.landcover import CLASSES
from cubestore.records import dump

FOLDER = "index/chips"
"""Of a store."""

VERSION = 1
"""Of what a file says; files of another are written anew."""

ROWS = 65_536
"""Of a row group: small enough to be left out by what its statistics say."""

KEY, GEO = b"cubestore:index", b"geo"
"""Keys of a file's metadata: ours, and GeoParquet's."""

BBOX = pa.struct([(side, pa.float64()) for side in ("xmin", "ymin", "xmax", "ymax")])

SCHEMA = pa.schema(
    [
        ("chipid", pa.string()),
        ("tile", pa.string()),
        ("sensor", pa.string()),
        ("platform", pa.string()),
        ("time", pa.timestamp("us", "UTC")),
        ("slot", pa.int32()),
        ("date", pa.date32()),
        ("chip_index_x", pa.uint16()),
        ("chip_index_y", pa.uint16()),
        ("chip_size", pa.int32()),
        ("cloud_cover_percentage", pa.float32()),
        ("nodata_percentage", pa.float32()),
        *((name, pa.float32()) for name in CLASSES),
        ("split", pa.string()),
        ("item_id", pa.string()),
        ("store_commit", pa.int32()),
        ("geometry", pa.binary()),
        ("bbox", BBOX),
        ("band_valid", pa.list_(pa.float32())),
    ]
)
"""The columns, in their order; see the store's format."""

_UNIQUE = "chipid"
"""The column that no dictionary would make smaller; what two have in common is left out."""

_NAME = re.compile(r"(?P<grid>mgrs|sin)-(?P<tile>\w+)-(?P<sensor>.+)-(?P<size>\d+)\.parquet")


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """What a file is named for."""

    grid: str
    tile: str
    sensor: str
    size: int

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.grid}-{self.tile}-{self.sensor}-{self.size}.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a file says of itself; equal files need not be written again."""

    version: int
    commit: State
    """Of the cube: number and digest."""

    land_cover: State | None
    """The commit of the WorldCover cube that the classes are from."""

    compat: str
    """How was counted: "" or ``stacchip``."""

    def counts_as(self, other: "Described") -> bool:
        """Whether rows of one can be taken over into the other."""
        return (self.version, self.compat) == (other.version, other.compat)

    @classmethod
    def parse(cls, metadata: Mapping[bytes, bytes] | None) -> "Described | None":
        """Return what a file's metadata says; None where it is no file of ours."""
        try:
            told = json.loads((metadata or {})[KEY])
            cover = told["land_cover"]
            return cls(
                version=told["version"],
                commit=(int(told["commit"][0]), str(told["commit"][1])),
                land_cover=None if cover is None else (int(cover[0]), str(cover[1])),
                compat=str(told["compat"]),
            )
        except (ValueError, KeyError, TypeError, IndexError):
            return None


def parse_name(file: str) -> Name | None:
    """Return what a file is named for; None where it is not one of ours."""
    match = _NAME.fullmatch(file)
    if match is None:
        return None
    return Name(match["grid"], match["tile"], match["sensor"], int(match["size"]))


def names(store: str) -> list[Name]:
    """Return the files of a store's index, sorted."""
    files, root = fsspec.url_to_fs(f"{store}/{FOLDER}")
    try:
        found = [parse_name(path.rpartition("/")[2]) for path in files.ls(root, detail=False)]
    except FileNotFoundError:
        return []
    return sorted(name for name in found if name)


def described(store: str, name: Name) -> Described | None:
    """Return what a file of the index says of itself: one small read of its end."""
    try:
        with opened(store, name) as file:
            return Described.parse(pq.read_metadata(file).metadata)
    except FileNotFoundError:
        return None
    except (pa.ArrowInvalid, OSError):  # not a Parquet file: it is written anew
        return None


def opened(store: str, name: Name) -> IO[bytes]:
    """Open a file of the index.

    Raises:
        FileNotFoundError: it is not there.
    """
    address = f"{store}/{FOLDER}/{name.file}"
    if "://" not in address:
        return Path(address).open("rb")
    file: IO[bytes] = fsspec.open(address).open()
    return file


def write(
    folder: Path,
    name: Name,
    groups: Iterator[pa.Table],
    metadata: Mapping[bytes, bytes],
) -> None:
    """Put a file in place in one step, synced.

    Args:
        folder: of the index.
        name: the file's.
        groups: tables of the schema, strings and geometries in dictionaries or not.
        metadata: of the file.
    """
    aside = folder / f".{name.file}.{uuid.uuid4().hex}{disk.PARTIAL}"
    with disk.writable(folder):
        try:
            with aside.open("xb") as file:
                _write(file, groups, metadata)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(folder / name.file)
        finally:
            aside.unlink(missing_ok=True)
        disk.sync([folder])


def remove(folder: Path, name: Name) -> None:
    """Remove the file of a cube that is gone."""
    with disk.writable(folder):
        (folder / name.file).unlink(missing_ok=True)
        disk.sync([folder])


def _write(file: IO[bytes], groups: Iterator[pa.Table], metadata: Mapping[bytes, bytes]) -> None:
    plain = [one for one in _leaves() if one != _UNIQUE]
    options = {
        "compression": "zstd",
        "use_dictionary": plain,
        "column_encoding": {_UNIQUE: "DELTA_BYTE_ARRAY"},
        "store_schema": False,  # of Arrow: it would say which columns were dictionaries here
        "write_page_index": True,
    }
    writer = None
    for table in groups:
        writer = writer or pq.ParquetWriter(file, table.schema, **options)
        writer.write_table(table, row_group_size=ROWS)
    writer = writer or pq.ParquetWriter(file, SCHEMA, **options)
    writer.add_key_value_metadata({key.decode(): value.decode() for key, value in metadata.items()})
    writer.close()


def _leaves() -> list[str]:
    """Return the paths of the columns that hold values."""
    sides = [f"bbox.{field.name}" for field in BBOX]
    return [n for n in SCHEMA.names if n not in {"bbox", "band_valid"}] + sides


def metadata(
    name: Name, what: Described, software: str, bounds: tuple[float, ...], kinds: list[str]
) -> dict[bytes, bytes]:
    """Return the metadata of a file: ours, and that of GeoParquet."""
    own = {"tile": name.tile, "sensor": name.sensor, "chip_size": name.size, **asdict(what)}
    return {KEY: dump({**own, "software": software}), GEO: geo(bounds, kinds)}


def geo(bounds: tuple[float, ...], kinds: list[str], *, covering: bool = True) -> bytes:
    """Return GeoParquet's own metadata: of 1.1, or without a covering column of 1.0.

    Args:
        bounds: west, south, east, north; none where there are no rows.
        kinds: of geometries.
        covering: whether a column ``bbox`` has the bounds of each row.
    """
    column = {
        "encoding": "WKB",
        "geometry_types": kinds,
        "crs": pyproj.CRS("OGC:CRS84").to_json_dict(),
        "edges": "planar",
        "orientation": "counterclockwise",
    }
    if covering:
        column["covering"] = {"bbox": {side.name: ["bbox", side.name] for side in BBOX}}
    if bounds:
        column["bbox"] = list(bounds)
    version = "1.1.0" if covering else "1.0.0"
    told = {"version": version, "primary_column": "geometry", "columns": {"geometry": column}}
    return dump(told)
