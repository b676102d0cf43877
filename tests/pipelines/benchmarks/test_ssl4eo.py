"""SSL4EO-S12: both published layouts into patch sets, to the bit; seasons, offsets, bytes."""

import json
from hashlib import sha256

import numpy as np
import pytest
import rasterio
import xarray as xr
from zarr.storage import ZipStore

import cubestore
from cubestore import norms, quantise
from cubestore.errors import MismatchError
from cubestore_pipelines.benchmarks.ssl4eo import Choices, import_ssl4eo
from cubestore_pipelines.benchmarks.ssl4eo.offset import by_baseline
from cubestore_pipelines.benchmarks.ssl4eo.published import VOID_IDS
from cubestore_pipelines.benchmarks.ssl4eo.resample import linear_exact
from cubestore_pipelines.benchmarks.ssl4eo.seasons import seasons
from cubestore_pipelines.cli import main
from cubestore_pipelines.errors import DatasetError
from cubestore_pipelines.simulate.ssl4eo import write_v1, write_v11

SIZES = {
    "": (264, ("B2", "B3", "B4", "B8")),
    "_20m": (132, ("B5", "B6", "B7", "B8A", "B11", "B12")),
    "_60m": (44, ("B1", "B9", "B10")),
}
L1C = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
SAMPLE = "ssl4eo_s12"


@pytest.fixture(scope="module")
def v1(tmp_path_factory):
    folder = tmp_path_factory.mktemp("v1")
    write_v1(folder)
    return folder


@pytest.fixture(scope="module")
def v11(tmp_path_factory):
    folder = tmp_path_factory.mktemp("v11")
    write_v11(folder, (("train", 1),), samples=2)
    write_v11(folder, (("val", 1),), samples=1)
    return folder


@pytest.fixture(scope="module")
def store(v1, v11, tmp_path_factory):
    made = cubestore.create_store(tmp_path_factory.mktemp("ssl4eo") / "store")
    import_ssl4eo(v1, made.path)
    import_ssl4eo(v11, made.path)
    return made


def acquisitions(folder):
    """The acquisitions of a patch in the order of their dates, by their own metadata."""
    found = [(json.loads(p.read_text()), p.parent) for p in folder.glob("*/metadata.json")]
    return [path for told, path in sorted(found, key=lambda one: one[0]["system:time_start"])]


def band(folder, name):
    with rasterio.open(folder / f"{name}.tif") as file:
        return file.read(1)


def chunk_file(folder, split, modality, number):
    path = folder / split / modality / f"ssl4eos12_{split}_seasonal_data_{number:06d}.zarr.zip"
    with ZipStore(path, mode="r") as zipped:
        return xr.open_zarr(zipped, zarr_format=2, mask_and_scale=False, chunks=None).load()


@pytest.mark.parametrize("modality", ["s1", "s2a", "s2c"])
def test_every_pixel_of_v1_is_the_one_that_rasterio_reads(v1, store, modality):
    data = store.patches("ssl4eo-s12/v1").open(mask_and_scale=False)
    for row, patch in enumerate(data.patch_id.values):
        for season, path in enumerate(acquisitions(v1 / modality / str(patch))):
            if modality == "s1":
                expected = [band(path, name) for name in ("VV", "VH")]
                np.testing.assert_array_equal(data.s1[row, season], expected)
                continue
            for ending, (size, names) in SIZES.items():
                there = [name for name in names if (path / f"{name}.tif").exists()]
                stored = data[modality + ending][row, season]
                assert stored.shape == (len(there), size, size)
                np.testing.assert_array_equal(stored, [band(path, name) for name in there])


def test_v1_knows_when_and_where_each_patch_was_seen(v1, store):
    data = store.patches("ssl4eo-s12/v1").open()
    assert data.patch_id.values.tolist() == ["0000002", "0000009"]
    paths = acquisitions(v1 / "s2c" / "0000009")
    told = [json.loads((path / "metadata.json").read_text()) for path in paths]
    assert data.item_id[1].values.tolist() == [path.name for path in paths]
    times = [one["system:time_start"] for one in told]
    assert data.time[1].values.astype("M8[ms]").astype(int).tolist() == times
    for name in ("time", "time_s2c_60m", "time_s2a", "time_s1"):
        assert (np.diff(data[name].values) > np.timedelta64(45, "D")).all()
    assert set(data.platform_s1.values.ravel()) == {"sentinel-1a"}
    assert set(data.processing_baseline_s2a.values.ravel()) == {"02.14"}
    np.testing.assert_allclose(data.sun_elevation, 60)
    with rasterio.open(paths[0] / "B2.tif") as file:
        np.testing.assert_array_equal(data.transform[1], file.transform[:6])
        west, north = file.transform.c, file.transform.f
    assert (float(data.west[1, 0]), float(data.north[1, 0])) == (west, north)
    assert float(data.longitude[1]) == pytest.approx(west + 132 * float(data.pixel_width[1, 0]))


