"""What a cube of 10,000 slots costs, counted in files; ``tests/benchmarks`` counts seconds."""

import sys
from collections import Counter
from contextlib import contextmanager

import numpy as np
import pytest
import xarray as xr

import cubestore

FEW, MANY = 10, 10_000
TIME_CHUNKS = 3
"""Of 4096 slots, in 10,000."""

COORDINATES = 20
"""On time, of a MODIS cube."""


class Watch:
    """What Python opens and renames, while it is on; an audit hook cannot be taken off again."""

    def __init__(self):
        self.seen = None
        sys.addaudithook(self.note)

    def note(self, event, arguments):
        if self.seen is not None and event in {"open", "os.rename", "os.listdir", "os.scandir"}:
            writes = event == "open" and arguments[2] & 0b11
            self.seen["write" if writes else event, str(arguments[0])] += 1

    @contextmanager
    def on(self):
        self.seen = Counter()
        seen = self.seen
        try:
            yield seen
        finally:
            self.seen = None


WATCH = Watch()


def count(seen, kind, home):
    return sum(n for (what, path), n in seen.items() if what == kind and path.startswith(str(home)))


def slot(number, **known):
    return cubestore.Slot(
        time=np.datetime64("2015-06-23T10:50:31") + np.timedelta64(number, "h"),
        item_id=f"S2A_MSIL2A_{number:06d}_N0510_R051_T31UDQ",
        source_url=f"https://host/sentinel-2/31/U/DQ/{number:06d}/item.json",
        platform="sentinel-2a",
        dn_offset=-1000,
        dn_offset_source="baseline",
        relative_orbit=51,
        cloud_cover=12.5,
        shards=((1, 1),),
        **known,
    )


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    """Two stores: a cube of few slots, and one of many that came in one commit."""
    made = {}
    for slots in (FEW, MANY):
        store = cubestore.create_store(tmp_path_factory.mktemp("scale") / "store")
        made[slots] = store.create_cube("h18v04", "modis-09a1")
        with made[slots].write() as writer:
            writer.append([slot(number) for number in range(slots)], [])
    return made


def test_ten_thousand_slots_are_all_there(cubes):
    plain, ours = xr.open_zarr(cubes[MANY].path, chunks=None), cubes[MANY].open()
    assert plain.sizes["time"] == ours.sizes["time"] == MANY
    assert len(set(ours.item_id.values.tolist())) == MANY
    np.testing.assert_array_equal(plain.time.values, ours.time.values)
    assert ours.time.to_index().is_monotonic_increasing


def test_opening_reads_a_file_for_each_coordinate_and_4096_slots(cubes):
    files = {}
    for slots, cube in cubes.items():
        with WATCH.on() as seen:
            cube.open()
        files[slots] = count(seen, "open", cube.path)
    assert files[MANY] - files[FEW] == COORDINATES * (TIME_CHUNKS - 1)


def test_appending_touches_as_many_files_at_the_end_as_at_the_start(cubes):
    seen = {}
    for slots, cube in cubes.items():
        with cube.write() as writer:
            writer.append([slot(slots)], [])
        with WATCH.on() as seen[slots], cube.write() as writer:
            writer.append([slot(slots + 1)], [])
    for kind in ("write", "os.rename"):
        few, many = (count(seen[n], kind, cube.store) for n, cube in cubes.items())
        assert few == many > 10
    few, many = (count(seen[n], "open", cube.store) for n, cube in cubes.items())
    assert 0 <= many - few <= 2 * (TIME_CHUNKS - 1)  # item_id and supersedes are read whole


def test_an_append_rewrites_the_last_chunk_alone(cubes):
    with cubes[MANY].write() as writer:
        writer.append([slot(MANY + 10)], [])
    newest = next(cubes[MANY].records())
    assert {key.rpartition("/")[2] for key in newest.keys} == {str(TIME_CHUNKS - 1)}
    assert set(newest.replaced) == set(newest.keys)


def test_asking_for_shards_reads_each_record_once(store):
    cube = store.create_cube("h18v04", "modis-09a1")
    with cube.write() as writer:
        for number in range(30):
            writer.append([slot(number)], [])
    with cube.write() as writer, WATCH.on() as seen:
        for number in range(30):
            assert writer.asked(number) == {(1, 1)}
            writer.fill(number, [(0, 0)], [])
            assert writer.asked(number) == {(1, 1), (0, 0)}
    records = [n for (_, path), n in seen.items() if "/commits/" in path and path.endswith(".json")]
    assert max(records) == 1


def test_listing_looks_at_directories_only(store):
    for tile in ("31UDQ", "31UEQ", "32TQM", "h18v04"):
        store.create_cube(tile, "modis-09a1" if tile[0] == "h" else "esa-worldcover")
    with WATCH.on() as seen:
        assert len(store.cubes()) == 4
    assert count(seen, "open", store.path) == 0
    assert count(seen, "os.scandir", store.path) == 2 + 4  # the grids, and each tile


def test_opening_one_cube_of_many_reads_that_cube_alone(store):
    for tile in ("31UDQ", "31UEQ", "32TQM"):
        store.create_cube(tile, "esa-worldcover")
    with WATCH.on() as seen:
        cube = store.cube("31UEQ", "esa-worldcover")
        cube.open()
    assert count(seen, "open", store.path) == count(seen, "open", cube.path)
    assert count(seen, "os.scandir", store.path) == 0
