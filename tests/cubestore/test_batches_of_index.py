"""Batches of chips that were asked for, and of several sensors on the same ground."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import cubestore
from cubestore import embeddings, splits
from cubestore.batches.selection import times
from cubestore.cloud import CLOUD_CLASS
from cubestore.errors import (
    DamagedError,
    GridMismatchError,
    MismatchError,
    NoIndexError,
    QueryError,
    UnknownCubeError,
)
from cubestore.index import SplitRule, scan

TILE = "31UDQ"
OPTICAL, RADAR, COVER, LANDSAT, NAIP = (
    "sentinel-2-l2a",
    "sentinel-1-rtc",
    "esa-worldcover",
    "landsat-c2-l2",
    "naip",
)
SHARD = 2048


def ground(cube, origin, size):
    """Pixels that tell where they lie: hectometres from the tile's corner, down and right."""
    box = cubestore.tile(cube.tile.id).bounds
    grid = xr.open_zarr(cube.path, chunks=None)
    y = grid.y.values[origin[0] : origin[0] + size]
    x = grid.x.values[origin[1] : origin[1] + size]
    down, right = (box.top - y) / 100, (x - box.left) / 100
    down, right = np.meshgrid(np.floor(down), np.floor(right), indexing="ij")
    return down, right


def append(cube, time, item, *, origin=(0, 0), size=SHARD, clouds=0, platform="p"):
    """Append a slot whose first two bands tell the ground, and whose clouds are a corner."""
    down, right = ground(cube, origin, size)
    with cube.write() as writer:
        arrays = {n: a for n, a in writer.arrays.items() if a.shards and a.name != "embedding_toy"}
    pixels = {}
    for name, array in arrays.items():
        lead = array.shape[1:-2]
        values = np.ones((*lead, *down.shape), array.dtype)
        if name == cube.sensor.pixels.name:
            values[0] = down if lead[0] > 1 else 10 * (1 + right.astype(int) % 5)
            values[1:2] = right
        pixels[name] = values
    if CLOUD_CLASS.name in pixels:
        pixels[CLOUD_CLASS.name][...] = 0
        pixels[CLOUD_CLASS.name][:clouds, :clouds] = 1
    cube.append(cubestore.Slot(time=time, item_id=item, platform=platform), pixels, origin=origin)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = cubestore.create_store(tmp_path_factory.mktemp("asked") / "store")
    optical = made.create_cube(TILE, OPTICAL, bands=["B02", "B03"])
    append(optical, "2024-07-01T10:50", "clear")
    append(optical, "2024-07-11T10:50", "cloudy", clouds=1024)
    append(optical, "2024-08-30T10:50", "late")
    radar = made.create_cube(TILE, RADAR)
    append(radar, "2024-07-02T06:00", "r-1")
    append(radar, "2024-07-10T06:00", "r-2")
    append(made.create_cube(TILE, COVER), "2021-01-01", "w")
    append(made.create_cube(TILE, LANDSAT, bands=["B4", "B3"]), "2024-07-01T10:30", "l")
    cubestore.index_store(made)
    return made


def names(batches):
    return sorted(name for batch in batches for name in batch["chipid"])


def test_a_question_selects_the_chips_of_the_index(store):
    asked = cubestore.chips(store, sensor=OPTICAL, max_cloud=0.1, datetime="2024-07")
    batches = cubestore.batches(store, sensor=OPTICAL, max_cloud=0.1, datetime="2024-07")
    assert names(batches) == sorted(asked.chipid)
    assert 0 < len(asked) < 2 * 64
    assert names(cubestore.batches(store, sensor=OPTICAL)) == sorted(
        cubestore.chips(store, sensor=OPTICAL).chipid
    )


def test_a_split_of_the_index_is_trained_on_and_nothing_of_another(store):
    frame = splits.assign(cubestore.chips(store, sensor=OPTICAL), "hash")
    train, val = (frame[frame.split == split] for split in ("train", "val"))
    seen = names(cubestore.batches(store, sensor=OPTICAL, chips=train))
    assert seen == sorted(train.chipid)
    assert not set(seen) & set(val.chipid)


