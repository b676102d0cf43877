"""How a cube changes: the protocol, and nothing else.

The group's ``zarr.json`` holds the consolidated metadata, so whoever opens the cube learns from
that one file how long it is. It is replaced by a rename. **That is the commit**: before it, new
shards lie beyond the length that readers see; after it, they are part of the cube. In order:

1. Take the lock. ``recover``: undo what a dead writer left behind.
2. Tasks write blocks into a staging directory of this attempt, synced, under names of no
   meaning. Only the holder of the lock moves them; a task of a dead build wakes up to find its
   directory gone.
3. Keep a second name of each file that will be replaced (chunks of the time coordinates), in a
   directory that stays as long as the commit is under way. Sync.
4. Write the commit record: its parent, every key with size and CRC-32C, which keys it replaces.
   It is written ahead: a record that the root does not name yet tells recovery, and ``verify``,
   just what an interrupted commit touched. Sync.
5. Move the blocks to their keys. Sync the directories.
6. Replace the root, which names the record by number and digest. Sync. Committed.
7. Bring the arrays' own ``zarr.json`` up to date, for readers without consolidated metadata;
   drop what was kept.

Recovery takes the root for the truth. A record one ahead of it is rolled back: kept files get
their names back, new keys go, then the record, then what was kept. Every step can be killed and
repeated. A record ahead for which nothing is kept was completed: then the root is an old one that
somebody put back, and nothing is touched. A shard that was committed is never written again, so
readers need no lock.

An append is seen whole or not at all. What a fill adds lies within the length that readers see:
each of its shards appears whole, some perhaps before the commit, and goes if it is rolled back.
"""

import contextlib
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path

from cubestore import disk, lock
from cubestore.encoding import Json, Measure
from cubestore.errors import DamagedError, ForeignWriteError, LockedError
from cubestore.records import METADATA, Control, Record, Root, digest, dump, own_metadata, software


@dataclass(frozen=True, slots=True)
class Staged:
    """A block that waits to be moved to its key."""

    key: str
    path: Path
    measure: Measure

    def at(self, slot: int) -> "Staged":
        """Return the block as one of another slot: which it becomes shows when it is committed."""
        name, chunks, _, *rest = self.key.split("/")
        return replace(self, key="/".join([name, chunks, str(slot), *rest]))


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
    """Keys that a later commit may replace: the chunks of the time coordinates."""

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
        for directory in (control.staging, control.kept, control.records):
            disk.make_directory(directory)
        # Whoever made them may have been killed before it synced them.
        disk.sync([control.path, control.path.parent, control.group.parent])
    with lock.hold(control.lock, wait):
        committer = Committer(control)
        try:
            with disk.writable(control.path):
                committer.recover()
                disk.clear(control.staging)
                committer.staging.mkdir()
            yield committer
        finally:
            if os.getpid() == committer.pid:  # a child that was forked unwinds here too
                disk.clear(control.staging)


