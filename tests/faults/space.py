"""Disks that take no more: full at every point of an append, and read-only."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import cubestore
from cubestore.errors import NotWritableError
from tests.faults import process
from tests.faults.kills import Stage
from tests.faults.operations import OPERATIONS, Operation, cube, operation
from tests.faults.table import Row

SIZE = 6 << 20
"""Bytes of the disk: a small cube, and as much again."""


def disks(
    base: Path, step: int = 8192, operations: Sequence[Operation] = OPERATIONS
) -> Iterator[Row]:
    """Run operations on a disk with ever more room, then on a read-only one."""
    names = [f"a full disk: {what.name}" for what in operations] + ["a read-only disk"]
    with mounted(base / "disk") as refused:
        if refused:
            yield from (Row(name, skipped=refused).done() for name in names)
            return
        for what in operations:
            yield _full(Stage(base / what.name, what), base / "disk", step)
        yield _read_only(Stage(base / "read-only", operation("append")), base / "disk")


@contextlib.contextmanager
def mounted(path: Path) -> Iterator[str]:
    """Mount a small disk of its own; yield why that cannot be done, or nothing."""
    path.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        yield f"needs root, to mount a disk: {error}"
        return
    try:
        yield ""
    finally:
        _run("umount", str(path))


def _run(program: str, *arguments: str) -> None:
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") or program
    subprocess.run([found, *arguments], check=True, capture_output=True)


def _full(stage: Stage, disk: Path, step: int) -> Row:
    """Leave a little more room each time, until the operation fits in."""
    row = Row(f"a full disk: {stage.operation.name}")
    stage.trial, filler = disk / "store", disk / "filler"
    room, refused = 0, True
    while refused:
        filler.unlink(missing_ok=True)
        stage.begin()
        _leave_room(disk, filler, room)
        where = f"{room} bytes left"
        refused = process.ask(_refuses, stage)
        state = stage.look(row, where)
        if refused and state == "new" and not stage.operation.by_shard:
            row.failures.append(f"{where}: refused, but done")
        filler.unlink()
        stage.repeat(row, where)
        room += step
    return row.done()


def _leave_room(disk: Path, filler: Path, room: int) -> None:
    free = os.statvfs(disk)
    with filler.open("wb") as file, contextlib.suppress(OSError):
        os.posix_fallocate(file.fileno(), 0, max(free.f_bavail * free.f_frsize - room, 1))


def _refuses(stage: Stage) -> bool:
    try:
        stage.operation.run(stage.trial)
    except NotWritableError:
        return True
    return False


def _read_only(stage: Stage, disk: Path) -> Row:
    row = Row("a read-only disk")
    stage.trial = disk / "store"
    stage.begin()
    _remount(disk, "ro")
    try:
        for what in (stage.operation.run, _recover, _create_store, _create_cube):
            stage.look(row, what.__name__)
            if not process.ask(_is_refused, what, stage.trial):
                row.failures.append(f"{what.__name__}: was not refused")
    finally:
        _remount(disk, "rw")
    stage.repeat(row, "writable again")
    return row.done()


def _remount(disk: Path, how: str) -> None:
    _run("mount", "-o", f"remount,{how},size={SIZE}", str(disk))


def _is_refused(function: object, store: Path) -> bool:
    try:
        function(store)
    except NotWritableError as error:
        return bool(error.found and error.expected and error.remedy)
    return False


def _recover(store: Path) -> None:
    cube(store).recover()


def _create_store(store: Path) -> None:
    cubestore.create_store(store.with_name("another"))


def _create_cube(store: Path) -> None:
    cubestore.open_store(store).create_cube("h19v04", "modis-09a1")
