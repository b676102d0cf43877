"""A commit, seen from inside: the lock, the records, and what is refused or undone."""

import json
import os
import pickle
import shutil
import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import cubestore
from cubestore import disk, errors, lock
from cubestore.errors import DamagedError, ForeignWriteError, LockedError, SlotError
from cubestore.records import METADATA
from tests.faults import operations as do


@pytest.fixture
def cube(tmp_path):
    do.create(tmp_path)
    do.append(tmp_path, 0)
    return do.cube(tmp_path)


def group(cube):
    return Path(cube.path)


def ids(cube):
    return xr.open_zarr(cube.path, chunks=None).item_id.values.tolist()


def files(cube):
    return {p: p.read_bytes() for p in group(cube).rglob("*") if p.is_file()}


def failing(monkeypatch, name, error):
    """Let the rename to ``name`` fail; returns what to call to let it succeed again."""
    rename = Path.replace

    def fail(self, target):
        if Path(target).name == name:
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    return lambda: monkeypatch.setattr(Path, "replace", rename)


# The lock.


def test_whoever_finds_the_lock_held_is_told_by_whom(cube):
    with cube.write(), pytest.raises(LockedError) as refused, cube.write(wait=0.05):
        pass
    assert f"process {os.getpid()} on {socket.gethostname()}" in refused.value.found
    assert refused.value.remedy


def test_a_holder_that_left_no_name_is_another_process(tmp_path):
    with lock.hold(tmp_path / "lock", 0):
        (tmp_path / "lock").write_bytes(b"")
        with pytest.raises(LockedError, match="held by another process"), ExitStack() as stack:
            stack.enter_context(lock.hold(tmp_path / "lock", 0))


def test_a_writer_waits_for_the_one_before(cube, tmp_path):
    waiting = threading.Thread(target=do.append, args=(tmp_path, 2))
    with cube.write() as writer:
        waiting.start()
        do.append_with(writer, [(1, "")], filled=True)
    waiting.join()
    assert ids(cube) == ["slot-00000", "slot-00001", "slot-00002"]


def test_a_session_makes_many_commits(cube):
    with cube.write() as writer:
        for number in (1, 2, 3):
            do.append_with(writer, [(number, "")], filled=True)
    assert ids(cube) == [f"slot-{n:05d}" for n in range(4)]
    assert cube.verify().findings == ()


# The records.


def test_every_record_is_vouched_for_by_the_one_after(cube, tmp_path):
    do.append(tmp_path, 1)
    do.add_variable(tmp_path)
    records = list(cube.records())
    assert [r.operation for r in records] == ["add variable", "append", "append", "create"]
    assert [r.number for r in records] == [3, 2, 1, 0]
    assert records[-1].parent == ""


def test_the_newest_record_tells_how_much_there_is(cube, tmp_path):
    do.append(tmp_path, 1)
    sizes = [len(data) for path, data in files(cube).items() if path.name != METADATA]
    newest = next(cube.records())
    assert (newest.total_keys, newest.total_bytes) == (len(sizes), sum(sizes))


def test_a_record_that_was_changed_is_not_believed(cube):
    path = cube.control.record_path(1)
    path.write_bytes(path.read_bytes().replace(b"slot-00000", b"slot-00009"))
    with pytest.raises(DamagedError, match="not the one that was committed"):
        cube.recover()


# What is refused.


def test_a_root_that_changed_during_a_session_is_not_overwritten(cube):
    root = group(cube) / METADATA
    with cube.write() as writer:
        changed = root.read_bytes().replace(b"CF-1.11", b"CF-1.12")
        root.write_bytes(changed)
        with pytest.raises(ForeignWriteError):
            do.append_with(writer, [(1, "")], filled=True)
    assert root.read_bytes() == changed


@pytest.mark.parametrize(
    "commit",
    [
        lambda store: do.append(store, 1),
        lambda store: do.append_many(store, [(1, "")], filled=False),
        do.add_variable,
    ],
    ids=["append", "append without pixels", "add variable"],
)
def test_an_older_root_is_not_taken_for_the_truth(cube, tmp_path, commit):
    """Or recovery would delete what was committed since."""
    root = group(cube) / METADATA
    old = root.read_bytes()
    commit(tmp_path)
    new, there = root.read_bytes(), files(cube)
    root.write_bytes(old)
    assert {f.key for f in cube.verify().findings if f.state == "damaged"} >= {METADATA}
    with pytest.raises(DamagedError, match="older than the cube"):
        cube.recover()
    root.write_bytes(new)
    assert files(cube) == there
    assert cube.verify().findings == ()


def test_a_root_older_by_two_commits_is_not_taken_for_the_truth(cube, tmp_path):
    root = group(cube) / METADATA
    old = root.read_bytes()
    do.append(tmp_path, 1)
    do.append(tmp_path, 2)
    root.write_bytes(old)
    there = files(cube)
    with pytest.raises(DamagedError):
        cube.recover()
    assert files(cube) == there


# What is undone, and what is not.


