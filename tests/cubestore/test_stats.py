"""Statistics: equal to NumPy's of the opened cube, kept with it, pooled; published ones beside."""

import json

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
import rasterio
import xarray as xr
from hypothesis import given, settings

import cubestore
from cubestore import Slot
from cubestore.errors import DamagedError, LockedError, MismatchError, UnknownCubeError
from cubestore.stats import norms
from cubestore.stats.histogram import RESOLUTION, Distribution, Histogram
from cubestore.stats.published import NORMS
from cubestore.stats.statistics import PERCENTS, counted, pooled
from cubestore.stats.survey import STATISTICS, kept_statistics, stats

S2, S1, MODIS = "sentinel-2-l2a", "sentinel-1-rtc", "modis-09a1"


def count(values, dtype, nodata):
    histogram = Histogram(np.dtype(dtype), nodata)
    histogram.add(values)
    return histogram.distribution()


@settings(deadline=None)  # the first call of a dtype compiles
@given(
    values=st.sampled_from(["uint8", "int8", "uint16", "int16"]).flatmap(
        lambda dtype: arrays.arrays(dtype, st.integers(0, 60))
    ),
    data=st.data(),
)
def test_integers_are_counted_as_numpy_counts_them(values, data):
    nodata = data.draw(st.sampled_from([*values.tolist(), 0]))
    found, left = count(values, values.dtype, nodata), values[values != nodata].astype("float64")
    assert found.count == left.size
    assert found.exact
    if left.size:
        assert found.mean == pytest.approx(left.mean(), rel=1e-12, abs=1e-9)
        assert found.std == pytest.approx(left.std(), rel=1e-9, abs=1e-9)
        np.testing.assert_allclose(
            found.percentiles(PERCENTS), np.percentile(left, PERCENTS), rtol=1e-12, atol=1e-9
        )


@settings(deadline=None)  # the first call of a dtype compiles
@given(arrays.arrays("float32", st.integers(1, 60), elements={"allow_subnormal": False}))
def test_floats_are_counted_to_the_resolution_that_is_stated(values):
    found = count(values, "float32", np.nan)
    left = np.sort(values[np.isfinite(values)].astype("float64"))
    there = np.repeat(found.values, found.counts)
    np.testing.assert_allclose(
        there, left, rtol=0 if found.exact else RESOLUTION * 1.001, atol=1e-45
    )


def test_floats_of_ten_bits_are_counted_exactly():
    bits = np.random.default_rng(0).integers(0, 0x3FC00, 5000, "uint32") << 13
    values = np.concatenate([bits.view("float32"), -bits.view("float32"), [np.nan, np.inf]])
    found = count(values.astype("float32"), "float32", np.nan)
    assert found.exact
    np.testing.assert_array_equal(
        np.repeat(found.values, found.counts), np.sort(values[np.isfinite(values)])
    )


@settings(deadline=None)  # the first call of a dtype compiles
@given(st.lists(arrays.arrays("int16", st.integers(0, 40)), min_size=1, max_size=4))
def test_what_is_counted_apart_is_counted_together(parts):
    merged = Distribution.merged(count(part, "int16", -1) for part in parts)
    whole = count(np.concatenate(parts), "int16", -1)
    np.testing.assert_array_equal(merged.values, whole.values)
    np.testing.assert_array_equal(merged.counts, whole.counts)


@pytest.mark.parametrize("dtype", ["uint32", "float64", "int64", "<U3"])
def test_what_has_no_histogram_is_refused(dtype):
    with pytest.raises(MismatchError, match="at most 16 bits"):
        Histogram(np.dtype(dtype), 0)


@pytest.fixture
def cube(store, append):
    cube = store.create_cube("h18v04", MODIS)
    for day in range(1, 4):
        append(cube, f"2024-01-0{day}", f"item {day}", seed=day)
    append(cube, "2024-01-02", "better", seed=9, supersedes="item 2")
    return cube


def opened(cube, band):
    """What plain xarray and NumPy see of a band, stored values without nodata."""
    ds = xr.open_zarr(cube.path, chunks=None, mask_and_scale=False)
    ds = ds.isel(time=~ds.item_id.isin(ds.supersedes), y=slice(2048, None), x=slice(2048, None))
    name = cube.sensor.pixels.name
    values = ds[name].sel(band=band).values
    fill = (
        ds[name].encoding["fill_value"] if values.dtype.kind == "f" else cube.sensor.pixels.nodata
    )
    return values[(values != fill) & ~np.isnan(values)].astype("float64")


def matches(band, values):
    assert band.count == values.size
    assert band.mean == pytest.approx(values.mean(), rel=1e-12)
    assert band.std == pytest.approx(values.std(), rel=1e-9)
    assert (band.min, band.max) == (values.min(), values.max())
    np.testing.assert_allclose(band.percentiles, np.percentile(values, PERCENTS), rtol=1e-12)


