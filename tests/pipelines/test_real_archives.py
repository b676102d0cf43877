"""Real files, built by the program as a user runs it, against rasterio's own reading of them."""

import json

import numpy as np
import pytest
import rasterio
from stac_geoparquet.arrow import parse_stac_items_to_arrow, to_parquet

from tests.pipelines.real import Source, cubestore, is_empty_outside

SENSOR = "sentinel-2-l2a"
NODATA = -32768
CLASSES = np.zeros(256, "u1")
"""SCL -> cloud class; all others are clear."""
CLASSES[[8, 9, 10, 3, 0, 1]] = 1, 1, 2, 3, 255, 255


@pytest.fixture(scope="module")
def build(new_store):
    """Build a store in a folder of its own, and return what plain xarray opens."""

    def build_cube(catalog, tile, *options, check=0):
        built = new_store().build(catalog, SENSOR, tile, *options, check=check)
        return built.open(tile, SENSOR), built.done

    return build_cube


def reflectance(numbers, dn_offset, nodata=0):
    """Return what a cube stores of digital numbers."""
    stored = np.clip(numbers.astype("i4") + dn_offset, NODATA + 1, 32767).astype("i2")
    return np.where((numbers == 0) | (numbers == nodata), NODATA, stored)


# Major TOM: bands at their native resolutions, on a grid that is not the tile's.


MAJOR_TOM = (
    "sentinel2/majortom_199U_1099R/S2B_MSIL2A_20200223T032739_N9999_R018_T48QUE_20230924T183543"
)
MAJOR_TOM_BOX = ["--bbox", 103.72, 17.89, 103.79, 17.95]


def test_major_tom_is_refused_until_the_offset_is_told(shared_data, tmp_path):
    catalog = shared_data / "stac_local/sentinel-2-l2a"
    where = ["--catalog", catalog, "--sensor", SENSOR, "--tile", "48QUE"]
    done = cubestore("build", tmp_path / "store", *where, check=3)
    assert "processing baseline is 99.99" in done.stderr
    assert "--dn-offset 0 or --dn-offset -1000" in done.stderr


def test_major_tom_is_refused_with_an_offset_that_its_pixels_contradict(shared_data, build):
    catalog = shared_data / "stac_local/sentinel-2-l2a"
    bands = ["--bands", "B02", "B04"]
    cube, done = build(catalog, "48QUE", *MAJOR_TOM_BOX, *bands, "--dn-offset", -1000, check=3)
    assert "so no offset of 1000 is in them" in done.stderr
    assert "--dn-offset 0" in done.stderr
    assert cube.sizes["time"] == 0


def test_major_tom(shared_data, build):
    catalog = shared_data / "stac_local/sentinel-2-l2a"
    cube, _ = build(catalog, "48QUE", *MAJOR_TOM_BOX, "--dn-offset", 0)
    assert cube.item_id.values.tolist() == [
        "S2B_MSIL2A_20200223T032739_R018_T48QUE_20230924T183543"
    ]
    assert cube.platform.values.tolist() == ["sentinel-2b"]
    assert cube.processing_baseline.values.tolist() == ["99.99"]
    assert cube.dn_offset.values.tolist() == [0]
    assert cube.dn_offset_source.values.tolist() == ["the user's word"]
    assert (cube.quality.values[:, ::50, ::50] == 0).all()  # it has none
    for n, band in enumerate(cube.band.values):
        source = Source(shared_data / MAJOR_TOM / f"{band}.tif", cube, 20)
        values = reflectance(source.under(1), 0)
        source.check(cube.reflectance.isel(time=0, band=n), 1, values, band)
        assert (values != NODATA).mean() > 0.9
    assert is_empty_outside(cube.reflectance, source.window, NODATA)


# Boadella: seven dates in lon/lat, one file of many bands.

BOADELLA = """
collections:
  boadella-sentinel-2-l2a:
    sensor: sentinel-2-l2a
    bands:
      B02: {asset: data, index: 2}
      B04: {asset: data, index: 4}
      B8A: {asset: data, index: 9}
    dn_offset: 0
"""
BOADELLA_CHOICES = ["--bbox", 2.79, 42.33, 2.84, 42.365, "--bands", "B02", "B04", "B8A"]


@pytest.fixture(scope="module")
def boadella(shared_data, build, tmp_path_factory):
    """Return the cube of Boadella, built from the folder of its items."""
    profile = tmp_path_factory.mktemp("profile") / "boadella.yaml"
    profile.write_text(BOADELLA)
    catalog = shared_data / "stac_local/boadella-sentinel-2-l2a"
    cube, _ = build(catalog, "31TDG", "--profile", profile, *BOADELLA_CHOICES)
    return cube, profile


def test_boadella(shared_data, boadella):
    cube, _ = boadella
    days = ["2020-01-13", "2020-01-18", "2020-01-28", "2020-02-02", "2020-06-21"]
    days += ["2021-06-26", "2022-06-01"]
    assert cube.item_id.values.tolist() == [f"Boadella_{day}" for day in days]
    assert [str(time)[:10] for time in cube.time.values] == days
    folder = shared_data / "sentinel2/boadella_l2a_timeseries"
    for slot, day in enumerate(days):
        source = Source(folder / f"Boadella_{day}.tif", cube, 20)
        for n, index in enumerate((2, 4, 9)):
            with rasterio.open(folder / f"Boadella_{day}.tif") as file:
                nodata = file.nodata
            values = reflectance(source.under(index), 0, 0 if nodata is None else nodata)
            source.check(cube.reflectance.isel(time=slot, band=n), index, values, day)
    assert is_empty_outside(cube.reflectance, source.window, NODATA)