def test_v1_1_comes_back_bit_for_bit(v11, store):
    data = store.patches("ssl4eo-s12/v1.1").open(mask_and_scale=False)
    files = [("train", 1), ("val", 1)]
    for modality in ("S2L1C", "S2L2A", "S1GRD"):
        published = [chunk_file(v11, split, modality, number) for split, number in files]
        pixels = np.concatenate([one.bands.values for one in published])
        stored = data[modality.lower()].values.astype(pixels.dtype)
        assert stored.tobytes() == pixels.tobytes()
        suffix = "" if modality == "S2L1C" else f"_{modality.lower()}"
        times = np.concatenate([one.time_.values for one in published])
        np.testing.assert_array_equal(data[f"time{suffix}"], times)
        items = np.concatenate([one.file_id.values for one in published])
        assert data[f"item_id{suffix}"].values.tolist() == items.tolist()
        if modality != "S1GRD":
            masks = np.concatenate([one.cloud_mask.values for one in published])
            np.testing.assert_array_equal(data[f"cloud_mask{suffix}"], masks)
    assert data.split.values.tolist() == ["train", "train", "val"]
    first = chunk_file(v11, "train", "S2L1C", 1)
    assert data.patch_id.values[0] == str(first.sample.values[0])
    assert data.crs.values[0] == f"EPSG:{int(first.crs[0])}"
    a, _, west, _, e, north = data.transform.values[0]
    np.testing.assert_allclose(west + a * (np.arange(264) + 0.5), first.x_[0], rtol=1e-12)
    np.testing.assert_allclose(north + e * (np.arange(264) + 0.5), first.y_[0], rtol=1e-12)


def test_the_offset_of_v1_1_stays_in_the_numbers_and_is_told(store):
    patches = store.patches("ssl4eo-s12/v1.1")
    stored, data = patches.open(mask_and_scale=False), patches.open()
    assert (stored.dn_offset == 0).all()
    assert (stored.dn_excess == 1000).all()
    assert "zarr_dataset.py" in str(stored.dn_offset_source.values[0, 0])
    number = stored.s2l1c[0, 0, :, 5, 5].values.astype(float)
    np.testing.assert_allclose(data.s2l1c[0, 0, :, 5, 5], (number - 1000) / 1e4, atol=1e-7)
    told = data.attrs["ssl4eo_s12"]
    assert told["published_mean"]["s2l1c"][10] == 1021.753


def test_the_offset_is_taken_out_when_that_is_asked_for(v11, store):
    choices = Choices(remove_offset=True, modality=("S2L2A",))
    (made,) = import_ssl4eo(v11, store.path, choices=choices)
    name = made.name
    assert name == "ssl4eo-s12/v1.1-no-offset"
    data = store.patches(name).open(mask_and_scale=False)
    published = chunk_file(v11, "train", "S2L2A", 1).bands.values.astype(int)
    assert data.s2l2a.dtype == "int16"
    np.testing.assert_array_equal(data.s2l2a[:2], published - 1000)
    assert (data.dn_offset == -1000).all()
    assert (data.dn_excess == 0).all()
    mean = data.attrs["ssl4eo_s12"]["published_mean"]["s2l2a"]
    np.testing.assert_allclose(mean, norms.norm("ssl4eo-s12-v1.1", "sentinel-2-l2a")[0])


def test_b10_that_is_dark_contradicts_the_offset(tmp_path, store):
    """Numbers of v1 in the layout of v1.1: B10 lies near 22, and not near 1022."""
    write_v11(tmp_path, (("val", 7),), modalities=("S2L1C",), samples=1)
    rewritten(tmp_path / "val" / "S2L1C", lambda data: data.assign(bands=data.bands - 1000))
    choices = Choices(name="ssl4eo-s12/dark")
    import_ssl4eo(tmp_path, store.path, choices=choices)
    data = store.patches("ssl4eo-s12/dark").open(mask_and_scale=False)
    assert (data.dn_excess == 0).all()
    assert "none can be in these" in str(data.dn_offset_source.values[0, 0])
    with pytest.raises(DatasetError, match=r"sample 0, .*none can be in these"):
        import_ssl4eo(tmp_path, tmp_path / "other", choices=Choices(remove_offset=True))
    assert not cubestore.open_store(tmp_path / "other").patch_sets()


