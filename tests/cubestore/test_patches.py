"""Patch sets: what goes in comes out bit for bit, whole or not at all, and every byte is known."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import cubestore
from cubestore import Embedded, Pixels
from cubestore.embeddings import Embedding
from cubestore.errors import (
    CubeExistsError,
    FormatError,
    LockedError,
    MismatchError,
    NotWritableError,
    SlotError,
    UnknownPatchSetError,
)
from cubestore.patches.definition import CHUNK, cut
from tests.cubestore import worldcereal
from tests.cubestore.patch_sets import NAME, description, patch_set, patches

ROOT = Path(__file__).parents[2]


def plain(made, **options):
    return xr.open_zarr(made.path, chunks=None, **options)


def tree(store):
    """What readers see: every file outside of the control folders."""
    root = Path(store.path)
    files = (p.relative_to(root) for p in root.rglob("*") if p.is_file())
    return {str(p) for p in files if ".control" not in p.parts}


# Vectors.


def embedded(**changes):
    known = {"model": "a model-1", "preprocessing": "none", "pooling": "mean", "dimensions": 5}
    return Embedded(embedding=Embedding(**{**known, **changes}), sensor="sentinel-2-l2a", gsd=10)


def places(count):
    numbers = np.arange(count)
    named = {"patch_id": [f"p{n}" for n in numbers], "time": np.full(count, "2022-06-10", "M8[us]")}
    return {**named, "longitude": numbers / 10.0, "latitude": -numbers / 10.0}


VECTORS = arrays(
    "float32",
    st.tuples(st.integers(1, 9), st.just(5)),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@given(VECTORS, st.integers(1, 9), st.booleans())
@settings(max_examples=8, deadline=None)
def test_vectors_without_pixels_come_back_bit_for_bit(vectors, batch, absent):
    vectors = np.where(absent & (np.arange(len(vectors)) % 2 == 1)[:, None], np.nan, vectors)
    vectors, columns = vectors.astype("float32"), places(len(vectors))
    told = description(pixels=(), labels=(), embeddings=(embedded(),))
    with TemporaryDirectory() as folder:
        store = cubestore.create_store(Path(folder) / "store")
        with store.create_patches(told) as writer:
            for first in range(0, len(vectors), batch):
                part = slice(first, first + batch)
                some = {name: values[part] for name, values in columns.items()}
                writer.append({"embedding_a_model_1": vectors[part]}, some)
        made = store.patches(NAME)
        for ds in (plain(made), made.open(), made.open(mask_and_scale=False)):
            assert ds.embedding_a_model_1.dims == ("patch", "feature_a_model_1")
            np.testing.assert_array_equal(ds.embedding_a_model_1.values, vectors)
            assert ds.longitude.values.tolist() == columns["longitude"].tolist()
        assert not made.verify().findings
        assert made.info()["variables"]["embedding_a_model_1"]["model"] == "a model-1"


def test_vectors_lie_beside_pixels_and_say_whose_they_are(store):
    packed = embedded(model="b", dtype="int8", scale=0.5)
    told = description(embeddings=(embedded(loss_metric="mse"), packed))
    pixels, columns = patches(6)
    vectors = np.arange(30, dtype="float32").reshape(6, 5)
    steps = np.full((6, 5), -128, "int8")
    steps[1] = 7
    given = {"embedding_a_model_1": vectors, "embedding_b": steps, "loss_a_model_1": vectors[:, 0]}
    with store.create_patches(told) as writer:
        writer.append({**pixels, **given}, columns)
    made = store.patches(NAME)
    opened = plain(made)
    np.testing.assert_array_equal(opened.embedding_a_model_1.values, vectors)
    np.testing.assert_array_equal(opened.loss_a_model_1.values, vectors[:, 0])
    assert opened.embedding_b.values[1].tolist() == [3.5] * 5
    assert np.isnan(opened.embedding_b.values[[0, 2, 3, 4, 5]]).all()
    assert opened.feature_a_model_1.values.tolist() == [0, 1, 2, 3, 4]
    attributes = opened.embedding_a_model_1.attrs
    assert attributes["pooling"] == "mean"
    assert (attributes["geoemb:type"], attributes["geoemb:gsd"]) == ("chip", 10)
    assert "grid_mapping" not in attributes
    assert "time" not in opened.embedding_a_model_1.coords  # of the sensor's seasons
    assert not made.verify().findings
    radar = cubestore.batches(store, patches=NAME, sensor="backscatter_s1", chip_size=10)
    batch = next(iter(radar))
    assert batch["pixels"].shape[1:] == (2, 10, 10)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"pixels": (), "labels": ()}, "neither sensor nor vectors"),
        ({"pixels": (), "embeddings": (embedded(),)}, "labels of no pixels"),
        ({"embeddings": (embedded(), embedded())}, "embedding_a_model_1' twice"),
    ],
)
def test_vectors_that_make_no_set_are_refused(changes, problem):
    with pytest.raises(MismatchError, match=problem):
        description(**changes)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (np.full((6, 5), np.inf, "float32"), "neither finite nor all NaN"),
        (np.array([[1, 2, 3, 4, np.nan]] * 6, "float32"), "neither finite nor all NaN"),
        (np.zeros((6, 4), "float32"), "of shape"),
        (np.zeros((6, 5)), "float64"),
    ],
)
def test_vectors_that_do_not_fit_are_refused_and_nothing_shows(store, given, problem):
    told = description(pixels=(), labels=(), embeddings=(embedded(),))
    with pytest.raises(MismatchError, match=problem), store.create_patches(told) as writer:
        writer.append({"embedding_a_model_1": given}, places(6))
    assert store.patch_sets() == []


def test_vectors_of_parts_of_a_patch_lie_beside_those_of_the_whole(store):
    one = embedded(chip_size=32, patch_size=16)
    told = description(pixels=(), labels=(), embeddings=(one,))
    parts = np.arange(6 * 2 * 2 * 5, dtype="float32").reshape(6, 2, 2, 5)
    given = {"embedding_a_model_1": parts[:, 0, 0], "embedding_a_model_1_dense": parts}
    with store.create_patches(told) as writer:
        with pytest.raises(MismatchError, match="neither finite"):
            writer.append({**given, "embedding_a_model_1_dense": parts + np.inf}, places(6))
        writer.append(given, places(6))
    dense = plain(store.patches(NAME)).embedding_a_model_1_dense
    assert dense.dims == ("patch", "y_16", "x_16", "feature_a_model_1")
    np.testing.assert_array_equal(dense.values, parts)


def test_a_set_of_vectors_alone_has_no_pixels_to_stream(store):
    told = description(pixels=(), labels=(), embeddings=(embedded(),))
    with store.create_patches(told) as writer:
        writer.append({"embedding_a_model_1": np.zeros((6, 5), "float32")}, places(6))
    with pytest.raises(MismatchError, match="has no pixels"):
        cubestore.batches(store, patches=NAME, sensor="reflectance")


# There and back.


@pytest.mark.parametrize(("count", "batch"), [(1, 1), (7, 7), (7, 3), (7, 1)])
def test_patches_come_back_bit_for_bit_whatever_they_came_in(store, count, batch):
    made = patch_set(store, count, batch=batch)
    pixels, columns = patches(count)
    for ds in (plain(made, mask_and_scale=False), made.open(mask_and_scale=False)):
        for name, values in pixels.items():
            assert ds[name].dtype == values.dtype
            np.testing.assert_array_equal(ds[name].values, values)
        for name, values in columns.items():
            assert name in ds.coords
            assert ds[name].values.tolist() == np.asarray(values, ds[name].dtype).tolist()
    assert not made.verify().findings


def test_shards_and_columns_of_several_files_come_back(store, monkeypatch):
    monkeypatch.setattr("cubestore.patches.definition.SHARD_CHUNKS", 4)
    monkeypatch.setattr("cubestore.patches.columns.ENTRIES", 10)
    made = patch_set(store, 23, batch=9)
    pixels, columns = patches(23)
    ds = plain(made, mask_and_scale=False)
    np.testing.assert_array_equal(ds.reflectance.values, pixels["reflectance"])
    np.testing.assert_array_equal(ds.label.values, pixels["label"])
    assert ds.patch_id.values.tolist() == columns["patch_id"]
    assert ds.item_id.values.tolist() == columns["item_id"]
    group = Path(made.path)
    assert len(list(group.glob("reflectance/c/*"))) == 6
    assert len(list(group.glob("patch_id/c/*"))) == 5
    assert not made.verify().findings


def test_plain_xarray_sees_sensors_labels_and_places(store):
    ds = plain(patch_set(store))
    assert dict(ds.reflectance.sizes) == {"patch": 6, "season": 2, "band": 2, "y": 20, "x": 20}
    assert ds.quality.dims == ("patch", "season", "y", "x")
    assert ds.backscatter_s1.dims == ("patch", "band_s1", "y_10", "x_10")
    assert ds.label.dims == ("patch", "y", "x")
    assert ds.band.values.tolist() == ["B04", "B08"]
    assert ds.center_wavelength.values.tolist() == [0.6646, 0.8328]
    assert ds.band_s1.values.tolist() == ["vv", "vh"]
    assert ds.season.values.tolist() == ["winter", "summer"]
    assert ds.time.dims == ds.item_id.dims == ("patch", "season")
    assert ds.time_s1.dims == ("patch",)
    assert ds.transform.dims == ("patch", "affine")
    assert "transform" in ds.coords
    assert set(ds.data_vars) == {"reflectance", "quality", "backscatter_s1", "label"}
    assert ds.label.attrs["flag_meanings"] == "water land"
    assert ds.reflectance.attrs["sensor"] == "sentinel-2-l2a"
    assert {"time_s1", "patch_id", "split"} <= set(ds.backscatter_s1.coords)
    assert "season" not in ds.backscatter_s1.dims
    chosen = ds.isel(patch=ds.split == "val")  # as anybody would choose a split
    assert chosen.patch_id.values.tolist() == ["patch-0000", "patch-0004"]


def test_ours_decodes_to_float32_and_chunks_by_shard(store):
    made = patch_set(store)
    ds = made.open()
    pixels, _ = patches(6)
    assert ds.reflectance.dtype == "float32"
    np.testing.assert_allclose(ds.reflectance.values, pixels["reflectance"] * 1e-4, rtol=1e-6)
    assert ds.label.dtype == "uint8"
    assert made.open(chunks={"patch": 2}).reflectance.chunks[0] == (2, 2, 2)


def test_an_acquisition_that_is_missing_has_no_time(store):
    pixels, columns = patches(2)
    columns["time"] = np.array([["2020-01-01", "NaT"], ["2020-01-02", "2020-07-01"]], "M8[us]")
    with store.create_patches(description()) as writer:
        writer.append(pixels, columns)
    made = store.patches(NAME)
    for ds in (plain(made), made.open()):
        assert np.isnat(ds.time.values).tolist() == [[False, True], [False, False]]
        assert ds.time.values[1, 1] == np.datetime64("2020-07-01")


def test_what_nobody_knows_says_so(store):
    pixels, columns = patches(3)
    few = {name: columns[name] for name in ("patch_id", "longitude", "latitude")}
    with store.create_patches(description()) as writer:
        writer.append(pixels, few)
    ds = plain(store.patches(NAME))
    assert ds.crs.values.tolist() == ds.split.values.tolist() == ["", "", ""]
    assert np.isnan(ds.transform.values).all()
    assert "time" not in ds


def test_a_batch_may_be_reused_for_the_next(store):
    with store.create_patches(description()) as writer:
        buffers, _ = patches(2)
        for first in (0, 2, 4):
            pixels, columns = patches(2, first=first)
            for name, buffer in buffers.items():
                buffer[:] = pixels[name]
            writer.append(buffers, columns)
            for buffer in buffers.values():
                buffer[:] = 0
    expected, _ = patches(6)
    np.testing.assert_array_equal(plain(store.patches(NAME)).label.values, expected["label"])


# How it is cut.


@pytest.mark.parametrize(
    ("item", "seasons", "bands", "size", "chunk", "shard"),
    [
        (2, 0, 13, 64, (1, 13, 64, 64), (630, 13, 64, 64)),  # EuroSAT
        (2, 4, 13, 264, (1, 1, 13, 264, 264), (9, 4, 13, 264, 264)),  # SSL4EO-S12
        (2, 0, 13, 509, (1, 13, 509, 509), (9, 13, 509, 509)),  # CloudSEN12
        (2, 0, 13, 512, (1, 13, 512, 512), (9, 13, 512, 512)),
        (2, 0, 13, 2000, (1, 13, 500, 500), (1, 13, 2000, 2000)),  # CloudSEN12+
        (2, 118, 10, 64, (1, 12, 10, 64, 64), (6, 120, 10, 64, 64)),  # WorldCereal
        (1, 0, 0, 512, (1, 512, 512), (64, 512, 512)),  # a label
        (1, 0, 0, 8, (1, 8, 8), (1024, 8, 8)),  # an index is no larger than 16 kB
    ],
)
def test_chunks_are_patches_and_shards_are_files_of_a_few(item, seasons, bands, size, chunk, shard):
    assert cut(item, seasons, bands, size) == (chunk, shard)


@pytest.mark.parametrize("size", [CHUNK + 1, 700])
def test_a_patch_larger_than_a_chunk_comes_back(store, size):
    made = patch_set(store, 2, size=size)
    pixels, _ = patches(2, size=size)
    for name, values in pixels.items():
        np.testing.assert_array_equal(plain(made, mask_and_scale=False)[name].values, values)


# What is refused, before anything shows.


def holed(columns, name, value):
    return {**columns, name: np.asarray([*columns[name][:-1], value])}


PIXELS = [
    (lambda p: {**p, "label": p["label"][:, :-1]}, "label: uint8 of shape"),
    (lambda p: {**p, "label": p["label"].astype("int16")}, "label: int16"),
    (lambda p: {**p, "label": p["label"][:-1]}, "2 of reflectance, .* 1 of label"),
    (lambda p: {n: v[:0] for n, v in p.items()}, "Patches: 0 of reflectance"),
    (lambda p: {**p, "reflectance": p["reflectance"][:, 0]}, "reflectance: int16 of shape"),
    (lambda p: {"label": p["label"]}, "Pixels of label"),
    (lambda p: {**p, "extra": p["label"]}, "Pixels of .*extra"),
]
COLUMNS = [
    (lambda c: holed(c, "longitude", np.nan), "longitude"),
    (lambda c: holed(c, "latitude", np.nan), "latitude"),
    (lambda c: holed(c, "latitude", 90.5), "latitude"),
    (lambda c: holed(c, "longitude", np.inf), "longitude"),
    (lambda c: holed(c, "patch_id", "patch-0000"), "patch_id 'patch-0000'"),  # came before
    (lambda c: holed(c, "patch_id", "patch-0004"), "patch_id 'patch-0004'"),  # twice at once
    (lambda c: holed(c, "patch_id", ""), "patch_id ''"),
    (lambda c: {**c, "patch_id": [1, 2]}, "patch_id as int64"),
    (lambda c: holed(c, "crs", "EPSG:99999999"), "crs 'EPSG:99999999'"),
    (lambda c: holed(c, "transform", [10, 0, np.nan, 0, -10, 0]), "a transform with a hole"),
    (lambda c: holed(c, "transform", [0, 0, 1, 0, 0, 1]), "a transform"),
    (lambda c: {**c, "transform": np.zeros((2, 5))}, "transform of shape"),
    (lambda c: {**c, "split": ["train"]}, "split of shape"),
    (lambda c: {**c, "time": c["time"][:, :1]}, "time of shape"),
    (lambda c: {**c, "difficulty": c["difficulty"].astype("int32")}, "difficulty is not as it was"),
    (lambda c: {**c, "difficulty": [1j, 2j]}, "difficulty as complex128"),
    (lambda c: {**c, "season": [1, 2]}, "A column called 'season'"),
    (lambda c: {**c, "a b": [1, 2]}, "A column called 'a b'"),
    (lambda c: {n: v for n, v in c.items() if n != "longitude"}, "without longitude"),
    (lambda c: {n: v for n, v in c.items() if n != "difficulty"}, "difficulty is not as it was"),
]


ROWS = [("pixels", *row) for row in PIXELS] + [("columns", *row) for row in COLUMNS]


def give(store, batches):
    with store.create_patches(description()) as writer:
        for batch in batches:
            writer.append(*batch)


@pytest.mark.parametrize(
    ("kind", "change", "problem"), ROWS, ids=[f"{k}-{row[2]}" for k, row in enumerate(ROWS)]
)
def test_patches_that_do_not_fit_are_refused_and_nothing_shows(store, kind, change, problem):
    before = tree(store)
    one, (pixels, columns) = patches(4), patches(2, first=4)
    odd = (change(pixels), columns) if kind == "pixels" else (pixels, change(columns))
    with pytest.raises(MismatchError, match=problem) as refused:
        give(store, [one, odd])
    assert refused.value.expected
    assert tree(store) == before
    assert store.patch_sets() == []


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("time", [["2020-01-01", "yesterday"]] * 2, "time is yesterday"),
        ("time", np.array([["2020-01-01", "0001-01-01"]] * 2, "M8[us]"), "time is 0001"),
        ("source_url_s1", ["https://host/a?sig=SECRET"] * 2, "a query"),
    ],
)
def test_times_and_addresses_are_checked_as_in_a_cube(store, name, value, problem):
    pixels, columns = patches(2)
    with pytest.raises(SlotError, match=problem) as refused:
        give(store, [(pixels, {**columns, name: value})])
    assert "SECRET" not in str(refused.value)
    assert store.patch_sets() == []


def test_a_refused_batch_may_be_mended_and_given_again(store):
    pixels, columns = patches(2)
    with store.create_patches(description()) as writer:
        with pytest.raises(MismatchError):
            writer.append(pixels, holed(columns, "longitude", np.nan))
        writer.append(pixels, columns)
    assert plain(store.patches(NAME)).sizes["patch"] == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "noise"},
        {"name": "noise/train/1"},
        {"name": "../train"},
        {"name": ".control/train"},
        {"pixels": ()},
        {"labels": description().labels * 2},
        {"attributes": {"a": {1, 2}}},
        {"attributes": {"a": float("nan")}},
    ],
)
def test_a_description_checks_itself(changes):
    with pytest.raises(MismatchError, match="Patch set"):
        description(**changes)


def test_two_sensors_need_different_suffixes():
    one = Pixels.of("sentinel-2-l2a", size=8)
    other = replace(Pixels.of("sentinel-2-l1c", size=8), layer=replace(one.layer, name="toa"))
    with pytest.raises(MismatchError, match="twice"):
        description(pixels=(one, other))


@pytest.mark.parametrize(
    ("sensor", "asked"),
    [
        ("sentinel-1-rtc", {"layers": ("cloud_class",)}),  # radar sees through clouds
        ("sentinel-2-l2a", {"layers": ("snow",)}),
        ("sentinel-2-l2a", {"bands": ("B99",)}),
    ],
)
def test_bands_and_masks_that_a_sensor_lacks_are_refused(sensor, asked):
    with pytest.raises(MismatchError):
        Pixels.of(sensor, size=8, **asked)


def test_a_set_without_patches_is_none(store):
    with pytest.raises(MismatchError, match="no patches"), store.create_patches(description()):
        pass
    assert store.patch_sets() == []


def test_a_set_is_written_once_by_one_writer(store):
    made = patch_set(store)
    with pytest.raises(CubeExistsError), store.create_patches(description()):
        pass
    other = description(name="noise/val")
    with store.create_patches(other) as writer:
        with pytest.raises(LockedError), store.create_patches(other, wait=0):
            pass
        writer.append(*patches(1))
    assert store.patch_sets() == [NAME, "noise/val"]
    assert not made.verify().findings


def test_names_and_places_that_hold_no_set_say_so(store):
    with pytest.raises(UnknownPatchSetError, match="no patch set noise/train"):
        store.patches(NAME)
    patch_set(store)
    copied = Path(store.path, "patches", "other")
    copied.mkdir()
    Path(store.path, "patches", "noise", "train").rename(copied / "train")
    with pytest.raises(FormatError, match="calls itself noise/train"):
        store.patches("other/train")
    with pytest.raises(NotWritableError), cubestore.Store("s3://b/s").create_patches(description()):
        pass


# Failures.


def test_a_writer_that_fails_leaves_the_store_as_it_was(store):
    def batches():
        yield patches(4)
        raise ZeroDivisionError

    before = tree(store)
    with pytest.raises(ZeroDivisionError):
        give(store, batches())
    assert tree(store) == before
    control = Path(store.path, "patches/.control/noise/train")
    assert [p.name for p in control.rglob("*") if p.is_file()] == ["lock"]
    assert list(store.verify()) == []
    patch_set(store)


def test_a_full_disk_is_told_and_leaves_nothing(store, monkeypatch):
    def full(path, _data):
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("cubestore.disk.write_new", full)
        with pytest.raises(NotWritableError, match="No space left"):
            patch_set(store)
    assert store.patch_sets() == []
    assert not patch_set(store).verify().findings


def killed_writes(path, every):
    """Kill a writer before each change that it makes to the disk; print what readers saw."""
    from tests.faults import process  # noqa: PLC0415 - in a process of its own, without threads

    at = 1
    while process.killed(write, path, f"n{at}/train", at=at):
        print(process.ask(look, path, f"n{at}/train"))
        process.run(complete, path, f"n{at}/train")
        at += every


def write(path, name):
    patch_set(cubestore.open_store(path), 3, name=name)


def look(path, name):
    """Return whether the set is there; if it is, it is whole."""
    store = cubestore.open_store(path)
    reports = [report for report in store.verify() if report.path.endswith(name)]
    assert not any(report.damaged for report in reports)
    if name not in store.patch_sets():
        return "old"
    pixels, columns = patches(3)
    ds = plain(store.patches(name), mask_and_scale=False)
    assert all(np.array_equal(ds[n].values, values) for n, values in pixels.items())
    assert ds.patch_id.values.tolist() == columns["patch_id"]
    assert [report.findings for report in reports] == [()]
    return "new"


def complete(path, name):
    """Run it again as a program would: what is there already is a no-op."""
    store = cubestore.open_store(path)
    if name not in store.patch_sets():
        write(path, name)
    assert look(path, name) == "new"
    control = Path(path, "patches", ".control", name)
    files = sorted(p.name for p in control.rglob("*") if p.is_file())
    assert files == ["0000000.json", "lock"], "what the dead left is swept away"


@pytest.mark.faults
def test_a_killed_writer_leaves_nothing_visible(store):
    code = f"from tests.cubestore.test_patches import killed_writes as k; k({store.path!r}, 37)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    states = done.stdout.split()
    assert len(states) > 5
    assert set(states) <= {"old", "new"}
    assert states == sorted(states, reverse=True), "old before the rename, new behind it"


# Whether it is what was committed.


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("key", "change", "state"),
    [
        ("reflectance/c/0/0/0/0/0", flip, "damaged"),
        ("label/c/0/0/0", Path.unlink, "missing"),
        ("longitude/c/0", flip, "damaged"),
        ("zarr.json", flip, "damaged"),
        ("label/zarr.json", flip, "damaged"),
        ("label/c/7/0/0", lambda p: (p.parent.mkdir(parents=True), p.touch()), "foreign"),
    ],
)
def test_verify_names_what_something_else_changed(store, key, change, state):
    made = patch_set(store)
    path = Path(made.path, key)
    change(path)
    (report,) = store.verify()
    assert report.damaged
    assert (key, state) in {(finding.key, finding.state) for finding in report.findings}


def test_verify_names_a_set_that_is_gone_and_it_can_be_written_anew(store):
    made = patch_set(store)
    Path(made.path).rename(Path(store.path).parent / "away")
    (report,) = store.verify()
    assert [finding.state for finding in report.findings] == ["missing"]
    assert not patch_set(store).verify().findings


def test_a_set_that_is_being_written_is_unfinished_to_verify(store):
    with store.create_patches(description()) as writer:
        writer.append(*patches(1))
        (report,) = store.verify()
        assert [finding.state for finding in report.findings] == ["unfinished"]
        assert not report.damaged
    assert [report.findings for report in store.verify()] == [()]


def test_a_set_tells_what_it_holds(store):
    facts = patch_set(store).info()
    assert (facts["patches"], facts["license"]) == (6, "CC0-1.0")
    assert facts["splits"] == {"train": 4, "val": 2}
    assert facts["variables"]["backscatter_s1"] == {
        "dims": ["patch", "band_s1", "y_10", "x_10"],
        "shape": [2, 10, 10],
        "dtype": "float32",
        "bands": ["vv", "vh"],
    }
    assert "difficulty" in facts["columns"]
    assert facts["bytes"] > 0


def test_a_set_is_no_cube(store):
    patch_set(store)
    assert store.cubes() == []
    assert len(list(store.verify())) == 1


# Real data.


def test_a_sample_of_worldcereal_comes_back_as_it_was_published(store, shared_data):
    for reader in ("h5netcdf", "h5py"):
        pytest.importorskip(reader)
    folder = shared_data / worldcereal.SAMPLE
    made = worldcereal.patch_set(store, folder)
    ds = plain(made, mask_and_scale=False)
    coarse = worldcereal.product(folder, "S2_L2A_20m")
    np.testing.assert_array_equal(
        ds.reflectance.sel(band="B11")[0, :, ::2, ::2].values, coarse.B11.values
    )
    radar = worldcereal.product(folder, "S1_GRD-ASCENDING_20m")
    np.testing.assert_array_equal(ds.backscatter_s1.sel(band_s1="VH")[0].values, radar.VH.values)
    landsat = worldcereal.product(folder, "L8_SR_10m")
    np.testing.assert_array_equal(ds.reflectance_l8.sel(band_l8="B05")[0].values, landsat.B05)
    assert (ds.time_l8[0].values == landsat.timestamp.values).all()
    labels = worldcereal.product(folder, "OUTPUT_POLY-110_10m")
    for name in worldcereal.LABELS:
        np.testing.assert_array_equal(ds[name][0].values, labels[name].values)
    assert (float(ds.longitude[0]), float(ds.latitude[0])) == pytest.approx((3.02, 50.81), abs=0.01)
    july = np.abs(ds.time[0].values - np.datetime64("2018-07-01")).argmin()
    red, infrared = (made.open().reflectance.sel(band=b)[0, july] for b in ("B04", "B08"))
    assert 0.3 < float(((infrared - red) / (infrared + red)).mean()) < 0.9  # Flemish fields
    assert not made.verify().findings