@pytest.fixture(scope="module")
def features(shared_data):
    """The items of Boadella, with addresses that start at the root."""
    found = []
    for path in sorted((shared_data / "stac_local/boadella-sentinel-2-l2a").glob("*.json")):
        feature = json.loads(path.read_text())
        for asset in feature["assets"].values():
            asset["href"] = str((path.parent / asset["href"]).resolve())
        found.append(feature)
    return found


@pytest.mark.parametrize("kind", ["ItemCollection", "stac-geoparquet"])
def test_every_kind_of_catalogue_gives_the_same_cube(build, boadella, features, kind, tmp_path):
    """Of two dates, for time's sake."""
    first, profile = boadella
    if kind == "ItemCollection":
        catalog = tmp_path / "items.json"
        catalog.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    else:
        catalog = tmp_path / "items.parquet"
        to_parquet(parse_stac_items_to_arrow(features), catalog)
    choices = ["--profile", profile, *BOADELLA_CHOICES, "--datetime", "2020-01-14/2020-01-31"]
    cube, _ = build(catalog, "31TDG", *choices)
    same = first.isel(time=slice(1, 3))
    assert cube.item_id.values.tolist() == same.item_id.values.tolist()
    differing = {"created", "source_url"}
    for name in set(same.variables) - differing - {"reflectance", "quality", "cloud_class"}:
        np.testing.assert_array_equal(cube[name].values, same[name].values, err_msg=name)
    window = {"y": slice(1000, 3000), "x": slice(7500, 9500)}
    both = [one.reflectance.isel(window).values for one in (cube, same)]
    np.testing.assert_array_equal(*both)


# Exeter: three CRSs in one collection, with ESA's offset in the numbers, and the SCL.

EXETER = """
collections:
  exeter-sentinel-2-l2a:
    sensor: sentinel-2-l2a
    bands:
      B02: {asset: data, index: 1}
      B08: {asset: data, index: 4}
    quality: {asset: data, index: 5}
    dn_offset: -1000
"""
EXETER_FILES = [
    "exe_2024-06-02_12-21-19_EPSG27700",
    "exe_2024-06-17_12-21-21_UTM",
    "exe_2024-08-01_12-21-19",
    "exe_2024-08-16_12-21-11",
    "exe_2024-08-26_12-21-11",
]


def test_exeter(shared_data, build, tmp_path):
    profile = tmp_path / "exeter.yaml"
    profile.write_text(EXETER)
    catalog = shared_data / "stac_local/exeter-sentinel-2-l2a"
    choices = ["--profile", profile, "--bands", "B02", "B08"]
    cube, _ = build(catalog, "30UVB", "--bbox", -3.57, 50.68, -3.45, 50.76, *choices)
    assert cube.item_id.values.tolist() == EXETER_FILES
    assert set(cube.dn_offset.values.tolist()) == {-1000}
    for slot, name in enumerate(EXETER_FILES):
        one = cube.isel(time=slot)
        source = Source(shared_data / f"sentinel2/exeter_mixed_crs/{name}.tif", cube, 40)
        for n, index in enumerate((1, 4)):
            values = reflectance(source.under(index), -1000)
            source.check(one.reflectance.isel(band=n), index, values, name)
        scl = source.under(5)
        assert len(np.unique(scl)) > 3
        source.check(one.quality, 5, scl, name)
        classes = CLASSES[scl]
        source.check(one.cloud_class, 5, classes, name)
        known = classes[~source.doubt] != 255
        clear = (classes[~source.doubt] == 0).sum() / known.sum()
        assert one.clear_fraction.item() == pytest.approx(clear, abs=0.01)


# A whole tile of Earth Search, decimated: pixels of 100 m, and a mask of 200 m.


def test_a_whole_tile(shared_data, build):
    """No option is needed; every pixel stands for a square of the cube's."""
    item = shared_data / "stac_local/sentinel-s2-l2a-cogs/S2A_29RKH_20200219_0_L2A.json"
    cube, _ = build(item, "29RKH", "--bands", "B02")
    assert cube.dn_offset_source.values.tolist() == ["processing baseline 02.14"]
    assert cube.relative_orbit.values.tolist() == [37]
    assert cube.cloud_cover.item() == pytest.approx(4.051854)
    expected = {}
    for name, side in (("B02", 10), ("SCL", 20)):
        file = shared_data / f"sentinel2/earthsearch_S2A_29RKH_20200219_0_L2A/{name}.tif"
        with rasterio.open(file) as opened:
            expected[name] = opened.read(1).repeat(side, 0).repeat(side, 1)
    for rows in (slice(0, 700), slice(3900, 4300), slice(10_200, 10_980)):  # four rows of shards
        got = cube.isel(time=0, y=rows)
        values = reflectance(expected["B02"][rows], 0)
        np.testing.assert_array_equal(got.reflectance.isel(band=0).values, values)
        np.testing.assert_array_equal(got.quality.values, expected["SCL"][rows])
        np.testing.assert_array_equal(got.cloud_class.values, CLASSES[expected["SCL"][rows]])
    assert cube.valid_fraction.item() == pytest.approx((expected["B02"] != 0).mean(), abs=1e-6)