@pytest.mark.parametrize(
    ("name", "undone"),
    [
        (METADATA, True),  # the root is not replaced; undoing the rest needs no such name
        ("0", False),  # a coordinate is not replaced, and cannot be put back either
    ],
)
def test_a_commit_that_fails_leaves_cube_and_session_usable(cube, monkeypatch, name, undone):
    with cube.write() as writer:
        succeed = failing(monkeypatch, name, OSError(5, "Input/output error"))
        with pytest.raises(OSError, match="Input/output error"):
            do.append_with(writer, [(1, "")], filled=True)
        succeed()
        assert ids(cube) == ["slot-00000"]
        assert (cube.verify().findings == ()) == undone
        assert not cube.verify().damaged
        do.append_with(writer, [(1, "")], filled=True)
    assert ids(cube) == ["slot-00000", "slot-00001"]
    assert cube.verify().findings == ()


def test_what_fails_after_the_commit_does_not_take_it_back(cube, tmp_path, monkeypatch):
    write = disk.replace

    def fail(path, data, *, synced=True):
        if not synced:
            raise OSError(28, "No space left on device")
        write(path, data, synced=synced)

    monkeypatch.setattr(disk, "replace", fail)
    do.append(tmp_path, 1)
    assert ids(cube) == ["slot-00000", "slot-00001"]
    assert {f.state for f in cube.verify().findings} == {"unfinished"}
    monkeypatch.undo()
    cube.recover()
    assert cube.verify().findings == ()
    assert xr.open_zarr(cube.path, consolidated=False).sizes["time"] == 2


def test_files_that_a_dead_process_was_writing_are_swept_away(cube):
    directories = [group(cube), group(cube) / "time", cube.control.records]
    for directory in directories:
        (directory / f".zarr.json.0123{disk.PARTIAL}").write_bytes(b"{")
    cube.recover()
    assert not [p for d in directories for p in d.iterdir() if p.name.endswith(disk.PARTIAL)]


def test_a_file_system_without_hard_links_does_as_well(cube, tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    do.append(tmp_path, 1)
    with cube.write() as writer:
        succeed = failing(monkeypatch, METADATA, OSError(5, "Input/output error"))
        with pytest.raises(OSError, match="Input/output error"):
            do.append_with(writer, [(2, "")], filled=True)
        succeed()
    assert ids(cube) == ["slot-00000", "slot-00001"]
    assert cube.verify().findings == ()


def test_a_shard_that_was_committed_is_never_written_again(cube, tmp_path):
    with pytest.raises(SlotError, match="asked for shard"):
        do.fill(tmp_path, 0, 5)
    with cube.write() as writer:
        blocks = [b for b in do.stage(writer, 0, 5) if b]
        with pytest.raises(ForeignWriteError):
            writer._commit("fill", blocks, {})
    assert cube.verify().findings == ()


def test_a_cube_that_was_deleted_on_purpose_can_be_made_again(cube, tmp_path):
    shutil.rmtree(cube.path)
    shutil.rmtree(cube.control.path)
    do.create(tmp_path)
    assert ids(cube) == []


# The power cuts that a simulation found; see tests/faults/power.py.


@pytest.fixture
def synced(monkeypatch):
    """The directories that are synced, and when the root is replaced."""
    events, sync, replace = [], disk.sync, disk.replace

    def note_sync(directories):
        directories = list(directories)
        events.extend(directories)
        sync(directories)

    def note_replace(path, data, *, synced=True):
        events.append(path)
        replace(path, data, synced=synced)

    monkeypatch.setattr(disk, "sync", note_sync)
    monkeypatch.setattr(disk, "replace", note_replace)
    return events


def test_recovery_syncs_what_a_killed_writer_may_not_have(cube, synced):
    """Else it drops what was kept for a root, or a record, that a power cut takes back."""
    cube.recover()
    assert {group(cube), cube.control.records, cube.control.path} <= {*synced}


def test_arrays_made_without_a_sync_are_synced_before_the_root(cube, tmp_path, synced):
    """Else a power cut may leave a root whose arrays' directories are not there."""
    do.append(tmp_path, 1)
    commit = synced.index(group(cube) / METADATA)
    written_ahead = max(k for k in range(commit) if synced[k] == cube.control.records)
    assert group(cube) in synced[written_ahead:commit]
    assert synced[commit + 1] == group(cube)


# Errors.


@pytest.mark.parametrize(
    "kind",
    sorted(
        (e for e in vars(errors).values() if isinstance(e, type)), key=lambda kind: kind.__name__
    ),
)
def test_errors_cross_process_borders(kind):
    error = kind("found", expected="expected", remedy="remedy")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(again), str(again)) == (kind, "found. Expected: expected. Remedy: remedy.")
    assert isinstance(again, cubestore.CubestoreError)


def test_what_tasks_and_writers_exchange_crosses_process_borders(cube):
    with cube.write() as writer:
        staging = pickle.loads(pickle.dumps(writer.staging))  # noqa: S301 - our own
        array = staging.arrays["cloud_class"]
        block = staging.write("cloud_class", (1, 1, 1), np.ones(array.block_shape((1, 1, 1)), "u1"))
        assert pickle.loads(pickle.dumps(block)) == block  # noqa: S301 - our own


def test_the_lock_file_tells_in_json(cube):
    with cube.write():
        told = json.loads(cube.control.lock.read_bytes())
    assert told.keys() == {"pid", "host", "since", "command"}
