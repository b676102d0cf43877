"""Files that are there after a power cut: written aside, synced, put in place by a rename."""

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

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
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EXDEV}:
            raise
        write_new(under, path.read_bytes())  # a file system without hard links


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
