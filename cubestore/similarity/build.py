"""The index of embeddings: a file for each cube and model, kept up with the cubes' commits.

    cubestore.index_embeddings("STORE")              # again: only slots with new vectors are read

Nothing needs it. What it has of a cube is mapped into memory, where else chunks are decoded.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cubestore import disk, lock
from cubestore.cube import WAIT, Cube
from cubestore.similarity import file as indexfile
from cubestore.similarity.codes import encode
from cubestore.similarity.file import FOLDER, Name
from cubestore.similarity.sources import cubes_with, opened
from cubestore.similarity.vectors import Vectors, vectors_of
from cubestore.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedEmbedding:
    """What became of one cube's file."""

    tile: str
    sensor: str
    variable: str
    path: str
    vectors: int
    """Rows of the file."""

    slots: int
    """Whose vectors those are."""

    state: str
    """``written``, ``unchanged``, or ``removed``: the cube or its embedding is gone."""


def index_embeddings(
    store: Store | str | os.PathLike[str],
    *,
    model: str = "",
    sensor: str | Iterable[str] | None = None,
    tile: str | Iterable[str] | None = None,
    wait: float = WAIT,
) -> list[IndexedEmbedding]:
    """Bring the index of embeddings up to date: ``STORE/index/embeddings/*.safetensors``.

    Args:
        store: on a file system.
        model: only this model's; "": those of all.
        sensor: only cubes of these; None: all that the store has.
        tile: only cubes of these.
        wait: seconds to wait for another who indexes the store.

    Returns:
        What was done, cube by cube.

    Raises:
        MismatchError: no cube has such an embedding.
        LockedError: another process indexes the store.
        DamagedError: bytes of a cube are not those that were committed.
        NotWritableError: the store is not on a file system, or the disk is full or read-only.
    """
    there = opened(store)
    folder = _folder(there)
    wanted = cubes_with(there, model=model, sensor=sensor, tile=tile)
    with disk.writable(folder):
        disk.sync(disk.make_directory(folder))
    with lock.hold(folder / ".lock", wait):
        disk.sweep(folder)
        done = [_renew(folder, cube, embedding.variable) for cube, embedding in wanted]
        return done + [_drop(folder, name) for name in _gone(there, folder)]


def _folder(store: Store) -> Path:
    remedy = "index the embeddings where the store was written"
    return disk.path_of(store.path, remedy=remedy) / FOLDER


def _renew(folder: Path, cube: Cube, variable: str) -> IndexedEmbedding:
    found = vectors_of(cube, variable)
    there = indexfile.opened(found.cube.store, found.name)
    if there is not None and there.described == found.described:
        return _done(folder, found.name, "unchanged", found)
    stored = [part.vectors for part in found.parts]
    stored = stored or [np.zeros((0, found.embedding.dimensions), found.embedding.dtype)]
    places = np.concatenate([np.zeros((0, 3), np.int32), *(p.places for p in found.parts)])
    codes = encode(stored, found.described.scale, found.embedding.dimensions)
    indexfile.write(folder, found.name, found.described, places, codes, stored)
    return _done(folder, found.name, "written", found)


def _gone(store: Store, folder: Path) -> list[Name]:
    """Return the files of cubes that are no longer there."""
    cubes = set(store.cubes())
    return [name for name in indexfile.names(folder) if (name.tile, name.sensor) not in cubes]


def _drop(folder: Path, name: Name) -> IndexedEmbedding:
    indexfile.remove(folder, [name])
    return _done(folder, name, "removed", None)


def _done(folder: Path, name: Name, state: str, found: Vectors | None) -> IndexedEmbedding:
    return IndexedEmbedding(
        tile=name.tile,
        sensor=name.sensor,
        variable=name.variable,
        path=str(folder / name.file),
        vectors=sum(len(part.places) for part in found.parts) if found else 0,
        slots=len(found.described.slots) if found else 0,
        state=state,
    )
