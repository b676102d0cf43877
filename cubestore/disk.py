"""Files that are there after a power cut: written aside, synced, put in place by a rename."""

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from cubestore import encoding
from cubestore.errors import CubestoreError, NotWritableError

PARTIAL = ".partial"
"""Ending of a file that is still being written; no reader looks at it."""

_REMEDIES = {
    errno.ENOSPC: "free some space and run it again: what was committed stays",
    errno.EDQUOT: "free some of the quota and run it again: what was committed stays",
    errno.EROFS: "write to a copy on a writable disk; reading needs no writing",
    errno.EACCES: "ask for the right to write there; reading needs no writing",
    errno.EPERM: "ask for the right to write there; reading needs no writing",
}


WRITTEN_HERE = "stores are written on a file system and read from anywhere"
"""What to do with a store that lies elsewhere."""

_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
"""What file systems say that have no hard links, or none to another user's files."""


def path_of(address: str, *, remedy: str = WRITTEN_HERE) -> Path:
    """Return the path that an address is.

    Raises:
        NotWritableError: it is a URL.
    """
    if "://" in address:
        raise NotWritableError(
            f"{address} is not on a file system", expected="a path", remedy=remedy
        )
    return Path(address)


@contextlib.contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turn a disk that is full or read-only into an error that says what to do.

    Raises:
        NotWritableError: the disk under ``path`` takes no more.
    """
    try:
        yield
    except CubestoreError:
        raise
    except OSError as error:
        raise NotWritableError(
            f"Cannot write to {path}: {error.strerror}",
            expected="a writable disk with room",
            remedy=_REMEDIES.get(error.errno or 0, "check the path, and the disk"),
        ) from error


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, and sync it. Its directory must exist."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, data: bytes, *, synced: bool = True) -> None:
    """Put ``data`` at ``path`` in one step: a reader sees the old file or the new one."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}{PARTIAL}")
    try:
        if synced:
            write_new(aside, data)
        else:
            aside.write_bytes(data)
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def write_once(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` in one step, where nothing is.

    Raises:
        FileExistsError: something is there already; it stays.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}{PARTIAL}")
    try:
        write_new(aside, data)
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        keep(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def sweep(directory: Path) -> None:
    """Remove what a killed process left of files that it was writing aside."""
    with contextlib.suppress(FileNotFoundError):
        for entry in directory.iterdir():
            if entry.name.endswith(PARTIAL):
                entry.unlink(missing_ok=True)


def measure(path: Path) -> encoding.Measure | None:
    """Return what a record keeps of a file, None where there is no such file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return encoding.measure(data)


def sync(directories: Iterable[Path]) -> None:
    """Make the entries of directories durable: the names, not what the files hold."""
    for directory in directories:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def make_directory(path: Path) -> set[Path]:
    """Make a directory and those above it; return the directories whose entries changed."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        directory.mkdir(exist_ok=True)
    return {directory.parent for directory in missing}


def keep(path: Path, under: Path) -> None:
    """Give a file a second name, so that it outlives being replaced under its first."""
    try:
        under.hardlink_to(path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        replace(under, path.read_bytes())


def restore(kept: Path, path: Path) -> None:
    """Give a kept file its first name back, in one step; it keeps the second."""
    aside = path.with_name(f".{path.name}{PARTIAL}")
    aside.unlink(missing_ok=True)
    keep(kept, aside)
    aside.replace(path)
    aside.unlink(missing_ok=True)  # still there if both were names of one file


def remove(path: Path, *, up_to: Path) -> set[Path]:
    """Remove a file, and the directories below ``up_to`` that this leaves empty.

    Returns:
        The directories whose entries changed and that are still there.
    """
    path.unlink(missing_ok=True)
    parent = path.parent
    while parent != up_to and not (parent.is_dir() and any(parent.iterdir())):
        if parent.is_dir():
            parent.rmdir()
        parent = parent.parent
    return {parent}


def clear(directory: Path) -> None:
    """Remove whatever a directory holds."""
    with contextlib.suppress(FileNotFoundError):
        for entry in list(directory.iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
