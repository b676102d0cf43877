"""The patches that are most like one: brute force over what plain xarray reads, and what is odd."""

import numpy as np
import pytest
import xarray as xr

import cubestore
from cubestore.embeddings import Embedding, patch_sets
from cubestore.embeddings.patch_sets import PatchEmbedding
from cubestore.errors import MismatchError, QueryError
from tests.cubestore.patch_sets import NAME, patch_set

COUNT, SEASONS = 9, 2
OF = Embedding(model="rcf", preprocessing="none", pooling="mean", dimensions=6, chip_size=20)
FACTS = {"sensor": "sentinel-2-l2a", "gsd": 10, "count": COUNT, "seasons": (("season", SEASONS),)}


@pytest.fixture
def store(tmp_path):
    return cubestore.create_store(tmp_path / "store")


def embedded(store, name=NAME, seed=0, **changes):
    """Write a set whose third patch has no vectors; return it."""
    made = patch_set(store, COUNT, name=name)
    wanted = PatchEmbedding(**{"embedding": OF, **FACTS, **changes})
    values = np.random.default_rng(seed).normal(size=(COUNT, SEASONS, 6)).astype("float32")
    values[2] = np.nan
    with patch_sets.write(made, wanted) as writer:
        writer.fill(range(COUNT), values)
    return made


def brute(made, patch, season, k):
    held = xr.open_zarr(made.path, chunks=None).embedding_rcf.values.astype(float)
    names = [f"patch-{n:04d}-{s}" for n in range(COUNT) for s in range(SEASONS)]
    rows = held.reshape(-1, 6)
    there = np.flatnonzero(np.isfinite(rows).all(axis=1))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    distance = 1 - unit @ unit[patch * SEASONS + season]
    order = there[np.argsort(distance[there], kind="stable")][:k]
    return [names[n] for n in order], distance[order]


def test_the_nearest_are_those_of_brute_force(store):
    made = embedded(store)
    found = cubestore.nearest(store, patches=NAME, chip="patch-0004-1", k=7)
    names, distances = brute(made, 4, 1, 7)
    assert found.chipid.tolist() == names
    np.testing.assert_allclose(found["distance"], distances, atol=1e-7)
    assert set(found.patches) == {NAME}
    assert found.geometry.iloc[0].coords[0] == (3.004, 49.996)
    assert f"{found.time[0]:%Y-%m-%d}" == "2020-07-03"  # of that season
    every = cubestore.nearest(store, patches="all", chip="patch-0004-1", k=100)
    assert len(every) == (COUNT - 1) * SEASONS  # those without vectors are not found


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ({"at": (3.004, 49.996)}, "patch-0004-1"),  # the latest there
        ({"at": (3.004, 49.996), "time": "2020-01"}, "patch-0004-0"),
        ({"vector": np.ones(6)}, None),
    ],
)
def test_one_asks_with_a_place_and_a_time_or_a_vector(store, question, first):
    embedded(store)
    found = cubestore.nearest(store, patches=NAME, k=3, **question)
    assert len(found) == 3
    if first:
        assert found.chipid[0] == first
        assert found["distance"][0] == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ({"datetime": "2020-05/2021"}, {f"patch-{n:04d}-1" for n in range(COUNT) if n != 2}),
        (
            {"bbox": (3.0, 49.0, 3.0015, 51.0)},
            {f"patch-000{n}-{s}" for n in (0, 1) for s in (0, 1)},
        ),
        ({"split": "val"}, {f"patch-000{n}-{s}" for n in (0, 4, 8) for s in (0, 1)}),
    ],
)
def test_filters_leave_some_out(store, words, kept):
    embedded(store)
    found = cubestore.nearest(store, patches=NAME, chip="patch-0004-1", k=100, **words)
    assert set(found.chipid) == kept


def test_several_sets_are_asked_together(store):
    embedded(store)
    embedded(store, name="noise/test", seed=1)
    found = cubestore.nearest(store, patches=[NAME, "noise/test"], vector=np.ones(6), k=100)
    assert set(found.patches) == {NAME, "noise/test"}
    assert (np.diff(found["distance"]) >= 0).all()


@pytest.mark.parametrize(
    ("question", "error", "problem"),
    [
        ({}, QueryError, "with none"),
        ({"chip": "patch-0002-0"}, QueryError, "No patch called"),  # it has no vector
        ({"at": (3.5, 50)}, QueryError, r"nearest lies 3\d\.\d km away"),
        ({"at": (3.004, 49.996), "time": "2019"}, QueryError, "of 2019"),
        ({"vector": np.ones(5)}, MismatchError, r"of shape \(5,\)"),
        ({"vector": np.zeros(6)}, QueryError, "no direction"),
        ({"chip": "patch-0004-1", "k": 0}, QueryError, "0 neighbours"),
        ({"chip": "patch-0004-1", "tile": "31UDQ"}, QueryError, "by tile"),
        ({"chip": "patch-0004-1", "model": "other"}, MismatchError, "of other"),
    ],
)
def test_odd_questions_are_refused(store, question, error, problem):
    embedded(store)
    with pytest.raises(error, match=problem):
        cubestore.nearest(store, patches=NAME, **question)


def test_sets_without_vectors_or_with_others_are_not_compared(store):
    embedded(store)
    patch_set(store, 2, name="noise/bare")
    with pytest.raises(MismatchError, match="without embeddings"):
        cubestore.nearest(store, patches=[NAME, "noise/bare"], vector=np.ones(6))
    other = Embedding(model="rcf", preprocessing="none", pooling="cls", dimensions=6, chip_size=20)
    embedded(store, name="noise/other", embedding=other)
    with pytest.raises(MismatchError, match="cannot be compared"):
        cubestore.nearest(store, patches="all", vector=np.ones(6))