@pytest.mark.parametrize(
    ("baseline", "excess"),
    [
        ("02.09", 0),
        ("03.01", 0),
        ("04.00", 1000),
        ("05.11", 1000),  # reprocessed years have it too
        ("99.99", -1),  # does not say
        ("", -1),
    ],
)
def test_the_baseline_tells_what_v1_has_too_much(baseline, excess):
    assert by_baseline(baseline).number == excess


@pytest.mark.parametrize(
    ("raised", "excess", "told"),
    [
        (1000, 1000, "processing baseline 05.00; "),
        (0, 0, "none can be in these"),  # taken out by whoever served it
    ],
)
def test_v1_of_a_newer_baseline_is_kept_as_published(tmp_path, raised, excess, told):
    write_v1(tmp_path, (5,), modalities=("s2c",))
    for path in (tmp_path / "s2c" / "0000005").glob("*/metadata.json"):
        path.write_text(path.read_text().replace("02.09", "05.00"))
    for path in (tmp_path / "s2c").rglob("*.tif"):
        with rasterio.open(path, "r+") as file:
            file.write(file.read() + np.uint16(raised))
    (made,) = import_ssl4eo(tmp_path, tmp_path / "store")
    store = cubestore.open_store(tmp_path / "store")
    data = store.patches(made.name).open(mask_and_scale=False)
    assert (data.dn_excess == excess).all()
    assert (data.dn_offset == 0).all()
    assert told in str(data.dn_offset_source.values[0, 0])
    (first, *_) = acquisitions(tmp_path / "s2c" / "0000005")
    np.testing.assert_array_equal(data.s2c_60m[0, 0, 2], band(first, "B10"))
    if raised:
        (made,) = import_ssl4eo(tmp_path, store.path, choices=Choices(remove_offset=True))
        less = store.patches(made.name).open(mask_and_scale=False)
        np.testing.assert_array_equal(less.s2c_60m, data.s2c_60m.astype(int) - 1000)
        return
    with pytest.raises(DatasetError, match=r"Patch 0000005, .*none can be in these"):
        import_ssl4eo(tmp_path, store.path, choices=Choices(remove_offset=True))


def rewritten(folder, change):
    """Write the only file of a folder anew, changed."""
    from cubestore_pipelines.simulate.ssl4eo import zipped  # noqa: PLC0415

    (path,) = folder.iterdir()
    with ZipStore(path, mode="r") as old:
        data = xr.open_zarr(old, zarr_format=2, mask_and_scale=False, chunks=None).load()
    data = change(data)
    for name in data.variables:
        data[name].encoding = {}
    zipped(data, path)


def original_bytes(image, mean, std):
    """One band in the original's own steps."""
    low, high = mean - 2 * std, mean + 2 * std
    return np.clip((image - low) / (high - low) * 255.0, 0, 255).astype(np.uint8)


def test_bytes_by_the_deviation_are_the_originals(v1, store):
    (made,) = import_ssl4eo(v1, store.path, choices=Choices(resample=True, uint8="mean-2std"))
    name = made.name
    assert name == "ssl4eo-s12/v1-uint8-264"
    data = store.patches(name).open(mask_and_scale=False)
    row = norms.find("ssl4eo-s12-v1", "sentinel-2-l1c")
    assert data.s2c.shape == (2, 4, 13, 264, 264)
    for season, path in enumerate(acquisitions(v1 / "s2c" / "0000002")):
        for at, (file, mean, std) in enumerate(zip(L1C, row.mean, row.std, strict=True)):
            image = linear_exact(band(path, file), 264)
            expected = original_bytes(image, mean, std)
            np.testing.assert_array_equal(data.s2c[0, season, at], expected)
    row = norms.find("ssl4eo-s12-v1", "sentinel-1-rtc")
    for season, path in enumerate(acquisitions(v1 / "s1" / "0000002")):
        for at, file in enumerate(("VV", "VH")):
            expected = original_bytes(band(path, file), row.mean[at], row.std[at])
            np.testing.assert_array_equal(data.s1[0, season, at], expected)
    told = data.attrs["ssl4eo_s12"]
    back = quantise.values_of_mean_two_std(
        data.s1.values, told["published_mean"]["s1"], told["published_std"]["s1"]
    )
    exact = store.patches("ssl4eo-s12/v1").open().s1.values
    inside = (data.s1.values > 0) & (data.s1.values < 255)
    half = quantise.step(told["published_std"]["s1"])[:, None, None] / 2 + 1e-5
    assert (np.abs(back - exact) <= half)[inside].all()


