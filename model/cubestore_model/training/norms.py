"""Sensors that a model has not seen: their means and deviations are counted in the store.

What was counted goes into the file of the weights, so that an encoder that is loaded from it knows
the sensor too.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import cubestore
from cubestore.errors import MismatchError
from cubestore.store import Store
from cubestore_model.encoder import Encoder
from cubestore_model.encoders.entry import Expected


def knowing(encoder: Encoder, store: Store, wanted: Sequence[str]) -> Encoder:
    """Return an encoder that knows sensors, by the statistics of a store where nobody published.

    Args:
        encoder: the model; its network is shared.
        store: whose pixels are counted, where its cubes keep no statistics (`cubestore stats`).
        wanted: sensors' ids; (): no more than it knows.

    Raises:
        UnknownSensorError: no such sensor.
        UnknownCubeError: the store has no cube of a sensor that is new to the model.
        MismatchError: classes, or bands without wavelengths.
    """
    known = {row.sensor for row in encoder.entry.inputs}
    rows = tuple(_measured(store, sensor) for sensor in wanted if sensor not in known)
    if not rows:
        return encoder
    entry = replace(encoder.entry, inputs=(*encoder.entry.inputs, *rows))
    sha256, compat = encoder.weights_sha256, encoder.compat
    return Encoder(entry, encoder.network, compat=compat, weights_sha256=sha256)


def _measured(store: Store, sensor: str) -> Expected:
    """Return what is expected of a sensor by the pixels of a store."""
    found = cubestore.stats(store, sensor, keep=False)
    bands = tuple(row.name for row in found.bands)
    waves = {band.name: band.center_wavelength for band in cubestore.sensor(sensor).every_band}
    if not all(math.isfinite(waves[band]) and waves[band] > 0 for band in bands):
        raise MismatchError(
            f"{sensor} has bands without wavelengths",
            expected="wavelengths: by them the model tells bands apart",
            remedy="name sensors of light or radar",
        )
    mean, std = found.norm(bands, decibels=False)
    return Expected(
        sensor=sensor,
        bands=bands,
        mean=tuple(map(float, mean)),
        std=tuple(map(float, std)),
        wavelengths=tuple(waves[band] for band in bands),
        measured=True,
    )
