"""One file of the index of embeddings: the vectors of a cube's embedding, and their codes.

``STORE/index/embeddings/GRID-TILE-SENSOR-VARIABLE.safetensors``: arrays behind a header of JSON,
as safetensors lays them out, so that they are mapped into memory as they are and other software
opens them too. A file is written aside and renamed, and says which commit of its cube it describes.
"""

import json
import mmap
import os
import re
import struct
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cubestore import disk
from cubestore.committed import State
from cubestore.records import dump
from cubestore.similarity.codes import Codes, Stored

FOLDER = "index/embeddings"
"""Of a store."""

VERSION = 1
"""Of what a file says; files of another are written anew."""

KEY = "cubestore:index"
"""Of a file's metadata."""

DTYPES = {"U64": "<u8", "F32": "<f4", "I32": "<i4", "I8": "|i1"}
"""The names of safetensors for those of NumPy, of larger numbers first: in that order arrays lie,
so that each begins at a multiple of its numbers' size."""

ALIGNED = 64
"""Bytes of which the length of a header is a multiple."""

_NAME = re.compile(
    r"(?P<grid>mgrs|sin)-(?P<tile>\w+)-(?P<sensor>.+)-(?P<variable>embedding_\w+)\.safetensors"
)


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """What a file is named for."""

    grid: str
    tile: str
    sensor: str
    variable: str

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.grid}-{self.tile}-{self.sensor}-{self.variable}.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A slot whose vectors a file has."""

    index: int
    """In the order of arrival."""

    commit: int
    """Of the pixels that its vectors were computed from."""

    time: int
    """Microseconds since 1970, UTC."""

    platform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a file says of itself."""

    commit: State
    """Of the cube: number and digest."""

    scale: float
    slots: tuple[Slot, ...]

    @classmethod
    def parse(cls, metadata: Mapping[str, str]) -> "Described":
        """Return what a file's metadata says.

        Raises:
            ValueError: nothing of this version.
        """
        told = json.loads(metadata[KEY])
        if told["version"] != VERSION:
            raise ValueError(told["version"])
        number, digest = told["commit"]
        slots = tuple(Slot(**one) for one in told["slots"])
        return cls(commit=(int(number), str(digest)), scale=float(told["scale"]), slots=slots)


@dataclass(frozen=True, slots=True)
class File:
    """A file that is mapped into memory."""

    described: Described
    places: NDArray[np.int32]
    """``(row, 3)``: slot, row and column of the chip, in that order."""

    vectors: Stored
    codes: Codes


def parse_name(file: str) -> Name | None:
    """Return what a file is named for; None where it is not one of ours."""
    match = _NAME.fullmatch(file)
    return None if match is None else Name(**match.groupdict())


def names(folder: Path) -> list[Name]:
    """Return the files of an index, sorted."""
    found = (parse_name(entry.name) for entry in folder.iterdir()) if folder.is_dir() else ()
    return sorted(name for name in found if name)


def opened(store: str, name: Name) -> File | None:
    """Map a file into memory; None where there is none, or none that can be read.

    Stores on other machines have none: their vectors are read from the cubes.
    """
    if "://" in store:
        return None
    try:
        with Path(store, FOLDER, name.file).open("rb") as file:
            return _mapped(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError, KeyError, TypeError, struct.error):  # it is written anew
        return None


def _mapped(data: mmap.mmap) -> File:
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    described = Described.parse(header.pop("__metadata__"))
    arrays = {name: _array(data, 8 + length, **told) for name, told in header.items()}
    codes = Codes(**{name: arrays[name] for name in ("centre", "first", "rest", "radius", "norm")})
    return File(described, arrays["places"], arrays["vectors"], codes)


def _array(
    data: mmap.mmap, start: int, *, dtype: str, shape: Sequence[int], data_offsets: Sequence[int]
) -> NDArray[Any]:
    first, end = data_offsets
    count = (end - first) // np.dtype(DTYPES[dtype]).itemsize
    return np.frombuffer(data, DTYPES[dtype], count, start + first).reshape(shape)


def write(
    folder: Path,
    name: Name,
    described: Described,
    places: NDArray[np.int32],
    codes: Codes,
    vectors: Sequence[Stored],
) -> None:
    """Put a file in place in one step, synced.

    Args:
        folder: of the index.
        name: the file's.
        described: what it says of itself.
        places: ``(row, 3)``.
        codes: of the vectors.
        vectors: parts of them, ``(row, feature)`` each, of one dtype, as stored.
    """
    parts = {n: [getattr(codes, n)] for n in ("first", "rest", "centre", "radius", "norm")}
    parts |= {"places": [places], "vectors": list(vectors)}
    aside = folder / f".{name.file}.{uuid.uuid4().hex}{disk.PARTIAL}"
    with disk.writable(folder):
        try:
            with aside.open("xb") as file:
                _write(file, described, parts)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(folder / name.file)
        finally:
            aside.unlink(missing_ok=True)
        disk.sync([folder])


def _write(file: IO[bytes], described: Described, parts: Mapping[str, Sequence[Stored]]) -> None:
    told = {"version": VERSION, **asdict(described)}
    header: dict[str, Any] = {"__metadata__": {KEY: dump(told).decode()}}
    offset, kinds = 0, list(DTYPES.values())
    order = sorted(parts, key=lambda name: kinds.index(parts[name][0].dtype.newbyteorder("<").str))
    for name in order:
        shape = (sum(len(part) for part in parts[name]), *parts[name][0].shape[1:])
        size = sum(part.nbytes for part in parts[name])
        dtype = next(n for n, kind in DTYPES.items() if kind == parts[name][0].dtype.str)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % ALIGNED)
    file.write(struct.pack("<Q", len(text)) + text)
    for block in (part for name in order for part in parts[name]):
        file.write(np.ascontiguousarray(block).data)


def remove(folder: Path, names: Iterable[Name]) -> None:
    """Remove the files of cubes, or of embeddings, that are gone."""
    with disk.writable(folder):
        for name in names:
            (folder / name.file).unlink(missing_ok=True)
        disk.sync([folder])
