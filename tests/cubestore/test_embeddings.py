"""Vectors beside the pixels: one set under one name, complete or NaN, and never changed."""

import math
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import cubestore
from cubestore import embeddings
from cubestore.embeddings import Embedding
from cubestore.errors import DamagedError, GridMismatchError, LockedError, MismatchError, SlotError

ROOT = Path(__file__).parents[2]
SHARD = ((1, 1),)
CHIPS = 10
"""Along a side of MODIS' 2400 pixels; the last reaches 160 past them."""

RCF = Embedding(
    model="rcf-v1.0",
    creator="us",
    weights_sha256="ab" * 32,
    preprocessing="scaled by 1e-4",
    pooling="mean",
    dimensions=4,
)
INTEGERS = replace(RCF, dtype="int8", scale=0.05)
DENSE = replace(RCF, patch_size=64, loss_metric="mse")


@pytest.fixture
def cube(store):
    """A cube of three slots."""
    made = store.create_cube("h18v04", "modis-09a1")
    with made.write() as writer:
        writer.append([slot(k) for k in range(3)], [])
    return made


def slot(number, shards=SHARD, **known):
    time = f"2024-01-{30 - number:02d}"  # they arrive against the order of time
    return cubestore.Slot(time=time, item_id=f"item-{number}", shards=shards, **known)


def vectors(seed=0, rows=CHIPS, columns=CHIPS, dimensions=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, columns, dimensions)).astype("float32")


def fill(cube, number, values, embedding=RCF, **more):
    commit = cube.slot_commits()[number]
    with embeddings.write(cube, embedding) as writer:
        return writer.fill(number, values, commit=commit, **more)


def plain(cube, **options):
    return xr.open_zarr(cube.path, chunks=None, **options)


# What an embedding is.


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("clay-v1.5", "embedding_clay_v1_5"),
        ("rcf", "embedding_rcf"),
        ("made-with-clay/Clay", "embedding_made_with_clay_Clay"),
        ("Prithvi é 2", "embedding_Prithvi___2"),  # ASCII alone: names are keys
    ],
)
def test_a_model_gives_its_variable_the_name(model, name):
    assert embeddings.variable_name(model) == name


@pytest.mark.parametrize(
    "changes",
    [
        {"model": ""},
        {"model": "---"},
        {"model": None},
        {"preprocessing": ""},  # nobody could do it again
        {"weights_sha256": "abc"},
        {"weights_sha256": "AB" * 32},
        {"dimensions": 0},
        {"dimensions": 4.5},
        {"chip_size": 0},
        {"patch_size": 100},  # 256 is no multiple of it
        {"patch_size": 256},
        {"dtype": "float16"},
        {"dtype": "int8"},  # without a scale
        {"dtype": "int8", "scale": 0.0},
        {"dtype": "int8", "scale": math.nan},
        {"dtype": "int8", "scale": 1e-60},  # nothing in float32
        {"scale": 0.1},
    ],
)
def test_an_embedding_checks_itself(changes):
    with pytest.raises(MismatchError, match="Embedding"):
        replace(RCF, **changes)


@pytest.mark.parametrize(
    ("dimensions", "dtype", "patch", "chunks", "dense"),
    [
        (1024, "float32", 8, (43, 43), (64, 64)),  # Clay v1.5: a scene is one file of 7.6 MB
        (128, "int8", 16, (43, 43), (256, 256)),
        (4096, "float32", 8, (32, 32), (32, 32)),
        (20_000, "float32", 4, (8, 8), (8, 8)),  # a chip's 64 patches are whole chunks
    ],
)
def test_a_chunk_is_bounded_and_patches_of_a_chip_share_theirs(
    dimensions, dtype, patch, chunks, dense
):
    scale = 0.1 if dtype == "int8" else None
    made = replace(RCF, dimensions=dimensions, dtype=dtype, scale=scale, patch_size=patch)
    grid = cubestore.tile("31UDQ").geobox(10)
    patches, chips = made.arrays(grid, "sentinel-2-l2a")
    assert (chips.chunks[1:3], patches.chunks[1:3]) == (chunks, dense)
    assert all(math.prod(a.chunks) * a.numpy_dtype.itemsize <= 2**24 for a in (chips, patches))


