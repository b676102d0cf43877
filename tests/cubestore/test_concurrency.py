"""One writer at a time, whoever else reads or thinks that it still writes.

Processes by the dozen are the business of ``python -m tests.faults --only crowd``.
"""

import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cubestore.errors import AbandonedError, LockedError
from tests.faults import operations as do


@pytest.fixture
def cube(tmp_path):
    do.create(tmp_path)
    do.append(tmp_path, 0)
    return do.cube(tmp_path)


def leave(staging):
    """Do what a task does."""
    shape = staging.arrays["cloud_class"].block_shape((1, *do.SHARD))
    return staging.write("cloud_class", (1, *do.SHARD), np.ones(shape, "uint8"))


def test_a_task_whose_writer_has_ended_is_told_so(cube):
    with cube.write() as writer:
        staging = pickle.loads(pickle.dumps(writer.staging))  # noqa: S301 - our own
        assert leave(staging)
    with pytest.raises(AbandonedError, match="is gone"):
        leave(staging)
    with cube.write(), pytest.raises(AbandonedError):
        leave(staging)
    assert cube.verify().findings == ()


def test_what_a_writer_staged_and_did_not_commit_is_gone_with_it(cube):
    with cube.write() as writer:
        leave(writer.staging)
    assert list(cube.control.staging.iterdir()) == []


def test_two_threads_of_one_process_exclude_one_another(cube):
    refused = []

    def write():
        try:
            with cube.write(wait=0):
                pass
        except LockedError as error:
            refused.append(error)

    with cube.write():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert len(refused) == 1


def test_threads_that_append_at_once_all_land(cube, tmp_path):
    threads = [threading.Thread(target=do.append, args=(tmp_path, n)) for n in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    items = xr.open_zarr(cube.path, chunks=None).item_id.values.tolist()
    assert sorted(items) == [f"slot-{n:05d}" for n in range(7)]
    assert cube.verify().findings == ()


def test_two_cubes_of_a_tile_are_created_at_once(tmp_path, store):
    made = [threading.Thread(target=store.create_cube, args=("31UDQ", s)) for s in ("naip", "linz")]
    for thread in made:
        thread.start()
    for thread in made:
        thread.join()
    assert store.cubes() == [("31UDQ", "linz"), ("31UDQ", "naip")]
    assert not list(tmp_path.rglob("*.partial"))


def test_an_open_dataset_stays_as_it_was_opened(cube, tmp_path):
    before, plain = cube.open(), xr.open_zarr(cube.path, chunks=None)
    do.append(tmp_path, 1, supersedes="slot-00000")
    assert before.item_id.values.tolist() == ["slot-00000"]
    window = {"y": slice(*(do.CORNER[0], None)), "x": slice(*(do.CORNER[1], None))}
    assert before.quality.isel(**window).values.shape == plain.quality.isel(**window).values.shape
    assert cube.open().item_id.values.tolist() == ["slot-00001"]


def test_verify_beside_a_writer_finds_no_damage(cube, tmp_path):
    """It takes no lock: what a commit is changing meanwhile is looked at again."""
    over, reports = threading.Event(), []

    def verify():
        while not over.is_set():
            reports.append(cube.verify())

    watcher = threading.Thread(target=verify)
    watcher.start()
    for number in range(1, 15):
        do.append(tmp_path, number)
    over.set()
    watcher.join()
    assert [report.findings for report in reports if report.damaged] == []


def test_reading_needs_no_right_to_write(cube):
    staging = cube.control.staging
    staging.rmdir()
    assert cube.open().sizes["time"] == 1
    assert cube.verify().findings == ()
    assert not Path(staging).exists()
