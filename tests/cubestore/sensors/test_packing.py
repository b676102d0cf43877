"""Scale, offset, nodata and flags against what real items, files and metadata declare."""

import json
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from cubestore.sensors import sensor

BOA_ADD_OFFSET = -0.1
"""What the provider's offset is from baseline 04.00 on; ours is removed before storing."""

# NASA, MYD09Q1.061, attribute QA_bitmap_index of the state: first bit, bits, words by value.
STATE = [
    (0, 2, "clear", "cloudy", "mixed", "not set assumed clear"),
    (2, 1, "cloud shadow"),
    (
        *(3, 3, "shallow ocean", "land", "ocean coastlines and lake shorelines"),
        *("shallow inland water", "ephemeral water", "deep inland water"),
        *("continental moderate ocean", "deep ocean"),
    ),
    (6, 2, "aerosol climatology", "aerosol low", "aerosol average", "aerosol high"),
    (8, 2, "cirrus none", "cirrus small", "cirrus average", "cirrus high"),
    (10, 1, "internal cloud"),
    (11, 1, "internal fire"),
    (12, 1, "mod snow ice"),
    (13, 1, "adjacent to cloud"),
    (14, 1, "salt pan"),
    (15, 1, "internal snow"),
]


def assets(shared_data, pattern):
    """Every asset of the items that match, with its item's id."""
    paths = sorted((shared_data / "stac_items").glob(pattern))
    assert paths, pattern
    for path in paths:
        item = json.loads(path.read_text())
        for key, asset in item["assets"].items():
            yield item["id"], key, asset


def packing(asset):
    """Scale, offset, nodata and dtype: as version 1.1 says them, or 1.0."""
    band = asset["raster:bands"][0] if "raster:bands" in asset else asset
    return {
        "scale": band.get("scale", band.get("raster:scale")),
        "offset": band.get("offset", band.get("raster:offset")),
        "nodata": band.get("nodata"),
        "dtype": band.get("data_type"),
    }


def names_a_band(asset):
    bands = asset.get("eo:bands", asset.get("bands", []))
    return len(bands) == 1 and re.fullmatch(r"B\d[\dA]", bands[0].get("name", ""))


@pytest.mark.parametrize(
    ("sensor_id", "pattern"),
    [
        ("sentinel-2-l2a", "earth_search/sentinel-2-c1-l2a/S2*.json"),
        ("sentinel-2-l2a", "stacchip/S2A*.json"),
        ("sentinel-2-l2a", "cdse/sentinel-2-l2a/S2*.json"),
        ("sentinel-2-l2a", "stactools_sentinel2/*_L2A.json"),
        ("sentinel-2-l1c", "earth_search/sentinel-2-l1c/S2*.json"),
        ("sentinel-2-l1c", "stactools_sentinel2/*L1C*.json"),
    ],
)
def test_sentinel_2_is_scaled_as_items_say_once_their_offset_is_removed(
    shared_data, sensor_id, pattern
):
    pixels, seen = sensor(sensor_id).pixels, 0
    for item_id, key, asset in assets(shared_data, pattern):
        if not names_a_band(asset) or "data" not in asset.get("roles", []):
            continue
        said = packing(asset)
        if said["dtype"] == "uint8":
            continue  # a preview of one band
        assert said["scale"] == pixels.scale_factor, (item_id, key)
        assert said["offset"] in {0, BOA_ADD_OFFSET}, (item_id, key)
        assert (said["nodata"], said["dtype"]) == (0, "uint16")
        seen += 1
    assert seen >= len(sensor(sensor_id).bands)


def test_every_dn_of_sentinel_2_below_saturation_fits_after_the_offset_is_removed():
    pixels = sensor("sentinel-2-l2a").pixels
    assert pixels.nodata < 1 - 1000  # the darkest DN with data
    assert np.iinfo(pixels.dtype).max * pixels.scale_factor > 3.2


@pytest.mark.parametrize(
    "pattern",
    [
        "planetary_computer/landsat-c2-l2/LC0*.json",
        "earth_search/landsat-c2-l2/LC08_L2SP*.json",
        "stactools_landsat/LC09*.json",
        "extension_examples/LC09*.json",
    ],
)
def test_landsat_is_packed_as_items_say(shared_data, pattern):
    known = sensor("landsat-c2-l2")
    (quality,), (_, temperature) = known.layers, known.optional_layers
    of_asset = dict.fromkeys(
        ["coastal", "blue", "green", "red", "nir08", "swir16", "swir22"], known.pixels
    )
    of_asset |= {"qa_pixel": quality, "lwir11": temperature}
    seen = set()
    for item_id, key, asset in assets(shared_data, pattern):
        if key in of_asset:
            layer = of_asset[key]
            assert packing(asset) == {
                "scale": layer.scale_factor,
                "offset": layer.add_offset,
                "nodata": layer.nodata,
                "dtype": layer.dtype.name,
            }, item_id
            seen.add(key)
    assert seen >= set(of_asset) - {"lwir11"}