# What plain readers see.


def test_plain_xarray_opens_vectors_beside_the_pixels(cube):
    values = vectors()
    values[7] = np.nan  # a row of chips without pixels
    fill(cube, 1, values)
    ds = plain(cube)
    assert ds.reflectance.dims == ("time", "band", "y", "x")
    variable = ds.embedding_rcf_v1_0
    assert variable.dims == ("time", "y_256", "x_256", "feature_rcf_v1_0")
    assert variable.dtype == "float32"
    np.testing.assert_array_equal(variable[1].values, values)
    assert np.isnan(variable[[0, 2]].values).all()  # not computed
    assert variable.attrs["weights_sha256"] == RCF.weights_sha256
    assert variable.attrs["preprocessing"] == "scaled by 1e-4"
    assert variable.attrs["geoemb:chip_layout"]["chip_size"] == [256, 256]
    assert "item_id" in variable.coords
    np.testing.assert_array_equal(cube.open().embedding_rcf_v1_0[1].values, values)


@pytest.mark.parametrize(
    ("tile", "sensor", "chips", "past"),
    [
        ("h18v04", "modis-09a1", 10, 160),
        ("31UDQ", "sentinel-2-l2a", 43, 28),
        ("31UDQ", "landsat-c2-l2", 15, 179),
    ],
)
def test_the_last_row_and_column_reach_past_the_pixels(store, tile, sensor, chips, past):
    cube = store.create_cube(tile, sensor)
    with embeddings.write(cube, RCF):
        pass
    ds = plain(cube)
    gsd = float(ds.x[1] - ds.x[0])
    assert (ds.sizes["y_256"], ds.sizes["x_256"]) == (chips, chips)
    first = float(ds.x[0]) + 127.5 * gsd  # the middle of its 256 pixels
    assert float(ds.x_256[0]) == pytest.approx(first, abs=1e-6)
    edge = float(ds.x[-1]) + gsd / 2
    assert float(ds.x_256[-1]) + 128 * gsd == pytest.approx(edge + past * gsd, abs=1e-6)
    assert float(ds.y_256[-1]) - 128 * gsd == pytest.approx(
        float(ds.y[-1]) - gsd / 2 - past * gsd, abs=1e-6
    )


def test_slots_appended_later_read_as_not_computed(cube):
    fill(cube, 0, vectors())
    with cube.write() as writer:
        writer.append([slot(3)], [])
    for ds in (plain(cube), cube.open()):
        later = ds.embedding_rcf_v1_0.isel(time=ds.item_id.values == "item-3")
        assert later.size
        assert np.isnan(later.values).all()
    assert list(embeddings.missing(cube, RCF)) == [1, 2, 3]
    fill(cube, 3, vectors(3))
    np.testing.assert_array_equal(plain(cube).embedding_rcf_v1_0[3].values, vectors(3))
    assert not cube.verify().findings


def test_patches_and_losses_lie_beside_the_chips_in_one_commit(cube):
    before = cube.root().number
    patches = vectors(5, 40, 40)  # of the padded chips, of which 38 x 38 lie on pixels
    loss = vectors(6)[..., 0]
    root = fill(cube, 2, vectors(4), DENSE, dense=patches, loss=loss)
    assert root.number == before + 3 + 1  # three declarations, one commit of values
    ds = plain(cube)
    assert ds.loss_rcf_v1_0.dims == ("time", "y_256", "x_256")
    assert ds.loss_rcf_v1_0.attrs["loss_metric"] == "mse"
    np.testing.assert_array_equal(ds.loss_rcf_v1_0[2].values, loss)
    assert ds.embedding_rcf_v1_0_dense.dims == ("time", "y_64", "x_64", "feature_rcf_v1_0")
    np.testing.assert_array_equal(ds.embedding_rcf_v1_0_dense[2].values, patches[:38, :38])
    read = embeddings.read(cube, "rcf-v1.0", dense=True)
    np.testing.assert_array_equal(read.values, patches[None, :38, :38])
    assert embeddings.of_chips(cube, "rcf-v1.0", 2, 37, [0, 37], dense=True).tolist() == [
        patches[37, 0].tolist(),
        patches[37, 37].tolist(),
    ]


