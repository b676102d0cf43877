"""A patch set is written aside, block by block, and appears whole by one rename.

Until then nothing shows: a writer that fails takes its files with it, and what one leaves that
was killed, the next one sweeps away. Blocks are encoded and synced by a few threads while the
next patches are taken, so a set of any length needs the memory of a few shards.
"""

import contextlib
import os
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cubestore import disk, lock
from cubestore.encoding import Array, Json, Measure, measure
from cubestore.errors import CubeExistsError, MismatchError
from cubestore.patches.columns import Columns, Values
from cubestore.patches.definition import PatchDescription
from cubestore.records import METADATA, Control, Record, Root, digest, dump, software
from cubestore.slot import Instant, iso

WORKERS = 2
"""Threads that encode and sync; each holds a shard, twice."""

Written = tuple[str, Measure] | None


@contextlib.contextmanager
def create(
    control: Control, description: PatchDescription, created: Instant | None, wait: float
) -> Iterator["PatchWriter"]:
    """Write a patch set; it is there, whole, when the block ends.

    Raises:
        CubeExistsError: it is there already.
        LockedError: another writer still wrote it after ``wait``.
        NotWritableError: the disk is read-only or full.
    """
    _refuse_existing(control)
    with disk.writable(control.path):
        changed = disk.make_directory(control.staging) | disk.make_directory(control.records)
        disk.sync(sorted(changed))
    with lock.hold(control.lock, wait):
        _refuse_existing(control)
        _sweep(control)
        owner = os.getpid()
        try:
            with disk.writable(control.path), ThreadPoolExecutor(WORKERS) as threads:
                writer = PatchWriter(description, control.staging / uuid.uuid4().hex, threads)
                yield writer
                root, record = writer.finish(iso(created))
                _publish(control, writer.group, root, record)
        finally:
            if os.getpid() == owner:  # a child that was forked unwinds here too
                _sweep(control)


