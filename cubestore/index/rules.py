"""What counts as data and as cloud: our own scheme, the same for all sensors, and stacchip's.

stacchip's numbers are those of the Clay v1 data: each product's own mask, with the codes that its
indexers look at, and chips left out of which more than half is nodata.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore.cloud import CLOUD_CLASS, CLOUD_SHADOW, THICK_CLOUD, THIN_CLOUD
from cubestore.errors import QueryError
from cubestore.sensors import Sensor

STACCHIP = "stacchip"
COMPAT = ("", STACCHIP)
"""The ways of counting: "" is our own."""

PER_BAND = frozenset({"naip", "sentinel-1-rtc"})
"""Sensors of which a band may lack what another has: grey photographs, lost polarisations."""


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of a mask; those with the same low bits are one."""

    layer: str
    table: NDArray[np.bool_]
    """Whether each code counts; a power of two long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How the chips of a sensor are counted, and which of them are listed."""

    data: Codes | None = None
    """What is data, of a mask; None: a pixel that has data in any band."""

    cloud: Codes | None = None
    """What is cloud; None: nothing is."""

    per_band: bool = False
    declared: bool = False
    """Whether nodata is told to be 0, whatever the pixels are."""

    most_nodata: float = 1.0
    """Of a chip that is listed. One without any pixel of data never is."""

    whole: bool = False
    """Whether chips that reach past the edge of the cube are left out."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The masks that are read."""
        return tuple(one.layer for one in (self.data, self.cloud) if one)


def rule(sensor: Sensor, compat: str = "") -> Rule:
    """Return how a sensor's chips are counted.

    Raises:
        QueryError: another way of counting, or a sensor that it does not know.
    """
    if compat not in COMPAT:
        raise QueryError(
            f"The way of counting {compat!r}",
            expected=f"{STACCHIP}, or none for our own",
            remedy=f"--compat {STACCHIP}",
        )
    if not compat:
        return Rule(cloud=_clouds(sensor), per_band=sensor.id in PER_BAND)
    if sensor.id not in _STACCHIP:
        raise QueryError(
            f"stacchip knows no {sensor.id}",
            expected=f"one of {', '.join(_STACCHIP)}",
            remedy="leave out --compat for it",
        )
    return _STACCHIP[sensor.id]()


def known(sensor: Sensor, compat: str) -> bool:
    """Whether a way of counting knows a sensor."""
    return not compat or sensor.id in _STACCHIP


def _clouds(sensor: Sensor) -> Codes | None:
    if not any(layer.name == "quality" for layer in sensor.layers):
        return None
    return Codes(CLOUD_CLASS.name, _table(8, {THICK_CLOUD, THIN_CLOUD, CLOUD_SHADOW}.__contains__))


@cache
def _scl() -> Rule:
    clouds = {1, 3, 8, 9, 10}  # saturated is one of them
    return _masked(_table(8, lambda code: code != 0), _table(8, clouds.__contains__))


@cache
def _qa_pixel() -> Rule:
    fill, clouds = 1 << 0, 1 << 1 | 1 << 3 | 1 << 4  # dilated cloud, cloud, shadow
    return _masked(_table(5, lambda code: not code & fill), _table(5, lambda code: code & clouds))


@cache
def _modis_qc() -> Rule:
    """Published: 01 is "cloud", though the product calls it less than ideal and 10 cloud."""
    clouds, nodata = 0b01, 0b11
    return _masked(_table(2, lambda code: code != nodata), _table(2, lambda code: code == clouds))


@cache
def _no_data_mask() -> Rule:
    return Rule(most_nodata=0.5, whole=True)


@cache
def _radar() -> Rule:
    return Rule(most_nodata=0.5, whole=True, per_band=True)


@cache
def _no_stats() -> Rule:
    return Rule(declared=True, whole=True, per_band=True)


_STACCHIP: Mapping[str, Callable[[], Rule]] = {
    "sentinel-2-l2a": _scl,
    "landsat-c2-l1": _qa_pixel,
    "landsat-c2-l2": _qa_pixel,
    "modis-09a1": _modis_qc,
    "sentinel-1-rtc": _radar,
    "linz": _no_data_mask,
    "naip": _no_stats,
}


def _masked(data: NDArray[np.bool_], clouds: NDArray[np.bool_]) -> Rule:
    """Return a rule of the product's own mask."""
    return Rule(
        data=Codes("quality", data), cloud=Codes("quality", clouds), most_nodata=0.5, whole=True
    )


def _table(bits: int, counts: Callable[[int], Any]) -> NDArray[np.bool_]:
    table = np.array([bool(counts(code)) for code in range(1 << bits)])
    table.flags.writeable = False
    return table
