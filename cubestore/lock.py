"""One writer a cube: an advisory lock that the system drops when its process ends."""

import contextlib
import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cubestore import disk
from cubestore.errors import LockedError
from cubestore.records import dump

POLL = 0.01
"""Seconds between two looks at a lock that another holds."""


@contextlib.contextmanager
def hold(path: Path, wait: float) -> Iterator[None]:
    """Hold the lock at ``path``, and tell there who holds it.

    Args:
        path: the lock's file; it is made, and never removed.
        wait: seconds to wait for another holder.

    Raises:
        LockedError: another still held it after ``wait``; says who.
        NotWritableError: the disk is read-only or full.
    """
    _let_go_in_children()
    with disk.writable(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        _HANDLES.add(handle)
    try:
        with disk.writable(path):
            _acquire(handle, path, time.monotonic() + wait)
            os.ftruncate(handle, 0)
            os.pwrite(handle, dump(_holder()), 0)
        yield
    finally:
        if handle in _HANDLES:  # not in a forked child
            _HANDLES.remove(handle)
            os.close(handle)


_HANDLES: set[int] = set()
"""The locks that this process holds or waits for."""


@cache
def _let_go_in_children() -> None:
    """A forked child inherits the handle, and would hold the lock after its parent is gone."""
    os.register_at_fork(after_in_child=_let_go)


def _let_go() -> None:
    for handle in _HANDLES:
        os.close(handle)
    _HANDLES.clear()


def _holder() -> dict[str, object]:
    """Who holds the lock; of the command only its name: arguments may hold tokens."""
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": ascii(Path(sys.argv[0]).name)[1:-1] if sys.argv else "",
    }


def _acquire(handle: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise _held(path) from None
            time.sleep(POLL)
        else:
            return


def _held(path: Path) -> LockedError:
    try:
        holder = json.loads(path.read_bytes())
        who = "process {pid} on {host} since {since} ({command})".format(**holder)
    except (OSError, ValueError, KeyError):
        who = "another process"
    return LockedError(
        f"{path} is held by {who}",
        expected="one writer a cube",
        remedy="wait for it to end, or end it: the lock goes with the process",
    )