def test_the_index_is_split_by_a_rule_that_later_chips_follow(tmp_path):
    store = cubestore.create_store(tmp_path / "s")
    cube = store.create_cube(TILE, OPTICAL, bands=["B02", "B03"])
    append(cube, "2024-07-01", "first")
    rule = SplitRule(rule="hash", shares="train=0.5,val=0.5", seed=3)
    cubestore.index_store(store, split=rule)
    before = cubestore.chips(store).set_index(["chip_index_x", "chip_index_y"]).split
    assert set(before) == {"train", "val"}
    append(cube, "2024-07-05", "second")
    cubestore.index_store(store)
    after = cubestore.chips(store)
    assert len(after) == 2 * len(before)
    for chip in after.itertuples():
        assert chip.split == before[chip.chip_index_x, chip.chip_index_y]
    train = names(cubestore.batches(store, sensor=OPTICAL, split="train"))
    assert train == sorted(after.chipid[after.split == "train"])
    splits.assert_no_leak(after)
    assert len(cubestore.chips(store, max_cloud=0.5)) == len(after)  # read as any index
    assert all(one.state == "unchanged" for one in cubestore.index_store(store))


def test_chips_come_as_often_as_is_asked(store):
    table = scan(store, sensor=OPTICAL)
    often = np.arange(len(table)) % 3
    batches = cubestore.batches(
        store, sensor=OPTICAL, chips=table.append_column("repeats", [often])
    )
    wanted = np.repeat(table["chipid"].to_numpy(zero_copy_only=False), often)
    assert names(batches) == sorted(wanted)


def test_a_chip_that_comes_repeatedly_is_jittered_each_time(store):
    table = scan(store, sensor=OPTICAL, where="chip_index_x = 1 and chip_index_y = 1")
    table = table.append_column("repeats", [np.full(len(table), 40)])
    slots = [
        int(slot)
        for batch in cubestore.batches(store, sensor=OPTICAL, chips=table, jitter=True)
        for slot in batch["slot"]
    ]
    assert len(slots) == 40 * len(table) == 120
    assert min(slots.count(slot) for slot in range(3)) > 20


def test_chips_come_as_often_as_they_weigh_on_average(store):
    table = scan(store, sensor=OPTICAL)
    heavy = np.array(["-0-256-" in name for name in table["chipid"].to_pylist()])
    weights = np.where(heavy, 3.0, np.arange(len(table)) % 2)
    batches = cubestore.batches(
        store, sensor=OPTICAL, chips=table.append_column("weights", [weights])
    )
    epochs = [names(batches) for _ in range(8)]
    expected = weights / weights.sum() * len(table)
    ids = table["chipid"].to_numpy(zero_copy_only=False)
    for epoch in epochs:
        counts = np.array([epoch.count(name) for name in ids])
        assert counts.sum() == len(table)
        assert (np.abs(counts - expected) < 1).all()
    assert epochs[0] != epochs[1]
    again = cubestore.batches(
        store, sensor=OPTICAL, chips=table.append_column("weights", [weights])
    )
    again.set_epoch(3)
    assert names(again) == epochs[3]


def test_ranks_share_weighed_chips(store):
    table = scan(store, sensor=OPTICAL)
    table = table.append_column("weights", [np.arange(len(table)) + 1.0])
    options = {"sensor": OPTICAL, "chips": table, "seed": 5, "batch_size": 7}
    alone = names(cubestore.batches(store, **options))
    parts = [cubestore.batches(store, rank=rank, ranks=3, **options) for rank in range(3)]
    assert sorted(name for part in parts for name in names(part)) == alone


def test_platforms_and_land_cover_are_balanced_by_name(tmp_path):
    store = cubestore.create_store(tmp_path / "s")
    cube = store.create_cube(TILE, OPTICAL, bands=["B02", "B03"])
    for day, platform in enumerate(["a", "a", "a", "b"]):
        append(cube, f"2024-07-0{1 + day}", f"i-{day}", platform=platform)
    append(store.create_cube(TILE, COVER), "2021-01-01", "w")
    cubestore.index_store(store)
    batches = cubestore.batches(store, sensor=OPTICAL, balance="platform")
    platforms = [name for batch in batches for name in batch["platform"]]
    assert len(platforms) == 4 * 64
    assert abs(platforms.count("a") - platforms.count("b")) <= 2
    batches = cubestore.batches(store, sensor=OPTICAL, balance=["platform", "classes"])
    assert len(names(batches)) == 4 * 64


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"weights": 0.0}, {}, "not all 0"),
        ({"weights": -1.0}, {}, "0 and more"),
        ({"weights": np.nan}, {}, "0 and more"),
        ({"repeats": 0.5}, {}, "repeats are whole"),
        ({"repeats": 1, "weights": 1.0}, {}, "one of"),
        ({"weights": 1.0}, {"balance": "platform"}, "one of"),
        ({}, {"balance": "colour"}, "without a column 'colour'"),
    ],
)
def test_weights_that_are_none_are_refused(store, columns, options, message):
    frame = cubestore.chips(store, sensor=OPTICAL).assign(**columns)
    with pytest.raises(MismatchError, match=message):
        cubestore.batches(store, sensor=OPTICAL, chips=frame, **options)