def test_a_cubes_statistics_are_numpys_of_what_plain_xarray_opens(store, cube):
    found = stats(store, MODIS)
    assert [band.name for band in found.bands] == [f"sur_refl_b0{n}" for n in range(1, 8)]
    assert (found.resolution, found.exact_percentiles, found.decibels) == (0.0, True, ())
    for band in found.bands:
        matches(band, opened(cube, band.name))


def test_radar_has_them_of_power_and_of_decibels(store):
    cube = store.create_cube("31UDQ", S1)
    power = np.random.default_rng(1).lognormal(-3, 1, (2, 740, 740)).astype("float32")
    power[:, :200] = np.nan
    cube.append(Slot(time="2024-01-01", item_id="a"), {"backscatter": power}, origin=(10240, 10240))
    found = stats(store, S1)
    stored = cube.open(mask_and_scale=False).backscatter[0, :, 10240:, 10240:].values
    for k, (linear, decibel) in enumerate(zip(found.bands, found.decibels, strict=True)):
        values = stored[k][~np.isnan(stored[k])].astype("float64")
        matches(linear, values)
        matches(decibel, 10 * np.log10(values))
    mean, std = found.norm(["vh", "vv"])  # of decibels, as Clay's
    assert mean.tolist() == [np.float32(found.decibels[k].mean) for k in (1, 0)]
    assert found.norm(decibels=False)[1].tolist() == [np.float32(b.std) for b in found.bands]
    assert mean.dtype == std.dtype == np.float32


def test_they_are_kept_and_nothing_is_read_again_until_pixels_come(store, cube, append):
    seen = []
    watch = lambda *step: seen.append(step[1:])  # noqa: E731
    first = stats(store, MODIS, watch=watch)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    number = cube.root().number
    assert stats(store, MODIS, watch=watch) == first
    assert len(seen) == 3
    assert cube.root().number == number
    kept = xr.open_zarr(cube.path, chunks=None).attrs[STATISTICS]
    assert kept["commit"]["number"] == number - 1
    assert kept["bands"][0]["mean"] == first.bands[0].mean
    with cube.write() as writer:  # a commit that brings no pixels
        writer.describe({"cubestore:note": "x"})
    assert kept_statistics(cube) == first
    append(cube, "2024-02-01", "new", seed=20)
    assert kept_statistics(cube) is None
    matches(stats(store, MODIS).bands[3], opened(cube, "sur_refl_b04"))
    assert not cube.verify().findings


def test_nothing_is_kept_where_that_is_not_wanted(store, cube):
    number = cube.root().number
    with cube.write():
        assert stats(store, MODIS, keep=False).bands[0].count
        with pytest.raises(LockedError):
            stats(store, MODIS, wait=0)
    assert cube.root().number == number


def test_a_shard_that_was_lost_is_not_taken_for_nodata(store, cube):
    (cube.control.group / "reflectance/c/0/0/1/1").unlink()
    with pytest.raises(DamagedError, match="missing"):
        stats(store, MODIS)


def test_cubes_are_pooled(store, cube, append):
    other = store.create_cube("h18v03", MODIS)
    append(other, "2024-01-01", "north", seed=5)
    empty = store.create_cube("h17v03", MODIS)
    apart = [stats(store, MODIS, [one.tile.id]) for one in (cube, other, empty)]
    assert apart[2].bands[0].count == 0
    assert np.isnan(apart[2].bands[0].mean)
    assert kept_statistics(empty).bands[0].count == 0
    together, exact = stats(store, MODIS), stats(store, MODIS, exact=True)
    assert (together.exact_percentiles, exact.exact_percentiles) == (False, True)
    assert {tile for tile, _ in together.cubes} == {"h18v04", "h18v03", "h17v03"}
    for band, of_all in zip(together.bands, exact.bands, strict=True):
        values = np.concatenate([opened(cube, band.name), opened(other, band.name)])
        matches(of_all, values)
        assert band.count == values.size
        assert band.mean == pytest.approx(values.mean(), rel=1e-12)
        assert band.std == pytest.approx(values.std(), rel=1e-9)
        assert (band.min, band.max) == (values.min(), values.max())
        np.testing.assert_allclose(band.percentiles, np.percentile(values, PERCENTS), atol=2)


@settings(max_examples=50, deadline=None)
@given(st.lists(arrays.arrays("int16", st.integers(1, 50)), min_size=1, max_size=4))
def test_pooled_percentiles_ascend_between_the_ends(parts):
    some = [of_values(part) for part in parts]
    band = pooled(some).bands[0]
    row = [band.min, *band.percentiles, band.max]
    assert row == sorted(row)
    assert row[0] == min(part.min() for part in parts)


def of_values(values):
    return counted(MODIS, (("h18v04", 1),), {"sur_refl_b01": count(values, "int16", np.nan)})


@pytest.mark.parametrize(
    ("sensor", "tiles", "error"),
    [
        (S2, None, UnknownCubeError),
        (MODIS, ["h17v04"], UnknownCubeError),
        ("esa-worldcover", None, MismatchError),  # classes have no mean
    ],
)
def test_what_has_no_statistics_is_refused(store, sensor, tiles, error):
    store.create_cube("h18v04", MODIS)
    with pytest.raises(error):
        stats(store, sensor, tiles)