# Integers.


@given(
    st.lists(st.floats(-300, 300, width=32), min_size=4, max_size=4),
    st.floats(1e-3, 3.0),
)
def test_an_integer_is_off_by_half_a_step_at_most_and_saturates(numbers, scale):
    values = np.array([[numbers]], "float32")
    stored = replace(RCF, dtype="int8", scale=scale).stored(values)
    assert stored.min() >= -127, "the last integer says NaN"
    largest = 127 * scale
    error = np.abs(stored * scale - values.clip(-largest, largest))
    assert (error <= scale / 2 + 1e-5 * np.abs(values)).all()


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=4, max_size=4))
def test_a_scale_found_from_the_numbers_lets_none_saturate(numbers):
    values = np.array([[numbers]], "float32")
    scale = embeddings.scale_for(values, np.full_like(values, np.nan))
    kept = replace(RCF, dtype="int8", scale=scale)
    stored = kept.stored(values)
    assert kept.saturated(values) == 0
    assert (np.abs(stored * scale - values) <= scale * 0.5001).all()


@pytest.mark.parametrize(
    ("numbers", "cut_off"),
    [
        ([1.0, -127.0], 0),
        ([127.4, 0.0], 0),  # off by less than half a step, as others are
        ([127.6, 200.0], 1),  # a vector is counted once
        ([0.0, -128.0], 1),  # and would say NaN otherwise
        ([np.nan, np.nan], 0),
    ],
)
def test_vectors_that_a_scale_is_too_small_for_are_counted(numbers, cut_off):
    values = np.array([[numbers]], "float32")
    assert replace(INTEGERS, dimensions=2, scale=1.0).saturated(values) == cut_off
    assert replace(RCF, dimensions=2).saturated(values) == 0


def test_integers_read_as_vectors_with_nan_in_every_reader(cube):
    values = vectors(1)
    values[0, 0] = np.nan
    values[1, 1] = 1e9  # saturates
    fill(cube, 0, values, INTEGERS)
    stored = plain(cube, mask_and_scale=False).embedding_rcf_v1_0[0].values
    assert stored.dtype == "int8"
    expected = (np.rint(values / np.float32(0.05)).clip(-127, 127) * 0.05).astype("float32")
    ours = embeddings.read(cube, "rcf-v1.0", [0])[0].values
    some = embeddings.of_chips(cube, "rcf-v1.0", 0, *np.indices((CHIPS, CHIPS)).reshape(2, -1))
    assert ours.dtype == some.dtype == "float32"
    for seen in (plain(cube).embedding_rcf_v1_0[0].values, ours, some.reshape(ours.shape)):
        np.testing.assert_allclose(seen, expected, rtol=1e-6)
    assert np.isnan(plain(cube).embedding_rcf_v1_0[1].values).all()  # no such slot yet


# What is refused.


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"weights_sha256": "cd" * 32}, "weights_sha256 'cdcd"),
        ({"preprocessing": "z-scores"}, "preprocessing 'z-scores'"),
        ({"chip_size": 128}, "chip_size 128"),
        ({"pooling": "cls"}, "pooling 'cls'"),
        ({"dimensions": 8}, "sizes"),
        ({"dtype": "int8", "scale": 0.1}, "dtype 'int8'"),
        ({"model": "rcf_v1.0"}, "source_model 'rcf_v1.0'"),  # another model of the same name
    ],
)
def test_a_second_set_needs_a_name_of_its_own(cube, changes, problem):
    fill(cube, 0, vectors())
    number = cube.root().number
    with (
        pytest.raises(MismatchError, match=problem) as refused,
        embeddings.write(cube, replace(RCF, **changes)),
    ):
        pass
    assert "a name of its own" in refused.value.remedy
    assert cube.root().number == number
    with embeddings.write(cube, replace(RCF, **{**changes, "model": "rcf-v1.0-b"})):
        pass
    assert len(embeddings.listed(cube)) == 2


