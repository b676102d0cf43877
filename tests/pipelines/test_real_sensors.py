"""Real files of every sensor but Sentinel-2, built by the program, against rasterio's reading."""

import json
from itertools import product

import numpy as np
import pyproj
import pytest
import rasterio
import xarray as xr

from tests.pipelines.real import (
    Source,
    bounds,
    cubestore,
    feature,
    is_empty_outside,
    write_area,
    write_items,
)

SHARD = 2048
HALF = 0.5 + 1e-3
"""By which a rounded number may differ from what it was rounded from."""


@pytest.fixture(scope="module")
def store(new_store):
    """Cubes that are built as the program likes it."""
    return new_store()


@pytest.fixture(scope="module")
def other(new_store):
    """Cubes of the same files, built with other options."""
    return new_store()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Profiles, areas and catalogues."""
    return tmp_path_factory.mktemp("told")


def profile(folder, name, text):
    """Write a profile of a user's own."""
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def files(item):
    """Return the paths of an item's assets, and its properties."""
    content = json.loads(item.read_text())
    assets = content["assets"].items()
    return {
        name: (item.parent / asset["href"]).resolve()
        for name, asset in assets
        if not asset["href"].startswith("https:")
    }


def shards(cube, *boxes):
    """Return as slices the whole shards that each box in lon/lat touches."""
    grid = pyproj.CRS(cube.spatial_ref.attrs["crs_wkt"])
    to = pyproj.Transformer.from_crs("EPSG:4326", grid, always_xy=True)
    gsd, left, top = (float(v) for v in (cube.x[1] - cube.x[0], cube.x[0], cube.y[0]))
    for box in boxes:
        west, south, east, north = to.transform_bounds(*box)
        spans = {"x": (west - left, east - left), "y": (top - north, top - south)}
        yield {
            dim: slice(*(int(end // (gsd * SHARD) + n) * SHARD for n, end in enumerate(span)))
            for dim, span in spans.items()
        }


def thinned(cube, step):
    """Return every so manieth pixel."""
    return cube.isel(x=slice(0, None, step), y=slice(0, None, step))


def classes_of_qa_pixel(quality):
    """Return the clouds of Landsat's mask: fill, cloud, shadow, cirrus, else clear."""
    bit = [quality >> n & 1 for n in range(5)]
    return np.select(
        [bit[0] == 1, (bit[3] | bit[1]) == 1, bit[4] == 1, bit[2] == 1], [255, 1, 3, 2], 0
    )


def classes_of_state(state):
    """Return the clouds of MODIS' state: cloudy, shadow, mixed or cirrus, else clear."""
    cloud, shadow, cirrus = state & 3, state >> 2 & 1, state >> 8 & 3
    return np.select(
        [state == 65535, cloud == 1, shadow == 1, (cloud == 2) | (cirrus >= 2)], [255, 1, 3, 2], 0
    )


# Sentinel-1: two bursts of a pass that lie 80 km apart, on 21 days, in the next zone.

RTC = "sentinel-1-rtc"
OPERA = "collections: {opera-rtc-s1: {sensor: sentinel-1-rtc, bands: {vv: vv, vh: vh}}}"
BURSTS = ("IW1", "IW2")
DECIBELS = 10 * np.log10(1 + 2**-11)
"""By which ten bits of mantissa may be wrong: 0.00212."""

THIRTEEN_BITS = 0x1FFF
"""Those of a float32 that ten leave."""


@pytest.fixture(scope="module")
def passes(shared_data):
    """The items of each pass, in order of time."""
    items = sorted((shared_data / "stac_local/opera-rtc-s1").glob("*.json"))
    by_burst = [[item for item in items if f"-{burst}_" in item.name] for burst in BURSTS]
    return list(zip(*by_burst, strict=True))


@pytest.fixture(scope="module")
def opera(shared_data, folder, passes):
    """Return how to build the bursts."""
    own = ["--profile", profile(folder, "opera", OPERA)]
    area = write_area(
        folder / "bursts.geojson", [json.loads(item.read_text())["bbox"] for item in passes[0]]
    )
    catalog = shared_data / "stac_local/opera-rtc-s1"
    return lambda where, tiles, *options: where.build(
        catalog, RTC, tiles, *own, "--aoi", area, *options
    )


@pytest.fixture(scope="module")
def rtc(opera, store):
    """Build two spans of time, and then all."""
    spans = ["--datetime", "2021-01-01/2022-11-20"], ["--datetime", "2022-11-21/2025-12-31"]
    return [opera(store, "10SGD", *span) for span in (*spans, ())]


def power(numbers):
    """Return linear power, NaN where there is none."""
    return np.where(numbers > 0, numbers, np.float32(np.nan))


@pytest.fixture(scope="module")
def burst(passes):
    """Return what yields where a burst lies, and the power of its bands; all lie as the first."""
    known = {}

    def found(cube, slot, number):
        key = (cube.attrs["grid:code"], number)
        for band in ("vv", "vh"):
            path = files(passes[slot][number])[band]
            source = known[key] = known[key].beside(path) if key in known else Source(path, cube)
            yield source, power(source.under(1, np.nan))

    return found


def test_sentinel_1_is_extended_by_a_second_span_of_time_and_left_by_a_third_build(rtc):
    assert [built.slots for built in rtc] == [(8, 0), (13, 0), (0, 21)]


def test_sentinel_1_keeps_ten_bits(rtc, passes, burst):
    cube = rtc[0].open("10SGD", RTC)
    assert cube.sizes["time"] == len(passes) == 21
    for slot, number in product(range(21), (0, 1)):
        for band, (source, expected) in enumerate(burst(cube, slot, number)):
            got = cube.backscatter.isel(time=slot, band=band, **source.window).values
            sure = ~source.doubt
            np.testing.assert_array_equal(np.isnan(got[sure]), np.isnan(expected[sure]))
            ratio = got[sure].astype("f8") / expected[sure]
            assert np.nanmax(np.abs(10 * np.log10(ratio))) <= DECIBELS
            assert not (got[~np.isnan(got)].view("u4") & THIRTEEN_BITS).any()


def test_sentinel_1_tells_platform_orbit_and_both_bursts(rtc, passes):
    cube = rtc[0].open("10SGD", RTC)
    names = [[item.stem for item in bursts] for bursts in passes]
    assert cube.item_id.values.tolist() == [" ".join(pair) for pair in names]
    platforms = {"S1A": "sentinel-1a", "S1B": "sentinel-1b"}
    assert cube.platform.values.tolist() == [platforms[pair[0][-3:]] for pair in names]
    assert set(cube.platform.values) == {"sentinel-1a", "sentinel-1b"}
    assert set(cube.relative_orbit.values.tolist()) == {137}
    times = [f"{json.loads(pair[0].read_text())['properties']['datetime'][:-1]}" for pair in passes]
    np.testing.assert_array_equal(cube.time.values, np.array(times, "M8[us]"))
    assert np.isnan(cube.cloud_cover.values).all()


def test_sentinel_1_measures_what_is_valid_of_the_shards_asked_for(rtc, passes, burst):
    cube = rtc[0].open("10SGD", RTC)
    boxes = [json.loads(item.read_text())["bbox"] for item in passes[0]]
    asked = list(shards(cube, *boxes))
    pixels = sum(np.prod([cube.isel(one).sizes[d] for d in "xy"]) for one in asked)
    for slot in (0, 20):
        part = [cube.backscatter.isel(time=slot, **one).values for one in asked]
        valid = sum((~np.isnan(one)).any(axis=0).sum() for one in part)
        assert cube.valid_fraction[slot].item() == pytest.approx(valid / pixels, rel=1e-6)
    (source, expected), _ = burst(cube, 0, 0)
    assert (~np.isnan(expected)).sum() == pytest.approx(90_000, rel=0.01)  # 3 km x 3 km
    assert is_empty_outside(cube.backscatter, source.window, np.nan)


@pytest.fixture(scope="module")
def lossless(opera, other):
    """Build three days in both zones, with every bit."""
    days = ["--datetime", "2021-11-01/2021-12-05", "--lossless"]
    return opera(other, ["10SGD", "11SKU"], *days)


@pytest.mark.parametrize(
    ("tile", "bursts"),
    [
        ("10SGD", (0, 1)),  # the zone beside the files': warped
        ("11SKU", (1,)),  # their own: each pixel is nine of the cube's
    ],
)
def test_sentinel_1_keeps_every_bit_where_it_is_told_to(lossless, burst, tile, bursts):
    assert lossless.slots == (6, 0)
    cube = lossless.open(tile, RTC)
    for slot, number in product(range(3), bursts):
        for band, (source, expected) in enumerate(burst(cube, slot, number)):
            source.check(cube.backscatter.isel(time=slot, band=band), band, expected, tile)


# MODIS: crops and thinned tiles in the sphere's own projection.

MODIS = "modis-09a1"
NOT_SEEN = -28672
ANGLES = {
    "solar_zenith_angle": "szen",
    "view_zenith_angle": "vzen",
    "relative_azimuth_angle": "raz",
}
MASKS = {"quality": "qc_500m", "state": "state_500m", "day_of_year": "day_of_year"}


@pytest.fixture(scope="module")
def modis(shared_data, store):
    """Build the crop of MOD09A1, with its angles."""
    catalog = shared_data / "stac_local/modis-09A1"
    return store.build(catalog, MODIS, "h18v04", "--layers", *ANGLES)


def test_modis_is_taken_pixel_by_pixel(shared_data, modis):
    assert modis.slots == (1, 0)
    cube = modis.open("h18v04", MODIS)
    assert cube.sizes == {"time": 1, "band": 7, "y": 2400, "x": 2400}
    (item,) = (shared_data / "stac_local/modis-09A1").glob("*.json")
    one, paths = cube.isel(time=0), files(item)
    source = Source(paths["sur_refl_b01"], cube)
    assert source.pixels.shape == (1, 73, 66) == (1, *source.inside.shape)
    for n, band in enumerate(cube.band.values):
        source = source.beside(paths[band])
        source.check(one.reflectance.isel(band=n), 1, source.pixels[0], band)
    for name, suffix in (MASKS | ANGLES).items():
        source = source.beside(paths[f"sur_refl_{suffix}"])
        source.check(one[name], 1, source.pixels[0], name)
        assert len(np.unique(source.pixels)) > 1
    assert is_empty_outside(cube.reflectance, source.window, NOT_SEEN)


def test_modis_tells_clouds_by_its_state(shared_data, modis):
    (item,) = (shared_data / "stac_local/modis-09A1").glob("*.json")
    cube = modis.open("h18v04", MODIS)
    source = Source(files(item)["sur_refl_state_500m"], cube)
    expected = classes_of_state(source.pixels[0])
    assert set(np.unique(expected)) >= {0, 1}
    source.check(cube.cloud_class.isel(time=0), 1, expected, "clouds")
    known = expected != 255
    assert cube.clear_fraction.item() == pytest.approx((expected[known] == 0).mean(), abs=1e-6)


def test_modis_tells_when_its_eight_days_end(modis):
    cube = modis.open("h18v04", MODIS)
    assert cube.time.values == np.datetime64("2017-07-12T00:00:00")
    assert cube.time_end.values == np.datetime64("2017-07-19T23:59:59")
    assert cube.platform.values.tolist() == ["terra"]


NBAR = """
collections:
  modis-43A4:
    sensor: modis-09a1
    bands: {sur_refl_b01: B01, sur_refl_b02: B02, sur_refl_b03: B03, sur_refl_b04: B04,
            sur_refl_b05: B05, sur_refl_b06: B06, sur_refl_b07: B07}
"""


@pytest.fixture(scope="module")
def nbar(shared_data, store, folder):
    """Build a whole tile whose pixels are a hundred of the cube's."""
    how = ["--profile", profile(folder, "nbar", NBAR)]
    return store.build(shared_data / "stac_local/modis-43A4", MODIS, "h21v11", *how)


def test_modis_replicates_what_is_ten_times_as_coarse(shared_data, nbar):
    cube = nbar.open("h21v11", MODIS).isel(time=0).load()
    (item,) = (shared_data / "stac_local/modis-43A4").glob("*.json")
    for n, band in enumerate(cube.band.values):
        with rasterio.open(files(item)[f"B{band[-2:]}"]) as file:
            pixels, nodata = file.read(1), file.nodata
        assert nodata == 32767
        expected = np.where(pixels == nodata, NOT_SEEN, pixels).repeat(10, 0).repeat(10, 1)
        np.testing.assert_array_equal(cube.reflectance.isel(band=n).values, expected)
    assert (thinned(cube.quality, 7).values == 2**32 - 1).all()  # it has no masks
    assert (thinned(cube.cloud_class, 7).values == 255).all()
    assert np.isnan(cube.clear_fraction.item())
    assert cube.platform.item() == "terra, aqua"
    assert str(cube.time_end.values)[:19] == "2017-01-06T23:59:59"


# Landsat: a scene that was thinned to pixels of 445 m x 454 m.

LEVEL_2 = "landsat-c2-l2"
SCENE = "LC08_L2SP_008059_20191201_20200825_02_T1"


@pytest.fixture(scope="module")
def landsat(shared_data, store):
    """Build from the folder, where a record of the temperature lies beside the reflectance's."""
    where = shared_data / "stac_local/landsat-c2-l2"
    return store.build(where, LEVEL_2, "18NVG", "--layers", "saturation", check=3)


def test_landsat_names_the_record_that_has_no_reflectance(shared_data, store, landsat):
    assert landsat.slots == (1, 0)
    assert f"Item {SCENE} has no asset for B4" in landsat.done.stderr
    assert "it has thumbnail, reduced_resolution_browse, index, ST_B10.TIF" in landsat.done.stderr
    alone = shared_data / f"stac_local/landsat-c2-l2/{SCENE}_sr.json"
    assert store.build(alone, LEVEL_2, "18NVG").slots == (0, 1)


def test_landsat(shared_data, landsat):
    cube = landsat.open("18NVG", LEVEL_2)
    assert cube.sizes == {"time": 1, "band": 6, "y": 3661, "x": 3661}
    assert (cube.x.values + 15) % 30 == pytest.approx(15)
    part = thinned(cube, 3).isel(time=0).load()
    where = shared_data / f"landsat/c2l2_{SCENE}"
    source = Source(where / f"{SCENE}_QA_PIXEL.TIF", part)
    quality = source.under(1, fill=1)
    classes = classes_of_qa_pixel(quality)
    source.check(part.quality, 1, quality, "quality")
    source.check(part.cloud_class, 1, classes, "clouds")
    radsat = source.beside(where / f"{SCENE}_QA_RADSAT.TIF").under(1)
    source.check(part.saturation, 1, np.where(quality & 1, 65535, radsat), "saturation")
    for n, band in enumerate(part.band.values):
        source = source.beside(where / f"{SCENE}_SR_{band}.TIF")
        source.check(part.reflectance.isel(band=n), 1, source.under(1), band)
    known = classes != 255
    assert set(np.unique(classes)) >= {0, 1, 3}
    assert part.clear_fraction.item() == pytest.approx((classes[known] == 0).mean(), abs=1e-3)


def test_landsat_tells_path_row_sun_and_cloud(landsat):
    cube = landsat.open("18NVG", LEVEL_2)
    assert cube.platform.values.tolist() == ["landsat-8"]
    assert cube.relative_orbit.values.tolist() == [8059]
    assert cube.sun_azimuth.item() == pytest.approx(136.31696044)
    assert cube.sun_elevation.item() == pytest.approx(57.08727307)
    assert cube.cloud_cover.item() == pytest.approx(81.02)
    assert cube.item_id.values.tolist() == [SCENE]


LEVEL_1 = "landsat-c2-l1"
NEW_YORK = "collections: {landsat-8-c1-l1-ny18: {sensor: landsat-c2-l1, bands: {B4: B4}}}"


def test_landsat_of_collection_1_is_refused(shared_data, new_store):
    catalog = shared_data / "stac_local/landsat-8-c1-l1-ny18"
    built = new_store().build(catalog, LEVEL_1, "18TXK", check=1)
    assert "is Landsat 8 OLI Level-1 of Collection 1" in built.done.stderr


@pytest.fixture(scope="module")
def new_york(shared_data, store, folder):
    """Build ten scenes of three frames of two paths."""
    how = ["--profile", profile(folder, "ny", NEW_YORK), "--bands", "B4"]
    catalog = shared_data / "stac_local/landsat-8-c1-l1-ny18"
    return store.build(catalog, LEVEL_1, "18TXK", *how)


def test_landsat_of_two_paths_makes_slots_of_their_own(shared_data, new_york):
    """Row 31 of path 14 ends 5 km north of the tile."""
    found = (shared_data / "stac_local/landsat-8-c1-l1-ny18").glob("*_01[34]032_*.json")
    items = sorted(found, key=lambda item: item.name.split("_")[3])
    assert new_york.slots == (len(items), 0)
    cube = new_york.open("18TXK", LEVEL_1)
    assert cube.item_id.values.tolist() == [item.stem for item in items]
    frames = [int(item.name.split("_")[2]) for item in items]
    assert cube.relative_orbit.values.tolist() == frames
    assert set(frames) == {13032, 14032}
    part = thinned(cube, 5)
    for slot, item in enumerate(items):
        source = Source(files(item)["B4"], part)
        source.check(part.reflectance.isel(time=slot, band=0), 1, source.under(1), item.stem)
        assert (source.under(1) != 0).any()
        assert is_empty_outside(part.reflectance.isel(time=[slot]), source.window, 0)


# NAIP: quads of four years and states, in NAD83, of pixels from 0.6 m to 30 m.

NAIP = "naip"
QUADS = {
    "11SNS": (-116.3825, 32.972, -116.381, 32.9722),
    "14TMT": (-99.155, 47.02, -99.15, 47.023),
    "16RFV": (-85.91, 30.97, -85.905, 30.973),
    "10TFM": (-120.97, 41.9, -120.967, 41.903),
}
SERIES = [f"m_4709963_se_14_1_{day}" for day in (20100629, 20120731, 20140720, 20180716)]


@pytest.fixture(scope="module")
def quads(shared_data, folder):
    """Return how to build what four boxes show."""
    area = write_area(folder / "quads.geojson", QUADS.values())
    catalog = shared_data / "stac_local/naip"
    return lambda where, *options: where.build(catalog, NAIP, QUADS, "--aoi", area, *options)


@pytest.fixture(scope="module")
def photographs(quads, store):
    """Build the quads, interpolated."""
    return quads(store)


@pytest.fixture(scope="module")
def photographs_as_they_are(quads, other):
    """Build the quads of the nearest pixels."""
    return quads(other, "--resampling", "nearest")


def quad(shared_data, name):
    """Return the path of a quad."""
    return files(shared_data / f"stac_local/naip/{name}.json")["image"]


def brightness(numbers, empty=0):
    """Return what is stored of a picture's bands: 0 where all are empty, else at least 1."""
    valid = (numbers != empty).any(axis=0)
    return np.where(valid, np.maximum(numbers, 1), 0).astype("u1")


CASES = [
    ("11SNS", 0, "m_3211605_ne_11_060_20200415", 1),  # 0.6 m; its fourth band is called alpha
    ("16RFV", 0, "m_3008501_ne_16_1_20110815", 5),  # 26 m x 30 m
    ("10TFM", 0, "m_4112001_sw_10_060_20220716", 5),  # 22 m
    *(("14TMT", slot, name, 5) for slot, name in enumerate(SERIES)),  # 5 m, on whole metres
]


@pytest.mark.parametrize(("tile", "slot", "name", "step"), CASES)
def test_naip_takes_the_nearest_pixel(shared_data, photographs_as_they_are, tile, slot, name, step):
    cube = photographs_as_they_are.open(tile, NAIP)
    part = thinned(cube.isel(next(shards(cube, QUADS[tile]))), step).isel(time=slot).load()
    source = Source(quad(shared_data, name), part)
    expected = brightness(np.stack([source.under(band) for band in (1, 2, 3, 4)]))
    assert expected.any()
    for n, band in enumerate(expected):
        source.check(part.brightness.isel(band=n), n + 1, band, name)


@pytest.mark.parametrize(("tile", "slot", "name", "step"), CASES)
def test_naip_is_interpolated(shared_data, photographs, tile, slot, name, step):
    cube = photographs.open(tile, NAIP)
    part = thinned(cube.isel(next(shards(cube, QUADS[tile]))), step).isel(time=slot).load()
    source = Source(quad(shared_data, name), part)
    for n in range(4):
        expected = source.bilinear(n + 1)
        got = part.brightness.isel(band=n, **source.window).values[~source.doubt]
        assert np.nanmax(np.abs(got - expected[~source.doubt])) <= HALF
        assert (got[np.isnan(expected[~source.doubt])] == 0).all()


def test_naip_is_interpolated_as_gdal_does(shared_data, photographs):
    """GDAL averages where pixels become larger, unless it is told to leave that."""
    cube = photographs.open("11SNS", NAIP)
    with rasterio.open(quad(shared_data, "m_3211605_ne_11_060_20200415")) as file:
        source = Source(file.name, cube)
        part = cube.isel(time=0, **source.window)
        theirs = np.zeros(part.brightness.shape, "u1")
        rasterio.warp.reproject(
            file.read(),
            theirs,
            src_transform=file.transform,
            src_crs=file.crs,
            dst_transform=rasterio.Affine(1, 0, part.x[0] - 0.5, 0, -1, part.y[0] + 0.5),
            dst_crs=part.spatial_ref.attrs["crs_wkt"],
            resampling=rasterio.enums.Resampling.bilinear,
            tolerance=1e-5,
            XSCALE=1,
            YSCALE=1,
        )
    inside = (slice(None), slice(3, -3), slice(3, -3))
    difference = part.brightness.values[inside].astype(int) - theirs[inside]
    assert np.abs(difference).max() <= 1
    assert theirs[inside].std() > 10


def test_naip_of_four_years_makes_four_slots(photographs):
    assert photographs.slots == (7, 0)
    cube = photographs.open("14TMT", NAIP)
    assert cube.item_id.values.tolist() == SERIES
    days = [f"{day[-8:-4]}-{day[-4:-2]}-{day[-2:]}" for day in SERIES]
    assert [str(time)[:10] for time in cube.time.values] == days
    assert cube.band.values.tolist() == ["red", "green", "blue", "nir"]


def test_naip_on_whole_metres_is_replicated_five_times(shared_data, photographs_as_they_are):
    """Although it is NAD83, which lies on WGS 84."""
    cube = photographs_as_they_are.open("14TMT", NAIP)
    part = cube.isel(next(shards(cube, QUADS["14TMT"])))
    for slot, name in enumerate(SERIES):
        with rasterio.open(quad(shared_data, name)) as file:
            pixels, (west, north) = file.read(1), (file.transform.c, file.transform.f)
        rows = ((north - part.y.values) // 5).astype(int)
        columns = ((part.x.values - west) // 5).astype(int)
        within = np.ix_((rows >= 0) & (rows < 512), (columns >= 0) & (columns < 512))
        expected = np.maximum(pixels, 1)[rows.clip(0, 511)][:, columns.clip(0, 511)]
        got = part.brightness.isel(time=slot, band=0).values
        np.testing.assert_array_equal(got[within], expected[within])
        assert got[within].size > 1e6


# Copernicus DEM: one sheet, on the zones either side of it.

DEM = "cop-dem-glo-30"
MILLIMETRE = 1e-3


@pytest.fixture(scope="module")
def heights(shared_data, store):
    """Build a sheet, interpolated."""
    return store.build(shared_data / "stac_local/cop-dem-glo-30", DEM, ["32NKF", "31NHA"])


@pytest.fixture(scope="module")
def heights_and_sea(shared_data, other):
    """Build a sheet of the nearest pixels, and zero around it."""
    how = ["--ocean-zero", "--resampling", "nearest"]
    return other.build(shared_data / "stac_local/cop-dem-glo-30", DEM, ["32NKF", "31NHA"], *how)


def sheet(shared_data):
    """Return the path of the sheet."""
    return shared_data / "dem/Copernicus_DSM_COG_10_N00_00_E006_00_DEM.tif"


@pytest.mark.parametrize("tile", ["32NKF", "31NHA"])
def test_heights_are_interpolated(shared_data, heights, tile):
    part = thinned(heights.open(tile, DEM), 3).isel(time=0, band=0)
    source = Source(sheet(shared_data), part)
    expected, got = source.bilinear(1), part.elevation.isel(source.window).values
    sure = ~source.doubt
    np.testing.assert_array_equal(np.isnan(got[sure]), np.isnan(expected[sure]))
    assert np.nanmax(np.abs(got - expected)[sure]) <= MILLIMETRE
    assert np.nanmax(got) > HIGH[tile]
    assert is_empty_outside(part.elevation, source.window, np.nan)


HIGH = {"32NKF": 1900, "31NHA": -10}
"""Metres: on one side of the meridian lies Sao Tome, on the other the sea."""


@pytest.mark.parametrize("tile", ["32NKF", "31NHA"])
def test_the_sea_has_a_height_of_zero_where_that_is_wanted(shared_data, heights_and_sea, tile):
    part = thinned(heights_and_sea.open(tile, DEM), 3).isel(time=0, band=0)
    source = Source(sheet(shared_data), part)
    source.check(part.elevation, 1, source.under(1, 0), tile)
    assert not np.isnan(part.elevation.values).any()
    assert is_empty_outside(part.elevation, source.window, 0)


# WorldCover: a sheet of three degrees, around Sao Tome.

COVER = "esa-worldcover"
ISLAND = (6.5, 0.3, 6.6, 0.4)
MAP = "worldcover/ESA_WorldCover_10m_2020_v100_N00E006/ESA_WorldCover_10m_2020_v100_N00E006_Map.tif"


@pytest.fixture(scope="module")
def cover(shared_data, store):
    """Build the shards that a box touches."""
    catalog = shared_data / "stac_local/esa-worldcover"
    return store.build(catalog, COVER, "32NKF", "--bbox", *ISLAND)


def test_land_cover_is_never_mixed(shared_data, cover):
    assert cover.slots == (1, 0)
    cube = cover.open("32NKF", COVER).isel(time=0, band=0)
    part = thinned(cube.isel(next(shards(cube, ISLAND))), 3)
    source = Source(shared_data / MAP, part)
    source.check(part.land_cover, 1, source.under(1), "map")
    assert set(np.unique(source.under(1))) >= {10, 20, 30, 50, 80}
    assert cube.processor_version.item() == "1.0.0"


# Files that nobody made for this, with items of one's own, in one catalogue of many collections.

LINZ = "linz"
OWN = """
collections:
  01SURVEY:
    sensor: linz
    bands: {red: {asset: visual, index: 1}, green: {asset: visual, index: 2},
            blue: {asset: visual, index: 3}}
  virginia:
    sensor: naip
    bands: {red: b1, green: b2, blue: b3, nir: b4}
  forest:
    sensor: naip
    bands: {red: {asset: aerial, index: 1}, green: {asset: aerial, index: 2},
            blue: {asset: aerial, index: 3}, nir: {asset: aerial, index: 4}}
  elkton:
    sensor: landsat-c2-l1
    bands: {B2: B2, B3: B3, B4: B4, B5: B5, B6: B6, B7: B7}
  warmth:
    sensor: landsat-c2-l2
    bands: {B4: B10}
    quality: QA_PIXEL
  terrain: {sensor: cop-dem-glo-30, bands: {elevation: dem}}
  cover: {sensor: esa-worldcover, bands: {map: lulc}}
  ndvi: {sensor: modis-09a1, bands: {sur_refl_b01: ndvi}}
"""
CHIPS = {"22JGS": "282D_485L_3_3", "36MXB": "38D_378R_2_3", "32VNJ": "637U_59R_1_3"}
NDVI = ("2013-10-16", "2013-11-17", "2014-01-17", "2014-02-18")
HEAT = (-5.2, 37.5, -5.15, 37.55)
FOREST = "multisensor/treesatai_ts/Abies_alba_1_1005_WEFL_NLF.tif"
SPAIN = "landsat/l2sp_on_mgrs_30SUG/LC08_L2SP_20190810T235959_20203302T1_30SUG"


@pytest.fixture(scope="module")
def own(shared_data, folder):
    """Write the items, and return catalogue, profile and area."""
    photo = shared_data / "naip/rasterframes_va"
    scene = shared_data / "landsat/l1tp_elkton_va"
    heat = {
        "B10": f"{shared_data / SPAIN}_B10.tif",
        "QA_PIXEL": f"{shared_data / SPAIN}_QA_PIXEL.tif",
    }
    sinop = shared_data / "modis/MOD13Q1_h12v10_sinop"
    features = [
        feature(
            "BA34", "01SURVEY", "2020-02-01", {"visual": shared_data / "linz/input_aerial.tif"}
        ),
        feature(
            "VA",
            "virginia",
            "2016-06-01",
            {f"b{n}": photo / f"NAIP-VA-b{n}.tif" for n in (1, 2, 3, 4)},
        ),
        feature("fir", "forest", "2020-07-01", {"aerial": shared_data / FOREST}),
        feature(
            "elkton",
            "elkton",
            "2016-05-01",
            {f"B{n}": scene / f"L8-B{n}-Elkton-VA.tif" for n in range(2, 8)},
        ),
        feature("30SUG", "warmth", "2019-08-10", heat),
    ]
    for name in CHIPS.values():
        features += [
            feature(
                f"dem-{name}",
                "terrain",
                "2021-01-01",
                {"dem": shared_data / f"terramesh/DEM/{name}.tif"},
            ),
            feature(
                f"lulc-{name}",
                "cover",
                "2021-01-01",
                {"lulc": shared_data / f"terramesh/LULC/{name}.tif"},
            ),
        ]
    features += [
        feature(f"ndvi-{day}", "ndvi", day, {"ndvi": sinop / f"TERRA_MODIS_012010_NDVI_{day}.jp2"})
        for day in NDVI
    ]
    boxes = [bounds(next(iter(one["assets"].values()))["href"]) for one in features]
    area = write_area(folder / "own.geojson", [*(box for box in boxes if is_small(box)), HEAT])
    catalog = write_items(folder / "own.json", features)
    return catalog, ["--profile", profile(folder, "own", OWN), "--aoi", area]


def is_small(box):
    """Whether a box is less than a degree wide."""
    return box[2] - box[0] < 1


@pytest.fixture(scope="module")
def smooth(own, store):
    """Build what can be interpolated, of all sensors by one command."""
    catalog, options = own
    sensors = [LINZ, NAIP, LEVEL_2, MODIS]
    tiles = ["60HUC", "17SPC", "32UNC", "30SUG", "h12v10"]
    how = ["--resampling", "bilinear", "--bands", "B4", "sur_refl_b01"]
    return store.build(catalog, sensors, tiles, *options, *how)


@pytest.fixture(scope="module")
def sharp(own, other):
    """Build what can be taken pixel by pixel, of all sensors by one command."""
    catalog, options = own
    sensors = [LINZ, NAIP, LEVEL_1, LEVEL_2, DEM, COVER]
    tiles = ["60HUC", "17SPC", "30SUG", *CHIPS]
    how = ["--resampling", "nearest", "--bands", "B4"]
    return other.build(catalog, sensors, tiles, *options, *how)


def test_one_command_builds_what_many_collections_hold(smooth, sharp):
    assert smooth.slots == (4 + len(NDVI), 0)
    assert sharp.slots == (4 + 2 * len(CHIPS), 0)


def test_linz_takes_the_nearest_pixel(shared_data, sharp):
    cube = sharp.open("60HUC", LINZ).isel(time=0)
    source = Source(shared_data / "linz/input_aerial.tif", cube)
    expected = brightness(np.stack([source.under(n, 255) for n in (1, 2, 3)]), 255)
    assert 0 < (expected == 0).mean() < 1
    for n, band in enumerate(expected):
        source.check(cube.brightness.isel(band=n), n + 1, band, "aerial")
    assert is_empty_outside(cube.brightness, source.window, 0)
    assert cube.item_id.item() == "01SURVEY/BA34"


def test_linz_is_interpolated_without_what_is_empty(shared_data, smooth):
    cube = smooth.open("60HUC", LINZ).isel(time=0)
    source = Source(shared_data / "linz/input_aerial.tif", cube)
    for n in range(3):
        expected = source.bilinear(n + 1, empty=255)
        got = cube.brightness.isel(band=n, **source.window).values[~source.doubt]
        assert np.nanmax(np.abs(got - expected[~source.doubt])) <= HALF
        assert (got[np.isnan(expected[~source.doubt])] == 0).all()


@pytest.fixture(scope="module")
def virginia(shared_data):
    """Return the four bands, each of a file of its own."""
    return [shared_data / f"naip/rasterframes_va/NAIP-VA-b{n}.tif" for n in (1, 2, 3, 4)]


def test_naip_on_the_cubes_own_metres_is_not_interpolated(virginia, smooth):
    """Although that was asked for: NAD83 lies on WGS 84."""
    cube = smooth.open("17SPC", NAIP).isel(time=0)
    for n, path in enumerate(virginia):
        source = Source(path, cube)
        assert source.pixels.shape == (1, *source.inside.shape)
        got = cube.brightness.isel(band=n, **source.window).values
        dark = source.pixels[0] != WHITE
        np.testing.assert_array_equal(got[dark], source.pixels[0][dark])
        assert (~dark).sum() <= 4


WHITE = 255
"""What these files declare as nodata, and a roof has in the green."""


def test_naip_is_empty_where_all_bands_are_and_nowhere_else(virginia, smooth):
    cube = smooth.open("17SPC", NAIP).isel(time=0)
    source = Source(virginia[1], cube)
    assert (source.pixels[0] == WHITE).sum() == 4
    got = cube.brightness.isel(band=1, **source.window).values
    np.testing.assert_array_equal(got, source.pixels[0])


def test_naip_of_a_fifth_of_a_metre_is_averaged(shared_data, smooth):
    """Blocks of 5 x 5 pixels are those of the cube: a photograph of Germany, on whole metres."""
    cube = smooth.open("32UNC", NAIP).isel(time=0)
    with rasterio.open(shared_data / FOREST) as file:
        west, north = np.ceil(file.transform.c), np.floor(file.transform.f)
        skip = [round(v / 0.2) for v in (file.transform.f - north, west - file.transform.c)]
        pixels = file.read()[:, skip[0] :, skip[1] :].astype("f8")
    side = [size // 5 for size in pixels.shape[1:]]
    blocks = pixels[:, : side[0] * 5, : side[1] * 5].reshape(4, side[0], 5, side[1], 5)
    spans = {"x": (cube.x - west, side[1]), "y": (north - cube.y, side[0])}
    part = cube.isel({dim: (at > 0) & (at < size) for dim, (at, size) in spans.items()})
    assert part.brightness.shape == (4, *side)
    assert np.abs(part.brightness.values - blocks.mean((2, 4))).max() <= HALF
    assert part.brightness.values.std() > 10


def test_landsat_of_another_grid_takes_the_nearest_pixel(shared_data, sharp):
    cube = sharp.open("17SPC", LEVEL_1).isel(time=0, band=0)
    source = Source(shared_data / "landsat/l1tp_elkton_va/L8-B4-Elkton-VA.tif", cube)
    source.check(cube.reflectance, 4, source.under(1), "elkton")
    assert is_empty_outside(cube.reflectance, source.window, 0)


def corners(path, cube):
    """Return the four pixels of a file around each inner centre of a shard, as float."""
    with rasterio.open(path) as file:
        affine, pixels = file.transform, file.read(1)
    top, left = (
        round((affine.f - cube.y.item(0)) / 30) - 1,
        round((cube.x.item(0) - affine.c) / 30) - 1,
    )
    size = SHARD - 2
    return np.stack(
        [
            pixels[top + down : top + down + size, left + along : left + along + size]
            for down in (0, 1)
            for along in (0, 1)
        ]
    )


INNER = {"y": slice(1, SHARD - 1), "x": slice(1, SHARD - 1)}
"""Those pixels of the first shard that have four of the file around them."""


def test_landsat_whose_pixels_meet_in_a_centre_is_moved_by_half_a_pixel(shared_data, sharp):
    """All by the same half: Sentinel-2's grid lies in the middle between Landsat's pixels."""
    cube = sharp.open("30SUG", LEVEL_2).isel(time=0, **INNER)
    for name, pixels in (("B10", cube.reflectance.isel(band=0)), ("QA_PIXEL", cube.quality)):
        four = corners(shared_data / f"{SPAIN}_{name}.tif", cube)
        assert [np.array_equal(pixels.values, one) for one in four].count(True) == 1


def test_landsat_whose_pixels_meet_in_a_centre_is_their_mean(shared_data, smooth):
    cube = smooth.open("30SUG", LEVEL_2).isel(time=0, band=0, **INNER)
    four = corners(shared_data / f"{SPAIN}_B10.tif", cube).astype("f8")
    got, there = cube.reflectance.values, (four != 0).any(axis=0)
    valid = four != 0
    mean = four.sum(axis=0)[there] / valid.sum(axis=0)[there]
    seen = got[there] != 0
    assert np.abs(got[there] - mean)[seen].max() <= 0.51
    assert seen[valid.all(axis=0)[there]].all()
    assert not got[~there].any()


@pytest.mark.parametrize(("tile", "name"), CHIPS.items())
@pytest.mark.parametrize(("sensor", "kind"), [(DEM, "DEM"), (COVER, "LULC")])
def test_maps_of_10_m_take_the_nearest_pixel(shared_data, sharp, tile, name, sensor, kind):
    cube = sharp.open(tile, sensor).isel(time=0, band=0)
    pixels = cube.elevation if sensor == DEM else cube.land_cover
    source = Source(shared_data / f"terramesh/{kind}/{name}.tif", cube)
    source.check(pixels, 1, source.under(1), name)
    assert is_empty_outside(pixels, source.window, np.nan if sensor == DEM else 0)


def test_modis_of_250_m_is_averaged(shared_data, smooth):
    cube = smooth.open("h12v10", MODIS).isel(band=0)
    for slot, day in enumerate(NDVI):
        path = shared_data / f"modis/MOD13Q1_h12v10_sinop/TERRA_MODIS_012010_NDVI_{day}.jp2"
        source = Source(path, cube)
        with rasterio.open(path) as file:
            pixels = file.read(1).astype("f8")
        row, column = (np.rint(v).astype(int) for v in (source.down, source.across))
        whole = (row > 0) & (row < 147) & (column > 0) & (column < 255)
        row, column = row[whole], column[whole]
        four = [pixels[row - y, column - x] for y in (0, 1) for x in (0, 1)]
        got = cube.reflectance.isel(time=slot, **source.window).values[whole]
        assert np.abs(got - np.mean(four, axis=0)).max() <= HALF
        assert got.size > 9000


# Radar in integers, which cannot hold NaN: how some archives keep their decibels.

SIGMA = "collections: {sigma: {sensor: sentinel-1-rtc, bands: {vv: vv, vh: vh}}}"
SIGMA_NOUGHT = "multisensor/mgrs_tile_store_36MXB/SAR/36/M/XB/2018"
DAYS = {
    "20181001": "S1B_20181001T032019_DES_TODO_012953017ECA4CA9_36MXB",  # pixels of 20 m, all valid
    "20181006": "S1B_20181006T032823_DES_TODO_0130260180FA5A80_36MXB",  # nothing but nodata
}


def test_sentinel_1_in_integers_is_refused(shared_data, new_store, folder):
    """They are decibels in some scale, which nothing in the files tells."""
    features, paths = [], {}
    for day, name in DAYS.items():
        where = shared_data / SIGMA_NOUGHT / day / name
        paths[day] = {band: where / f"{name}_SIGMA0_{band.upper()}.tif" for band in ("vv", "vh")}
        told = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        features.append(feature(name, "sigma", told, paths[day], platform="sentinel-1b"))
    catalog = write_items(folder / "sigma.json", features)
    how = ["--profile", profile(folder, "sigma", SIGMA), "--bbox", *bounds(paths["20181001"]["vv"])]
    built = new_store().build(catalog, RTC, "36MXB", *how, check=3)
    assert built.done.stderr.count("holds uint16") == len(DAYS)
    assert built.open("36MXB", RTC).sizes["time"] == 0


# All of these cubes.

SCALES = {
    MODIS: (NOT_SEEN, 1e-4, 0.0),
    LEVEL_1: (0, 2e-5, -0.1),
    LEVEL_2: (0, 2.75e-5, -0.2),
    NAIP: (0, 1.0, 0.0),
    LINZ: (0, 1.0, 0.0),
    RTC: (None, 1.0, 0.0),
    DEM: (None, 1.0, 0.0),
    COVER: (None, 1.0, 0.0),
}
"""What is nodata, and how numbers become values."""

PIXELS = ("reflectance", "brightness", "backscatter", "elevation", "land_cover")
BUILDS = ["rtc", "lossless", "modis", "nbar", "landsat", "new_york", "photographs"]
BUILDS += ["photographs_as_they_are", "heights", "heights_and_sea", "cover", "smooth", "sharp"]


@pytest.fixture(scope="module")
def everything(request, store, other):
    """Return both stores when all is built."""
    for name in BUILDS:
        request.getfixturevalue(name)
    return store, other


def test_every_store_is_what_was_committed(everything):
    for one in everything:
        told = json.loads(cubestore("verify", one.path, "--json").stdout)
        assert told["ok"]
        assert not any(cube["findings"] for cube in told["cubes"])
        assert len(told["cubes"]) == len(one.cubes())


def test_plain_xarray_decodes_every_cube(everything):
    known = [cube for one in everything for cube in one.cubes()]
    assert {cube.name for cube in known} == set(SCALES)
    for path in known:
        fill, scale, offset = SCALES[path.name]
        decoded, stored = (xr.open_zarr(path, mask_and_scale=m, chunks=None) for m in (True, False))
        (name,) = set(PIXELS) & set(decoded)
        where = seen(path, stored[name], fill)
        numbers, values = stored[name].isel(where).values, decoded[name].isel(where).values
        real = (
            numbers if fill is None else np.where(numbers == fill, np.nan, numbers) * scale + offset
        )
        np.testing.assert_allclose(values, real, rtol=1e-12)
        assert (values.dtype.kind == "f") == (path.name != COVER)


def seen(path, pixels, fill):
    """Return a few pixels beside one that has data, in the first file that is there."""
    time, _, row, column = next(iter(sorted((path / pixels.name / "c").glob("*/*/*/*")))).parts[-4:]
    corner = {"y": int(row) * SHARD, "x": int(column) * SHARD}
    block = {dim: slice(start, start + SHARD) for dim, start in corner.items()}
    one = pixels.isel(time=int(time), band=0, **block).values
    y, x = np.argwhere(~np.isnan(one) if fill is None else one != fill)[0]
    window = {
        dim: slice(corner[dim] + at, corner[dim] + at + 64) for dim, at in (("y", y), ("x", x))
    }
    return {"time": int(time)} | window