class Committer:
    """The holder of the lock: the only one who changes the cube."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.group = control.group
        self.staging = control.staging / uuid.uuid4().hex
        self.root: Root | None = None
        self.record: Record | None = None
        self.pid = os.getpid()
        self._unsettled = False
        """Whether a commit was begun that could be neither completed nor undone."""

    def commit(self, change: Change) -> Root:
        """Make a change, whole or not at all.

        Raises:
            ForeignWriteError: something other than the store has written to the cube.
            NotWritableError: the disk is full or read-only; the cube is as it was.
        """
        if self._unsettled:
            self.recover()
        self._refuse_changed_root()
        record, root = self._next(change)
        with disk.writable(self.group):
            self._keep(record, root.digest)
            self._write_ahead(record)
            try:
                self._move(change.staged)
                self._replace_root(root)
            except BaseException as error:
                self.recover()
                committed = self.root is not None and self.root.digest == root.digest
                if not (committed and isinstance(error, OSError)):
                    raise
            before = self.root.arrays if self.root else {}
            self.root, self.record, self._unsettled = root, record, False
            with contextlib.suppress(OSError):  # it is committed; the next writer goes on here
                self._finish({n: d for n, d in root.arrays.items() if d != before.get(n)})
        return root

    def recover(self) -> None:
        """Undo what an interrupted commit left behind; the root is the truth.

        Raises:
            ForeignWriteError: something other than the store has written to the cube.
            DamagedError: the record that the root names is not there.
        """
        self.root = Root.read(self.group)
        self.record = self._vouched(self.root)
        # Whoever changed these may have been killed before it synced them.
        disk.sync([self.control.records, *([self.group] if self.root else [])])
        self._roll_back(self.root.number + 1 if self.root else 0)
        self._finish(self._behind())
        self._unsettled = False

    # Making a change, in the order of the protocol.

    def _next(self, change: Change) -> tuple[Record, Root]:
        written = {s.key: s.measure for s in change.staged}
        replaced = self._refuse_rewriting(written.keys(), change.replaces)
        tails = {**(self.record.tails if self.record else {}), **written}
        gone = sum((self.group / key).stat().st_size for key in replaced)
        root = Root(change.arrays, change.attributes, self.root.number + 1 if self.root else 0, "")
        record = Record(
            number=root.number,
            parent=self.root.digest if self.root else "",
            operation=change.operation,
            created=change.created,
            software=software(),
            details=change.details,
            metadata=root.metadata_digest(),
            keys=dict(sorted(written.items())),
            replaced=replaced,
            tails={key: tails[key] for key in sorted(change.tails) if key in tails},
            total_keys=(self.record.total_keys if self.record else 0)
            + len(written)
            - len(replaced),
            total_bytes=(self.record.total_bytes if self.record else 0)
            + sum(size for size, *_ in written.values())
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
            if disk.measure(self.group / key) != tails[key]:
                raise _foreign(self.group / key)
        return tuple(sorted(there))

    def _keep(self, record: Record, digest_: str) -> None:
        kept = self.control.kept_by(digest_)
        disk.clear(kept)
        kept.mkdir(exist_ok=True)
        for position, key in enumerate(record.replaced):
            disk.keep(self.group / key, kept / str(position))
        disk.sync([kept, self.control.kept])

    def _write_ahead(self, record: Record) -> None:
        try:
            disk.write_once(self.control.record_path(record.number), record.to_bytes())
        except FileExistsError as error:
            raise LockedError(
                f"Another writer made commit {record.number} of {self.group} meanwhile",
                expected="one writer a cube",
                remedy="the file system does not honour locks: write from one host",
            ) from error
        self._unsettled = True
        disk.sync([self.control.records])

    def _move(self, staged: Sequence[Staged]) -> None:
        changed = disk.make_directory(self.group) | {self.group}
        for block in staged:
            final = self.group / block.key
            changed |= disk.make_directory(final.parent) | {final.parent}
            block.path.replace(final)
        disk.sync(sorted(changed))

    def _replace_root(self, root: Root) -> None:
        disk.replace(self.group / METADATA, root.to_bytes())
        disk.sync([self.group])

    def _finish(self, behind: Mapping[str, Json]) -> None:
        for name, document in behind.items():
            disk.make_directory(self.group / name)
            path = self.group / name / METADATA
            disk.replace(path, dump(document), synced=False)  # recovery would write it again
        disk.clear(self.control.kept)

    # Undoing.

    def _roll_back(self, number: int) -> None:
        record = self.control.under_way(number)
        if record is None:
            return
        changed = self._restore(record, self.control.kept_by(digest(record.to_bytes())))
        for key in sorted(set(record.keys) - set(record.replaced)):
            changed |= disk.remove(self.group / key, up_to=self.group.parent)
        disk.sync(sorted(d for d in changed if d.is_dir()))
        self.control.record_path(number).unlink()
        disk.sync([self.control.records])

    def _restore(self, record: Record, kept: Path) -> set[Path]:
        for position, key in enumerate(record.replaced):
            disk.restore(kept / str(position), self.group / key)
        return {(self.group / key).parent for key in record.replaced}

    # What is not ours.

    def _vouched(self, root: Root | None) -> Record | None:
        if root is None:
            self._refuse_lost_root()
            return None
        record = self.control.record(root.number, root.digest)
        if (
            record.metadata != root.metadata_digest()
            or (self.group / METADATA).read_bytes() != root.to_bytes()
        ):
            raise _foreign(self.group / METADATA)
        return record

    def _refuse_lost_root(self) -> None:
        """Without a root a first record is a creation cut short; a second means a root is lost."""
        if self.control.record_path(1).exists():
            raise DamagedError(
                f"{self.group / METADATA} is gone, though commits were made",
                expected="the root of the newest commit",
                remedy="restore it from a copy; if the cube was deleted on purpose, delete "
                f"{self.control.path} too",
            )

    def _refuse_changed_root(self) -> None:
        path = self.group / METADATA
        there = path.read_bytes() if path.exists() else None
        if there != (self.root.to_bytes() if self.root else None):
            raise _foreign(path)

    def _behind(self) -> dict[str, Json]:
        """Return the arrays whose own metadata is not the committed, as a commit of ours left it.

        Raises:
            ForeignWriteError: an array that the root does not name, or metadata of other hands.
        """
        known = self.root.arrays if self.root else {}
        for directory in (self.control.records, self.group, *(self.group / n for n in known)):
            disk.sweep(directory)
        for entry in sorted(self.group.iterdir()) if self.group.is_dir() else ():
            if entry.name.startswith(".") or (entry.name == METADATA and self.root):
                continue  # what systems leave: .nfs…, .DS_Store
            if entry.name not in known:
                raise _foreign(entry)
        states = {name: own_metadata(self.group / name, known[name]) for name in known}
        for name, state in states.items():
            if state == "foreign":
                raise _foreign(self.group / name / METADATA)
        return {name: known[name] for name, state in states.items() if state != "committed"}


def _foreign(path: Path) -> ForeignWriteError:
    return ForeignWriteError(
        f"{path} is not as the last commit left it: something else wrote to the cube",
        expected="that only cubestore writes here",
        remedy="run `cubestore verify` for the extent; restore the file from a copy, or move the "
        "cube aside and build it again",
    )