def test_declaring_the_same_again_is_no_commit(cube):
    fill(cube, 0, vectors())
    number = cube.root().number
    with embeddings.write(cube, replace(RCF, creator="them", url="https://example.org/rcf")):
        pass
    assert cube.root().number == number


def test_patches_may_be_declared_after_the_chips(cube):
    fill(cube, 0, vectors())
    assert list(embeddings.missing(cube, DENSE)) == [0, 1, 2]
    loss, dense = vectors()[..., 0], vectors(5, 40, 40)
    fill(cube, 0, vectors(9), DENSE, loss=loss, dense=dense)
    assert list(embeddings.missing(cube, DENSE)) == [1, 2]
    np.testing.assert_array_equal(plain(cube).embedding_rcf_v1_0[0].values, vectors())  # stands


@pytest.mark.parametrize(
    ("values", "more", "error"),
    [
        (vectors(rows=9), {}, GridMismatchError),
        (vectors(dimensions=3), {}, GridMismatchError),
        (vectors().astype("float64"), {}, MismatchError),
        (np.where(np.arange(4) == 1, np.float32(np.nan), vectors()), {}, MismatchError),  # in part
        (np.where(np.arange(4) == 1, np.float32(np.inf), vectors()), {}, MismatchError),
        (vectors(), {"loss": vectors()[..., 0]}, MismatchError),  # none was declared
        (vectors(), {"dense": vectors(rows=40, columns=40)}, MismatchError),
        (vectors(), {"commit": 99}, SlotError),  # from the future
    ],
)
def test_what_is_not_the_embeddings_is_refused(cube, values, more, error):
    with embeddings.write(cube, RCF) as writer:
        number = cube.root().number
        with pytest.raises(error):
            writer.fill(0, values, **{"commit": 1, **more})
    assert cube.root().number == number
    assert np.isnan(plain(cube).embedding_rcf_v1_0.values).all()


def test_loss_and_patches_that_were_declared_are_not_left_out(cube):
    with embeddings.write(cube, DENSE) as writer:
        for more in ({"loss": vectors()[..., 0]}, {"dense": vectors(0, 40, 40)}):
            with pytest.raises(MismatchError, match="without"):
                writer.fill(0, vectors(), commit=1, **more)


def test_a_slot_that_is_complete_is_refused(cube):
    fill(cube, 0, vectors())
    with pytest.raises(SlotError, match="has its vectors"):
        fill(cube, 0, vectors(1))
    np.testing.assert_array_equal(plain(cube).embedding_rcf_v1_0[0].values, vectors())


def test_names_and_chips_that_are_not_there_are_refused(cube):
    with pytest.raises(MismatchError, match="No embeddings called 'rcf-v1"):
        embeddings.read(cube, "rcf-v1.0")
    fill(cube, 0, vectors())
    with pytest.raises(SlotError, match=r"Slots \[1\] have no"):
        embeddings.read(cube, "rcf-v1.0", [0, 1])
    with pytest.raises(SlotError, match=r"Slots \[2\] have no"):
        embeddings.of_chips(cube, "rcf-v1.0", 2, 0, 0)
    for place in ((0, 10, 0), (0, 0, -1), (3, 0, 0), (0, 0.5, 0)):
        with pytest.raises(GridMismatchError):
            embeddings.of_chips(cube, "rcf-v1.0", *place)


# Reading.


def test_complete_slots_are_read_by_time_without_superseded_ones(cube):
    for number in (0, 1):
        fill(cube, number, vectors(number))
    with cube.write() as writer:
        writer.append([slot(7, supersedes="item-0")], [])
    fill(cube, 3, vectors(3))
    read = embeddings.read(cube, "rcf-v1.0")
    assert read.item_id.values.tolist() == ["item-7", "item-1"]
    assert read.slot.values.tolist() == [3, 1]
    np.testing.assert_array_equal(read.values, [vectors(3), vectors(1)])
    told = embeddings.read(cube, "embedding_rcf_v1_0", [0, 3])  # asked for by index
    np.testing.assert_array_equal(told.values, [vectors(0), vectors(3)])
    assert list(embeddings.missing(cube, RCF)) == [2]


