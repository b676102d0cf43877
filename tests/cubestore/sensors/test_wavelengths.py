"""Every wavelength against a second source: real catalogue records, or published tables.

Records whose numbers are known to be wrong are tested to be wrong in the way that the rows
say, so that the day on which they are put right is noticed.
"""

import json
import math
import re

import pytest

from cubestore.sensors import SENSORS, sensor

# Clay, configs/metadata.yaml, main: nominal values, two or three digits.
CLAY = {
    "sentinel-2-l2a": [0.493, 0.56, 0.665, 0.704, 0.74, 0.783, 0.842, 0.865, 1.61, 2.19],
    "landsat-c2-l2": [0.65, 0.56, 0.48, 0.86, 1.6, 2.2],
    "landsat-c2-l1": [0.65, 0.56, 0.48, 0.86, 1.6, 2.2],
    "naip": [0.65, 0.56, 0.48, 0.842],
    "linz": [0.635, 0.555, 0.465],
    "modis-09a1": [0.645, 0.858, 0.469, 0.555, 1.24, 1.64, 2.13],
}

# How far Clay's number may lie from ours, micrometres, and why.
CLAY_TOLERANCE = {
    "sentinel-2-l2a": 0.0125,  # the requirement in place of what was measured: B12 2.19
    "landsat-c2-l2": 0.01,  # rounded to two digits
    "landsat-c2-l1": 0.01,
    "naip": 0.0151,  # Landsat's passbands in place of a camera's
    "linz": 1e-9,  # the ADS100 there too
    "modis-09a1": 0.0006,  # b02: 0.8585 cut to 0.858
}

# GDAL's manual, SENTINEL2 driver: the mission's requirement, nm (centre, width).
S2_REQUIREMENT = {
    "B01": (443, 20),
    "B02": (490, 65),
    "B03": (560, 35),
    "B04": (665, 30),
    "B05": (705, 15),
    "B06": (740, 15),
    "B07": (783, 20),
    "B08": (842, 115),
    "B8A": (865, 20),
    "B09": (945, 20),
    "B10": (1375, 30),
    "B11": (1610, 90),
    "B12": (2190, 180),
}

# USGS, "What are the band designations for the Landsat satellites?": nm, from and to.
OLI_RANGE = {
    "B1": (430, 450),
    "B2": (450, 510),
    "B3": (530, 590),
    "B4": (640, 670),
    "B5": (850, 880),
    "B6": (1570, 1650),
    "B7": (2110, 2290),
}


def published(path):
    """Band name -> what an item says of it, whichever version of STAC it is."""
    item = json.loads(path.read_text())
    found = {}
    for asset in item["assets"].values():
        for band in asset.get("eo:bands", asset.get("bands", [])):
            if isinstance(band, dict) and "name" in band:
                bare = {key.removeprefix("eo:"): value for key, value in band.items()}
                found.setdefault(bare["name"], {"gsd": asset.get("gsd")} | bare)
    return found


def item(shared_data, pattern):
    return next(iter(sorted((shared_data / "stac_items").glob(pattern))))


@pytest.fixture(scope="module")
def planetary_s2(shared_data):
    return published(item(shared_data, "planetary_computer/sentinel-2-l2a/S2A*.json"))


@pytest.fixture(scope="module")
def earth_search_l1c(shared_data):
    return published(item(shared_data, "earth_search/sentinel-2-l1c/S2B*.json"))


@pytest.fixture(scope="module")
def cdse_s2(shared_data):
    return published(item(shared_data, "cdse/sentinel-2-l2a/S2A*.json"))


@pytest.mark.parametrize("sensor_id", CLAY)
def test_centres_agree_with_clay(sensor_id):
    ours = [band.center_wavelength for band in sensor(sensor_id).bands]
    assert ours == pytest.approx(CLAY[sensor_id], abs=CLAY_TOLERANCE[sensor_id], rel=0)


def test_every_passband_has_been_compared():
    compared = {*CLAY, "sentinel-2-l1c", "sentinel-1-rtc"}
    with_passbands = {
        known.id for known in SENSORS.values() if not math.isnan(known.bands[0].center_wavelength)
    }
    assert with_passbands == compared


def test_sentinel_2_centres_agree_with_the_measured_ones_of_cdse(cdse_s2):
    for band in (*sensor("sentinel-2-l2a").bands, *sensor("sentinel-2-l2a").optional_bands):
        # Three digits; B02 0.4924 here, 0.4927 there.
        centre = cdse_s2[band.name]["center_wavelength"]
        assert band.center_wavelength == pytest.approx(centre, abs=0.00061, rel=0)
        assert band.common_name == cdse_s2[band.name]["common_name"]


@pytest.mark.parametrize("name", S2_REQUIREMENT)
def test_sentinel_2_was_built_to_its_requirement(name):
    band = sensor("sentinel-2-l1c").band(name)
    centre, width = S2_REQUIREMENT[name]
    assert band.center_wavelength * 1000 == pytest.approx(centre, abs=12.5, rel=0)  # B12
    assert band.full_width_half_max * 1000 == pytest.approx(width, abs=9, rel=0)  # B08


def test_items_of_earth_search_print_the_requirement(earth_search_l1c):
    for name, (centre, _) in S2_REQUIREMENT.items():
        printed = earth_search_l1c[name]["center_wavelength"] * 1000
        assert printed == pytest.approx(centre, abs=1.5, rel=0)
        assert earth_search_l1c[name]["gsd"] == sensor("sentinel-2-l1c").band(name).gsd


