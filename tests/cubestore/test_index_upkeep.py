"""How the index follows its cubes: what is computed again, what stays, and what a kill leaves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import cubestore
from cubestore import lock
from cubestore.errors import DamagedError, LockedError, NoIndexError
from cubestore.index import file as indexfile
from cubestore.index.query import scan, stale

SENSOR = "sentinel-2-l2a"
FILE = "index/chips/mgrs-31UDQ-sentinel-2-l2a-256.parquet"


@pytest.fixture
def cube(store, append):
    """A cube of two slots, indexed."""
    cube = store.create_cube("31UDQ", SENSOR)
    append(cube, "2023-06-12", "one", seed=1)
    append(cube, "2023-06-22", "two", seed=2)
    cubestore.index_store(store)
    return cube


def path(store):
    return Path(store.path, FILE)


def rows(store, **question):
    return {row["chipid"]: row for row in scan(store, **question).to_pylist()}


def lose(cube, slot):
    """Remove a slot's shards: whoever reads them again fails."""
    for variable in ("reflectance", "cloud_class"):
        for shard in Path(cube.path, variable, "c", str(slot)).rglob("*"):
            if shard.is_file():
                shard.unlink()


def test_a_second_run_changes_nothing(store, cube):
    before = path(store).stat()
    lose(cube, 0)
    lose(cube, 1)
    (done,) = cubestore.index_store(store)
    assert (done.state, done.counted) == ("unchanged", 0)
    assert (path(store).stat().st_ino, path(store).stat().st_mtime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
    )


def test_only_the_new_slot_is_counted(store, cube, append):
    before = rows(store)
    lose(cube, 0)
    lose(cube, 1)
    append(cube, "2023-06-02", "three", seed=3)
    assert stale(store) == [("31UDQ", SENSOR)]
    (done,) = cubestore.index_store(store)
    assert (done.state, done.counted, done.kept) == ("written", 1, 2)
    after = rows(store)
    assert {k: after[k] for k in before} == before
    assert {after[k]["slot"] for k in after.keys() - before} == {2}
    assert stale(store) == []


def test_an_index_that_grew_is_that_of_an_index_made_at_once(store, cube, append):
    append(cube, "2023-06-02", "three", seed=3)
    cubestore.index_store(store)
    grown = pq.read_table(path(store))
    path(store).unlink()
    cubestore.index_store(store)
    assert pq.read_table(path(store)).equals(grown, check_metadata=True)