def test_chips_are_read_in_the_order_asked_for(cube):
    fill(cube, 0, vectors(0))
    fill(cube, 2, vectors(2))
    rng = np.random.default_rng(0)
    slots, (rows, columns) = rng.choice([0, 2], 50), rng.integers(0, CHIPS, (2, 50))
    expected = np.stack([vectors(0), vectors(2)])[slots // 2, rows, columns]
    np.testing.assert_array_equal(
        embeddings.of_chips(cube, "rcf-v1.0", slots, rows, columns), expected
    )


def test_a_cube_lists_what_it_holds(cube):
    assert embeddings.listed(cube) == []
    dense = {"dense": vectors(0, 40, 40), "loss": vectors()[..., 0]}
    fill(cube, 0, vectors(), DENSE, **dense)
    quantised = replace(INTEGERS, model="other", url="https://example.org", source_data="here")
    fill(cube, 1, vectors(), quantised)
    one, other = sorted(embeddings.listed(cube), key=lambda held: held.embedding.model)
    assert (one.embedding, other.embedding) == (
        quantised,
        replace(DENSE, url="rcf-v1.0", source_data="modis-09a1"),
    )
    assert (dict(one.slots), dict(other.slots)) == ({1: 1}, {0: 1})
    assert one.date_created.startswith("20")
    with embeddings.write(cube, other.embedding):  # what is listed can be declared again
        pass


# More pixels later.


def add_shard(cube, number, shard):
    with cube.write() as writer:
        writer.fill(number, [shard], [])


def test_a_slot_with_new_pixels_gets_the_vectors_it_lacks(cube):
    south_east = np.full((CHIPS, CHIPS, 4), np.nan, "float32")
    south_east[8:, 8:] = vectors()[8:, 8:]  # shard (1, 1)
    fill(cube, 0, south_east)
    add_shard(cube, 0, (0, 1))
    assert list(embeddings.missing(cube, RCF)) == [1, 2]
    stale = embeddings.outdated(cube, RCF)
    assert list(stale) == [0]
    both = vectors(1)
    both[8:, :8] = np.nan
    with embeddings.write(cube, RCF) as writer:
        writer.fill(0, both, commit=stale[0])
    expected = np.where(np.isnan(south_east), both, south_east)  # what was seen, bit by bit
    np.testing.assert_array_equal(plain(cube).embedding_rcf_v1_0[0].values, expected)
    assert not embeddings.outdated(cube, RCF)
    assert not cube.verify().findings


def test_chips_that_were_computed_from_half_of_their_pixels_are_not_vouched_for(cube):
    wide = replace(RCF, chip_size=240)  # chips 8 lie on both shards
    fill(cube, 0, vectors(), wide)
    add_shard(cube, 0, (0, 1))
    number = cube.root().number
    with pytest.raises(SlotError, match="18 chips were computed before") as refused:
        fill(cube, 0, vectors(1), wide)
    assert "divides 2048" in refused.value.remedy
    assert cube.root().number == number
    assert list(embeddings.outdated(cube, wide)) == [0]  # and so it stays listed


def test_pixels_that_came_while_the_model_ran_leave_the_slot_outdated(cube):
    before = embeddings.missing(cube, RCF)
    add_shard(cube, 0, (0, 1))
    with embeddings.write(cube, RCF) as writer:
        writer.fill(0, vectors(), commit=before[0])
    assert 0 not in embeddings.missing(cube, RCF)
    assert list(embeddings.outdated(cube, RCF)) == [0]


def test_commits_of_slots_follow_the_cube_and_old_records_are_not_read_again(cube):
    before = cube.slot_commits()
    assert before == {0: 1, 1: 1, 2: 1}
    add_shard(cube, 1, (0, 1))
    cube.control.record_path(0).unlink()  # whoever read it again would miss it
    cube.control.record_path(1).unlink()
    assert cube.slot_commits() == {**before, 1: 2}
    afresh = cubestore.open_store(cube.store).cube(cube.tile.id, cube.sensor.id)
    with pytest.raises(DamagedError, match="is missing"):
        afresh.slot_commits()


def test_a_cube_made_anew_is_followed_from_its_start(store, cube):
    assert len(cube.slot_commits()) == 3
    shutil.rmtree(cube.path)
    shutil.rmtree(cube.control.path)
    store.create_cube(cube.tile.id, cube.sensor.id)
    with cube.write() as writer:
        writer.append([slot(7)], [])
        writer.append([slot(6)], [])
    assert cube.slot_commits() == {0: 1, 1: 2}


# Other processes, and their deaths.


def encode(encoder, number, window):
    rows, columns = window
    values = np.full((rows.stop - rows.start, columns.stop - columns.start, 4), number, "float32")
    return encoder.dense(number, values, origin=(rows.start, columns.start))


def test_tasks_encode_windows_in_other_processes(cube):
    small = replace(DENSE, patch_size=4, loss_metric="")  # 600 x 600 patches
    with embeddings.write(cube, small) as writer:
        windows = writer.encoder.windows(dense=True)
        assert len(windows) == 9
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            done = [pool.submit(encode, writer.encoder, 1, window) for window in windows]
            staged = [block for one in done for block in one.result()]
        staged += writer.encoder.chips(1, vectors())
        writer.commit({1: 1}, staged)
    assert (plain(cube).embedding_rcf_v1_0_dense[1].values == 1).all()


def test_the_cube_is_locked_while_vectors_are_written(cube):
    with (
        embeddings.write(cube, RCF),
        pytest.raises(LockedError),
        embeddings.write(cube, RCF, wait=0),
    ):
        pass


VALUES = {"dense": vectors(8, 40, 40), "loss": vectors(9)[..., 0]}


def killed_fills(path, every):
    """Kill the filling of a slot before each change to the disk; print what readers saw."""
    from tests.faults import process  # noqa: PLC0415 - in a process of its own, without threads

    cube = cubestore.open_store(path).cube("h18v04", "modis-09a1")
    at = 1
    while process.killed(fill_with_all, cube, f"m{at}", at=at):
        print("-".join(process.ask(look, cube, f"m{at}")))
        process.run(complete, cube, f"m{at}")
        at += every


def fill_with_all(cube, model):
    with embeddings.write(cube, replace(DENSE, model=model)) as writer:
        writer.fill(0, vectors(7), commit=1, **VALUES)


def look(cube, model):
    """Return how much of the slot plain xarray sees, and how much ours."""
    name = f"embedding_{model}"
    made = {name: vectors(7), f"loss_{model}": VALUES["loss"]}
    made[f"{name}_dense"] = VALUES["dense"][:38, :38]
    states = []
    for ds in (plain(cube), cube.open().sortby("item_id")):
        there = [n for n in made if n in ds and not np.isnan(ds[n].values).all()]
        for n in there:
            np.testing.assert_array_equal(ds[n][0].values, made[n])
        states.append("new" if len(there) == 3 else "part" if there else "old")
    return states


def complete(cube, model):
    """Run it again as a program would: what is there already is a no-op."""
    embedding = replace(DENSE, model=model)
    if 0 in embeddings.missing(cube, embedding):
        fill_with_all(cube, model)
    np.testing.assert_array_equal(embeddings.read(cube, model)[0], vectors(7))
    assert look(cube, model) == ["new", "new"]
    assert not cube.verify().damaged


@pytest.mark.faults
def test_a_killed_fill_shows_old_or_new_and_the_next_completes_it(cube):
    """Plain readers may see final vectors early, never wrong ones; ours see all or none."""
    code = f"from tests.cubestore.test_embeddings import killed_fills as k; k({cube.store!r}, 29)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    states = done.stdout.split()
    assert (states[0], states[-1]) != ("old-old", "old-old"), "killed on both sides of the commit"
    assert set(states) <= {"old-old", "part-old", "new-old", "new-new"}
