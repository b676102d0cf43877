"""Augmentation: the eight turns of a square, evenly, alike on all that lies on the pixels."""

from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from cubestore.batches import augment
from cubestore.batches.augment import FLIPS, ROTATIONS, Augment, combined, draws
from cubestore.batches.turning import COLUMNS, ROWS, SWAP, turn
from cubestore.errors import MismatchError

WAYS = st.integers(0, 7)
DTYPES = ["int16", "uint16", "uint8", "bool", "float32", "float64", "float16"]


def plainly(plane, way):
    """Turn a plane as NumPy would."""
    plane = plane.swapaxes(-2, -1) if way & SWAP else plane
    plane = plane[..., ::-1, :] if way & ROWS else plane
    return plane[..., ::-1] if way & COLUMNS else plane


def noise(*shape, dtype="int16", seed=0):
    values = np.random.default_rng(seed).integers(0, 2 if dtype == "bool" else 200, shape)
    return values.astype(dtype)


@pytest.mark.parametrize("size", [1, 4, 7, 12, 33])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_turn_is_numpys(dtype, size):
    before = noise(8, 3, size, size, dtype=dtype)
    after = before.copy()
    assert turn(after, np.arange(8)) is after
    for way in range(8):
        np.testing.assert_array_equal(after[way], plainly(before[way], way))


@pytest.mark.parametrize("shape", [(3, 8), (5, 4), (4, 6)])
def test_what_is_not_square_can_be_flipped(shape):
    before = noise(4, 2, *shape)
    after = turn(before.copy(), np.array(FLIPS))
    for k, way in enumerate(FLIPS):
        np.testing.assert_array_equal(after[k], plainly(before[k], way))


def test_rotations_are_those_of_rot90():
    plane = noise(5, 5)
    for quarters, way in enumerate(ROTATIONS):
        np.testing.assert_array_equal(plainly(plane, way), np.rot90(plane, quarters))


@settings(deadline=None)
@given(first=WAYS, then=WAYS, last=WAYS)
def test_turns_are_the_group_of_the_square(first, then, last):
    plane = np.arange(9).reshape(3, 3)
    both = int(combined(np.array(first), np.array(then)))
    np.testing.assert_array_equal(plainly(plane, both), plainly(plainly(plane, first), then))
    one = combined(combined(np.array(first), np.array(then)), np.array(last))
    assert one == combined(np.array(first), combined(np.array(then), np.array(last)))
    assert len({int(combined(np.array(first), np.array(way))) for way in range(8)}) == 8


def coordinates(count, size):
    """A batch whose pixels, mask and labels all tell where they came from."""
    place = np.arange(size * size).reshape(size, size)
    return {
        "pixels": np.tile(place.astype("int16"), (count, 2, 1, 1)),
        "valid": np.broadcast_to(place % 3 > 0, (count, size, size)).copy(),
        "labels": np.broadcast_to(place, (count, size, size)).astype("int64"),
        "time": np.zeros((count, 4), "float32"),
        "latlon": np.ones((count, 4), "float32"),
    }


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**63),
    count=st.integers(1, 6),
    crop=st.none() | st.integers(1, 8),
    flip=st.booleans(),
    rotate=st.booleans(),
)
def test_pixels_masks_and_labels_stay_together(seed, count, crop, flip, rotate):
    chosen = Augment(flips=flip, rotations=rotate, crop=crop)
    batch = chosen(coordinates(count, 8), draws(seed, 0, np.arange(count)))
    size = crop or 8
    assert batch["pixels"].shape == (count, 2, size, size)
    np.testing.assert_array_equal(batch["pixels"][:, 0], batch["labels"])
    np.testing.assert_array_equal(batch["pixels"][:, 1], batch["labels"])
    np.testing.assert_array_equal(batch["valid"], batch["labels"] % 3 > 0)
    for label in batch["labels"]:  # neighbours are still neighbours
        assert len(np.unique(label)) == size * size
        assert set(np.unique(np.abs(np.diff(label, axis=1)))) <= {1, 8}
        assert set(np.unique(np.abs(np.diff(label, axis=0)))) <= {1, 8}
    assert (batch["latlon"] == 1).all()


