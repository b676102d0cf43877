"""CloudSEN12's memmaps: into a store and back bit for bit, streamed, and refused where broken."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import cubestore
from cubestore.cloud import UNKNOWN, harmonise
from cubestore.errors import CubeExistsError, MismatchError, QueryError
from cubestore_pipelines.benchmarks.cloudsen12 import export_cloudsen12, import_cloudsen12
from cubestore_pipelines.benchmarks.cloudsen12.files import Plane, plane
from cubestore_pipelines.benchmarks.cloudsen12.labels import LABELS
from cubestore_pipelines.cli import main
from cubestore_pipelines.errors import DatasetError
from cubestore_pipelines.simulate.cloudsen12 import make_folder
from tests.pipelines.benchmarks.memmaps import BAND, LABEL, canvases, folder, row, write_table

ONE_BAND = {"bands": ["B04"]}
INSIDE = np.s_[:, 1:510, 1:510]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A small data set with every file that the card names: train of one region, and scribble."""
    path = tmp_path_factory.mktemp("cloudsen12")
    make_folder(path / "high" / "train", [0])
    make_folder(path / "scribble_val", [1], manual="manual_sc", bands=["B04"])
    return path


@pytest.fixture(scope="module")
def store(published, tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "store"
    import_cloudsen12(published / "high", path)
    return path


@pytest.fixture(scope="module")
def written(store, tmp_path_factory):
    """The same folder again, from the store."""
    (path,) = export_cloudsen12(str(store), "cloudsen12/high-train", tmp_path_factory.mktemp("out"))
    return path


def plain(store, name):
    path = f"{store}/patches/{name}"
    return xr.open_zarr(path, chunks=None, mask_and_scale=False)


def memmap(path, dtype="int16"):
    return np.memmap(path, dtype, "r").reshape(-1, 512, 512)


def tree(path):
    files = (file.relative_to(path) for file in Path(path).rglob("*") if file.is_file())
    return {str(f) for f in files if ".control" not in f.parts}


# There and back.


def test_patches_are_what_numpy_sees_in_the_memmaps(published, store):
    ds = plain(store, "cloudsen12/high-train")
    files = published / "high" / "train"
    assert ds.reflectance.shape == (5, 13, 509, 509)
    assert ds.reflectance_l2a.shape == (5, 12, 509, 509)
    for level, array in (("L1C", ds.reflectance), ("L2A", ds.reflectance_l2a)):
        for band, images in zip(
            array[array.dims[1]].values, array.values.swapaxes(0, 1), strict=True
        ):
            name = f"{level}_{band.replace('B0', 'B')}.dat"
            np.testing.assert_array_equal(images, memmap(files / name)[INSIDE], name)
    np.testing.assert_array_equal(
        ds.backscatter_s1.sel(band_s1="vh"), memmap(files / "S1_VH.dat", "float32")[INSIDE]
    )
    dtypes = {**dict.fromkeys(LABELS, "uint8"), "qa60": "int16", "fmask": "int16"}
    for name, dtype in dtypes.items():
        if name != "manual_sc":
            found = memmap(files / f"LABEL_{name}.dat", dtype)[INSIDE]
            np.testing.assert_array_equal(ds[name], found, name)
            assert ds[name].dtype == dtype


def test_memmaps_come_back_bit_for_bit(published, written):
    source = published / "high" / "train"
    assert sorted(f.name for f in written.iterdir()) == sorted(f.name for f in source.iterdir())
    for file in source.glob("*.dat"):
        assert (written / file.name).read_bytes() == file.read_bytes(), file.name


@pytest.mark.parametrize("around", [0, 255])
@pytest.mark.parametrize("origin", [(1, 1), (0, 3)])
def test_either_padding_is_found_and_comes_back(tmp_path, origin, around):
    made = folder(tmp_path / "val", origin=origin, around=around)
    import_cloudsen12(tmp_path / "val", tmp_path / "store", **ONE_BAND)
    top, left = origin
    expected = made[BAND][:, top : top + 509, left : left + 509]
    ds = plain(tmp_path / "store", "cloudsen12/high-val")
    np.testing.assert_array_equal(ds.reflectance[:, 0], expected)
    export_cloudsen12(str(tmp_path / "store"), "cloudsen12/high-val", tmp_path / "out")
    for name, values in made.items():
        assert (tmp_path / "out" / "val" / f"{name}.dat").read_bytes() == values.tobytes()


def test_a_canvas_can_be_kept_whole(tmp_path):
    rng = np.random.default_rng(0)
    made = folder(tmp_path / "val", files={BAND: rng.integers(1, 9, (2, 512, 512), "int16")})
    import_cloudsen12(tmp_path / "val", tmp_path / "store", padding="none", **ONE_BAND)
    ds = plain(tmp_path / "store", "cloudsen12/high-val")
    np.testing.assert_array_equal(ds.reflectance[:, 0], made[BAND])
    assert (ds.manual_hq.values[:, 0] == UNKNOWN).all()  # a padded pixel has no label


def test_a_table_comes_back_with_its_values(published, written):
    before, after = (
        (path / "metadata.csv").read_text().replace("1.0,", "1,").splitlines()
        for path in (published / "high" / "train", written)
    )
    assert after == before


# What is known of the patches.


def test_the_table_becomes_columns(store):
    ds = xr.open_zarr(f"{store}/patches/cloudsen12/high-train", chunks=None)
    assert ds.patch_id.values[0] == "ROI_0000__20190601T105031_20190601T105031_T31UDP"
    assert ds.time.values[1] == ds.time_l2a.values[1] == np.datetime64("2019-06-11T10:50:31")
    assert ds.time_s1.values[0] == np.datetime64("2019-06-01T17:50:31")
    assert ds.item_id.values[0].startswith("S2A_MSIL1C_20190601")
    assert ds.crs.values[0] == "EPSG:32631"
    assert ds.transform.values[0].tolist() == [10, 0, 500_000, 0, -10, 5_400_000]
    assert (ds.longitude.values[0], ds.latitude.values[0]) == pytest.approx(
        (3.0346, 48.7301), abs=1e-3
    )
    assert ds.split.values.tolist() == ["train"] * 5
    assert ds.difficulty.values.tolist() == [1, 2, 3, 4, 5]
    assert ds.s2_sen2cor_version.values[0] == "02.08"  # a version is no number
    assert ds.cloud_coverage.values[4] == "cloudy"
    assert ds.sun_azimuth.values[1] == pytest.approx(151.25)
    assert "offset" in ds.attrs["comment"]
    assert ds.manual_hq.attrs["flag_meanings"].startswith("clear thick_cloud thin_cloud")
    assert ds.qa60.attrs["flag_values"] == [0, 1024, 2048]
    assert ds.reflectance.attrs["sensor"] == "sentinel-2-l1c"


def test_a_table_may_have_few_columns(tmp_path):
    rows = [{"proj_epsg": "32631", "proj_transform": "10, 0, 5e5, 0, -10, 5400000"}] * 2
    folder(tmp_path / "test", rows=rows)
    import_cloudsen12(tmp_path / "test", tmp_path / "store", **ONE_BAND)
    ds = plain(tmp_path / "store", "cloudsen12/high-test")
    assert ds.patch_id.values.tolist() == ["test-00000", "test-00001"]
    assert (float(ds.longitude[0]), float(ds.latitude[0])) == pytest.approx((3.03, 48.73), abs=0.01)
    assert "time" not in ds


def test_numbers_with_holes_stay_numbers_and_regions_stay_names(tmp_path):
    rows = [row(0, roi_id="0007", difficulty="NA", odd=""), row(1, roi_id="0007", odd="1e3")]
    folder(tmp_path / "test", rows=rows)
    import_cloudsen12(tmp_path / "test", tmp_path / "store", **ONE_BAND)
    ds = plain(tmp_path / "store", "cloudsen12/high-test")
    assert np.isnan(ds.difficulty.values[0])
    assert ds.difficulty.values[1] == 1
    assert ds.roi_id.values.tolist() == ["0007", "0007"]
    assert ds.odd.values.tolist() == ["", "1e3"]  # 1000.0 would not give it back


# Which files there are.


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("L1C_B4", Plane("reflectance", "B04")),  # the files' own spelling
        ("L1C_B04", Plane("reflectance", "B04")),  # the card's example
        ("L1C_B8A", Plane("reflectance", "B8A")),
        ("L1C_B08A", Plane("reflectance", "B8A")),
        ("L1C_B10", Plane("reflectance", "B10")),
        ("L2A_B12", Plane("reflectance_l2a", "B12")),
        ("L2A_B10", None),  # L2A has no cirrus band
        ("L1C_B13", None),
        ("S1_VV", Plane("backscatter_s1", "vv")),
        ("S1_angle", Plane("incidence_angle_s1")),
        ("manual_hq", Plane("manual_hq")),
        ("LABEL_manual_hq", Plane("manual_hq")),
        ("LABEL_manual_sc", Plane("manual_sc")),
        ("LABEL_QA60", Plane("qa60")),  # the card's spelling
        ("LABEL_kappamask_L1C", Plane("kappamask_L1C")),
        ("EXTRA_ocurrence", Plane("water_occurrence")),  # sic
        ("EXTRA_LC10", Plane("land_cover_10m")),
        ("EXTRA_lc10", Plane("land_cover_10m")),
        ("L2A_AOT", Plane("aerosol_optical_thickness")),
        ("ACOLITE_B4", None),  # somebody's own
    ],
)
def test_every_spelling_of_a_file_is_understood(stem, expected):
    assert plane(stem) == expected


