"""The scan for a GPU finds what is nearest; here it runs on the CPU, as the same code."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cubestore.errors import QueryError
from cubestore.similarity.search import Asked, Block, search
from cubestore_model import Scan

DIMENSIONS = 24


def block(dtype, *, allowed=None, rows=700):
    random = np.random.default_rng(5)
    values = random.standard_normal((rows, DIMENSIONS)).astype("f4") + 1
    if dtype == "int8":
        return Block(vectors=np.rint(values * 20).astype("i1"), scale=0.05, allowed=allowed)
    values[3] = 0
    return Block(vectors=values, allowed=allowed)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("dtype", ["float32", "int8"])
@given(seed=st.integers(0, 1000), k=st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_the_nearest_are_those_of_the_exact_search(dtype, metric, seed, k):
    there, scan = block(dtype), Scan("cpu")
    asked = Asked(np.random.default_rng(seed).standard_normal(DIMENSIONS) + 1, metric)
    exact = search([there, there], asked, k, exact=True)
    found = search([there, there], asked, k, candidates=k + 5, finder=scan)
    np.testing.assert_array_equal(found.row, exact.row)
    np.testing.assert_array_equal(found.distance, exact.distance)  # measured alike, to the bit


def test_rows_that_may_not_be_found_are_not():
    allowed = np.zeros(700, bool)
    allowed[[7, 90, 400]] = True
    asked = Asked(np.ones(DIMENSIONS))
    rows = Scan("cpu")(block("float32", allowed=allowed), asked, 10)
    assert sorted(rows.tolist()) == [7, 90, 400]


def test_vectors_are_sent_once():
    scan, there = Scan("cpu"), block("float32")
    for _ in range(3):
        scan(there, Asked(np.ones(DIMENSIONS)), 5)
    assert len(scan._sent) == 1


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_what_finds_no_room_on_the_device_is_sent_part_by_part(dtype, monkeypatch):
    monkeypatch.setattr("cubestore_model.scan.ROWS", 64)  # eleven parts, the last one shorter
    allowed = np.arange(700) % 3 > 0
    first, second = block(dtype, allowed=allowed), block(dtype)
    scan = Scan("cpu", room=first.vectors.nbytes + 10)  # for one of both
    asked = Asked(np.linspace(-1, 2, DIMENSIONS), "l2")
    found = search([first, second], asked, 9, candidates=15, finder=scan)
    np.testing.assert_array_equal(found.row, search([first, second], asked, 9, exact=True).row)
    assert [kept.nbytes for kept, _ in scan._sent.values()] == [first.vectors.nbytes]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_remedy_is_named():
    with pytest.raises(QueryError, match=r'no GPU is there.*engine="signs"'):
        Scan()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_a_gpu_finds_the_same(dtype):
    there, asked = block(dtype), Asked(np.ones(DIMENSIONS))
    found = search([there], asked, 10, candidates=20, finder=Scan())
    np.testing.assert_array_equal(found.row, search([there], asked, 10, exact=True).row)
