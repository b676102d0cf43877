"""How a cube changes: the protocol, and nothing else.

The group's ``zarr.json`` holds the consolidated metadata, so whoever opens the cube learns from
that one file how long it is. It is replaced by a rename. **That is the commit**: before it, new
shards lie beyond the length that readers see; after it, they are part of the cube. In order:

1. Take the lock. ``recover``: undo what a dead writer left behind.
2. Tasks write blocks into a staging directory of this attempt, synced, under names of no
   meaning. Only the holder of the lock moves them; a task of a dead build wakes up to find its
   directory gone.
3. Write the commit record: its parent, every key with size and CRC-32C, which keys it replaces.
   It is written ahead: a record that the root does not name yet tells recovery, and ``verify``,
   just what an interrupted commit touched.
4. Keep a second name of each file that will be replaced (the last chunks of the coordinates).
5. Move the blocks to their keys. Sync the directories.
6. Replace the root, which names the record by number and digest. Sync. Committed.
7. Bring the arrays' own ``zarr.json`` up to date, for readers without consolidated metadata.

Recovery takes the root for the truth. A record one ahead of it is rolled back: kept files get
their names back, new keys go, the record goes last. Every step can be killed and repeated. A
shard that was committed is never written again, so readers need no lock.
"""

import contextlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from cubestore import disk, lock
from cubestore.encoding import Json, crc32c
from cubestore.errors import ForeignWriteError
from cubestore.records import METADATA, Control, Record, Root, digest, dump


@dataclass(frozen=True, slots=True)
class Staged:
    """A block that waits to be moved to its key."""

    key: str
    path: Path
    size: int
    crc32c: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a commit is to do."""

    operation: str
    arrays: Mapping[str, Json]
    """Every array's metadata as it is to be."""

    attributes: Json
    staged: Sequence[Staged] = ()
    replaces: frozenset[str] = frozenset()
    """Keys that may be there already."""

    tails: frozenset[str] = frozenset()
    """Keys that a later commit may replace."""

    details: Json = field(default_factory=dict)
    created: str


@contextlib.contextmanager
def locked(control: Control, wait: float) -> Iterator["Committer"]:
    """Hold a cube's lock, with whatever a dead writer left behind undone.

    Args:
        control: the cube's.
        wait: seconds to wait for another writer.

    Raises:
        LockedError: another writer still held it after ``wait``.
        ForeignWriteError: something other than the store has written to the cube.
        NotWritableError: the disk is read-only or full.
    """
    with disk.writable(control.path):
        for directory in (control.path, control.staging, control.kept, control.records):
            disk.sync(disk.make_directory(directory))
    with lock.hold(control.lock, wait):
        committer = Committer(control)
        try:
            with disk.writable(control.path):
                committer.recover()
                disk.clear(control.staging)
                committer.staging.mkdir()
            yield committer
        finally:
            disk.clear(control.staging)


