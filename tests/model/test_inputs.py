"""A batch becomes what a model was trained on: bands by name, units, nodata, time, wavelengths."""

import json

import numpy as np
import pytest
import rasterio
import torch

import cubestore
import cubestore_model
from cubestore.batches.encodings import place_encoding, time_encoding
from cubestore.errors import MismatchError, UnknownSensorError
from cubestore_model import inputs, preparation

MSI = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
MEAN = [1105, 1355, 1552, 1887, 2422, 2630, 2743, 2785, 2388, 1835]  # Clay, metadata.yaml
STD = [1809, 1757, 1888, 1870, 1732, 1697, 1742, 1648, 1470, 1379]
WAVES = (0.493, 0.56, 0.665, 0.704, 0.74, 0.783, 0.842, 0.865, 1.61, 2.19)
L1C = ("B01", *MSI[:8], "B09", "B10", "B11", "B12")
MORNING = np.array(["2024-07-12T10:50:31"], "M8[us]")


def batch(sensor, bands, pixels, **fields):
    """Return a batch of one chip; ``pixels`` gives each band's value, or the chip ``(C, y, x)``."""
    stored = np.asarray(pixels, cubestore.sensor(sensor).pixels.dtype)
    stored = (
        stored if stored.ndim == 3 else np.broadcast_to(stored[:, None, None], (len(stored), 8, 8))
    )
    return {
        "sensor": sensor,
        "bands": tuple(bands),
        "pixels": stored[None].copy(),
        "time": time_encoding(MORNING),
        "latlon": place_encoding(np.array([[2.3, 48.8]])),
        "gsd": cubestore.sensor(sensor).gsd,
        "wavelengths": np.full(len(bands), 0.5, "f4"),
    } | fields


@pytest.fixture(scope="module")
def clay():
    return cubestore_model.load_encoder("clay-tiny")


def ssl4eo(model="ssl4eo-moco-resnet18"):
    return cubestore_model.untrained(model, config={"blocks": (1,)})


def corner(made):
    return made["pixels"][0, :, 0, 0].tolist()


def test_bands_are_taken_by_name_in_the_models_order(clay):
    bands, values = (*reversed(MSI), "B01"), [*reversed(MEAN), 9]
    made = inputs(clay, batch("sentinel-2-l2a", bands, values))
    assert made["pixels"].dtype == torch.float32
    assert corner(made) == pytest.approx([0] * 10, abs=1e-6)
    assert made["wavelengths"] == WAVES
    one_deviation = np.add(MEAN, STD)
    assert corner(inputs(clay, batch("sentinel-2-l2a", MSI, one_deviation))) == pytest.approx(
        [1] * 10
    )


def test_some_bands_are_enough_for_clay_if_they_are_chosen(clay):
    some = batch("sentinel-2-l2a", ("B04", "B02"), [1552, 1105])
    with pytest.raises(MismatchError, match=r"clay-tiny needs B03, B05.*fewer with use="):
        inputs(clay, some)
    made = inputs(clay, some, use=("B04", "B02"))
    assert corner(made) == pytest.approx([0, 0])
    assert made["wavelengths"] == (0.665, 0.493)
    assert clay(**made).embedding.shape == (1, 192)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (1.0, [(0 + 12.113) / 8.314, (0 + 18.673) / 8.017]),  # 0 dB
        (0.01, [(-20 + 12.113) / 8.314, (-20 + 18.673) / 8.017]),
        (np.nan, [0, 0]),  # nodata is the mean, not the floor of the logarithm
        (0.0, [(-100 + 12.113) / 8.314, (-100 + 18.673) / 8.017]),  # as Clay floors it, at 1e-10
    ],
)
def test_radar_is_in_decibels_with_nodata_found_first(clay, stored, expected):
    made = inputs(clay, batch("sentinel-1-rtc", ("vh", "vv"), [stored, stored]))
    assert corner(made) == pytest.approx(expected, rel=1e-5)
    assert made["wavelengths"] == (3.5, 4.0)  # codes, by name: vv, vh


def test_the_first_clay_was_trained_on_linear_radar():
    config = {"dim": 16, "depth": 1, "heads": 1, "decoder_dim": 16, "decoder_depth": 1}
    first = cubestore_model.untrained("clay-v1", config=config)
    made = inputs(first, batch("sentinel-1-rtc", ("vv", "vh"), [0.123273, 0.149519]))
    assert corner(made) == pytest.approx([0, 1], abs=1e-5)


