"""What is above the simulated ground: the sun of the hour, clouds, and where their shadows fall."""

from dataclasses import dataclass
from datetime import datetime
from statistics import NormalDist

import numpy as np

from cubestore_pipelines.simulate.plane import Nodes, Places, waves

CLOUD_BASE = 1_500.0
"""Metres above the ground."""

LOWEST_SUN = 80.0
"""Degrees from the zenith; nobody acquires at night."""

OBLIQUITY = 23.44
"""Degrees; tilt of the Earth's axis."""

_EDGE = 3.0
"""How steeply clouds thicken from their rim."""

_THINNEST, _THICKEST = -4.0, 5.0
"""Where thickness is cut off: far enough from 0 and 1 to leave them smooth."""


@dataclass(frozen=True, slots=True)
class Sun:
    """Where the sun stands, radians; the azimuth is from north, clockwise."""

    zenith: Places
    azimuth: Places


def sun(at: Nodes, time: datetime) -> Sun:
    """Return the sun's place in the sky, to a degree or two: its orbit is a circle."""
    day = time.timetuple().tm_yday
    tilt = -np.radians(OBLIQUITY) * np.cos(2 * np.pi * (day + 10) / 365)
    hours = time.hour + time.minute / 60 + time.second / 3600
    angle = np.radians((hours - 12) * 15 + at.longitude)
    latitude = np.radians(at.latitude)
    up = np.sin(latitude) * np.sin(tilt) + np.cos(latitude) * np.cos(tilt) * np.cos(angle)
    north = np.sin(tilt) * np.cos(latitude) - np.cos(tilt) * np.sin(latitude) * np.cos(angle)
    zenith = np.minimum(np.arccos(up), np.radians(LOWEST_SUN))
    return Sun(zenith, np.arctan2(-np.cos(tilt) * np.sin(angle), north))


def clouds(at: Nodes, time: datetime, cloudiness: float) -> Places:
    """Return the thickness of clouds: below 0 the sky is clear, above 1 nothing is seen below.

    Args:
        at: where.
        time: of the scene; every time has a sky of its own.
        cloudiness: the part of the sky that is covered, 0 to 1, over a wide area.
    """
    seed = int(time.timestamp()) % 2**31
    sky = 0.9 * waves(at, seed, 9_000) + 0.436 * waves(at, seed + 1, 4_500)
    covered = NormalDist().inv_cdf(1 - min(max(cloudiness, 1e-6), 1 - 1e-6))
    return np.clip(_EDGE * (sky - covered), _THINNEST, _THICKEST)


def shadows(at: Nodes, time: datetime, cloudiness: float) -> Places:
    """Return the thickness of clouds on the way to the sun."""
    here = sun(at, time)
    away = CLOUD_BASE * np.tan(here.zenith)
    below = at.moved(away * np.sin(here.azimuth), away * np.cos(here.azimuth))
    return clouds(below, time, cloudiness)
