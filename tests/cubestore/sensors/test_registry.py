"""The registry against the table of format 1, written out again."""

import math
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from cubestore.errors import CubestoreError, UnknownSensorError
from cubestore.sensors import SENSORS, Band, sensor

NAN = math.nan

# id, variable, dtype, fill, scale, offset, gsd, standard bands, bands on request
TABLE = [
    (
        *("sentinel-2-l2a", "reflectance", "int16", -32768, 1e-4, 0.0, 10),
        "B02 B03 B04 B05 B06 B07 B08 B8A B11 B12",
        "B01 B09",
    ),
    (
        *("sentinel-2-l1c", "reflectance", "int16", -32768, 1e-4, 0.0, 10),
        "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B10 B11 B12",
        "",
    ),
    (
        *("landsat-c2-l2", "reflectance", "uint16", 0, 2.75e-5, -0.2, 30),
        "B4 B3 B2 B5 B6 B7",
        "B1",
    ),
    ("landsat-c2-l1", "reflectance", "uint16", 0, 2e-5, -0.1, 30, "B4 B3 B2 B5 B6 B7", ""),
    ("sentinel-1-rtc", "backscatter", "float32", NAN, None, None, 10, "vv vh", ""),
    ("naip", "brightness", "uint8", 0, None, None, 1, "red green blue nir", ""),
    ("linz", "brightness", "uint8", 0, None, None, 0.5, "red green blue", ""),
    (
        *("modis-09a1", "reflectance", "int16", -28672, 1e-4, 0.0, 1111950.5196666666 / 2400),
        " ".join(f"sur_refl_b0{number}" for number in range(1, 8)),
        "",
    ),
    ("cop-dem-glo-30", "elevation", "float32", NAN, None, None, 30, "elevation", ""),
    ("esa-worldcover", "land_cover", "uint8", 0, None, None, 10, "map", ""),
]

# sensor, layer, dtype, fill, scale, offset; None: on request
LAYERS = [
    ("sentinel-2-l2a", "quality", "uint8", 0, None, None),
    ("landsat-c2-l2", "quality", "uint16", 1, None, None),
    ("landsat-c2-l2", "saturation", "uint16", 65535, None, None),
    ("landsat-c2-l2", "surface_temperature", "uint16", 0, 0.00341802, 149.0),
    ("landsat-c2-l1", "quality", "uint16", 1, None, None),
    ("landsat-c2-l1", "saturation", "uint16", 65535, None, None),
    ("sentinel-1-rtc", "layover_shadow", "uint8", 255, None, None),
    ("sentinel-1-rtc", "incidence_angle", "float32", NAN, None, None),
    ("modis-09a1", "quality", "uint32", 4294967295, None, None),
    ("modis-09a1", "state", "uint16", 65535, None, None),
    ("modis-09a1", "day_of_year", "uint16", 65535, None, None),
    ("modis-09a1", "solar_zenith_angle", "int16", 0, 0.01, 0.0),
    ("modis-09a1", "view_zenith_angle", "int16", 0, 0.01, 0.0),
    ("modis-09a1", "relative_azimuth_angle", "int16", 0, 0.01, 0.0),
]

EVERY_SENSOR = pytest.mark.parametrize("known", SENSORS.values(), ids=SENSORS)


def names(bands):
    return " ".join(band.name for band in bands)


def all_layers(known):
    return (known.pixels, *known.layers, *known.optional_layers)


def test_the_sensors_are_those_of_the_table_in_its_order():
    assert list(SENSORS) == [row[0] for row in TABLE]


@pytest.mark.parametrize(
    ("sensor_id", "variable", "dtype", "fill", "scale", "offset", "gsd", "bands", "on_request"),
    TABLE,
    ids=[row[0] for row in TABLE],
)
def test_a_sensor_is_its_row(  # noqa: PLR0913, PLR0917
    sensor_id, variable, dtype, fill, scale, offset, gsd, bands, on_request
):
    known = sensor(sensor_id)
    pixels = known.pixels
    assert (known.id, pixels.name, pixels.dtype) == (sensor_id, variable, np.dtype(dtype))
    assert pixels.nodata == pytest.approx(fill, nan_ok=True, abs=0)
    assert (pixels.scale_factor, pixels.add_offset) == (scale, offset)
    assert known.gsd == gsd
    assert names(known.bands) == bands
    assert names(known.optional_bands) == on_request


def test_the_layers_are_those_of_the_format():
    made = [
        (known.id, layer.name, layer.dtype.name, layer.nodata, layer.scale_factor, layer.add_offset)
        for known in SENSORS.values()
        for layer in (*known.layers, *known.optional_layers)
    ]
    assert [repr(row) for row in made] == [repr(row) for row in LAYERS]


def test_what_is_a_layer_on_request():
    on_request = {k.id: names(k.optional_layers) for k in SENSORS.values() if k.optional_layers}
    assert on_request == {
        "landsat-c2-l2": "saturation surface_temperature",
        "landsat-c2-l1": "saturation",
        "sentinel-1-rtc": "layover_shadow incidence_angle",
        "modis-09a1": "solar_zenith_angle view_zenith_angle relative_azimuth_angle",
    }


