"""What a model is told of a chip beside its pixels: when and where, as Clay was trained on it.

Source: Clay, `claymodel` and stacchip's processors (prechip): week and hour as angles, latitude and
longitude in radians, each as sine and cosine.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

WEEKS, HOURS = 52, 24
"""By which Clay divides the ISO week and the hour; week 53 goes past a full turn there too."""


def time_encoding(times: NDArray[np.datetime64]) -> Floats:
    """Return sine and cosine of the ISO week, then of the hour, UTC; NaN where there is no time.

    Args:
        times: of any shape.

    Returns:
        That shape and four more: ``[sin week, cos week, sin hour, cos hour]``.
    """
    hours = times.astype("M8[h]")
    day = (hours - times.astype("M8[D]")).astype(np.float64)
    angles = [iso_week(times) * 2 * np.pi / WEEKS, day * 2 * np.pi / HOURS]
    parts = [turn(angle) for angle in angles for turn in (np.sin, np.cos)]
    return np.where(np.isnat(times)[..., None], np.nan, np.stack(parts, axis=-1)).astype("f4")


def iso_week(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the ISO 8601 week: that of the Thursday of the same Monday-to-Sunday week."""
    days = times.astype("M8[D]").astype(np.int64)
    thursday = (days + 3) // 7 * 7  # 1970-01-01 was one
    year = thursday.astype("M8[D]").astype("M8[Y]").astype("M8[D]").astype(np.int64)
    week: NDArray[np.int64] = (thursday - year) // 7 + 1
    return week


def place_encoding(lonlat: NDArray[np.float64]) -> Floats:
    """Return sine and cosine of the latitude, then of the longitude.

    Args:
        lonlat: longitude and latitude along the last axis, degrees.

    Returns:
        ``[sin lat, cos lat, sin lon, cos lon]`` along the last axis.
    """
    longitude, latitude = np.moveaxis(np.radians(lonlat), -1, 0)
    parts = [turn(angle) for angle in (latitude, longitude) for turn in (np.sin, np.cos)]
    return np.stack(parts, axis=-1).astype(np.float32)