def test_parts_are_told_by_the_labels_and_splits_by_the_folders(published, tmp_path):
    path = tmp_path / "store"
    (done,) = import_cloudsen12(published, path, part="scribble", **ONE_BAND)
    assert (done.name, done.patches) == ("cloudsen12/scribble-val", 5)
    assert cubestore.open_store(path).patch_sets() == ["cloudsen12/scribble-val"]
    scribble = plain(path, done.name).manual_sc.values
    assert set(np.unique(scribble).tolist()) <= {0, 1, 2, 3, 255}
    assert (scribble[:, 100:] == UNKNOWN).all()  # -1 in the signed bytes of the file


def test_no_label_is_a_part_too(tmp_path):
    folder(tmp_path / "almostclear")
    (tmp_path / "almostclear" / f"{LABEL}.dat").unlink()
    (done,) = import_cloudsen12(tmp_path, tmp_path / "store", **ONE_BAND)
    assert done.name == "cloudsen12/nolabel-almostclear"
    assert plain(tmp_path / "store", done.name).split.values.tolist() == ["", ""]


def test_qa60_of_a_byte_is_kept_and_told(tmp_path):
    """1024 and 2048 became 0: what is 0 may be cloud."""
    lost = np.full((2, 512, 512), 255, "uint8")
    lost[INSIDE] = 0
    folder(tmp_path / "val", files={"LABEL_qa60": lost})
    (done,) = import_cloudsen12(tmp_path / "val", tmp_path / "store", **ONE_BAND)
    assert "1024 and 2048" in done.notes[0]
    held = plain(tmp_path / "store", done.name).qa60
    assert "flag_meanings" not in held.attrs
    with pytest.raises(MismatchError, match="qa60 of dtype uint8"):
        harmonise(held.values, "qa60")


