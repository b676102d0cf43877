"""Probes of vectors and labels: what they learn, how chips are parted, what is refused."""

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cubestore import splits
from cubestore.errors import MismatchError
from cubestore_model.errors import LabelsError
from cubestore_model.probing import experiment, parting
from cubestore_model.probing.samples import Samples, majority
from cubestore_model.probing.tables import Measure

CLASSES = ("land", "water", "cloud")
SIDE = 2560.0


def places(count, *, apart=SIDE):
    """Return a row of places on the equator, so many metres apart, in zone 31."""
    return np.stack([3 + np.arange(count) * apart / 111_320, np.zeros(count)], axis=1)


def chips(count=60, *, seed=0, **changes):
    """Return chips whose vectors tell their class, on blocks of land and water by turns."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    known = {
        "names": tuple(f"chip-{n}" for n in range(count)),
        "lonlat": places(count),
        "side": SIDE,
        "classes": CLASSES[:2],
        "labels": labels,
        "vectors": (rng.normal(size=(count, 5)) + 6 * labels[:, None] - 3).astype("float32"),
    }
    return Samples(**{**known, **changes})


def maps(count=30, *, seed=0):
    """Return chips of 16 x 16 pixels in 4 x 4 patches; land is to the left of a coast."""
    rng = np.random.default_rng(seed)
    coast = rng.integers(2, 14, count)
    labels = (np.arange(16) >= coast[:, None, None]).astype(int).repeat(16, axis=1)
    vectors = np.stack([(labels[:, ::4, n::4]).repeat(1, 1) for n in range(4)], axis=-1)
    return chips(count, labels=labels, vectors=(2 * vectors - 1).astype("float32"))


@pytest.mark.parametrize("method", ["linear", "knn"])
def test_what_vectors_tell_is_found_and_what_they_do_not_is_not(method):
    told = experiment.run(chips(), method=method, seeds=3)
    assert told.measure("accuracy").mean > 0.95
    assert told.measure("F1", "water").mean > 0.9
    noise = np.random.default_rng(1).normal(size=(60, 5)).astype("float32")
    blind = experiment.run(chips(vectors=noise), method=method, seeds=3)
    assert blind.measure("accuracy").mean < 0.75
    assert len(told.runs) == 3
    assert told.varies == "which blocks of ground train, validate and test"


def test_several_classes_a_chip_are_measured_by_average_precision():
    one = chips()
    labels = np.stack([one.labels == 0, one.labels == 1, np.ones(60, bool)], axis=1)
    told = experiment.run(replace(one, labels=labels, classes=CLASSES), seeds=2)
    assert told.measure("mAP").mean > 0.95
    assert told.measure("AP", "cloud").mean == 1
    assert told.measure("micro mAP").mean > 0.9


@pytest.mark.parametrize("method", ["linear", "knn"])
def test_maps_are_measured_pixel_by_pixel(method):
    told = experiment.run(maps(), method=method, seeds=2)
    assert told.task == "segmentation"
    assert 0.8 < told.measure("mean IoU").mean <= 1
    assert told.measure("IoU", "water").between is not None


def test_a_class_that_is_absent_is_named_and_not_averaged_away():
    one = chips()
    told = experiment.run(replace(one, classes=CLASSES), seeds=2)
    assert told.absent == {"cloud": [0, 1]}
    assert told.measure("F1", "cloud").mean is None
    assert told.measure("F1", "cloud").between is None
    known = [told.measure("F1", name).mean for name in CLASSES[:2]]
    assert told.measure("macro F1").mean == pytest.approx(np.mean(known))


def test_the_same_seeds_give_the_same_table_and_the_test_chips_are_never_seen():
    first, second = (experiment.run(chips(), seeds=2) for _ in range(2))
    assert first == second
    seen = []

    def watching(train, val, seed):
        seen.append((train.names, val.names))
        return experiment.METHODS["knn"](train, val, seed)

    experiment.run(chips(), method=experiment.Called("watched", watching), seeds=[7])
    split = parting.parted(chips(), parting.Drawn(size=10_000, seed=7))
    tested = {n for n, name in zip(chips().names, split, strict=True) if name == "test"}
    assert tested
    assert tested.isdisjoint({*seen[0][0], *seen[0][1]})


@given(st.integers(3, 60), st.integers(0, 99))
def test_every_part_has_a_block_whole(count, seed):
    keys = [f"block-{n // 2}" for n in range(2 * count)]
    dealt = parting.Drawn(size=1.0, seed=seed).dealt(keys)
    assert set(dealt) == {"train", "val", "test"}
    assert (dealt[::2] == dealt[1::2]).all()
    assert list(parting.Drawn(size=1.0, seed=seed).dealt(keys[::-1])[::-1]) == list(dealt)


def test_each_group_tests_once_and_the_next_validates():
    parts = parting.in_turn(["a", "b", "c", "d", "a"])
    assert [list(split) for split in parts.values()] == [
        ["test", "val", "train", "train", "test"],
        ["train", "test", "val", "train", "train"],
        ["train", "train", "test", "val", "train"],
        ["val", "train", "train", "test", "val"],
    ]
    with pytest.raises(LabelsError, match=r"2 group\(s\) of chips"):
        parting.in_turn(["a", "b"])


@pytest.mark.parametrize(
    ("apart", "buffer"),
    [
        (SIDE, 0.0),  # that touch
        (SIDE / 3, 0.0),  # that overlap
        (SIDE, 5_000.0),  # a buffer that is wider than a chip
    ],
)
def test_no_two_parts_share_ground_nor_lie_within_the_buffer(apart, buffer):
    some = chips(lonlat=places(60, apart=apart))
    split = parting.parted(some, parting.Drawn(size=5_000, buffer=buffer, seed=3))
    half = SIDE / 2 / 111_320
    squares = shapely.box(*(some.lonlat - half).T, *(some.lonlat + half).T)
    frame = gpd.GeoDataFrame({"split": split, "chipid": some.names}, geometry=squares, crs=4326)
    splits.assert_no_leak(frame.to_crs("OGC:CRS84"), buffer)
    assert {"train", "val", "test"} <= set(split)


def test_published_splits_are_kept_and_run_once():
    published = tuple(["train"] * 40 + ["validation"] * 10 + ["test"] * 10)
    told = experiment.run(chips(published=published), split="published", seeds=5)
    (run,) = told.runs
    assert (run.train, run.val, run.test) == (40, 10, 10)
    assert told.varies == "nothing: one run"
    assert told.measure("accuracy").between is None


def test_the_class_of_a_patch_is_that_of_most_known_pixels():
    truth = np.full((1, 4, 6), 1)
    truth[0, :2, :3] = [[0, 0, 0], [0, 1, -1]]  # mostly land
    truth[0, 2:, :3] = [[-1, -1, -1], [-1, 1, 1]]  # too little is known
    assert majority(truth, (2, 2), 2).tolist() == [[[0, 1], [-1, 1]]]
    uneven = majority(np.arange(10).reshape(1, 1, 10) // 5, (1, 3), 2)
    assert uneven.tolist() == [[[0, 1, 1]]]  # patches of 4, 3 and 3 columns


def test_chips_without_a_vector_or_a_label_are_left_out():
    one = chips()
    one.labels[:5] = -1
    one.vectors[5:10] = np.nan
    assert one.known().names == one.names[10:]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.full(60, -1)}, "0 labelled chips.*no class. Expected: at least three"),
        ({"labels": np.zeros(60, int)}, "60 labelled chips: land in 60. Expected: .*two classes"),
        ({"lonlat": np.full((60, 2), 3.0)}, r"in 1 block\(s\) of 10000 m. Expected: at least 3"),
        ({"labels": np.r_[np.ones(2, int), np.zeros(58, int)]}, "1 classes to learn from"),
    ],
)
def test_too_few_labels_are_refused(changes, message):
    with pytest.raises(LabelsError, match=message):
        experiment.run(chips(**changes), seeds=40)


def test_splits_that_nobody_published_and_vectors_of_other_chips_are_refused():
    with pytest.raises(LabelsError, match="published as train, val, test"):
        experiment.run(chips(), split="published")
    with pytest.raises(MismatchError, match=r"60 chips, labels \(60,\), vectors \(9, 5\)"):
        chips(vectors=np.zeros((9, 5), "float32"))
    with pytest.raises(MismatchError, match="of maps of labels, the vectors of patches"):
        chips(labels=np.zeros((60, 4, 4), int))


def test_a_table_says_over_how_many_seeds_each_number_is():
    one = Measure(metric="F1", of="water", values=(0.5, None, 0.7))
    assert one.mean == pytest.approx(0.6)
    told = experiment.run(chips(), seeds=2)
    frame = told.to_pandas()
    assert list(frame.columns[3:]) == ["metric", "class", "mean", "low", "high", "seeds", "values"]
    assert (frame["seeds"] == 2).all()
    assert (frame["low"] <= frame["mean"]).all()