def test_time_series_are_turned_alike_at_all_times():
    batch = {"pixels": noise(6, 3, 2, 8, 8), "valid": noise(6, 3, 8, 8, dtype="bool")}
    before = {name: array.copy() for name, array in batch.items()}
    drawn = draws(1, 2, np.arange(6))
    after = augment.rotations(batch, drawn)
    for k in range(6):
        turned = [
            way
            for way in ROTATIONS
            if np.array_equal(plainly(before["pixels"][k], way), after["pixels"][k])
            and np.array_equal(plainly(before["valid"][k], way), after["valid"][k])
        ]
        assert len(turned) == 1


def way_of(label):
    return next(
        way for way in range(8) if np.array_equal(plainly(np.arange(4).reshape(2, 2), way), label)
    )


@pytest.mark.parametrize(
    ("chosen", "ways"),
    [
        (Augment(), range(8)),
        (Augment(rotations=False), FLIPS),
        (Augment(flips=False), ROTATIONS),
        (Augment(flips=False, rotations=False), [0]),
    ],
)
def test_every_way_comes_up_evenly(chosen, ways):
    count = 8000
    labels = chosen(coordinates(count, 2), draws(5, 0, np.arange(count)))["labels"]
    found = Counter(way_of(label) for label in labels)
    assert set(found) == set(ways)
    expected = count / len(found)
    assert all(abs(times - expected) < 5 * expected**0.5 for times in found.values())


def test_every_place_of_a_crop_comes_up_evenly():
    cut = augment.random_crops(coordinates(9000, 4), draws(0, 0, np.arange(9000)), 2)
    found = Counter(cut["labels"][:, 0, 0].tolist())
    assert set(found) == {0, 1, 2, 4, 5, 6, 8, 9, 10}
    assert all(abs(times - 1000) < 160 for times in found.values())


def test_a_draw_depends_on_seed_epoch_and_position_alone():
    whole = draws(7, 3, np.arange(100))
    for workers in (1, 3, 8):  # each takes every n-th
        for worker in range(workers):
            mine = np.arange(worker, 100, workers)
            np.testing.assert_array_equal(draws(7, 3, mine), whole[mine])
    others = [draws(8, 3, np.arange(100)), draws(7, 4, np.arange(100)), draws(3, 7, np.arange(100))]
    assert len(np.unique(np.concatenate([whole, *others]))) == 400
    assert draws(7, 3, [0, 1]).tolist() == [
        splitmix(splitmix(splitmix(splitmix(7) + 3)) + k) for k in (0, 1)
    ]


def splitmix(word):
    """SplitMix64's next number after a state, in plain integers."""
    word = (word + 0x9E3779B97F4A7C15) % 2**64
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
    return word ^ (word >> 31)


def test_turns_are_in_place_and_crops_use_their_buffers_again():
    batch = coordinates(4, 8)
    pixels = batch["pixels"]
    assert Augment()(batch, draws(0, 0, np.arange(4)))["pixels"] is pixels
    cutting = Augment(crop=4)
    first = cutting(coordinates(4, 8), draws(0, 0, np.arange(4)))
    second = cutting(coordinates(4, 8), draws(0, 1, np.arange(4)))
    assert first["pixels"] is second["pixels"]
    assert cutting(coordinates(2, 8), draws(0, 2, np.arange(2)))["labels"].shape == (2, 4, 4)


def test_what_cannot_be_written_to_is_copied():
    batch = {"pixels": np.broadcast_to(noise(1, 2, 4, 4), (3, 2, 4, 4))}
    before = batch["pixels"].copy()
    after = augment.flips(batch, draws(0, 0, np.arange(3)))["pixels"]
    np.testing.assert_array_equal(np.sort(after, axis=None), np.sort(before, axis=None))


@pytest.mark.parametrize(
    ("batch", "problem"),
    [
        ({"pixels": noise(2, 3, 4, 8)}, "Samples of 4 x 8"),
        ({"pixels": noise(2, 3, 8, 8), "labels": noise(2, 4, 4)}, "labels of shape"),
        ({"pixels": noise(3, 3, 8, 8)}, "beside 2 draws"),
        ({"pixels": noise(2, 8, 8)}, "A batch of"),
        ({"image": noise(2, 3, 8, 8)}, "A batch of image"),
    ],
)
def test_what_cannot_be_turned_alike_is_refused(batch, problem):
    with pytest.raises(MismatchError, match=problem):
        Augment()(batch, draws(3, 0, np.arange(2)))


@pytest.mark.parametrize("size", [0, 9, -1])
def test_a_crop_that_does_not_fit_is_refused(size):
    with pytest.raises(MismatchError, match=f"Squares of {size}"):
        Augment(crop=size)(coordinates(2, 8), draws(0, 0, [0, 1]))
