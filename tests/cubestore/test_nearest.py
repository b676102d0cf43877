"""The nearest chips of a store: always what is committed, whatever the index has of it."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shapely import Point, box

import cubestore
from cubestore import embeddings
from cubestore.embeddings import Embedding
from cubestore.errors import MismatchError, NoIndexError, QueryError
from cubestore.similarity import file as indexfile

RCF = Embedding(model="rcf", preprocessing="scaled by 1e-4", pooling="mean", dimensions=24)
L8, PARIS = "landsat-c2-l2", (2.4, 49.0)
CHIPS = 15


def slot(number, **known):
    time, item = f"2024-0{number + 1}-10T10:50:31Z", f"item-{number}"
    known = {"platform": "sentinel-2a", "shards": ((0, 0),), **known}
    return cubestore.Slot(time=time, item_id=item, **known)


def vectors(seed, rows=CHIPS, dimensions=24):
    return np.random.default_rng(seed).normal(2, 1, (rows, rows, dimensions)).astype("float32")


def fill(cube, number, values, embedding=RCF):
    with embeddings.write(cube, embedding) as writer:
        writer.fill(number, values, commit=cube.slot_commits()[number])


def made(store, tile, sensor=L8, slots=2, seed=0, embedding=RCF):
    """A cube whose first rows of chips have no vectors."""
    cube = store.create_cube(tile, sensor)
    with cube.write() as writer:
        writer.append([slot(k) for k in range(slots)], [])
    for number in range(slots):
        rows = -(-cube.tile.geobox(cube.sensor.gsd, margin=cube.sensor.margin).shape[0] // 256)
        values = vectors(seed + number, rows, embedding.dimensions)
        values[:2] = np.nan
        fill(cube, number, values, embedding)
    return cube


@pytest.fixture(scope="module")
def neighbours(tmp_path_factory):
    """Neighbouring tiles, of two zones."""
    store = cubestore.create_store(tmp_path_factory.mktemp("neighbours") / "store")
    for seed, tile in enumerate(("31UDQ", "31UEQ", "32ULV")):
        made(store, tile, seed=10 * seed)
    return store


@pytest.fixture
def filled(neighbours, tmp_path):
    """A copy of them."""
    shutil.copytree(neighbours.path, tmp_path / "store")
    return cubestore.open_store(tmp_path / "store")


def every(store, model="rcf"):
    """The name, vector and cube of every chip, one by one."""
    for tile, sensor in store.cubes():
        cube = store.cube(tile, sensor)
        read = embeddings.read(cube, model)
        values = read.values
        for k, (number, time) in enumerate(
            zip(read.slot.values.tolist(), read.time.values, strict=True)
        ):
            stamp = str(time.astype("M8[s]")).replace("-", "").replace(":", "")
            for y, x in np.ndindex(read.shape[1:3]):
                name = f"{tile}-{sensor}-sentinel-2a-{stamp}-{number}-256-{x}-{y}"
                vector = values[k, y, x]
                if not np.isnan(vector).any():
                    yield name, vector


def brute(store, chipid, k):
    names, all_ = zip(*every(store), strict=True)
    all_ = np.array(all_, float)
    unit = all_ / np.linalg.norm(all_, axis=1, keepdims=True)
    distance = 1 - unit @ unit[names.index(chipid)]
    order = np.argsort(distance, kind="stable")[:k]
    return [names[n] for n in order], distance[order]


def test_the_nearest_are_those_of_brute_force_with_an_index_and_without(filled):
    found = cubestore.nearest(filled, at=PARIS, k=7, exact=True)
    assert list(found.columns) == ["chipid", "distance", "time", "geometry"]
    assert found.crs == "OGC:CRS84"
    names, distance = brute(filled, found.chipid[0], 7)
    assert found.chipid.tolist() == names
    np.testing.assert_allclose(found["distance"], distance, atol=1e-12)
    states = [one.state for one in cubestore.index_embeddings(filled)]
    assert states == ["written"] * 3
    again = cubestore.nearest(filled, model="rcf", at=PARIS, k=7, exact=True)
    assert again.equals(found)
    some = cubestore.nearest(filled, at=PARIS, k=7, candidates=10_000)
    assert some.equals(found)


def test_the_chip_at_a_place_is_asked_with_and_comes_first(filled):
    for time, month in (("", 2), ("2024-01", 1), ("2024-01-10T10:50:31Z", 1)):
        first = cubestore.nearest(filled, at=PARIS, time=time, k=1).iloc[0]
        assert first.geometry.contains(Point(PARIS))
        assert (first.time.month, first["distance"]) == (month, pytest.approx(0, abs=1e-15))
        assert first.time.tzname() == "UTC"
    by_name = cubestore.nearest(filled, chip=first.chipid, k=3)
    assert by_name.equals(cubestore.nearest(filled, at=PARIS, time="2024-01", k=3))


def test_a_vector_of_ones_own_is_asked_with(filled):
    values = embeddings.read(filled.cube("31UEQ", L8), "rcf")[1].values
    found = cubestore.nearest(filled, vector=values[10, 12], k=1, metric="l2")
    assert found.chipid[0].startswith("31UEQ-landsat-c2-l2-sentinel-2a-20240210")
    assert found.chipid[0].endswith("-1-256-12-10")
    assert found["distance"][0] == 0


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ({"tile": "31UEQ"}, lambda f: f.chipid.str.startswith("31UEQ")),
        ({"tile": ["31UEQ", "32ULV"]}, lambda f: ~f.chipid.str.startswith("31UDQ")),
        ({"datetime": "2024-02"}, lambda f: f.time.dt.month == 2),
        ({"datetime": "../2024-01"}, lambda f: f.time.dt.month == 1),
        ({"bbox": (3.9, 49.1, 4.3, 49.3)}, lambda f: ~f.chipid.str.startswith("31UDQ")),
        ({"bbox": (6.9, 49.1, 7.1, 49.3), "datetime": "2024-01"}, lambda f: f.time.dt.month == 1),
        ({"sensor": L8}, lambda f: f["distance"] >= 0),
    ],
)
def test_filters_take_the_words_of_chips(filled, words, kept):
    whole = cubestore.nearest(filled, at=PARIS, k=100_000, exact=True)
    found = cubestore.nearest(filled, at=PARIS, k=100_000, exact=True, **words)
    expected = whole[kept(whole)]
    if "bbox" in words:
        expected = expected[expected.envelope.intersects(box(*words["bbox"]))]
    assert 0 < len(found) == len(expected)
    assert set(found.chipid) == set(expected.chipid)


def test_what_only_the_chip_index_knows_is_asked_of_it(store, append):
    cube = store.create_cube("h18v04", "modis-09a1")
    append(cube, "2024-01-10", "one", shard=(1, 1))
    fill(cube, 0, vectors(0, rows=10))
    with pytest.raises(NoIndexError, match="no chip index"):
        cubestore.nearest(store, at=(12, 42), max_nodata=0.5)
    cubestore.index_store(store)
    found = cubestore.nearest(store, vector=np.ones(24), k=200, where="chip_index_x = 8")
    indexed = cubestore.chips(store, where="chip_index_x = 8")
    assert set(found.chipid) == set(indexed.chipid) != set()


def test_k_larger_than_what_there_is_gives_all_and_never_what_was_not_computed(store):
    made(store, "31UDQ", slots=1)
    found = cubestore.nearest(store, at=PARIS, k=10**6)
    assert len(found) == 13 * 15  # two rows of chips have no vectors
    assert np.isfinite(found["distance"]).all()
    with pytest.raises(QueryError, match="has an embedding"):
        cubestore.nearest(store, at=(2.4, 49.65))


def test_faiss_finds_the_same_where_it_is_installed(filled):
    pytest.importorskip("faiss")
    opened = cubestore.neighbours(filled)
    for question in ({"metric": "l2"}, {"datetime": "2024-01"}, {"tile": "31UEQ"}):
        whole = opened.nearest(at=PARIS, exact=True, **question)
        found = opened.nearest(at=PARIS, engine="faiss", candidates=50, **question)
        assert found.equals(whole)


def test_an_engine_of_ones_own_finds_candidates_that_are_measured(filled):
    asked = []

    def every_row(block, question, count):
        asked.append((question.metric, count))
        return np.arange(len(block.vectors))

    opened = cubestore.neighbours(filled)
    found = opened.nearest(at=PARIS, engine=every_row, candidates=50, metric="l2")
    assert found.equals(opened.nearest(at=PARIS, exact=True, metric="l2"))
    assert set(asked) == {("l2", 50)}


def test_without_faiss_its_name_and_what_to_do_are_said(filled, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(QueryError, match="pip install faiss-cpu"):
        cubestore.nearest(filled, at=PARIS, engine="faiss", candidates=50)


# The index.


def test_only_new_slots_are_read_and_what_is_found_is_what_is_committed(filled, monkeypatch):
    cubestore.index_embeddings(filled)
    cube = filled.cube("31UDQ", L8)
    with cube.write() as writer:
        writer.append([slot(5)], [])
    fill(cube, 2, vectors(77))
    found = cubestore.nearest(filled, at=PARIS, k=5, exact=True)  # before it is indexed
    assert found.time[0].month == 6
    read = []
    whole = cubestore.similarity.vectors.whole_slot
    monkeypatch.setattr(
        "cubestore.similarity.vectors.whole_slot",
        lambda path, array, number: read.append(number) or whole(path, array, number),
    )
    done = {one.tile: one.state for one in cubestore.index_embeddings(filled)}
    assert done == {"31UDQ": "written", "31UEQ": "unchanged", "32ULV": "unchanged"}
    assert read == [2]
    assert cubestore.nearest(filled, at=PARIS, k=5, exact=True).equals(found)
    assert read == [2]  # all is in the index now


def test_commits_of_other_things_leave_the_index_as_it_is(filled):
    first = {one.tile: one.path for one in cubestore.index_embeddings(filled)}
    found = cubestore.nearest(filled, at=PARIS, k=5)
    cube = filled.cube("31UDQ", L8)
    with cube.write() as writer:
        writer.describe({"cubestore:note": "nothing"})
        writer.append([slot(5)], [])  # without vectors
    fill(cube, 0, vectors(9), replace(RCF, model="another"))
    done = cubestore.index_embeddings(filled, model="rcf")
    assert {one.tile: one.state for one in done} == dict.fromkeys(first, "unchanged")
    key = next(Path(cube.path, "embedding_rcf").rglob("c/0/*/*/*"))
    key.unlink()  # whoever looked into the cube would miss it
    assert cubestore.nearest(filled, model="rcf", at=PARIS, k=5).equals(found)


def test_a_superseded_slot_is_not_found_any_more(filled):
    cubestore.index_embeddings(filled)
    cube = filled.cube("31UDQ", L8)
    with cube.write() as writer:
        writer.append([slot(6, supersedes="item-1")], [])
    for _ in range(2):
        found = cubestore.nearest(filled, tile="31UDQ", at=PARIS, k=10**5)
        assert set(found.time.dt.month) == {1}
        cubestore.index_embeddings(filled)


def test_a_cube_made_anew_has_nothing_of_the_old_index(store):
    cube = made(store, "31UDQ", slots=1)
    cubestore.index_embeddings(store)
    shutil.rmtree(cube.path)
    shutil.rmtree(cube.control.path)
    made(store, "31UDQ", slots=1, seed=5)
    found = cubestore.nearest(store, at=PARIS, k=3, exact=True)
    assert found.chipid.tolist() == brute(store, found.chipid[0], 3)[0]


@pytest.mark.parametrize("damage", [b"", b"\x08", b"PAR1" * 100, None])
def test_a_damaged_file_is_passed_over_and_written_anew(store, damage):
    made(store, "31UDQ", slots=1)
    (one,) = cubestore.index_embeddings(store)
    found = cubestore.nearest(store, at=PARIS, k=3)
    path = indexfile.Path(one.path)
    path.write_bytes(path.read_bytes()[:-8] if damage is None else damage)
    assert cubestore.nearest(store, at=PARIS, k=3).equals(found)
    (again,) = cubestore.index_embeddings(store)
    assert again.state == "written"
    assert cubestore.nearest(store, at=PARIS, k=3).equals(found)


def test_a_file_of_the_index_is_one_that_safetensors_opens(store):
    safetensors = pytest.importorskip("safetensors.numpy")
    made(store, "31UDQ", slots=1)
    (one,) = cubestore.index_embeddings(store)
    arrays = safetensors.load_file(one.path)
    assert arrays["vectors"].shape == (13 * 15, 24)
    assert arrays["places"].shape == (13 * 15, 3)


def test_the_file_of_a_cube_that_is_gone_is_removed(filled):
    cubestore.index_embeddings(filled)
    shutil.rmtree(filled.cube("32ULV", L8).path)
    states = {one.tile: one.state for one in cubestore.index_embeddings(filled)}
    assert states == {"31UDQ": "unchanged", "31UEQ": "unchanged", "32ULV": "removed"}


def test_integers_stay_integers_and_are_compared_with_floats(store):
    made(store, "31UDQ", slots=1)
    made(store, "31UEQ", slots=1, embedding=replace(RCF, dtype="int8", scale=0.05))
    before = cubestore.nearest(store, at=PARIS, k=50, exact=True)
    cubestore.index_embeddings(store)
    name = indexfile.Name("mgrs", "31UEQ", L8, "embedding_rcf")
    assert indexfile.opened(store.path, name).vectors.dtype == "int8"
    found = cubestore.nearest(store, at=PARIS, k=50, exact=True)
    assert found.equals(before)
    assert found.chipid.tolist() == brute(store, found.chipid[0], 50)[0]


# What is refused.


@pytest.mark.parametrize(
    ("question", "error", "problem"),
    [
        ({}, QueryError, "with none"),
        ({"at": PARIS, "chip": "x"}, QueryError, "more than one"),
        ({"chip": "x", "time": "2024"}, QueryError, "more than one"),
        ({"chip": "31UDQ-landsat-c2-l2-x"}, QueryError, "No chip called"),
        (
            {"chip": "31UDQ-landsat-c2-l2-sentinel-2b-20240110T105031-0-256-9-9"},
            QueryError,
            "No chip",
        ),
        ({"at": (49.0, 2.4)}, QueryError, "longitude before latitude"),
        ({"at": PARIS, "time": "2023"}, QueryError, "2024-01-10T10:50:31"),
        ({"at": PARIS, "k": 0}, QueryError, "0 neighbours"),
        ({"at": PARIS, "metric": "dot"}, QueryError, "cosine or l2"),
        ({"at": PARIS, "engine": "annoy"}, QueryError, "signs or faiss"),
        ({"at": PARIS, "cloudy": 1}, QueryError, "cloudy"),
        ({"at": PARIS, "datetime": "June"}, QueryError, "June"),
        ({"at": PARIS, "bbox": (0, 9, 0, 1)}, QueryError, "A bbox"),
        ({"at": PARIS, "sensor": "naip"}, QueryError, "No chip at"),
        ({"vector": np.ones(3)}, MismatchError, r"shape \(3,\)"),
        ({"vector": np.full(24, np.nan)}, MismatchError, "not all finite"),
        ({"vector": np.zeros(24)}, QueryError, "no direction"),
        ({"vector": np.ones(24), "tile": "31UFQ"}, MismatchError, "no embeddings of"),
    ],
)
def test_odd_questions_are_refused(filled, question, error, problem):
    with pytest.raises(error, match=problem):
        cubestore.nearest(filled, **question)


def test_the_model_must_be_there_and_named_where_there_are_several(store):
    with pytest.raises(MismatchError, match="has no embeddings"):
        cubestore.nearest(store, at=PARIS)
    cube = made(store, "31UDQ", slots=1)
    fill(cube, 0, vectors(9), replace(RCF, model="other"))
    with pytest.raises(QueryError, match="Embeddings of other, rcf"):
        cubestore.nearest(store, at=PARIS)
    with pytest.raises(MismatchError, match="no embeddings of clay"):
        cubestore.nearest(store, at=PARIS, model="clay")
    assert len(cubestore.nearest(store, at=PARIS, model="other", k=2)) == 2


def test_vectors_of_other_weights_are_not_compared(store):
    made(store, "31UDQ", slots=1)
    made(store, "31UEQ", slots=1, embedding=replace(RCF, weights_sha256="ab" * 32))
    with pytest.raises(MismatchError, match="differ in weights_sha256"):
        cubestore.nearest(store, at=PARIS)
    assert len(cubestore.nearest(store, at=PARIS, tile="31UDQ", k=2)) == 2