def test_every_algorithm_agrees_with_the_hand_in_a_simulated_sky(store):
    ds = plain(store, "cloudsen12/high-train")
    hand = ds.manual_hq.values
    for name in ("kappamask_L1C", "kappamask_L2A", "sen2cor", "qa60", "fmask"):
        classes = harmonise(ds[name].values, LABELS[name].scheme)
        cloud = np.isin(classes, [1, 2]) == np.isin(hand, [1, 2])
        assert cloud.all(), name


# Splits and batches.


def test_batches_stream_a_set_with_its_labels(store):
    options = {"patches": "cloudsen12/high-train", "sensor": "reflectance", "split": "train"}
    shape = {"chip_size": 509, "batch_size": 2, "variables": ["manual_hq"]}
    seen = {}
    for batch in cubestore.batches(cubestore.open_store(store), **options, **shape):
        assert batch["pixels"].shape[1:] == (13, 509, 509)
        for k, name in enumerate(batch["chipid"]):
            seen[str(name)] = batch["manual_hq"][k].copy()
    ds = plain(store, "cloudsen12/high-train")
    assert seen.keys() == set(ds.patch_id.values.tolist())
    for name, label in zip(ds.patch_id.values, ds.manual_hq.values, strict=True):
        np.testing.assert_array_equal(seen[name], label)