def test_landsat_is_packed_as_the_usgs_metadata_of_a_scene_say(shared_data):
    folder = "landsat/c2l2_LC08_L2SP_008059_20191201_20200825_02_T1"
    (path,) = (shared_data / folder).glob("*_MTL.xml")
    root = ET.parse(path).getroot()  # noqa: S314
    level_1 = root.find("LEVEL1_RADIOMETRIC_RESCALING")
    level_2 = root.find("LEVEL2_SURFACE_REFLECTANCE_PARAMETERS")
    for known, record in [
        (sensor("landsat-c2-l1"), level_1),
        (sensor("landsat-c2-l2"), level_2),
    ]:
        for band in (*known.bands, *known.optional_bands):
            number = band.name.removeprefix("B")
            scale = float(record.findtext(f"REFLECTANCE_MULT_BAND_{number}"))
            offset = float(record.findtext(f"REFLECTANCE_ADD_BAND_{number}"))
            assert (scale, offset) == (known.pixels.scale_factor, known.pixels.add_offset)
    _, temperature = sensor("landsat-c2-l2").optional_layers
    thermal = root.find("LEVEL2_SURFACE_TEMPERATURE_PARAMETERS")
    assert float(thermal.findtext("TEMPERATURE_MULT_BAND_ST_B10")) == temperature.scale_factor
    assert float(thermal.findtext("TEMPERATURE_ADD_BAND_ST_B10")) == temperature.add_offset


@pytest.mark.parametrize(
    "pattern",
    ["planetary_computer/modis-09A1-061/MYD*.json", "stactools_modis/MOD09A1*h19v10.061.json"],
)
def test_modis_is_packed_as_items_say(shared_data, pattern):
    known = sensor("modis-09a1")
    of_asset = {band.name: known.pixels for band in known.bands}
    quality, state, day_of_year = known.layers
    of_asset |= {
        "sur_refl_qc_500m": quality,
        "sur_refl_state_500m": state,
        "sur_refl_day_of_year": day_of_year,
    }
    found = {key: asset for _, key, asset in assets(shared_data, pattern)}
    for key, layer in of_asset.items():
        said = packing(found[key])
        assert (said["scale"], said["dtype"]) == (layer.scale_factor, layer.dtype.name)
        (band,) = found[key]["raster:bands"]
        assert band["spatial_resolution"] == known.bands[0].gsd  # nominal, as the items have it


def test_modis_has_the_nodata_and_pixel_size_of_its_files(shared_data):
    rasterio = pytest.importorskip("rasterio")
    known = sensor("modis-09a1")
    of_file = {band.name: known.pixels for band in known.bands} | {
        f"sur_refl_{name}": layer
        for name, layer in zip(["qc_500m", "state_500m", "day_of_year"], known.layers, strict=True)
    }
    for name, layer in of_file.items():
        (path,) = (shared_data / "modis").glob(f"MOD09A1*/*_{name}.tif")
        with rasterio.open(path) as file:
            assert (file.nodata, file.dtypes[0]) == (layer.nodata, layer.dtype.name)
            assert file.res == pytest.approx((known.gsd, known.gsd), abs=1e-7)


def test_the_tile_of_modis_is_that_of_an_item(shared_data):
    item = json.loads(
        (shared_data / "stac_items/stactools_modis/MOD09A1.A2022033.h19v10.061.json").read_text()
    )
    gsd, _, west, _, _, north = item["properties"]["proj:transform"]
    known = sensor("modis-09a1")
    assert known.gsd == pytest.approx(gsd, abs=1e-9)
    assert known.gsd * 2400 == pytest.approx(west, abs=1e-6) == pytest.approx(-north, abs=1e-6)


def test_sentinel_1_of_the_provider_is_float_with_a_number_for_nodata(shared_data):
    found = {
        key: packing(asset)
        for _, key, asset in assets(shared_data, "planetary_computer/sentinel-1-rtc/S1*.json")
    }
    pixels = sensor("sentinel-1-rtc").pixels
    for band in sensor("sentinel-1-rtc").bands:
        assert found[band.name]["dtype"] == pixels.dtype.name
        assert found[band.name]["nodata"] == -32768  # becomes NaN
    assert np.isnan(pixels.nodata)


def test_the_mantissa_bits_round_by_no_more_than_two_thousandths_of_a_decibel():
    bits = sensor("sentinel-1-rtc").mantissa_bits
    assert 10 * np.log10(1 + 2.0 ** -(bits + 1)) == pytest.approx(0.0021, abs=5e-5)