@pytest.mark.parametrize(("compat", "ending"), [(None, ""), ("wrap", "-wrap")])
def test_bytes_of_reflectance_are_cut_off_or_wrap(v1, store, compat, ending):
    choices = Choices(modality=("s2a",), uint8="reflectance", compat=compat)
    (made,) = import_ssl4eo(v1, store.path, choices=choices)
    name = made.name
    assert name == f"ssl4eo-s12/v1-uint8-reflectance{ending}"
    numbers = store.patches("ssl4eo-s12/v1").open(mask_and_scale=False).s2a.values
    scaled = numbers / 10000.0 * 255.0
    expected = scaled.astype("uint8") if compat else scaled.clip(0, 255).astype("uint8")
    np.testing.assert_array_equal(store.patches(name).open().s2a, expected)


@pytest.mark.parametrize(
    ("size", "digest"),
    [
        (44, "1031af328bf33c7207fa43bfc7d50a5899253fd2a51fc5686a0f4b900e5821e4"),
        (132, "e8503fa45f8894c2571e1b54eff97eee74d7841c2a669e8f4a59ce07f394ab12"),
    ],
)
def test_bands_are_resampled_as_opencv_does_it(size, digest):
    """Digests of ``cv2.resize(…, INTER_LINEAR_EXACT)``, OpenCV 5.0.0, of the same numbers."""
    numbers = (np.arange(size * size, dtype="u8") * 7919 % 65521).astype("<u2")
    resampled = linear_exact(numbers.reshape(size, size), 264)
    assert sha256(resampled.astype("<u2").tobytes()).hexdigest() == digest


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"s1": "01-05 04-04 07-01 10-01"}, {"s1": (0, 1, 2, 3)}),
        ({"s1": "01-05 01-06 01-07 01-08"}, {"s1": (0, 1, 2, 3)}),  # all there: in order
        ({"s1": "04-04 10-01", "s2a": "01-05 04-20 07-03 10-02"}, {"s1": (1, 3)}),
        ({"s1": "01-05", "s2a": "02-03 04-04"}, {"s2a": (0, 1)}),  # 29 days apart: one season
        ({"s1": "", "s2a": "04-04"}, {"s2a": (0,), "s1": ()}),
        ({"s1": "01-05 01-20"}, None),  # two in one season
        ({"s1": "01-05", "s2a": "03-15 06-15", "s2c": "09-15 12-15"}, None),  # five seasons
    ],
)
def test_dates_tell_the_season(times, expected):
    given = {
        name: [np.datetime64(f"2020-{day}", "us") for day in days.split()]
        for name, days in times.items()
    }
    found = seasons(given)
    assert (found is None) if expected is None else (expected.items() <= found.items())


def test_void_ids_are_left_out_and_told(tmp_path, store):
    write_v1(tmp_path, (3, 4, 124_990), modalities=("s1",))
    (tmp_path / "s1" / "notes").mkdir()
    (tmp_path / "void.csv").write_text("4\n179723\n")
    choices = Choices(void_ids=tmp_path / "void.csv", name="ssl4eo-s12/void")
    (made,) = import_ssl4eo(tmp_path, store.path, choices=choices)
    assert made.patches == 1
    assert made.notes == ("0000004: void", "0124990: void", "notes: no number of a patch")
    (tmp_path / "ids.csv").write_text("4\n\n3\n")
    (made,) = import_ssl4eo(
        tmp_path, store.path, choices=Choices(ids=tmp_path / "ids.csv", name="ssl4eo-s12/ids")
    )
    assert made.patches == 2
    assert made.notes == ("notes: no number of a patch",)
    assert store.patches("ssl4eo-s12/ids").open().patch_id.values.tolist() == ["0000003", "0000004"]


def test_the_void_ids_are_the_published_ones():
    assert len(VOID_IDS) == 97
    assert {124_990, 125_052, 125_054, 125_140, 179_723} <= VOID_IDS
    assert not {124_989, 125_053, 125_056, 125_065, 125_068, 125_077} & VOID_IDS