def test_chips_of_512_pixels_are_padded_with_unknown_and_invalid(store):
    options = {"patches": "cloudsen12/high-train", "sensor": "reflectance", "chip_size": 512}
    for batch in cubestore.batches(cubestore.open_store(store), **options, variables=["manual_hq"]):
        assert (batch["manual_hq"][:, 509:] == UNKNOWN).all()
        assert not batch["valid"][..., 509:, :].any()
        assert batch["valid"][..., :509, :509].any()


def test_new_splits_are_over_all_folders_and_by_region(tmp_path):
    folder(tmp_path / "src" / "high_train", 10)
    more = [row(number) for number in range(5, 15)]  # a region of train is here again
    folder(
        tmp_path / "src" / "high_test",
        10,
        rows=[{**r, "s2_id_gee": f"{k}"} for k, r in enumerate(more)],
    )
    told = {"resplit": (0.5, 0.0, 0.5), "seed": 3}
    (done,) = import_cloudsen12(tmp_path / "src", tmp_path / "store", **told, **ONE_BAND)
    assert (done.name, done.patches) == ("cloudsen12/high-resplit-3", 20)
    ds = plain(tmp_path / "store", done.name)
    assert ds.published_split.values.tolist() == ["test"] * 10 + ["train"] * 10
    pairs = set(zip(ds.roi_id.values.tolist(), ds.split.values.tolist(), strict=True))
    assert len(pairs) == 3  # three regions, each in one split
    folders = export_cloudsen12(str(tmp_path / "store"), done.name, tmp_path / "out")
    for written in folders:
        source = tmp_path / "src" / written.name / f"{BAND}.dat"
        assert (written / f"{BAND}.dat").read_bytes() == source.read_bytes()


# Twice.


def test_a_second_import_leaves_what_is_there(tmp_path):
    folder(tmp_path / "val")
    first = import_cloudsen12(tmp_path / "val", tmp_path / "store", **ONE_BAND)
    record = next((tmp_path / "store" / "patches").rglob("zarr.json")).stat().st_mtime_ns
    assert import_cloudsen12(tmp_path / "val", tmp_path / "store", **ONE_BAND) == first
    assert next((tmp_path / "store" / "patches").rglob("zarr.json")).stat().st_mtime_ns == record


def test_another_set_of_the_same_name_is_refused(tmp_path):
    folder(tmp_path / "a" / "val")
    folder(tmp_path / "b" / "val", 3)
    import_cloudsen12(tmp_path / "a", tmp_path / "store", **ONE_BAND)
    with pytest.raises(CubeExistsError, match="high-val is there, made from other files"):
        import_cloudsen12(tmp_path / "b", tmp_path / "store", **ONE_BAND)


# What is broken.


def _cut(path, size):
    os.truncate(path / f"{BAND}.dat", size)