def test_nodata_becomes_the_mean_in_any_band_and_where_a_chip_ends(clay):
    pixels = np.broadcast_to(np.add(MEAN, STD)[:, None, None], (10, 8, 8)).copy()
    pixels[2, 0, 0] = -32768
    valid = np.ones((1, 8, 8), bool)
    valid[0, 7] = False
    made = inputs(clay, batch("sentinel-2-l2a", MSI, pixels, valid=valid))["pixels"][0]
    assert made[2, 0, 0] == 0
    assert made[3, 0, 0] == pytest.approx(1)
    assert not made[:, 7].any()
    assert torch.isfinite(made).all()


@pytest.mark.parametrize(
    ("compat", "hour", "nodata"),
    [
        ("", [0.0, -1.0], 0.0),  # every chip of the training was said to be of noon
        ("clay-v1.5-published", [0.5, -np.sqrt(0.75)], -1105 / 1809),  # ten o'clock; DN 0
    ],
)
def test_the_hour_is_noon_as_trained_or_true_as_published(compat, hour, nodata):
    config = {"dim": 16, "depth": 1, "heads": 1, "decoder_dim": 16, "decoder_depth": 1}
    encoder = cubestore_model.untrained("clay-v1.5", config=config)
    encoder.compat = compat
    here = batch("sentinel-2-l2a", MSI, [-32768] * 10)
    before = here["time"].copy()
    made = inputs(encoder, here)
    assert made["time"][0, 2:].tolist() == pytest.approx(hour, abs=1e-6)
    assert made["time"][0, :2].tolist() == before[0, :2].tolist()
    np.testing.assert_array_equal(here["time"], before)  # the batch's buffer is its own
    assert corner(made)[0] == pytest.approx(nodata)


def test_an_unknown_time_and_place_are_zeros_as_in_a_fifth_of_the_training(clay):
    unknown = {name: np.full((1, 4), np.nan, "f4") for name in ("time", "latlon")}
    made = inputs(clay, batch("sentinel-2-l2a", MSI, MEAN, **unknown))
    assert not made["time"].any()
    assert not made["latlon"].any()


@pytest.mark.parametrize(
    ("sensor", "gsd", "told"),
    [
        ("modis-09a1", 463.3127, 500.0),  # the nominal size, as trained
        ("modis-09a1", 1000.0, 1000.0),  # coarser on purpose
        ("sentinel-2-l2a", 20.0, 20.0),
    ],
)
def test_the_pixel_size_is_what_the_model_was_told(clay, sensor, gsd, told):
    bands = [band.name for band in cubestore.sensor(sensor).bands]
    made = inputs(clay, batch(sensor, bands, np.full(len(bands), 100), gsd=gsd))
    assert made["gsd"] == told


def test_ssl4eo_divides_and_clips():
    values = [0, 5000, 10_000, 20_000, *[100] * 9]
    made = inputs(ssl4eo(), batch("sentinel-2-l1c", L1C, values))
    assert corner(made) == pytest.approx([0, 0.5, 1, 1, *[0.01] * 9])
    red = inputs(
        ssl4eo("ssl4eo-moco-resnet18-rgb"), batch("sentinel-2-l1c", L1C, range(0, 13000, 1000))
    )
    assert corner(red) == pytest.approx([0.3, 0.2, 0.1])  # B04 B03 B02


def test_ssl4eo_stretches_radar_two_deviations_around_the_mean():
    encoder = ssl4eo("ssl4eo-moco-resnet50-s1")
    power = 10 ** (np.array([-12.54847273, -20.19237134 + 2 * 5.91150917]) / 10)
    made = inputs(encoder, batch("sentinel-1-rtc", ("vv", "vh"), power))
    assert corner(made) == pytest.approx([0.5, 1.0], abs=1e-5)
    empty = inputs(encoder, batch("sentinel-1-rtc", ("vv", "vh"), [np.nan, 1e-9]))
    assert corner(empty) == [0.5, 0.0]


def test_a_band_that_level_2a_lacks_is_zeros_if_asked_for():
    bands = [band for band in L1C if band != "B10"]
    level_2a = batch("sentinel-2-l2a", bands, [1000] * 12)
    with pytest.raises(MismatchError, match=r"needs B10 of sentinel-2-l2a.*zeros="):
        inputs(ssl4eo(), level_2a)
    made = inputs(ssl4eo(), level_2a, zeros=("B10",))
    assert corner(made) == pytest.approx([0.1] * 10 + [0] + [0.1] * 2)
    with pytest.raises(MismatchError, match="B02 as zeros"):
        inputs(ssl4eo(), level_2a, zeros=("B10", "B02"))


def test_one_may_normalise_by_ones_own_numbers(clay):
    own = batch("sentinel-2-l2a", ("B02", "B01"), [300, 50])
    made = inputs(clay, own, norm=([100, 50], [100, 10]))
    assert corner(made) == pytest.approx([2, 0])
    assert made["wavelengths"] == pytest.approx((0.493, 0.4427), abs=1e-3)  # trained; the sensor's


