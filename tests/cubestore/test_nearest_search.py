"""The search among vectors, against NumPy's by brute force: exact where it says so."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from cubestore.similarity.codes import encode
from cubestore.similarity.search import Asked, Block, search


def brute(vectors, asked, metric):
    """Distances in float64."""
    vectors, asked = vectors.astype(float), asked.astype(float)
    if metric == "l2":
        return np.sqrt(((vectors - asked) ** 2).sum(axis=1))
    length = np.sqrt((vectors**2).sum(axis=1) * (asked**2).sum())
    return 1 - np.divide(vectors @ asked, length, out=np.zeros(len(vectors)), where=length > 0)


def recall(vectors, questions, *, metric="cosine", k=10, **options):
    block = Block(vectors=vectors, codes=encode([vectors], 1.0, vectors.shape[1]))
    shares = []
    for asked in questions.astype(float):
        found = search([block], Asked(asked, metric), k, **{"candidates": 500, **options})
        true = np.argsort(brute(vectors, asked, metric), kind="stable")[:k]
        shares.append(len(set(found.row.tolist()) & set(true.tolist())) / k)
    return np.mean(shares)


floats = st.floats(-1e3, 1e3, width=32).map(lambda n: np.float32(np.round(n, 2)))
matrices = npst.arrays(
    "float32", st.tuples(st.integers(1, 40), st.integers(1, 70)), elements=floats
)


@given(matrices, st.sampled_from(["cosine", "l2"]), st.integers(1, 50), st.data())
@settings(max_examples=60, deadline=None)
def test_an_exact_search_is_brute_force(vectors, metric, k, data):
    asked = vectors[data.draw(st.integers(0, len(vectors) - 1))].astype(float)
    cut = data.draw(st.integers(0, len(vectors)))
    blocks = [Block(vectors=vectors[:cut]), Block(vectors=vectors[cut:])]  # one may be empty
    found = search(blocks, Asked(asked, metric), k, exact=True)
    expected = brute(vectors, asked, metric)
    assert len(found.row) == min(k, len(vectors))
    np.testing.assert_allclose(
        found.distance, np.sort(expected)[:k], rtol=1e-9, atol=1e-6 if metric == "l2" else 1e-12
    )
    rows = found.row + np.array([0, cut])[found.block]
    np.testing.assert_allclose(expected[rows], found.distance, rtol=1e-9, atol=1e-6)
    assert len(set(rows.tolist())) == len(rows)


@given(matrices, st.sampled_from(["cosine", "l2"]), st.data())
@settings(max_examples=40, deadline=None)
def test_with_as_many_candidates_as_rows_signs_lose_nothing(vectors, metric, data):
    asked = vectors[data.draw(st.integers(0, len(vectors) - 1))].astype(float)
    coded = Block(vectors=vectors, codes=encode([vectors], 1.0, vectors.shape[1]))
    found = search([coded], Asked(asked, metric), 5, candidates=len(vectors))
    whole = search([Block(vectors=vectors)], Asked(asked, metric), 5, exact=True)
    np.testing.assert_array_equal(found.distance, whole.distance)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize(
    ("dimensions", "spread", "least"),
    [
        (768, 0.5, 0.98),  # clusters, and a mean far from 0, as models' vectors have
        (128, 0.5, 0.98),
        (65, 0.5, 0.95),  # one sign in the second word
    ],
)
def test_signs_find_the_neighbours_in_clustered_vectors(metric, dimensions, spread, least):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(80, dimensions))
    some = centres[rng.integers(0, 80, 8010)] + spread * rng.normal(size=(8010, dimensions))
    vectors = (some + 3).astype("float32")
    assert recall(vectors[10:], vectors[:10], metric=metric, candidates=200) >= least


def test_where_all_lie_equally_far_signs_find_some_and_exact_finds_all():
    """Uniform in 128 dimensions: neighbours are hardly nearer than the rest."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(8010, 128)).astype("float32")
    rough = recall(vectors[10:], vectors[:10])
    assert 0.2 < rough < recall(vectors[10:], vectors[:10], candidates=4000)
    assert recall(vectors[10:], vectors[:10], exact=True) == 1