def test_all_sizes_stream_in_one_order(store):
    options = {"patches": "ssl4eo-s12/v1", "shuffle": False, "batch_size": 3}
    seen = {}
    for sensor, size in (("s2c", 264), ("s2c_20m", 132), ("s1", 264)):
        loader = cubestore.batches(store, sensor=sensor, chip_size=size, **options)
        data = store.patches("ssl4eo-s12/v1").open(mask_and_scale=False)[sensor]
        names = []
        for batch in loader:
            names += batch["chipid"]
            for pixels, name in zip(batch["pixels"], batch["chipid"], strict=True):
                row = ["0000002", "0000009"].index(name.split("-")[0])
                np.testing.assert_array_equal(pixels, data[row, int(name.split("-")[1])])
        seen[sensor] = names, batch["gsd"]
    assert len({tuple(names) for names, _ in seen.values()}) == 1
    assert [gsd for _, gsd in seen.values()] == [10, 20, 10]


def test_real_patches_are_what_rasterio_reads(shared_data, tmp_path):
    """Patch 0000200, of which the sample has two of the four seasons."""
    store = cubestore.create_store(tmp_path / "store")
    source = shared_data / SAMPLE
    with pytest.raises(DatasetError, match=r"0000200, s2c has 2 acquisitions.*--incomplete"):
        import_ssl4eo(source, store.path)
    assert not store.patch_sets()
    (made,) = import_ssl4eo(source, store.path, choices=Choices(incomplete=True))
    data = store.patches(made.name).open(mask_and_scale=False)
    dates = {"time": ("2020-06-04", "2020-08-23"), "time_s2a": ("2020-06-04", "2020-08-13")}
    for name, expected in {**dates, "time_s1": ("2020-06-07", "2020-09-03")}.items():
        times = data[name].values[0].astype("M8[D]")
        assert [str(day) for day in times] == [*expected, "NaT", "NaT"]
    for modality in ("s2c", "s2a", "s1"):
        for season, path in enumerate(acquisitions(source / modality / "0000200")):
            sizes = {"": (264, ("VV", "VH"))} if modality == "s1" else SIZES
            for ending, (_, names) in sizes.items():
                there = [name for name in names if (path / f"{name}.tif").exists()]
                expected = [band(path, name) for name in there]
                np.testing.assert_array_equal(data[modality + ending][0, season], expected)
    assert (data.s2c[0, 2:] == 0).all()
    assert np.isnan(data.s1[0, 2:]).all()
    assert (data.dn_excess == 0).all()
    assert data.platform.values[0].tolist() == ["sentinel-2b", "sentinel-2b", "", ""]
    assert data.orbit_state_s1.values[0].tolist() == ["descending", "ascending", "", ""]
    assert (float(data.longitude[0]), float(data.latitude[0])) == pytest.approx(
        (73.306, 30.464), abs=1e-3
    )
    physical = store.patches(made.name).open()
    assert np.isnan(physical.s2c[0, 2:]).all()
    np.testing.assert_allclose(physical.s2c[0, :2], data.s2c[0, :2] / 1e4, rtol=1e-6)


def test_real_patches_as_bytes_are_the_originals(shared_data, tmp_path):
    source = shared_data / SAMPLE
    choices = Choices(incomplete=True, resample=True, uint8="mean-2std", modality=("s2c", "s1"))
    (made,) = import_ssl4eo(source, tmp_path / "store", choices=choices)
    data = cubestore.open_store(tmp_path / "store").patches(made.name).open()
    row = norms.find("ssl4eo-s12-v1", "sentinel-2-l1c")
    for season, path in enumerate(acquisitions(source / "s2c" / "0000200")):
        for at, (file, mean, std) in enumerate(zip(L1C, row.mean, row.std, strict=True)):
            image = band(path, file)
            image = image if len(image) == 264 else linear_exact(image, 264)
            expected = original_bytes(image, mean, std)
            np.testing.assert_array_equal(data.s2c[0, season, at], expected)