def test_random_features_take_whatever_bands_come():
    rcf = cubestore_model.load_encoder("rcf", config={"features": 4})
    for sensor, bands, values in [
        ("sentinel-2-l2a", ("B12", "B01"), [1835, 752]),  # Clay's mean; SSL4EO's
        ("cop-dem-glo-30", ("elevation",), [499.46]),
        ("sentinel-1-rtc", ("vh",), [10**-1.8673]),
    ]:
        made = inputs(rcf, batch(sensor, bands, values))
        assert corner(made) == pytest.approx([0] * len(bands), abs=1e-3)
        assert rcf(**made).embedding.shape == (1, 4)


@pytest.mark.parametrize(
    ("sensor", "bands", "options", "error", "message"),
    [
        ("sentinel-9", ("a",), {}, UnknownSensorError, "sentinel-9"),
        ("cop-dem-glo-30", ("elevation",), {}, MismatchError, "not trained on cop-dem-glo-30"),
        ("sentinel-2-l2a", MSI[1:], {}, MismatchError, "needs B02 of sentinel-2-l2a"),
        ("sentinel-2-l2a", MSI, {"use": ("B01",)}, MismatchError, "Bands B01"),
        ("sentinel-2-l2a", MSI, {"use": ("B02", "B02")}, MismatchError, "Bands B02, B02"),
        ("sentinel-2-l2a", MSI, {"norm": ([1], [1])}, MismatchError, "10 bands, 1 means"),
    ],
)
def test_what_a_model_was_not_trained_on_is_named(clay, sensor, bands, options, error, message):
    with pytest.raises(error, match=message):
        preparation(clay, sensor, bands, **options)


def test_batches_of_others_or_of_several_dates_are_refused(clay):
    prepare = preparation(clay, "sentinel-2-l2a", MSI)
    with pytest.raises(MismatchError, match="A batch of B02"):
        prepare(batch("sentinel-2-l2a", ("B02",), [1]))
    dates = batch("sentinel-2-l2a", MSI, MEAN)
    dates["pixels"] = dates["pixels"][:, None]
    with pytest.raises(MismatchError, match="batches of one date"):
        prepare(dates)


def test_the_text_tells_all_that_was_done(clay):
    told = json.loads(preparation(clay, "sentinel-2-l2a", MSI).text)
    assert told["bands"] == list(MSI)
    assert told["mean"] == MEAN
    assert told["wavelengths"] == list(WAVES)
    assert told["hour"] == "noon"
    texts = {
        preparation(clay, "sentinel-2-l2a", MSI).text,
        preparation(clay, "sentinel-2-l2a", MSI, use=MSI[:3]).text,
        preparation(clay, "sentinel-2-l1c", MSI, norm=(MEAN, STD)).text,
        *(
            preparation(
                cubestore_model.load_encoder("rcf", config={"seed": seed}), "naip", ("red",)
            ).text
            for seed in (0, 1)
        ),
    }
    assert len(texts) == 5


@pytest.mark.parametrize("read", [cubestore.batches, cubestore_model.loader])
def test_batches_of_a_store_go_straight_into_an_encoder(tmp_path, clay, read):
    store = cubestore.create_store(tmp_path / "store")
    cube = store.create_cube("31UDQ", "sentinel-2-l2a")
    pixels = np.broadcast_to(np.array(MEAN, "int16")[:, None, None], (10, 2048, 2048))
    masks = {name: np.zeros((2048, 2048), "uint8") for name in ("quality", "cloud_class")}
    slot = cubestore.Slot(time="2024-07-12T10:50:31", item_id="a", platform="sentinel-2a")
    cube.append(slot, {"reflectance": pixels, **masks}, origin=(0, 0))
    batches = read(store, sensor="sentinel-2-l2a", chip_size=64, batch_size=2)
    (made,) = (inputs(clay, found) for found, _ in zip(batches, range(1), strict=False))
    assert not made["pixels"].any()
    with torch.inference_mode():
        assert clay(**made).patches.shape == (2, 64, 192)


def test_real_reflectance_lies_around_what_clay_was_trained_on(shared_data, clay):
    chip = shared_data / "terramesh" / "S2L2A" / "38D_378R_2_3.tif"
    bands = tuple(band for band in L1C if band != "B10")
    with rasterio.open(chip) as file:
        pixels = file.read()
    made = inputs(clay, batch("sentinel-2-l2a", bands, pixels))["pixels"]
    assert made.shape == (1, 10, 224, 224)
    assert (made.mean(dim=(2, 3)).abs() < 2).all()
    assert (made.std(dim=(2, 3)) < 2).all()
