"""What changed between two dates: kept in the cube, told where it lies, never changed again."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import cubestore
from cubestore import embeddings
from cubestore.embeddings import Embedding
from cubestore.errors import MismatchError, QueryError

RCF = Embedding(model="rcf", preprocessing="none", pooling="mean", dimensions=6)
TIMES = ("2024-06-12T10:50:31Z", "2023-06-12T10:50:31Z", "2023-07-02T10:50:31Z")
NAME = "change_rcf_since_20230612T105031_1"
WEST = np.s_[8:, :8]
"""The chips of shard (1, 0), which comes later."""

DATES = {"tile": "h18v04", "before": "2023-06", "after": "2024"}


def vectors(seed):
    return np.random.default_rng(seed).normal(size=(10, 10, 6)).astype("float32")


def fill(cube, slot, values, embedding=RCF):
    with embeddings.write(cube, embedding) as writer:
        writer.fill(slot, values, commit=cube.slot_commits()[slot])


@pytest.fixture
def cube(store):
    """Three slots, not in the order of time, of which the last lacks some vectors."""
    made = store.create_cube("h18v04", "modis-09a1")
    known = {"platform": "terra", "shards": ((1, 1),)}
    with made.write() as writer:
        slots = [cubestore.Slot(time=t, item_id=f"i{k}", **known) for k, t in enumerate(TIMES)]
        writer.append(slots, [])
    values = [vectors(slot) for slot in range(3)]
    values[0][WEST] = np.nan
    for slot in range(3):
        fill(made, slot, values[slot])
    return made


def expected(before, after, metric="cosine"):
    one, other = before.astype(float), after.astype(float)
    if metric == "l2":
        return np.linalg.norm(one - other, axis=-1)
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return 1 - (one * other).sum(axis=-1) / lengths


@pytest.mark.parametrize(
    ("metric", "name"), [("cosine", NAME), ("l2", NAME.replace("rcf", "rcf_l2"))]
)
def test_change_is_the_distance_of_vectors_and_lies_in_the_cube(store, cube, metric, name):
    made = cubestore.change(store, **DATES, metric=metric)
    truth = expected(vectors(1), vectors(0), metric)
    truth[WEST] = np.nan
    np.testing.assert_allclose(made.values, truth, rtol=1e-6)
    plain = xr.open_zarr(cube.path, chunks=None)[name]
    assert (plain.dims, plain.dtype) == (("time", "y_256", "x_256"), "float32")
    np.testing.assert_array_equal(plain[0].values, made.values)
    assert np.isnan(plain[1:].values).all()
    assert (made.name, plain.attrs["since"], made.attrs["until"]) == (name, TIMES[1], TIMES[0])
    assert plain.attrs["distance"] == metric
    np.testing.assert_array_equal(cube.open().sel(time="2024")[name][0].values, made.values)
    assert not cube.verify().findings


def test_change_tells_where_it_lies(store, cube):
    box = cubestore.change(store, **DATES, keep=False).odc.geobox
    pixels = cubestore.tile("h18v04").geobox()
    assert box.affine.a == pytest.approx(256 * pixels.affine.a)
    assert (box.affine.c, box.affine.f) == (pixels.affine.c, pixels.affine.f)
    centres = xr.open_zarr(cube.path, chunks=None)
    made = cubestore.change(store, **DATES, keep=False)
    np.testing.assert_allclose(made.x, centres.x_256)
    np.testing.assert_allclose(made.y, centres.y_256)


def test_the_same_again_is_no_commit_and_not_to_keep_is_none(store, cube):
    number = cube.root().number
    cubestore.change(store, **DATES, keep=False)
    assert cube.root().number == number
    one = cubestore.change(store, **DATES)
    assert cube.root().number == number + 2  # declared, filled
    other = cubestore.change(store, **DATES)
    assert cube.root().number == number + 2
    xr.testing.assert_identical(one, other)


def test_of_several_slots_within_a_time_the_last_is_taken(store, cube):
    made = cubestore.change(store, tile="h18v04", before="2023", after="2024-06-12")
    assert made.attrs["since"] == TIMES[2]
    cubestore.change(store, **DATES)  # another earlier slot is another variable
    assert len([name for name in cube.info()["computed"] if name.startswith("change")]) == 2


def test_chips_that_get_their_vectors_later_are_filled_in(store, cube):
    first = cubestore.change(store, **DATES)
    with cube.write() as writer:
        writer.fill(0, [(1, 0)], [])
    more = np.full((10, 10, 6), np.nan, "float32")
    more[WEST] = vectors(9)[WEST]
    fill(cube, 0, more)
    second = cubestore.change(store, **DATES)
    assert np.isnan(first.values[WEST]).all()
    truth = expected(vectors(1), vectors(9))[WEST]
    np.testing.assert_allclose(second.values[WEST], truth, rtol=1e-6)
    np.testing.assert_array_equal(second.where(first.notnull()), first)
    np.testing.assert_array_equal(xr.open_zarr(cube.path, chunks=None)[NAME][0], second)


def test_integers_are_compared_as_the_numbers_that_they_stand_for(store, cube):
    small = replace(RCF, model="small", dtype="int8", scale=0.03)
    for slot in range(2):
        fill(cube, slot, vectors(slot), small)
    made = cubestore.change(store, **DATES, model="small", metric="l2", keep=False)
    one, other = (embeddings.read(cube, "small", [slot])[0].values for slot in (1, 0))
    np.testing.assert_allclose(made, expected(one, other, "l2"), rtol=1e-6)


@pytest.mark.parametrize(
    ("words", "error", "problem"),
    [
        ({"before": "2022"}, QueryError, "No slot of 2022 .* 2023-06-12T10:50:31Z"),
        ({"before": "2024", "after": "2023"}, QueryError, "the earlier first"),
        ({"before": "2024"}, QueryError, "two slots"),
        ({"before": "June"}, QueryError, "June"),
        ({"metric": "dot"}, QueryError, "cosine or l2"),
        ({"model": "clay"}, MismatchError, "no embeddings of clay"),
        ({"tile": "h19v04"}, MismatchError, "no embeddings"),
    ],
)
def test_what_cannot_be_compared_is_refused_and_nothing_is_kept(store, cube, words, error, problem):
    number = cube.root().number
    with pytest.raises(error, match=problem):
        cubestore.change(store, **{**DATES, **words})
    assert cube.root().number == number