def test_signs_find_the_neighbours_among_clays_own_vectors(shared_data):
    """Of the published file: each mean is ten times as large as its deviation."""
    (path,) = (shared_data / "embeddings" / "clay_v0").glob("*.gpq")
    column = pq.read_table(path, columns=["embeddings"])["embeddings"].combine_chunks()
    vectors = column.flatten().to_numpy().reshape(len(column), 768)
    assert recall(vectors, vectors, candidates=50) >= 0.98


def test_rows_that_are_not_allowed_are_not_found():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(3000, 32)).astype("float32")
    allowed = rng.random(3000) < 0.1
    codes = encode([vectors], 1.0, 32)
    for options in ({"exact": True}, {"candidates": 3000}):
        block = Block(vectors=vectors, codes=codes, allowed=allowed)
        found = search([block], Asked(vectors[0].astype(float)), 40, **options)
        expected = np.sort(brute(vectors[allowed], vectors[0], "cosine"))[:40]
        np.testing.assert_allclose(found.distance, expected, atol=1e-12)
        assert allowed[found.row].all()
    none = Block(vectors=vectors, codes=codes, allowed=np.zeros(3000, bool))
    assert len(search([none], Asked(vectors[0].astype(float)), 5).row) == 0


def test_integers_are_measured_as_the_numbers_that_they_stand_for():
    rng = np.random.default_rng(2)
    stored = rng.integers(-127, 128, (2000, 48)).astype("int8")
    vectors = stored.astype("float32") * np.float32(0.037)
    coded = Block(vectors=stored, scale=0.037, codes=encode([stored], 0.037, 48))
    asked = Asked(vectors[7].astype(float), "l2")
    for options in ({"exact": True}, {"candidates": 2000}):
        found = search([coded], asked, 10, **options)
        np.testing.assert_allclose(
            found.distance, np.sort(brute(vectors, vectors[7], "l2"))[:10], atol=1e-9
        )
    assert (found.row[0], found.distance[0]) == (7, 0)


def test_of_equals_the_first_rows_come_first():
    vectors = np.ones((100, 8), "float32")
    found = search([Block(vectors=vectors)] * 2, Asked(np.ones(8)), 5, exact=True)
    assert found.block.tolist() == [0] * 5
    assert (found.distance < 1e-15).all()


def test_blocks_with_codes_of_their_own_and_without_are_searched_together():
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(900, 16)).astype("float32") + 2
    parts = np.split(vectors, [300, 500])
    blocks = [Block(vectors=part, codes=encode([part], 1.0, 16)) for part in parts[:2]]
    blocks.append(Block(vectors=parts[2]))  # not indexed yet
    found = search(blocks, Asked(vectors[450].astype(float)), 20, candidates=900)
    expected = np.sort(brute(vectors, vectors[450], "cosine"))[:20]
    np.testing.assert_allclose(found.distance, expected, atol=1e-12)


@pytest.mark.parametrize("threads", [1, 3])
def test_rows_are_the_same_for_any_number_of_threads(monkeypatch, threads):
    monkeypatch.setattr("cubestore.similarity.search.PIECE", 100)
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(1234, 64)).astype("float32")
    block = Block(vectors=vectors, codes=encode([vectors], 1.0, 64))
    found = search([block], Asked(vectors[0].astype(float)), 10, threads=threads, exact=True)
    expected = np.argsort(brute(vectors, vectors[0], "cosine"), kind="stable")[:10]
    assert found.row.tolist() == expected.tolist()
    rough = search([block], Asked(vectors[0].astype(float)), 10, threads=threads, candidates=1234)
    assert rough.row.tolist() == expected.tolist()


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e18])
def test_very_long_and_very_short_vectors_have_directions(size):
    rng = np.random.default_rng(5)
    vectors = (rng.normal(size=(500, 70)) * size).astype("float32")
    block = Block(vectors=vectors, codes=encode([vectors], 1.0, 70))
    assert np.isfinite(block.codes.radius).all()
    found = search([block], Asked(vectors[3].astype(float)), 3, candidates=100)
    assert (found.row[0], found.distance[0]) == (3, pytest.approx(0, abs=1e-12))


def test_a_vector_of_zeros_stands_at_no_angle_to_any():
    vectors = np.array([[0, 0], [1, 0], [-1, 0]], "float32")
    block = Block(vectors=vectors, codes=encode([vectors], 1.0, 2))
    found = search([block], Asked(np.array([1.0, 0.0])), 3, exact=True)
    assert dict(zip(found.row.tolist(), found.distance.tolist(), strict=True)) == {0: 1, 1: 0, 2: 2}