def test_two_publishers_widths_are_the_whole_passband_and_half_its_upper_end(cdse_s2, planetary_s2):
    """CDSE's width is MAX / 2, Planetary Computer's MAX - MIN; together they say MIN and MAX."""
    for band in (*sensor("sentinel-2-l2a").bands, *sensor("sentinel-2-l2a").optional_bands):
        upper = 2 * cdse_s2[band.name]["full_width_half_max"]
        lower = upper - planetary_s2[band.name]["full_width_half_max"]
        half = band.full_width_half_max / 2
        rounding = 0.001
        assert lower - rounding <= band.center_wavelength - half
        assert band.center_wavelength + half <= upper + rounding


def test_publishers_agree_on_the_widths_that_are_not_believed(earth_search_l1c, planetary_s2):
    for name, said in planetary_s2.items():
        width = said["full_width_half_max"]
        assert earth_search_l1c[name]["full_width_half_max"] == width
        assert width > sensor("sentinel-2-l1c").band(name).full_width_half_max


@pytest.mark.parametrize(
    ("pattern", "prefix", "centre", "width"),
    [
        ("planetary_computer/landsat-c2-l2/LC09*.json", "OLI_B", 0.0054, 0.0057),
        ("planetary_computer/landsat-c2-l2/LC08*.json", "OLI_B", 0.0054, 0.0057),
        ("earth_search/landsat-c2-l2/LC08_L2SP*.json", "OLI_B", 0.0054, 0.0057),
        # Older: edges' nominal distance, B7 0.2, and B6 1.6
        ("planetary_computer/landsat-8-c2-l2/LC08*.json", "SR_B", 0.0089, 0.0134),
    ],
)
def test_landsat_agrees_with_items_to_their_two_digits(shared_data, pattern, prefix, centre, width):
    said = published(item(shared_data, pattern))
    known = sensor("landsat-c2-l2")
    for band in (*known.bands, *known.optional_bands):
        record = said[prefix + band.name.removeprefix("B")]
        assert band.common_name == record["common_name"]
        assert record["center_wavelength"] == pytest.approx(
            band.center_wavelength, abs=centre, rel=0
        )
        assert record["full_width_half_max"] == pytest.approx(
            band.full_width_half_max, abs=width, rel=0
        )


@pytest.mark.parametrize("name", OLI_RANGE)
def test_landsat_lies_in_the_passbands_of_the_usgs(name):
    band = sensor("landsat-c2-l2").band(name)
    lower, upper = OLI_RANGE[name]
    half = band.full_width_half_max * 500
    assert band.center_wavelength * 1000 - half == pytest.approx(lower, abs=6, rel=0)
    assert band.center_wavelength * 1000 + half == pytest.approx(upper, abs=6, rel=0)


def test_modis_lies_where_the_items_titles_say(shared_data):
    record = json.loads(
        item(shared_data, "planetary_computer/modis-09A1-061/MYD*.json").read_text()
    )
    for band in sensor("modis-09a1").bands:
        title = record["assets"][band.name]["title"]
        lower, upper = map(int, re.search(r"\((\d+)-(\d+) nm\)", title).groups())
        assert band.center_wavelength == pytest.approx((lower + upper) / 2000)
        assert band.full_width_half_max == pytest.approx((upper - lower) / 1000)


def test_modis_widths_of_the_items_are_ten_times_too_large(shared_data):
    said = published(item(shared_data, "planetary_computer/modis-09A1-061/MYD*.json"))
    for band in sensor("modis-09a1").bands:
        record = said[band.name]
        assert record["center_wavelength"] == pytest.approx(band.center_wavelength)
        assert record["full_width_half_max"] == pytest.approx(10 * band.full_width_half_max)
        assert band.common_name == record["common_name"] or (
            (band.name, record["common_name"]) == ("sur_refl_b05", "lwir12")
        )


def test_sentinel_1_has_the_wavelength_of_its_carrier(shared_data):
    collection = shared_data / "stac_items/planetary_computer/sentinel-1-rtc/collection.json"
    (gigahertz,) = json.loads(collection.read_text())["summaries"]["sar:center_frequency"]
    for band in sensor("sentinel-1-rtc").bands:
        assert band.center_wavelength * gigahertz == pytest.approx(299_792.458)
        assert band.center_wavelength / 1e4 == pytest.approx(5.5465763)  # ESA's guide, cm
        assert math.isnan(band.full_width_half_max)


def test_naip_has_the_passbands_of_usdas_metadata(shared_data):
    text = (shared_data / "naip/stactools/m_3211605_ne_11_060_20200415_20200730.xml").read_text()
    ranges = text.partition("The ADS100 spectral ranges are;")[2]
    found = re.findall(r"(Red|Green|Blue|Near-infrared) (?:at )?(\d+)-(\d+)nm", ranges)[:4]
    assert [name[0] for name in found] == ["Red", "Green", "Blue", "Near-infrared"]
    for band, (_, lower, upper) in zip(sensor("naip").bands, found, strict=True):
        assert band.center_wavelength == pytest.approx((int(lower) + int(upper)) / 2000)
        assert band.full_width_half_max == pytest.approx((int(upper) - int(lower)) / 1000)


def test_linz_borrows_the_passbands_of_naip():
    for mine, theirs in zip(sensor("linz").bands, sensor("naip").bands, strict=False):
        assert (mine.common_name, mine.center_wavelength, mine.full_width_half_max) == (
            theirs.common_name,
            theirs.center_wavelength,
            theirs.full_width_half_max,
        )
        assert "not published" in mine.source