def test_bands_without_numbers_are_refused():
    found = of_values(np.arange(5, dtype="int16"))
    assert found.norm(["sur_refl_b01"])[0].tolist() == [2.0]
    for wanted, decibels in ((["B02"], None), ([], None), (None, True)):
        with pytest.raises(MismatchError, match="statistics of"):
            found.norm(wanted, decibels=decibels)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["sensor"] == MODIS


def test_of_a_real_scene_they_are_numpys(store, shared_data):
    folder = shared_data / "sentinel2" / "majortom_199U_1099R"
    paths = [next(folder.rglob(f"{band}.tif")) for band in ("B02", "B04")]
    with rasterio.open(paths[0]) as b02, rasterio.open(paths[1]) as b04:
        raw = np.stack([b02.read(1), b04.read(1)])
    real = raw[:, :600, :600].astype("int16")
    cube = store.create_cube("31UDQ", S2, bands=["B02", "B04"])
    pixels = np.full((2, 740, 740), -32768, "int16")
    pixels[:, : real.shape[1], : real.shape[2]] = np.where(real == 0, -32768, real)
    masks = {n: np.zeros((740, 740), "uint8") for n in ("quality", "cloud_class")}
    slot = Slot(time="2024-01-01", item_id="a")
    cube.append(slot, {"reflectance": pixels, **masks}, origin=(10240, 10240))
    for band, values in zip(stats(store, S2).bands, real, strict=True):
        matches(band, values[values != 0].astype("float64"))


# Published ones.


@pytest.mark.parametrize(
    ("norm", "sensor", "bands", "mean", "std"),
    [
        ("clay-v1.5", S2, ["B04", "B02"], [1552, 1105], [1888, 1809]),
        ("clay-v1.5", S2, ["B12"], [1835], [1379]),
        ("clay-v1.5", S1, None, [-12.113, -18.673], [8.314, 8.017]),  # dB
        ("clay-v1.0", S1, None, [0.123273, 0.027337], [1.492154, 0.122182]),  # linear
        ("clay-v1.5", "landsat-c2-l2", ["B2", "B5"], [12474, 17801], [10144, 8277]),
        ("clay-v1.5", "landsat-c2-l1", ["B4"], [10678], [6025]),
        ("clay-v1.5", "naip", ["nir"], [139.04], [49.86]),
        ("clay-v1.5", "linz", ["blue"], [89.51], [31.45]),
        ("clay-v1.5", MODIS, ["sur_refl_b03"], [931], [1449]),
        ("clay-v0", S1, ["vv"], [0.118], [0.873]),
        ("ssl4eo-s12-v1", S2, ["B01", "B09", "B8A"], [752.4009, 2645.5189, 2581.6469], None),
        ("ssl4eo-s12-v1", "sentinel-2-l1c", ["B10"], [22.10351], [51.15431]),
        ("ssl4eo-s12-v1.1", "sentinel-2-l1c", ["B10"], [21.753], [45.626]),  # published 1021.753
        ("ssl4eo-s12-v1.1", S2, ["B02"], [924.863], [1201.092]),
    ],
)
def test_published_numbers_are_in_our_units(norm, sensor, bands, mean, std):
    found = norms.norm(norm, sensor, bands)
    np.testing.assert_allclose(found[0], mean, rtol=1e-6)
    assert std is None or np.allclose(found[1], std, rtol=1e-6)
    assert found[0].dtype == found[1].dtype == np.float32


def test_every_row_is_of_bands_that_its_sensor_has():
    for row in NORMS:
        known = {band.name for band in cubestore.sensor(row.sensor).every_band}
        assert set(row.bands) <= known
        assert len(row.bands) == len(set(row.bands)) == len(row.mean) == len(row.std)
        assert all(std > 0 for std in row.std)
        assert row.source
    assert len({(row.id, row.sensor) for row in NORMS}) == len(NORMS)


def test_the_two_releases_of_ssl4eo_agree_once_the_offset_is_off():
    for sensor in (S2, "sentinel-2-l1c"):
        old, new = (norms.norm(f"ssl4eo-s12-{v}", sensor)[0] for v in ("v1", "v1.1"))
        assert np.abs(old - new).max() < 70


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("clay-v9", S2), "No normalisation"),
        (("clay-v1.5", "esa-worldcover"), "no numbers of"),
        (("clay-v1.5", S2, ["B01"]), "Bands B01"),
        (("clay-v1.5", S2, ["red"]), "Bands red"),
        (("clay-v1.5", S2, []), "Bands none"),
    ],
)
def test_what_was_not_published_is_refused(arguments, problem):
    with pytest.raises(MismatchError, match=problem):
        norms.norm(*arguments)


def test_decibels_are_clays():
    power = np.array([1, 0.1, 0, -3, np.nan], "float32")
    np.testing.assert_allclose(norms.decibels(power), [0, -10, -100, -100, np.nan], atol=1e-5)
    assert norms.units("clay-v1.5", S1) == "dB"
    assert norms.units("clay-v1.0", S1) == "stored"