class Committer:
    """The holder of the lock: the only one who changes the cube."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.group = control.group
        self.staging = control.staging / uuid.uuid4().hex
        self.root: Root | None = None
        self.record: Record | None = None

    def commit(self, change: Change) -> Root:
        """Make a change, whole or not at all.

        Raises:
            ForeignWriteError: something other than the store has written to the cube.
            NotWritableError: the disk is full or read-only; the cube is as it was.
        """
        self._refuse_changed_root()
        record, root = self._next(change)
        with disk.writable(self.group):
            try:
                self._write_ahead(record)
                self._keep(record)
                self._move(change.staged)
                self._replace_root(root)
            except BaseException:
                self.recover()
                raise
            self.root, self.record = root, record
            self._write_array_metadata(root)
            disk.clear(self.control.kept)
        return root

    def recover(self) -> None:
        """Undo what an interrupted commit left behind; the root is the truth.

        Raises:
            ForeignWriteError: something other than the store has written to the cube.
            DamagedError: the record that the root names is not there.
        """
        self.root = Root.read(self.group)
        self.record = self._vouched(self.root)
        self._roll_back(self.root.number + 1 if self.root else 0)
        self._refuse_strangers()
        if self.root:
            self._write_array_metadata(self.root)
        disk.clear(self.control.kept)

    # Making a change, in the order of the protocol.

    def _next(self, change: Change) -> tuple[Record, Root]:
        written = {s.key: (s.size, s.crc32c) for s in change.staged}
        replaced = self._refuse_rewriting(written.keys(), change.replaces)
        tails = {**(self.record.tails if self.record else {}), **written}
        gone = sum((self.group / key).stat().st_size for key in replaced)
        root = Root(change.arrays, change.attributes, self.root.number + 1 if self.root else 0, "")
        record = Record(
            number=root.number,
            parent=self.root.digest if self.root else "",
            operation=change.operation,
            created=change.created,
            software=change.attributes["source"],
            details=change.details,
            metadata=root.metadata_digest(),
            keys=dict(sorted(written.items())),
            replaced=replaced,
            tails={key: tails[key] for key in sorted(change.tails) if key in tails},
            total_keys=(self.record.total_keys if self.record else 0)
            + len(written)
            - len(replaced),
            total_bytes=(self.record.total_bytes if self.record else 0)
            + sum(size for size, _ in written.values())
            - gone,
        )
        return record, Root(root.arrays, root.attributes, root.number, digest(record.to_bytes()))

    def _refuse_rewriting(
        self, written: AbstractSet[str], allowed: AbstractSet[str]
    ) -> tuple[str, ...]:
        """Return the keys that will be replaced; all of them may be, and are as we left them."""
        tails = self.record.tails if self.record else {}
        there = {key for key in written if (self.group / key).exists()}
        for key in sorted(there - allowed):
            raise _foreign(self.group / key)
        for key in sorted(written & set(tails)):
            data = (self.group / key).read_bytes() if key in there else b""
            if (len(data), crc32c(data)) != tails[key]:
                raise _foreign(self.group / key)
        return tuple(sorted(there))

    def _write_ahead(self, record: Record) -> None:
        disk.replace(self.control.record_path(record.number), record.to_bytes())
        disk.sync([self.control.records])

    def _keep(self, record: Record) -> None:
        if not record.replaced:
            return
        kept = self.control.kept / str(record.number)
        kept.mkdir()
        for position, key in enumerate(record.replaced):
            disk.keep(self.group / key, kept / str(position))
        disk.sync([kept, self.control.kept])

    def _move(self, staged: Sequence[Staged]) -> None:
        changed = disk.make_directory(self.group)
        for block in staged:
            final = self.group / block.key
            changed |= disk.make_directory(final.parent) | {final.parent}
            block.path.replace(final)
        disk.sync(sorted(changed))

    def _replace_root(self, root: Root) -> None:
        disk.replace(self.group / METADATA, root.to_bytes())
        disk.sync([self.group])

    def _write_array_metadata(self, root: Root) -> None:
        for name, document in root.arrays.items():
            path, data = self.group / name / METADATA, dump(document)
            if not path.exists() or path.read_bytes() != data:
                disk.make_directory(path.parent)
                disk.replace(path, data, synced=False)  # recovery would write it again

    # Undoing.

    def _roll_back(self, number: int) -> None:
        path = self.control.record_path(number)
        if not path.exists():
            return
        record = self.control.record(number)
        changed = self._restore(record)
        for key in sorted(set(record.keys) - set(record.replaced)):
            changed |= disk.remove(self.group / key, up_to=self.group.parent)
        disk.sync(sorted(d for d in changed if d.is_dir()))
        path.unlink()
        disk.sync([self.control.records])

    def _restore(self, record: Record) -> set[Path]:
        changed = set()
        for position, key in enumerate(record.replaced):
            kept = self.control.kept / str(record.number) / str(position)
            if kept.exists():
                kept.replace(self.group / key)
                kept.unlink(missing_ok=True)  # still there if both were names of one file
                changed.add((self.group / key).parent)
        return changed

    # What is not ours.

    def _vouched(self, root: Root | None) -> Record | None:
        if root is None:
            return None
        record = self.control.record(root.number, root.digest)
        if (
            record.metadata != root.metadata_digest()
            or (self.group / METADATA).read_bytes() != root.to_bytes()
        ):
            raise _foreign(self.group / METADATA)
        return record

    def _refuse_changed_root(self) -> None:
        path = self.group / METADATA
        there = path.read_bytes() if path.exists() else None
        if there != (self.root.to_bytes() if self.root else None):
            raise _foreign(path)

    def _refuse_strangers(self) -> None:
        """Arrays that the root does not name, or whose own metadata no commit of ours wrote."""
        known = self.root.arrays if self.root else {}
        for entry in sorted(self.group.iterdir()) if self.group.is_dir() else ():
            if entry.name.endswith(disk.PARTIAL):
                entry.unlink()
            elif entry.name == METADATA and self.root:
                continue
            elif entry.name not in known:
                raise _foreign(entry)
            elif not _written_by_us(entry, known[entry.name]):
                raise _foreign(entry / METADATA)


def _written_by_us(directory: Path, committed: Json) -> bool:
    """Whether an array's own metadata is the committed, an older one, or not whole."""
    try:
        there = json.loads((directory / METADATA).read_bytes())
    except (FileNotFoundError, ValueError):
        return True  # a crash or a power cut; it will be written again
    if not isinstance(there, dict) or there == committed:
        return there == committed
    before, now = there.get("shape", []), committed["shape"]
    lags = before[1:] == now[1:] and before[:1] <= now[:1]
    return lags and {**there, "shape": now} == committed


def _foreign(path: Path) -> ForeignWriteError:
    return ForeignWriteError(
        f"{path} is not as the last commit left it: something else wrote to the cube",
        expected="that only cubestore writes here",
        remedy="run `cubestore verify` for the extent; restore the file from a copy, or move the "
        "cube aside and build it again",
    )
