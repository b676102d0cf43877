"""Published means and standard deviations, in the units of our cubes, by our bands' names.

    mean, std = cubestore.norms.norm("clay-v1.5", "sentinel-2-l2a", ["B02", "B03", "B04"])
    normalised = (stored - mean[:, None, None]) / std[:, None, None]

Stored units are the integers as they are stored: reflectance without the +1000 of Sentinel-2's
newer baselines. A set that was computed with it has 1000 taken from its means here. Radar is
linear power in a cube and mostly decibels in a set: `units` says which, `decibels` converts.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cubestore import sensors
from cubestore.errors import MismatchError
from cubestore.stats.published import NORMS, Norm

FAINTEST = 1e-10
"""Power that stands for zero and less before its logarithm is taken: Clay's pipeline."""


def norm(
    norm_id: str, sensor_id: str, bands: Sequence[str] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a published mean and standard deviation for each band.

    Args:
        norm_id: one of `known`.
        sensor_id: the sensor.
        bands: our names, in the order wanted; None: all that were published.

    Returns:
        Mean and std, float32, in the units that `units` tells.

    Raises:
        UnknownSensorError: no such sensor.
        MismatchError: no such publication, or none of that sensor or band.
    """
    row = find(norm_id, sensor_id)
    wanted = row.bands if bands is None else tuple(bands)
    if not wanted or not set(wanted) <= set(row.bands):
        raise MismatchError(
            f"Bands {', '.join(wanted) or 'none'} in {norm_id}'s numbers of {sensor_id}",
            expected=f"some of {', '.join(row.bands)}",
            remedy="leave out bands that the model was not trained with, or use the statistics of "
            "the cubes: `cubestore stats`",
        )
    at = [row.bands.index(name) for name in wanted]
    mean = np.array(row.mean)[at] - row.too_much
    return mean.astype(np.float32), np.array(row.std)[at].astype(np.float32)


def units(norm_id: str, sensor_id: str) -> str:
    """Return the units of a publication's numbers: ``stored``, or ``dB``.

    Raises:
        UnknownSensorError: no such sensor.
        MismatchError: no such publication, or none of that sensor.
    """
    return find(norm_id, sensor_id).units


def decibels(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``10 * log10`` of power, zero and less taken for `FAINTEST`; NaN stays NaN."""
    bright = np.where(power <= 0, np.float32(FAINTEST), power)
    return np.float32(10) * np.log10(bright, dtype=np.float32)


def find(norm_id: str, sensor_id: str) -> Norm:
    """Return the row of a publication and a sensor.

    Raises:
        UnknownSensorError: no such sensor.
        MismatchError: no such publication, or none of that sensor.
    """
    sensors.sensor(sensor_id)
    rows = known().get(norm_id)
    if rows is None:
        raise MismatchError(
            f"No normalisation is called {norm_id!r}",
            expected=f"one of {', '.join(known())}",
            remedy="choose one of those, or use the statistics of the cubes: `cubestore stats`",
        )
    if sensor_id not in rows:
        raise MismatchError(
            f"{norm_id} has no numbers of {sensor_id}",
            expected=f"one of {', '.join(rows)}",
            remedy="use the statistics of the cubes: `cubestore stats`",
        )
    return rows[sensor_id]


def known() -> Mapping[str, Mapping[str, Norm]]:
    """Return every publication: its id -> sensor id -> the row."""
    found: dict[str, dict[str, Norm]] = {}
    for row in NORMS:
        found.setdefault(row.id, {})[row.sensor] = row
    return found