def test_nothing_is_weighed_without_an_index(tmp_path):
    store = cubestore.create_store(tmp_path / "s")
    append(store.create_cube(TILE, OPTICAL, bands=["B02", "B03"]), "2024-07-01", "i")
    with pytest.raises(NoIndexError):
        cubestore.batches(store, sensor=OPTICAL, balance="platform")


@given(
    weights=st.lists(st.floats(0, 1e6), min_size=1, max_size=300).filter(any),
    seed=st.integers(0, 2**32),
)
def test_every_epoch_has_as_many_chips(weights, seed):
    often = np.array(weights) / sum(weights) * len(weights)
    counts = times(often, [seed, 1])
    assert counts.sum() == len(weights)
    assert (np.abs(counts - often) < 1 + 1e-6).all()
    np.testing.assert_array_equal(counts, times(often, [seed, 1]))


def test_sensors_beside_show_the_same_ground_at_their_own_pixels(store):
    seen = 0
    options = {"beside": [RADAR, COVER], "chip_size": 96, "batch_size": 16, "bands": ["B02", "B03"]}
    for batch in cubestore.batches(store, sensor=OPTICAL, **options):
        radar, cover = batch[RADAR], batch[COVER]
        inside = batch["valid"] & radar["valid"] & cover["valid"]
        assert radar["pixels"].shape == (len(batch["chipid"]), 2, 96, 96)
        for band in range(2):
            theirs = radar["pixels"][:, band][inside]
            np.testing.assert_array_equal(batch["pixels"][:, band][inside], theirs)
        right = radar["pixels"][:, 1][inside].astype(int)
        np.testing.assert_array_equal(cover["pixels"][:, 0][inside], 10 * (1 + right % 5))
        seen += inside.any(axis=(1, 2)).sum()
        slots = {name.split("-")[-4] for name in batch["chipid"]}
        assert slots <= {"0", "1"}  # the late one has no radar within three days
    assert seen > 400


def test_a_coarser_sensor_beside_is_read_on_the_same_ground(store):
    batches = cubestore.batches(store, sensor=OPTICAL, beside=[LANDSAT], chip_size=96, within=1)
    for batch in batches:
        coarse = batch[LANDSAT]
        assert coarse["pixels"].shape[-2:] == (32, 32)
        assert coarse["gsd"] == 30
        fine = batch["pixels"][:, :, 1::3, 1::3]
        both = batch["valid"][:, 1::3, 1::3] & coarse["valid"]
        off = np.abs(fine.astype(int) - coarse["pixels"])[
            np.broadcast_to(both[:, None], fine.shape)
        ]
        assert (
            off.max() <= 1
        )  # Landsat's pixels lie half a pixel off, 15 m; hectometres are floored
    with pytest.raises(GridMismatchError, match=r"256 x 10 m is 85\.3333 pixels of landsat"):
        next(iter(cubestore.batches(store, sensor=OPTICAL, beside=[LANDSAT])))
    with pytest.raises(UnknownCubeError, match="no chips"):
        cubestore.batches(store, sensor=OPTICAL, beside=[NAIP])


def test_crops_and_turns_are_the_same_for_all_that_lie_on_one_ground(store):
    options = {"beside": [RADAR], "crop": 30, "flips": True, "rotations": True, "chip_size": 64}
    for batch in cubestore.batches(store, sensor=OPTICAL, **options):
        both = batch["valid"] & batch[RADAR]["valid"]
        for band in range(2):
            theirs = batch[RADAR]["pixels"][:, band][both]
            np.testing.assert_array_equal(batch["pixels"][:, band][both], theirs)


