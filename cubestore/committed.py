"""What of a cube's pixels is committed: slot by slot, which shards there are, and what is in them.

Shards are taken from the commit records, not from the folder: a fill under way has shards there
that may be rolled back. What was never stored is in no record, and costs nothing.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cubestore import shards
from cubestore.cube import Cube
from cubestore.encoding import EMPTY, Array
from cubestore.records import Root

Shard = tuple[int, int]

State = tuple[int, str]
"""Number and digest of a commit."""


@dataclass(slots=True)
class Committed:
    """The pixels of a cube at one commit."""

    state: State
    commits: dict[int, int] = field(default_factory=dict)
    """Slot -> the newest commit that wrote pixels of it."""

    shards: dict[int, dict[str, list[Shard]]] = field(default_factory=dict)
    """Slot -> variable -> row and column of every shard that is stored; of newer slots only."""

    since: State | None = None
    """The commit since which slots are newer; None: all of them are."""


def committed(cube: Cube, root: Root, since: State | None = None) -> Committed:
    """Return what commit records tell of the pixels of a cube.

    Args:
        cube: on a file system.
        root: its committed state.
        since: shards are listed of those slots of which a later commit wrote pixels; of all if
            this is no commit of the cube's.

    Raises:
        DamagedError: a commit record is not the one that was committed.
    """
    newer = -1 if since is None else since[0]
    found = Committed((root.number, root.digest), since=since)
    digest, follows = root.digest, since is None
    for record in cube.control.history(root):
        follows |= (record.number, digest) == since
        digest = record.parent
        if record.operation in {"append", "fill"}:
            for told in record.details["slots"]:
                found.commits.setdefault(told["slot"], record.number)
            _note(found, record.keys, newer)
    return found if follows else committed(cube, root)


def _note(found: Committed, keys: Mapping[str, Any], newer: int) -> None:
    for key in keys:
        name, _, *index = key.split("/")
        slot = int(index[0])
        if len(index) > 1 and found.commits.get(slot, -1) > newer:
            shard = int(index[-2]), int(index[-1])
            found.shards.setdefault(slot, {}).setdefault(name, []).append(shard)


def chunks(
    group: Path, array: Array, slot: int, shard: Shard
) -> Iterator[tuple[int, int, np.ndarray[Any, Any]]]:
    """Yield the chunks that a shard stores: first row and column in the cube, and the values.

    Raises:
        DamagedError: the bytes are not those that were committed.
    """
    lead = (0,) if "band" in array.dims else ()
    key = array.key((slot, *lead, *shard))
    stored = _stored(group, array, key)
    (height, width), (top, left) = array.chunks[-2:], array.block[-2:]
    for *before, row, column in np.ndindex(stored.index.shape[:-1]):
        start, size = stored.index[*before, row, column].tolist()
        if start != EMPTY:
            values = array.decode_chunk(os.pread(stored.file, size, start), key)
            yield shard[0] * top + row * height, shard[1] * left + column * width, values[0]


def _stored(group: Path, array: Array, key: str) -> shards.Shard:
    grid = tuple(b // c for b, c in zip(array.block, array.chunks, strict=True))
    try:
        return shards.Shard(f"{group}/{key}", grid)
    except FileNotFoundError:
        raise shards.damaged(f"{group}/{key}", "is missing") from None
