"""A disk that forgets: what may be left of a store after the power failed at some moment.

What fsync was called on is there: of a file its bytes, of a directory its entries. All else may
be as it is, as it was at any moment since, or, for bytes never synced, cut off or zeros. Each
entry and each file falls as it likes: no order between them is taken for granted.
"""

import os
import random
import resource
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ODD = 0.1
"""Part of the inodes that fall otherwise than the rest."""

Entries = dict[str, int]
"""Name -> inode."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The disk before one change, or one fsync."""

    directories: dict[int, Entries]
    files: dict[int, bytes]
    synced: int | None
    """The inode that is synced next."""

    turn: bool
    """Whether that decides what is committed."""


@dataclass(slots=True)
class Recording:
    """Every moment of some runs, one after the other, under one directory."""

    top: Path
    moments: list[Moment] = field(default_factory=list)
    begin: int = 0
    """The moment before which the power does not fail."""

    acknowledged: int | None = None
    """The moment from which on the operation was done, as far as its caller knows."""

    _read: dict[int, tuple[tuple[int, int], bytes]] = field(default_factory=dict)
    _held: dict[int, int] = field(default_factory=dict)
    """Inode -> a handle, so that the number is not used again."""

    def snap(self, synced: int | None = None, *, turn: bool = False) -> None:
        """Record the disk as it is."""
        moment = Moment({}, {}, synced, turn)
        self._scan(self.top, moment)
        self.moments.append(moment)

    def _scan(self, directory: Path, moment: Moment) -> None:
        entries: Entries = {}
        for entry in os.scandir(directory):
            status = entry.stat(follow_symlinks=False)
            entries[entry.name] = status.st_ino
            self._hold(status.st_ino, entry.path)
            if stat.S_ISDIR(status.st_mode):
                self._scan(Path(entry.path), moment)
            elif status.st_ino not in moment.files:
                moment.files[status.st_ino] = self._bytes(entry.path, status)
        moment.directories[directory.stat().st_ino] = entries

    def _hold(self, inode: int, path: str) -> None:
        if inode not in self._held:
            self._held[inode] = os.open(path, os.O_RDONLY)

    def _bytes(self, path: str, status: os.stat_result) -> bytes:
        version = status.st_size, status.st_mtime_ns
        if self._read.get(status.st_ino, ((-1, -1), b""))[0] != version:
            self._read[status.st_ino] = version, Path(path).read_bytes()
        return self._read[status.st_ino][1]

    def close(self) -> None:
        """Let go of the inodes."""
        for handle in self._held.values():
            os.close(handle)
        self._held.clear()

    def moment(self, rng: random.Random) -> int:
        """Return a moment to fail at: any, or before a sync of a directory, or before a turn."""
        after = range(self.begin, len(self.moments))
        syncs = [k for k in after if self.moments[k].synced in self.moments[k].directories]
        turns = [k for k in after if self.moments[k].turn]
        return rng.choice(rng.choice([after, syncs, turns]))

    def fail(self, at: int, rng: random.Random, into: Path) -> None:
        """Leave in ``into`` what may be there if the power fails at moment ``at``."""
        _Failure(self, at, rng).write(into)


class _Failure:
    """One way in which the power can fail."""

    def __init__(self, recording: Recording, at: int, rng: random.Random) -> None:
        self.moments, self.rng = recording.moments[: at + 1], rng
        self.top = recording.top.stat().st_ino
        self.newest = rng.choice([0.0, 0.1, 0.5, 0.9, 1.0])
        """How likely something unsynced is as it was last, but for some that are not so."""

        self.likely: dict[int, float] = {}
        self.synced = {m.synced: k for k, m in enumerate(self.moments[:-1]) if m.synced}
        self.written: dict[int, Path] = {}

    def write(self, into: Path) -> None:
        into.mkdir()
        self._directory(self.top, into)

    def _directory(self, inode: int, path: Path) -> None:
        for name, child in self._entries(inode).items():
            if any(child in m.directories for m in self.moments):
                (path / name).mkdir()
                self._directory(child, path / name)
            elif child in self.written:
                (path / name).hardlink_to(self.written[child])
            else:
                self.written[child] = path / name
                (path / name).write_bytes(self._content(child))

    def _entries(self, inode: int) -> Entries:
        versions = [m.directories.get(inode, {}) for m in self._since(inode)]
        chosen = {}
        for name in sorted({name for version in versions for name in version}):
            child = self._choose(inode, [version.get(name) for version in versions])
            if child is not None:
                chosen[name] = child
        return chosen

    def _content(self, inode: int) -> bytes:
        versions = [m.files[inode] for m in self._since(inode) if inode in m.files]
        durable = inode in self.synced or inode in self.moments[0].files
        if not durable:
            last = versions[-1]
            versions[:0] = [b"", last[: len(last) // 2], bytes(len(last))]
        return self._choose(inode, versions)

    def _since(self, inode: int) -> list[Moment]:
        return self.moments[self.synced.get(inode, 0) :]

    def _choose(self, inode: int, versions: list[Any]) -> Any:
        if inode not in self.likely:
            odd = self.rng.random() < ODD
            self.likely[inode] = 1 - self.newest if odd else self.newest
        newest = self.rng.random() < self.likely[inode]
        return versions[-1] if newest else self.rng.choice(list(dict.fromkeys(versions)))


def hold_many_files() -> None:
    """Let this process hold as many handles as the system allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