@pytest.mark.parametrize(
    ("version", "sensor", "mean", "std"),
    [
        ("v1", "sentinel-1-rtc", (-12.54847273, -20.19237134), (5.25697717, 5.91150917)),
        ("v1.1", "sentinel-1-rtc", (-12.577, -20.265), (5.179, 5.872)),
        (
            "v1",
            "sentinel-2-l2a",
            (
                752.40087073,
                884.29673756,
                1144.16202635,
                1297.47289228,
                1624.90992062,
                2194.6423161,
                2422.21248945,
                2517.76053101,
                2581.64687018,
                2645.51888987,
                2368.51236873,
                1805.06846033,
            ),
            (
                1108.02887453,
                1155.15170768,
                1183.6292542,
                1368.11351514,
                1370.265037,
                1355.55390699,
                1416.51487101,
                1474.78900051,
                1439.3086061,
                1582.28010962,
                1455.52084939,
                1343.48379601,
            ),
        ),
        (
            "v1",
            "sentinel-2-l1c",
            (
                1605.57504906,
                1390.78157673,
                1314.8729939,
                1363.52445545,
                1549.44374991,
                2091.74883118,
                2371.7172463,
                2299.90463006,
                2560.29504086,
                830.06605044,
                22.10351321,
                2177.07172323,
                1524.06546312,
            ),
            (
                786.78685367,
                850.34818441,
                875.06484736,
                1138.84957046,
                1122.17775652,
                1161.59187054,
                1274.39184232,
                1248.42891965,
                1345.52684884,
                577.31607053,
                51.15431158,
                1336.09932639,
                1136.53823676,
            ),
        ),
        (
            "v1.1",
            "sentinel-2-l2a",
            (
                1793.243,
                1924.863,
                2184.553,
                2340.936,
                2671.402,
                3240.082,
                3468.412,
                3563.244,
                3627.704,
                3711.071,
                3416.714,
                2849.625,
            ),
            (
                1160.144,
                1201.092,
                1219.943,
                1397.225,
                1400.035,
                1373.136,
                1429.17,
                1485.025,
                1447.836,
                1652.703,
                1471.002,
                1365.307,
            ),
        ),
        (
            "v1.1",
            "sentinel-2-l1c",
            (
                2607.345,
                2393.068,
                2320.225,
                2373.963,
                2562.536,
                3110.071,
                3392.832,
                3321.154,
                3583.77,
                1838.712,
                1021.753,
                3205.112,
                2545.798,
            ),
            (
                786.523,
                849.702,
                875.318,
                1143.578,
                1126.248,
                1161.98,
                1273.505,
                1246.79,
                1342.755,
                576.795,
                45.626,
                1340.347,
                1145.036,
            ),
        ),
    ],
)
def test_statistics_are_the_published_ones(version, sensor, mean, std):
    """ssl4eo_dataset.py of v1, and zarr_dataset.py of v1.1, which has 1000 in its means."""
    row = norms.find(f"ssl4eo-s12-{version}", sensor)
    assert (row.mean, row.std) == (mean, std)
    ours, _ = norms.norm(f"ssl4eo-s12-{version}", sensor)
    reflectance = version == "v1.1" and sensor != "sentinel-1-rtc"
    np.testing.assert_allclose(ours, np.array(mean) - 1000 * reflectance, rtol=1e-6)


@pytest.mark.parametrize(
    ("choices", "problem"),
    [
        (Choices(compat="wrap"), "compat wrap without uint8 reflectance"),
        (Choices(compat="wrap", uint8="mean-2std"), "compat wrap without uint8 reflectance"),
        (Choices(uint8="reflectance", modality=("S2L1C",)), "1000 too much"),
        (Choices(name="one-word"), "a name DATASET/PART"),
    ],
)
def test_choices_that_contradict_each_other_are_refused(v11, store, choices, problem):
    with pytest.raises(MismatchError, match=problem):
        import_ssl4eo(v11, store.path, choices=choices)


def test_the_command_line_imports_verifies_and_streams(v1, tmp_path, capsys):
    store = str(tmp_path / "store")
    asked = ["--modality", "s1", "--modality", "s2a", "--resample", "--json"]
    assert main(["import", "ssl4eo", str(v1), store, *asked]) == 0
    (told,) = json.loads(capsys.readouterr().out)["sets"]
    assert (told["name"], told["patches"]) == ("ssl4eo-s12/v1-264", 2)
    assert main(["verify", store]) == 0
    capsys.readouterr()
    options = ["--patches", told["name"], "--sensor", "s2a", "--chip-size", "264", "--json"]
    assert main(["batches", store, *options]) == 0
    assert json.loads(capsys.readouterr().out)["chips"] == 8
    assert main(["import", "ssl4eo", str(v1), store, "--uint8", "jpeg"]) == 2
    assert main(["import", "ssl4eo", str(tmp_path / "nowhere"), store]) == 1
    assert "no folder of the data set" in capsys.readouterr().err