def test_the_elevation_is_in_metres_as_float(shared_data):
    pixels, gsd = sensor("cop-dem-glo-30").pixels, sensor("cop-dem-glo-30").gsd
    for _, key, asset in assets(shared_data, "earth_search/cop-dem-glo-30/Cop*.json"):
        if key == "data":
            (band,) = asset["raster:bands"]
            assert (band["data_type"], band["spatial_resolution"]) == (pixels.dtype.name, gsd)
            assert (band["unit"], pixels.units) == ("meter", "m")
            assert "nodata" not in band


@pytest.mark.parametrize(
    "pattern", ["planetary_computer/esa-worldcover/ESA*.json", "esa_worldcover/ESA*.json"]
)
def test_land_cover_has_the_classes_of_the_items(shared_data, pattern):
    pixels = sensor("esa-worldcover").pixels
    found = {key: asset for _, key, asset in assets(shared_data, pattern)}["map"]
    assert packing(found)["nodata"] == pixels.nodata
    assert packing(found)["dtype"] == pixels.dtype.name
    said = {c["value"]: words(c["description"]) for c in found["classification:classes"]}
    assert {flag.value: words(flag.meaning) for flag in pixels.flags} == said


def words(text):
    return " ".join(w for w in re.findall(r"[a-z]+", text.lower()) if w != "or")


@pytest.mark.parametrize(
    ("pattern", "key"),
    [("cdse/sentinel-2-l2a/S2B*.json", "SCL_20m"), ("stactools_sentinel2/S2A_T01WCP*.json", "scl")],
)
def test_scl_has_the_classes_of_the_items(shared_data, pattern, key):
    (quality,) = sensor("sentinel-2-l2a").layers
    asset = {k: a for _, k, a in assets(shared_data, pattern)}[key]
    classes = (asset if key == "SCL_20m" else asset["raster:bands"][0])["classification:classes"]
    assert [(f.meaning, f.value) for f in quality.flags] == [
        (c["name"], c["value"]) for c in classes
    ]
    assert packing(asset)["nodata"] == quality.nodata
    assert packing(asset)["dtype"] == quality.dtype.name


@pytest.mark.parametrize("sensor_id", ["landsat-c2-l2", "landsat-c2-l1"])
def test_qa_pixel_has_the_bits_of_the_items(shared_data, sensor_id):
    (quality,) = sensor(sensor_id).layers
    pattern = "planetary_computer/landsat-c2-l2/LC09_L2SP_084069*.json"
    asset = {key: asset for _, key, asset in assets(shared_data, pattern)}["qa_pixel"]
    said = {}
    for field in asset["classification:bitfields"]:
        mask = (2 ** field["length"] - 1) << field["offset"]
        for state in field["classes"]:
            if state["value"] and state["name"] != "reserved":
                level = f"_{state['name']}" if field["length"] > 1 else ""
                said[f"{field['name']}{level}"] = (mask, state["value"] << field["offset"])
    assert {flag.meaning: (flag.mask, flag.value) for flag in quality.flags} == said


def test_the_state_of_modis_has_the_bits_that_nasa_writes_into_the_files():
    state = next(layer for layer in sensor("modis-09a1").layers if layer.name == "state")
    said = {}
    for first, bits, *meanings in STATE:
        mask = (2**bits - 1) << first
        for value, meaning in enumerate(meanings, 1 if bits == 1 else 0):
            said[mask, value << first] = meaning
    assert {(flag.mask, flag.value): words(flag.meaning) for flag in state.flags} == said


def test_the_quality_of_modis_fills_its_32_bits_without_overlap():
    quality = sensor("modis-09a1").layers[0]
    masks = sorted({flag.mask for flag in quality.flags})
    assert masks == [3, *(15 << shift for shift in range(2, 30, 4)), 1 << 30, 1 << 31]
    of_band_4 = [flag for flag in quality.flags if flag.meaning.startswith("b04_")]
    assert {flag.mask for flag in of_band_4} == {15 << 14}
    assert [flag.value >> 14 for flag in of_band_4] == [0, 7, 8, 9, 10, 11, 12, 13, 14, 15]


@pytest.mark.parametrize(("name", "number"), [("qc_500m", 0), ("state_500m", 1)])
def test_every_bit_of_real_modis_masks_has_a_meaning(shared_data, name, number):
    rasterio = pytest.importorskip("rasterio")
    layer = sensor("modis-09a1").layers[number]
    (path,) = (shared_data / "modis").glob(f"MOD09A1*/*_{name}.tif")
    with rasterio.open(path) as file:
        values = np.unique(file.read())
    for mask in {flag.mask for flag in layer.flags}:
        known = {flag.value for flag in layer.flags if flag.mask == mask}
        single_bit = {0} if mask & (mask - 1) == 0 else set()
        found = set((values[values != layer.nodata] & mask).tolist())
        assert found <= known | single_bit
