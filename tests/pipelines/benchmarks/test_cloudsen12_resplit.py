"""Splits drawn anew: no region in two of them, as large as asked, the same for a seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubestore.errors import QueryError
from cubestore_pipelines.benchmarks.cloudsen12 import resplit
from cubestore_pipelines.benchmarks.cloudsen12.resplit import SPLITS

regions = st.lists(st.integers(0, 30).map(lambda k: f"ROI_{k:04d}"), min_size=1, max_size=120)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def shares(draw):
    train = draw(st.integers(0, 100))
    val = draw(st.integers(0, 100 - train))
    return train / 100, val / 100, (100 - train - val) / 100


@given(regions, shares(), seeds)
def test_no_region_is_in_two_splits(names, parts, seed):
    splits = resplit(names, parts, seed=seed)
    assert len(set(zip(names, splits.tolist(), strict=True))) == len(set(names))
    assert set(splits.tolist()) <= set(SPLITS)


@given(regions, shares(), seeds)
def test_shares_are_met_to_within_a_region(names, parts, seed):
    splits = resplit(names, parts, seed=seed).tolist()
    largest = max(names.count(name) for name in set(names))
    for split, part in zip(SPLITS, parts, strict=True):
        assert abs(splits.count(split) - part * len(names)) <= largest
        assert part > 0 or split not in splits


@given(regions, shares(), seeds, st.randoms(use_true_random=False))
def test_the_order_of_images_does_not_matter(names, parts, seed, random):
    split_of = dict(zip(names, resplit(names, parts, seed=seed).tolist(), strict=True))
    shuffled = random.sample(names, len(names))
    again = dict(zip(shuffled, resplit(shuffled, parts, seed=seed).tolist(), strict=True))
    assert again == split_of


def test_ten_thousand_images_by_region_and_by_image():
    names = [f"ROI_{k // 5:04d}" for k in range(10_000)]
    by_region = resplit(names, (0.7, 0.1, 0.2), seed=42)
    assert [int((by_region == s).sum()) for s in SPLITS] == [7000, 1000, 2000]
    assert (by_region == resplit(names, (0.7, 0.1, 0.2), seed=42)).all()
    assert (by_region != resplit(names, (0.7, 0.1, 0.2), seed=43)).any()
    by_image = resplit(names, (0.7, 0.1, 0.2), seed=42, compat="by-image")
    assert [int((by_image == s).sum()) for s in SPLITS] == [7000, 1000, 2000]
    torn = sum(len(set(five)) > 1 for five in np.split(by_image, 2000))
    assert torn > 1500  # what the card's way leaks


@pytest.mark.parametrize(
    "parts",
    [
        (0.7, 0.3),  # two
        (0.7, 0.2, 0.2),  # more than all
        (1.2, -0.2, 0.0),
        (float("nan"), 0.5, 0.5),
    ],
)
def test_shares_that_are_none_are_refused(parts):
    with pytest.raises(QueryError, match="Shares of"):
        resplit(["a", "b"], parts, seed=0)
