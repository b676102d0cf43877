"""What Earth Engine's metadata.json of an acquisition tells, in the words of our columns."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cubestore_pipelines.errors import DatasetError

Known = dict[str, str | int | float]

_OPTICAL: Mapping[str, tuple[str, Callable[[Any], str | int | float]]] = {
    "platform": ("SPACECRAFT_NAME", lambda name: str(name).lower()),
    "processing_baseline": ("PROCESSING_BASELINE", str),
    "orbit_state": ("SENSING_ORBIT_DIRECTION", lambda way: str(way).lower()),
    "relative_orbit": ("SENSING_ORBIT_NUMBER", int),
    "sun_azimuth": ("MEAN_SOLAR_AZIMUTH_ANGLE", float),
    "sun_elevation": ("MEAN_SOLAR_ZENITH_ANGLE", lambda zenith: 90 - float(zenith)),
    "cloud_cover": ("CLOUDY_PIXEL_PERCENTAGE", float),
}
_RADAR: Mapping[str, tuple[str, Callable[[Any], str | int | float]]] = {
    "platform": ("platform_number", lambda letter: f"sentinel-1{letter}".lower()),
    "orbit_state": ("orbitProperties_pass", lambda way: str(way).lower()),
    "relative_orbit": ("relativeOrbitNumber_start", int),
}
"""Our column -> Earth Engine's property, and what becomes of it."""

UNKNOWN: Known = {
    **dict.fromkeys(("platform", "processing_baseline", "orbit_state"), ""),
    "relative_orbit": -1,
    **dict.fromkeys(("sun_azimuth", "sun_elevation", "cloud_cover"), float("nan")),
}
"""Where a property is not there."""


def columns(*, optical: bool) -> tuple[str, ...]:
    """Return the columns that the metadata of a sensor fill."""
    return tuple(_OPTICAL if optical else _RADAR)


def read(path: Path, *, optical: bool, row: str) -> tuple[np.datetime64, Known]:
    """Return when an acquisition was made, and what else is known of it.

    Args:
        path: of the metadata.json; its folder has the acquisition's name.
        optical: whether it is Sentinel-2's.
        row: for errors.

    Raises:
        DatasetError: it is not there, or not of this acquisition.
    """
    told = _document(path, row)
    if told.get("system:index") != path.parent.name:
        raise _odd(f"is of the acquisition {told.get('system:index')!r}", path, row)
    try:
        time = np.datetime64(int(told["system:time_start"]), "ms").astype("M8[us]")
        wanted = _OPTICAL if optical else _RADAR
        known = {o: make(told[name]) for o, (name, make) in wanted.items() if name in told}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _odd(f"lacks a property, or has an odd one: {error}", path, row) from None
    return time, {name: known.get(name, UNKNOWN[name]) for name in wanted}


def _document(path: Path, row: str) -> dict[str, Any]:
    try:
        told = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise _odd("is not there", path, row) from None
    except (OSError, ValueError) as error:
        raise _odd(f"cannot be read: {error}", path, row) from None
    if not isinstance(told, dict):
        raise _odd("is no JSON object", path, row)
    return told


def _odd(problem: str, path: Path, row: str) -> DatasetError:
    return DatasetError(
        f"{row}: {path} {problem}",
        expected="Earth Engine's properties of the acquisition whose name the folder has",
        remedy="fetch the patch again, or leave it out with --void-ids",
    )