class PatchWriter:
    """Takes patches in order, as many at a time as suits their source."""

    group: Path
    """The set, aside."""

    def __init__(
        self, description: PatchDescription, group: Path, threads: ThreadPoolExecutor
    ) -> None:
        self.description, self.group, self.count = description, group, 0
        self._files = _Files(group, threads)
        self._columns = Columns(description)
        self._stacks = {n: _Stack(array) for n, array in description.arrays().items()}
        self._whole = True
        """Whether all patches that were begun were taken."""

    def append(
        self,
        pixels: Mapping[str, np.ndarray[Any, Any]],
        coordinates: Mapping[str, npt.ArrayLike],
    ) -> None:
        """Take the next patches; what is given may be reused afterwards.

        Args:
            pixels: every variable, ``(patch, [season,] [band,] y, x)``, vectors ``(patch,
                feature)``, as stored.
            coordinates: ``patch_id``, ``longitude``, ``latitude``; ``crs``, ``transform`` (n, 6)
                and ``split`` where known; per acquisition what cubes have on time (``time``,
                ``item_id``, ``platform`` …, with the sensor's suffix); columns of one's own.

        Raises:
            MismatchError: variables, shapes, dtypes or columns that do not fit; nothing is taken.
            SlotError: times that are none, or addresses with a token.
        """
        count = self._refuse_unfit(pixels)
        columns = self._columns.take(count, coordinates)
        self._whole = False
        for name in columns:
            self._stacks.setdefault(name, _Stack(self._columns.arrays[name]))
        for name, values in {**pixels, **columns}.items():
            for index, block in self._stacks[name].take(values):
                self._files.write(self._stacks[name].array, index, block)
        self.count += count
        self._whole = True

    def tell(self, **attributes: Any) -> None:  # noqa: ANN401 - JSON
        """Add attributes of the group that are not known before its patches are read."""
        more = {**self.description.attributes, **attributes}
        self.description = replace(self.description, attributes=more)

    def finish(self, created: str) -> tuple[Root, Record]:
        """Write what is left and the metadata; return what the set is to be vouched for by.

        Raises:
            MismatchError: no patch was given, or some were taken in part.
        """
        if not (self.count and self._whole):
            raise MismatchError(
                f"{self.description.name} with {'no' if self._whole else 'a part of its'} patches",
                expected="at least one, and none that failed on its way to the disk",
                remedy="append patches before the writer ends, and let its errors pass",
            )
        arrays = {n: stack.rest(self.count, self._files) for n, stack in self._stacks.items()}
        for name, (array, values) in self.description.coordinates().items():
            arrays[name] = array
            self._files.write(array, (0,) * values.ndim, values)
        keys = self._files.all()
        root = Root(*_documents(self.description, arrays, set(self._columns.arrays)), 0, "")
        record = _record(root, keys, created, {"patches": self.count})
        root = replace(root, digest=digest(record.to_bytes()))
        for name, document in root.arrays.items():
            disk.make_directory(self.group / name)
            disk.write_new(self.group / name / METADATA, dump(document))
        disk.write_new(self.group / METADATA, root.to_bytes())
        return root, record

    def _refuse_unfit(self, pixels: Mapping[str, np.ndarray[Any, Any]]) -> int:
        wanted = self.description.arrays()
        if pixels.keys() != wanted.keys():
            raise MismatchError(
                f"Pixels of {', '.join(pixels) or 'nothing'}",
                expected=f"{', '.join(wanted)}: every variable of the set",
                remedy="give arrays of nodata for what a patch lacks",
            )
        for name, array in wanted.items():
            values = pixels[name]
            if values.shape[1:] != array.shape[1:] or values.dtype != array.numpy_dtype:
                raise MismatchError(
                    f"{name}: {values.dtype} of shape {values.shape}",
                    expected=f"{array.dtype} on {array.dims}, {array.shape[1:]} behind the patches",
                    remedy="bring the patches into the set's layout first",
                )
        self._refuse_half_vectors(pixels)
        counts = {name: len(values) for name, values in pixels.items()}
        if len(set(counts.values())) > 1 or 0 in counts.values():
            raise MismatchError(
                f"Patches: {', '.join(f'{n} of {name}' for name, n in counts.items())}",
                expected="as many of each variable, and at least one",
                remedy="give every variable of the same patches",
            )
        return min(counts.values())

    def _refuse_half_vectors(self, pixels: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Refuse vectors that are neither finite nor all NaN; integers are what they are."""
        for one in self.description.embeddings:
            vectors = {one.embedding.variable, one.embedding.dense} & pixels.keys()
            for values in (pixels[name] for name in sorted(vectors)):
                if values.dtype == np.float32:
                    one.embedding.stored(values)


class _Stack:
    """The patches of one array that do not fill a block yet."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self._room = array.block[0]
        self._block = self._empty()
        self._held = self._blocks = 0

    def take(self, values: Values) -> Iterator[tuple[tuple[int, ...], Values]]:
        """Add patches; yield each block that they complete, with its index."""
        while len(values):
            some = values[: self._room - self._held]
            self._block[self._held : self._held + len(some)] = some
            self._held += len(some)
            values = values[len(some) :]
            if self._held == self._room:
                yield self._next()

    def rest(self, patches: int, files: "_Files") -> Array:
        """Write the last block, which may be cut off; return the array as it is in the end."""
        array = self.array.sized("patch", patches)
        if not self._blocks:  # no longer than the set
            array = _shortened(array, patches)
        if self._held:
            files.write(array, *self._next())
        return array

    def _empty(self) -> Values:
        return np.empty((self._room, *self.array.shape[1:]), self.array.numpy_dtype)

    def _next(self) -> tuple[tuple[int, ...], Values]:
        index = (self._blocks, *(0 for _ in self.array.dims[1:]))
        block, self._block = self._block[: self._held], self._empty()
        self._held, self._blocks = 0, self._blocks + 1
        return index, block


def _shortened(array: Array, patches: int) -> Array:
    if array.shards:
        return replace(array, shards=(patches, *array.shards[1:]))
    return replace(array, chunks=(patches, *array.chunks[1:]))


class _Files:
    """Blocks on their way to the disk, a few at a time."""

    def __init__(self, group: Path, threads: ThreadPoolExecutor) -> None:
        self._group, self._threads = group, threads
        self._under_way: deque[Future[Written]] = deque()
        self._written: dict[str, Measure] = {}
        disk.make_directory(group)

    def write(self, array: Array, index: tuple[int, ...], values: Values) -> None:
        """Encode and write a block, as soon as a thread is free; it must not change any more."""
        if len(self._under_way) == WORKERS:
            self._note(self._under_way.popleft())
        self._under_way.append(self._threads.submit(self._leave, array, index, values))

    def all(self) -> dict[str, Measure]:
        """Wait for what is under way; return every key that was written."""
        while self._under_way:
            self._note(self._under_way.popleft())
        return self._written

    def _leave(self, array: Array, index: tuple[int, ...], values: Values) -> Written:
        data = array.encode(values)
        if data is None:
            return None
        key = array.key(index)
        disk.make_directory((self._group / key).parent)
        disk.write_new(self._group / key, data)
        return key, measure(data)

    def _note(self, done: "Future[Written]") -> None:
        written = done.result()
        if written:
            self._written[written[0]] = written[1]


def _documents(
    description: PatchDescription, arrays: Mapping[str, Array], columns: set[str]
) -> tuple[dict[str, Json], Json]:
    """Return the metadata of arrays and group; each variable lists its coordinates, as CF does."""
    variables = description.arrays().keys()
    auxiliary = {n: a for n, a in arrays.items() if n not in variables and a.dims != (n,)}
    listed: set[str] = set()
    documents = {n: arrays[n].document() for n in arrays if n not in variables}
    for name in variables:
        array = arrays[name]
        own = [n for n, a in auxiliary.items() if set(a.dims) <= set(array.dims)]
        listed |= set(own)
        attributes = {**array.attributes, "coordinates": " ".join(own)}
        documents[name] = replace(array, attributes=attributes).document()
    others = sorted(columns - listed)
    attributes = {"coordinates": " ".join(others)} if others else {}
    return documents, {**description.group_attributes(), **attributes}


def _record(root: Root, keys: Mapping[str, Measure], created: str, details: Json) -> Record:
    return Record(
        number=root.number,
        parent="",
        operation="create",
        created=created,
        software=software(),
        details=details,
        metadata=root.metadata_digest(),
        keys=dict(sorted(keys.items())),
        replaced=(),
        tails={},
        total_keys=len(keys),
        total_bytes=sum(size for size, *_ in keys.values()),
    )


def _publish(control: Control, aside: Path, root: Root, record: Record) -> None:
    """Let the set appear: everything on disk, then its record, then one rename."""
    if digest(record.to_bytes()) != root.digest:
        raise AssertionError("the root names its record")
    disk.sync([aside, *(path for path in aside.rglob("*") if path.is_dir())])
    disk.replace(control.record_path(record.number), record.to_bytes())
    disk.sync([control.records])
    changed = disk.make_directory(control.group.parent)
    aside.rename(control.group)
    disk.sync(sorted({*changed, control.group.parent, control.staging}))


def _sweep(control: Control) -> None:
    """Remove what a writer left that did not end: its record first, by which it is known.

    Of a set that is gone the records of what was added to it go too.
    """
    if not control.group.exists():
        for record in sorted(control.records.glob("*.json")):
            record.unlink()
    disk.sweep(control.records)
    disk.sync([control.records])
    disk.clear(control.staging)


def _refuse_existing(control: Control) -> None:
    if control.group.exists():
        raise CubeExistsError(
            f"{control.group} is there already",
            expected="a name that is free",
            remedy="open it; or remove it, or choose another name, to write it anew",
        )