def test_crops_of_a_coarser_sensor_lie_on_its_pixels(store):
    options = {"beside": [LANDSAT], "chip_size": 96, "within": 1, "bands": ["B02", "B03"]}
    for batch in cubestore.batches(store, sensor=OPTICAL, crop=30, **options):
        coarse = batch[LANDSAT]
        assert coarse["pixels"].shape[-2:] == (10, 10)
        fine = batch["pixels"][:, :, 1::3, 1::3].astype(int)
        both = batch["valid"][:, 1::3, 1::3] & coarse["valid"]
        off = (fine - coarse["pixels"])[np.broadcast_to(both[:, None], fine.shape)]
        assert set(np.unique(off)) <= {-1, 0, 1}
    with pytest.raises(GridMismatchError, match="Crops of 31 pixels"):
        cubestore.batches(store, sensor=OPTICAL, crop=31, **options)


def test_chips_and_questions_do_not_mix_with_what_would_drop_them(store):
    table = scan(store, sensor=OPTICAL)
    for options in ({"split": "train"}, {"overlap": 32}):
        with pytest.raises(MismatchError):
            cubestore.batches(store, sensor=OPTICAL, chips=table, **options)
    frame = cubestore.chips(store, sensor=OPTICAL).assign(repeats=3)
    assert len(names(cubestore.batches(store, sensor=OPTICAL, chips=frame))) == 3 * len(frame)
    with pytest.raises(MismatchError, match="no chip_index_x"):
        cubestore.batches(store, sensor=OPTICAL, chips=table.drop_columns(["chip_index_x"]))


def test_a_broken_index_is_an_error_and_not_another_set_of_chips(tmp_path):
    store = cubestore.create_store(tmp_path / "s")
    cube = store.create_cube("h18v04", "modis-09a1", bands=["sur_refl_b01", "sur_refl_b02"])
    append(cube, "2024-01-01", "m", origin=(2048, 2048), size=352)
    (done,) = cubestore.index_store(store)
    file = Path(done.path)
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(DamagedError, match="cannot be read"):
        cubestore.batches(store, sensor="modis-09a1")


def test_a_rule_that_fails_is_not_kept(tmp_path, store):
    with pytest.raises(QueryError):
        cubestore.index_store(store, split=SplitRule(rule=f"file:{tmp_path / 'none.csv'}"))
    assert all(one.state == "unchanged" for one in cubestore.index_store(store))


def test_embeddings_come_with_their_chips(store):
    cube = store.cube(TILE, OPTICAL)
    known = embeddings.Embedding(
        model="toy",
        preprocessing="none",
        pooling="mean",
        dimensions=3,
        creator="test",
        chip_size=256,
    )
    with embeddings.write(cube, known) as writer:
        for slot, commit in list(embeddings.missing(cube, known).items())[:2]:
            rows, columns = np.mgrid[:43, :43]
            vectors = np.stack([rows, columns, np.full((43, 43), slot)], axis=-1)
            writer.fill(slot, vectors.astype("float32"), commit=commit)
    for batch in cubestore.batches(store, sensor=OPTICAL, variables=["embedding_toy"]):
        places = [name.split("-") for name in batch["chipid"]]
        numbers = [[int(p[-1]), int(p[-2]), int(p[-4])] for p in places]
        wanted = [found if found[-1] < 2 else [np.nan] * 3 for found in numbers]
        np.testing.assert_array_equal(batch["embedding_toy"], wanted)


def test_vectors_of_other_chips_are_refused(store):
    with pytest.raises(MismatchError, match="of chips of 256 pixels"):
        cubestore.batches(store, sensor=OPTICAL, chip_size=512, variables=["embedding_toy"])


def test_a_superseded_slot_that_the_index_still_has_is_left_out(tmp_path):
    store = cubestore.create_store(tmp_path / "s")
    cube = store.create_cube("h18v04", "modis-09a1", bands=["sur_refl_b01", "sur_refl_b02"])
    append(cube, "2024-01-01", "old", origin=(2048, 2048), size=352)
    cubestore.index_store(store)
    old = scan(store)
    down, _ = ground(cube, (2048, 2048), 352)
    with cube.write() as writer:
        arrays = {n: a for n, a in writer.arrays.items() if a.shards}
    pixels = {n: np.ones((*a.shape[1:-2], *down.shape), a.dtype) for n, a in arrays.items()}
    newer = cubestore.Slot(time="2024-01-01", item_id="new", supersedes="old")
    cube.append(newer, pixels, origin=(2048, 2048))
    with pytest.raises(UnknownCubeError, match="index it again"):
        cubestore.batches(store, sensor="modis-09a1", chips=old)
    cubestore.index_store(store)
    slots = [name.split("-")[-4] for name in names(cubestore.batches(store, sensor="modis-09a1"))]
    assert set(slots) == {"1"}
