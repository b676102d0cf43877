"""Real water: what any probe must reach on chips of Sen1Floods11 and of a reservoir."""

import numpy as np
import pytest

from cubestore_model.probing import in_turn, over
from tests.benchmarks import flood_probe

CHANCE = 0.3
"""Above the IoU of calling everything water, where a quarter is."""


def found(chips, name):
    vectors, method = next(
        (vectors, method)
        for known, vectors, method in flood_probe.contestants(chips)
        if known == name
    )
    if method == "linear":
        vectors = vectors[:, ::4, ::4]  # of raw pixels a sixteenth will do
    parts = {0: in_turn(chips.groups)[2]}
    varies = "one fold"
    return over(chips.samples(vectors), parts, method=method, varies=varies).measure("IoU", "water")


def test_indices_find_a_reservoir_and_a_flood(shared_data):
    reservoir = flood_probe.boadella(shared_data)
    assert found(reservoir, "NDWI > 0").mean > 0.8
    flood = flood_probe.spain(shared_data, "sentinel-2-l1c")
    assert found(flood, "NDWI, Otsu of training pixels").mean > CHANCE
    assert found(flood, "MNDWI > 0").mean > CHANCE


def test_radar_and_raw_pixels_find_a_flood(shared_data):
    flood = flood_probe.spain(shared_data, "sentinel-1-rtc")
    assert found(flood, "VH < the event's published threshold").mean > CHANCE
    assert found(flood, "raw pixels, logistic regression").mean > CHANCE


def test_a_chip_whose_radar_is_missing_takes_no_part(shared_data):
    events = flood_probe.events(shared_data)
    assert set(events.groups) == {"Nigeria", "Pakistan", "Spain"}
    assert np.isfinite(events.pixels).all()
    assert (events.truth == -1).any()


def test_otsu_parts_two_heaps_without_a_label():
    heaps = np.r_[np.full(70, -0.4), np.full(30, 0.6)] + np.linspace(0, 0.1, 100)
    samples = flood_probe.Chips("", "", (), None, np.zeros((1, 10, 10), int), ("a",)).samples(
        heaps.reshape(1, 10, 10, 1)
    )
    assert -0.34 <= flood_probe.otsu(samples) < 0.6
    assert flood_probe.sides(samples.vectors, 0.1).argmax(axis=-1).sum() == pytest.approx(30)
