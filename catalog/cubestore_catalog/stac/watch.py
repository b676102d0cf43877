"""What a store is now, told from what it was by a look at each cube's root and no byte of it."""

import os

from cubestore import Store
from cubestore.cube import cube_at
from cubestore.patches import PATCHES
from cubestore.records import METADATA
from cubestore_catalog.stac.snapshot import path_of

State = tuple[tuple[str, int, int], ...]
"""Path of each root, when it was put there, and which file it is."""


def state_of(store: Store) -> State:
    """Return the state of a store: another one after any commit. A root is replaced, never changed.

    Args:
        store: on this machine's disk.
    """
    cubes = [path_of(cube_at(store.path, *one)) for one in store.cubes()]
    sets = [f"{PATCHES}/{name}" for name in store.patch_sets()]
    return tuple(found for name in [*cubes, *sets] if (found := _of(store, name)))


def _of(store: Store, name: str) -> tuple[str, int, int] | None:
    try:
        status = os.stat(f"{store.path}/{name}/{METADATA}")  # noqa: PTH116 - thousands of them
    except FileNotFoundError:  # it went while they were listed
        return None
    return name, status.st_mtime_ns, status.st_ino