def test_classes_and_measurements_are_taken_as_they_are_heights_and_pictures_in_between():
    smooth = {known.id for known in SENSORS.values() if known.resampling == "bilinear"}
    assert smooth == {"cop-dem-glo-30", "naip", "linz"}


def test_what_is_special_of_one_sensor():
    assert {k.id for k in SENSORS.values() if k.grid == "sin"} == {"modis-09a1"}
    assert {k.id for k in SENSORS.values() if k.composite} == {"modis-09a1"}
    assert {k.id: k.margin for k in SENSORS.values() if k.margin} == {
        "landsat-c2-l2": 15,
        "landsat-c2-l1": 15,
    }
    assert {k.id: k.mantissa_bits for k in SENSORS.values() if k.mantissa_bits is not None} == {
        "sentinel-1-rtc": 10
    }
    assert {k.id: k.pixels.valid_range for k in SENSORS.values() if k.pixels.valid_range} == {
        "modis-09a1": (-100, 16000)
    }


@EVERY_SENSOR
def test_only_integers_that_measure_show_nodata_as_nan(known):
    for layer in all_layers(known):
        measures = layer.scale_factor is not None or layer.name == "brightness"
        assert layer.masked == (layer.dtype.kind in "iu" and measures)


@EVERY_SENSOR
def test_every_number_names_its_document(known):
    documents = [known.source, *(layer.source for layer in all_layers(known))]
    documents += [band.source for band in (*known.bands, *known.optional_bands)]
    for document in documents:
        assert len(document.split()) >= 3, document
    assert known.license
    assert known.attribution


@EVERY_SENSOR
def test_nodata_can_be_stored(known):
    for layer in all_layers(known):
        stored = np.array(layer.nodata, layer.dtype)
        assert float(stored) == pytest.approx(layer.nodata, nan_ok=True, abs=0)


@EVERY_SENSOR
def test_flags_are_what_cf_allows(known):
    for layer in all_layers(known):
        meanings = [flag.meaning for flag in layer.flags]
        assert len(set(meanings)) == len(meanings)
        assert len({(flag.mask, flag.value) for flag in layer.flags}) == len(layer.flags)
        assert len({flag.mask == 0 for flag in layer.flags}) <= 1, "values or bits, not both"
        for flag in layer.flags:
            assert flag.meaning
            assert flag.meaning.isascii()
            assert len(flag.meaning.split()) == 1
            assert np.array([flag.value, flag.mask], layer.dtype).tolist() == [
                flag.value,
                flag.mask,
            ]
            assert not flag.mask or flag.value & ~flag.mask == 0


@EVERY_SENSOR
def test_bands_can_be_told_apart(known):
    bands = (*known.bands, *known.optional_bands)
    assert len({band.name for band in bands}) == len(bands)
    common = [band.common_name for band in bands if band.common_name]
    assert len(set(common)) == len(common)
    assert [known.band(band.name) for band in bands] == list(bands)


@EVERY_SENSOR
def test_a_sensor_crosses_process_borders(known):
    copy = pickle.loads(pickle.dumps(known))  # noqa: S301
    assert repr(copy) == repr(known)  # NaN is not equal to itself


def test_a_sensor_cannot_be_changed():
    with pytest.raises(TypeError):
        SENSORS["mine"] = sensor("naip")
    with pytest.raises(FrozenInstanceError):
        sensor("naip").gsd = 2
    with pytest.raises(FrozenInstanceError):
        sensor("naip").bands[0].gsd = 2


def test_an_unknown_band_is_a_key_error():
    with pytest.raises(KeyError, match="B10"):
        sensor("sentinel-2-l2a").band("B10")


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ("sentinel2-l2a", "sentinel-2-l2a"),
        ("SENTINEL-2-L1C", "sentinel-2-l1c"),
        ("landsat-c2l2-sr", "landsat-c2-l2"),  # the USGS' own name
        ("modis-09A1-061", "modis-09a1"),  # the Planetary Computer's
        ("worldcover", "esa-worldcover"),
    ],
)
def test_an_unknown_sensor_is_answered_with_the_nearest(asked, nearest):
    with pytest.raises(UnknownSensorError, match=f"nearest is '{nearest}'"):
        sensor(asked)


def test_an_unknown_sensor_is_a_key_error_that_names_all():
    with pytest.raises(KeyError) as caught:
        sensor("qqq")
    assert isinstance(caught.value, CubestoreError)
    assert caught.value.found == "No sensor is called 'qqq'"
    assert all(known in caught.value.expected for known in SENSORS)
    assert caught.value.remedy


def test_what_is_no_passband_has_no_wavelength():
    unknown = Band(name="x", gsd=1, source="a test")
    assert math.isnan(unknown.center_wavelength)
    without = {
        (known.id, band.name)
        for known in SENSORS.values()
        for band in (*known.bands, *known.optional_bands)
        if math.isnan(band.center_wavelength)
    }
    assert without == {("cop-dem-glo-30", "elevation"), ("esa-worldcover", "map")}