def _rows(path, rows):
    write_table(path / "metadata.csv", rows)


def _odd_code(path):
    values = canvases(2, dtype="int8", high=4)
    values[1, 5, 5] = 7
    (path / f"{LABEL}.dat").write_bytes(values.tobytes())


def _odd_border(path):
    values = canvases(2)
    values[1, 511, 0] = 3
    (path / f"{BAND}.dat").write_bytes(values.tobytes())


def _table(path, text):
    (path / "metadata.csv").write_text(text)


PATCH = 512 * 512 * 2
BROKEN = {
    "cut within a patch": (
        lambda p: _cut(p, PATCH + 10),
        r"L1C_B04.dat has 524298 bytes.* a part of patch 1 \(.*metadata.csv, line 3\)",
    ),
    "a patch short": (
        lambda p: _cut(p, PATCH),
        r"1 patches of int16 and nothing of patch 1 \(.*metadata.csv, line 3\)",
    ),
    "half as wide": (lambda p: _cut(p, PATCH // 2), r"L1C_B04.dat .* a part of patch 0"),
    "empty": (lambda p: _cut(p, 0), "L1C_B04.dat has 0 bytes"),
    "a row without a patch": (
        lambda p: _rows(p, [row(0), row(1), row(2)]),
        r"L1C_B04.dat.* nothing of patch 2 \(.*metadata.csv, line 4\)",
    ),
    "a patch without a row": (lambda p: _rows(p, [row(0)]), "has 1 rows: patch 1 has none"),
    "no table": (lambda p: (p / "metadata.csv").unlink(), "metadata.csv cannot be read"),
    "a table of nothing": (lambda p: _table(p, "roi_id\n"), "metadata.csv has 0 rows"),
    "an empty table": (lambda p: _table(p, ""), "metadata.csv cannot be read"),
    "a ragged row": (lambda p: _table(p, "a,b\n1,2\n1\n"), "metadata.csv, line 3: 1 cells"),
    "an image twice": (
        lambda p: _rows(p, [row(0), row(0)]),
        r"line 3 is of ROI_0000__.*, as .*line 2 is",
    ),
    "no place": (
        lambda p: _rows(p, [row(0), row(1, proj_centroid="")]),
        "line 3: proj_centroid is ''",
    ),
    "a place beyond the pole": (
        lambda p: _rows(p, [row(0, proj_centroid="POINT (3 98)"), row(1)]),
        r"line 2: proj_centroid is 'POINT \(3 98\)'",
    ),
    "no CRS": (lambda p: _rows(p, [row(0), row(1, proj_epsg="1")]), "line 3: proj_epsg is '1'"),
    "no time": (
        lambda p: _rows(p, [row(0), row(1, s2_date="soon")]),
        "line 3: s2_date is 'soon'",
    ),
    "half a transform": (
        lambda p: _rows(p, [row(0, proj_transform="10, 0"), row(1, proj_transform="")]),
        "line 2: proj_transform is '10, 0'",
    ),
    "an unknown label": (
        _odd_code,
        r"manual_hq.dat, patch 1 \(.*metadata.csv, line 3\): the label 7",
    ),
    "pixels outside of the image": (_odd_border, "L1C_B04.dat: no image of 509 pixels"),
    "two spellings of a band": (
        lambda p: (p / "L1C_B4.dat").write_bytes(b""),
        "L1C_B04.dat and L1C_B4.dat are both reflectance B04",
    ),
    "no pixels": (lambda p: (p / f"{BAND}.dat").unlink(), "has no pixels, only manual_hq.dat"),
}


@pytest.mark.parametrize(("damage", "problem"), BROKEN.values(), ids=BROKEN)
def test_broken_files_are_named_and_the_store_stays_as_it_was(tmp_path, damage, problem):
    folder(tmp_path / "val")
    damage(tmp_path / "val")
    store = cubestore.create_store(tmp_path / "store")
    before = tree(store.path)
    with pytest.raises(DatasetError, match=problem):
        import_cloudsen12(tmp_path / "val", tmp_path / "store", **ONE_BAND)
    assert tree(store.path) == before
    assert not store.patch_sets()


def test_a_missing_band_is_named(tmp_path):
    folder(tmp_path / "val")
    with pytest.raises(DatasetError, match=re.escape("has no reflectance B01.dat")):
        import_cloudsen12(tmp_path / "val", tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_padding_that_is_stated_is_held_against_the_files(tmp_path):
    folder(tmp_path / "val")
    with pytest.raises(DatasetError, match=r"patch 0 .*outside of the image \(left-bottom\)"):
        import_cloudsen12(tmp_path / "val", tmp_path / "store", padding="left-bottom", **ONE_BAND)


def test_folders_that_differ_do_not_become_one_set(tmp_path):
    folder(tmp_path / "high_train")
    folder(tmp_path / "high_test", files={"LABEL_sen2cor": canvases(2, dtype="int8", high=9)})
    with pytest.raises(DatasetError, match="differ in sen2cor"):
        import_cloudsen12(tmp_path, tmp_path / "store", resplit=(0.5, 0, 0.5), **ONE_BAND)


def test_two_folders_of_one_name_are_refused(tmp_path):
    folder(tmp_path / "a" / "val")
    folder(tmp_path / "b" / "val")
    with pytest.raises(DatasetError, match="are both cloudsen12/high-val"):
        import_cloudsen12(tmp_path, tmp_path / "store", **ONE_BAND)


def test_images_without_a_region_are_split_by_image_only(tmp_path):
    folder(tmp_path / "val", rows=[row(0), row(1, roi_id="")])
    told = {"resplit": (0.5, 0, 0.5), **ONE_BAND}
    with pytest.raises(DatasetError, match="line 3: roi_id is ''"):
        import_cloudsen12(tmp_path / "val", tmp_path / "store", **told)
    (done,) = import_cloudsen12(tmp_path / "val", tmp_path / "store", compat="by-image", **told)
    assert done.name == "cloudsen12/high-resplit-42-by-image"


# From the command line.


def test_import_then_export_as_a_user_does(tmp_path, capsys):
    made = folder(tmp_path / "val")
    words = ["import", "cloudsen12", tmp_path / "val", tmp_path / "store", "--bands", "B04"]
    assert main([*map(str, words), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (one,) = told["sets"]
    assert (one["name"], one["patches"], one["left_out"]) == ("cloudsen12/high-val", 2, [])
    words = ["export", "cloudsen12", tmp_path / "store", "cloudsen12/high-val", tmp_path / "out"]
    assert main([*map(str, words), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["folders"] == [str(tmp_path / "out" / "val")]
    assert (tmp_path / "out" / "val" / f"{BAND}.dat").read_bytes() == made[BAND].tobytes()
    assert main([*map(str, words)]) == 1
    assert "val is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "status", "problem"),
    [
        (["--padding", "5,5"], 1, "A padding of '5,5'"),
        (["--resplit", "some"], 1, "Shares of some"),
        (["--resplit", "0.5,0.4,0.2"], 1, "Shares of 0.5,0.4,0.2"),
        (["--part", "scribble"], 1, "has high of CloudSEN12"),
        (["--part", "low"], 2, "low"),
        (["--bands", "B99"], 1, "has no pixels"),
    ],
)
def test_wrong_options_are_told(tmp_path, capsys, options, status, problem):
    folder(tmp_path / "val")
    words = ["import", "cloudsen12", str(tmp_path / "val"), str(tmp_path / "store"), *options]
    words += [] if "--bands" in options else ["--bands", "B04"]
    assert main(words) == status
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_a_padding_that_is_none_is_refused():
    with pytest.raises(QueryError, match="A padding of 'middle'"):
        import_cloudsen12("nowhere", "nowhere", padding="middle")
