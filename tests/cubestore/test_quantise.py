"""Bytes of SSL4EO-S12: as the original computed them, monotone, and with a known error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cubestore import norms, quantise
from cubestore.errors import MismatchError

VERSIONS = ("ssl4eo-s12-v1", "ssl4eo-s12-v1.1")
SENSORS = ("sentinel-1-rtc", "sentinel-2-l2a", "sentinel-2-l1c")
ROWS = [norms.find(version, sensor) for version in VERSIONS for sensor in SENSORS]


def published(image, mean, std):
    """One band, in the original's own order of steps (``normalize``)."""
    low, high = mean - 2 * std, mean + 2 * std
    image = (image - low) / (high - low) * 255.0
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.id} {row.sensor}")
def test_every_byte_is_that_of_the_original(row):
    rng = np.random.default_rng(0)
    radar = row.units == "dB"
    shape = (len(row.bands), 50, 60)
    pixels = (
        rng.normal(-15, 8, shape).astype("float32")
        if radar
        else rng.integers(0, 16_000, shape).astype("uint16")
    )
    expected = [published(p, m, s) for p, m, s in zip(pixels, row.mean, row.std, strict=True)]
    np.testing.assert_array_equal(quantise.mean_two_std(pixels, row.mean, row.std), expected)


@pytest.mark.parametrize(
    ("value", "byte"),
    [
        (14.2, 0),  # below the mean less two deviations
        (70.0, 127),  # the mean: 127.5, rounded down
        (20.0 - 1e-9, 0),
        (20.4, 1),  # more than a step (0.392) above the lower end
        (120.0 - 1e-6, 254),
        (120.0, 255),
        (9e9, 255),
        (np.inf, 255),
        (-np.inf, 0),
        (np.nan, 0),  # the radar has no number there
    ],
)
def test_two_deviations_around_the_mean_fill_the_byte(value, byte):
    assert quantise.mean_two_std(np.full((1, 1, 1), value), [70], [25]) == byte


@pytest.mark.parametrize(
    ("number", "clipped", "wrapped"),
    [
        (0, 0, 0),
        (39, 0, 0),
        (40, 1, 1),  # 1.02
        (9999, 254, 254),
        (10_000, 255, 255),
        (10_040, 255, 0),  # 256.02: the published byte is black where a cloud is bright
        (16_000, 255, 152),  # 408
        (65_535, 255, 135),  # 1671.14
        (-40, 0, 255),
    ],
)
def test_reflectance_above_one_is_cut_off_unless_it_is_to_wrap(number, clipped, wrapped):
    pixels = np.full((2, 2), number, "int32")
    assert (quantise.ten_thousandths(pixels) == clipped).all()
    assert (quantise.ten_thousandths(pixels, compat="wrap") == wrapped).all()


def test_what_wraps_wraps_as_in_the_original():
    pixels = np.arange(2**16, dtype="uint16")
    expected = (pixels / 10000.0 * 255.0).astype("uint8")
    np.testing.assert_array_equal(quantise.ten_thousandths(pixels, compat="wrap"), expected)


PIXELS = arrays("uint16", (1, 4, 8))
MEANS = st.floats(-2000, 4000)
DEVIATIONS = st.floats(1, 3000)


@given(PIXELS, MEANS, DEVIATIONS)
def test_bytes_rise_with_the_pixels_and_tell_them_to_half_a_step(pixels, mean, std):
    stored = quantise.mean_two_std(pixels, [mean], [std])
    order = np.argsort(pixels, axis=None)
    assert (np.diff(stored.reshape(-1)[order].astype(int)) >= 0).all()
    inside = np.abs(pixels - mean) <= 2 * std
    back = quantise.values_of_mean_two_std(stored, [mean], [std])
    bound = quantise.step(std) / 2 + 1e-6 * (abs(mean) + std)
    assert (np.abs(back - pixels)[inside] <= bound).all()
    assert (stored[pixels < mean - 2 * std] == 0).all()
    assert (stored[pixels > mean + 2 * std] == 255).all()


@given(PIXELS)
def test_reflectance_rises_and_only_wrapping_tells_the_rules_apart(pixels):
    clipped = quantise.ten_thousandths(pixels)
    order = np.argsort(pixels, axis=None)
    assert (np.diff(clipped.reshape(-1)[order].astype(int)) >= 0).all()
    wrapped = quantise.ten_thousandths(pixels, compat="wrap")
    dim = pixels <= 10_000
    np.testing.assert_array_equal(clipped[dim], wrapped[dim])
    assert (clipped[~dim] == 255).all()


@pytest.mark.parametrize(
    ("mean", "std"),
    [([1, 2], [1, 2]), ([1], [0]), ([1], [np.nan]), (1, 1)],
)
def test_means_that_are_not_of_the_bands_are_refused(mean, std):
    with pytest.raises(MismatchError, match="one of each for every band"):
        quantise.mean_two_std(np.zeros((1, 2, 2)), mean, std)