def test_a_slot_that_was_filled_is_counted_again(store, cube, scene):
    before = rows(store, where="slot = 1")
    lose(cube, 1)
    pixels, origin = scene(cube, (5, 4), 7)
    with cube.write() as writer:
        shard = (origin[0] // 2048, origin[1] // 2048)
        staged = [
            writer.staging.write(name, (0, *(0,) * (values.ndim - 2), *shard), values[None])
            for name, values in pixels.items()
        ]
        writer.fill(0, [shard], staged, clear_fraction=0.5)
    (done,) = cubestore.index_store(store)
    assert (done.counted, done.kept) == (1, 1)
    assert rows(store, where="slot = 1") == before
    filled = rows(store, where="slot = 0").values()
    assert {row["store_commit"] for row in filled} == {3}
    assert {row["chip_index_x"] for row in filled} == set(range(32, 43))  # 40 and on were there


def test_superseded_slots_have_no_chips(store, cube, append):
    append(cube, "2023-06-12", "newer", seed=3, supersedes="one")
    (done,) = cubestore.index_store(store)
    assert (done.counted, done.kept) == (1, 1)
    assert {row["item_id"] for row in rows(store).values()} == {"two", "newer"}


def test_a_computed_variable_changes_no_row(store, cube):
    before = rows(store)
    lose(cube, 0)
    lose(cube, 1)
    variable = cubestore.Array(
        name="loss",
        dims=("time", "y_256", "x_256"),
        shape=(0, 43, 43),
        dtype="float32",
        fill=float("nan"),
        chunks=(1, 43, 43),
    )
    with cube.write() as writer:
        writer.add_variable(variable, {"y_256": np.zeros(43), "x_256": np.zeros(43)})
    (done,) = cubestore.index_store(store)
    assert (done.state, done.counted, done.kept) == ("written", 0, 2)
    assert rows(store) == before


def test_new_land_cover_renews_only_the_classes(store, cube):
    before = rows(store)
    lose(cube, 0)
    lose(cube, 1)
    cover = store.create_cube("31UDQ", "esa-worldcover")
    trees = np.full((1, 740, 740), 10, "uint8")
    slot = cubestore.Slot(time="2021-01-01", item_id="v200")
    cover.append(slot, {"land_cover": trees}, origin=(10240, 10240))
    assert stale(store) == [("31UDQ", "esa-worldcover"), ("31UDQ", SENSOR)]
    cubestore.index_store(store, sensors=SENSOR)
    after = rows(store)
    edge = 228 / 256  # of a chip at the edge that lies in the cube
    assert {row["class_tree"] for row in after.values()} == {edge, edge**2}
    for key, row in after.items():
        known = {name: value for name, value in row.items() if not name.startswith("class_")}
        assert known == {n: v for n, v in before[key].items() if not n.startswith("class_")}


def test_a_cube_that_was_made_anew_is_counted_anew(store, cube, append):
    rm(Path(cube.path))
    rm(Path(cube.path).parent / ".control")
    again = store.create_cube("31UDQ", SENSOR)
    append(again, "2023-06-12", "one", seed=5)
    append(again, "2023-06-22", "two", seed=6)
    append(again, "2023-06-23", "three", seed=6)
    (done,) = cubestore.index_store(store)
    assert (done.counted, done.kept) == (3, 0)


def test_a_cube_that_is_gone_loses_its_file(store, cube, append):
    other = store.create_cube("31UDQ", "naip")
    append(other, "2023-06-12", "one")
    cubestore.index_store(store)
    cubestore.index_store(store, chip_size=512)
    rm(Path(cube.path))
    assert stale(store) == [("31UDQ", SENSOR)]
    assert {d.state for d in cubestore.index_store(store, sensors="naip")} == {"unchanged"}
    done = cubestore.index_store(store)
    assert [(d.sensor, d.chip_size, d.state) for d in done] == [
        ("naip", 256, "unchanged"),
        (SENSOR, 256, "removed"),
        (SENSOR, 512, "removed"),
    ]
    assert {name.sensor for name in indexfile.names(store.path)} == {"naip"}


def rm(folder):
    for entry in sorted(folder.rglob("*"), reverse=True):
        entry.rmdir() if entry.is_dir() else entry.unlink()
    folder.rmdir()


def test_a_shard_that_is_missing_is_damage_and_not_nodata(store, cube, append):
    append(cube, "2023-07-01", "three")
    lose(cube, 2)
    before = path(store).read_bytes()
    with pytest.raises(DamagedError, match="is missing"):
        cubestore.index_store(store)
    assert path(store).read_bytes() == before


@pytest.mark.usefixtures("cube")
def test_another_way_of_counting_counts_all_again(store):
    (done,) = cubestore.index_store(store, compat="stacchip")
    assert (done.counted, done.kept) == (2, 0)
    assert path(store).name == Path(done.path).name
    (done,) = cubestore.index_store(store)
    assert (done.counted, done.kept) == (2, 0)


@pytest.mark.usefixtures("cube")
@pytest.mark.parametrize("damage", [b"", b"PAR1 and no more"])
def test_a_damaged_file_is_refused_by_readers_and_written_anew(store, damage):
    before = path(store).read_bytes()
    path(store).write_bytes(damage)
    with pytest.raises(NoIndexError, match="damaged"):
        scan(store)
    cubestore.index_store(store)
    assert path(store).read_bytes() == before


@pytest.mark.usefixtures("cube")
def test_two_cannot_index_a_store_at_once(store):
    with lock.hold(Path(store.path, "index", ".lock"), 0), pytest.raises(LockedError):
        cubestore.index_store(store, wait=0)


KILLED = """
import os, signal, sys, cubestore
def kill(event, arguments):
    if event == sys.argv[2] and ".parquet." in str(arguments[0]):
        os.kill(os.getpid(), signal.SIGKILL)
import cubestore.index.build
sys.addaudithook(kill)
cubestore.index_store(sys.argv[1])
"""


@pytest.mark.parametrize(("event", "new"), [("os.rename", False), ("os.remove", True)])
def test_a_kill_leaves_the_old_file_or_the_new_one(store, cube, append, event, new):
    before = path(store).read_bytes()
    append(cube, "2023-07-01", "three")
    command = [sys.executable, "-c", KILLED, store.path, event]
    done = subprocess.run(command, check=False, env=os.environ, timeout=60)
    assert done.returncode == -signal.SIGKILL
    left = [p for p in path(store).parent.iterdir() if p != path(store)]
    assert len(left) == (not new)
    assert (path(store).read_bytes() == before) is not new
    assert len(set(pq.read_table(path(store))["slot"].to_pylist())) == (3 if new else 2)
    assert len(scan(store)) == len(pq.read_table(path(store)))
    (again,) = cubestore.index_store(store)
    assert again.state == ("unchanged" if new else "written")
    assert list(path(store).parent.iterdir()) == [path(store)]


def test_a_commit_that_arrives_while_indexing_is_left_for_the_next_run(store, cube, append):
    append(cube, "2023-07-01", "three", seed=3)

    def late(*_):
        append(cube, "2023-07-11", "four", seed=4)

    cubestore.index_store(store, progress=late)
    name = indexfile.parse_name(path(store).name)
    assert indexfile.described(store.path, name).commit[0] == 3
    assert {row["item_id"] for row in rows(store).values()} == {"one", "two", "three"}
    assert stale(store) == [("31UDQ", SENSOR)]
    (done,) = cubestore.index_store(store)
    assert (done.counted, done.kept) == (1, 3)
