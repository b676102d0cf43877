"""What a set of CloudSEN12's patches holds: sensors, labels, and the rest."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cubestore.patches import PatchDescription, Pixels
from cubestore.sensors import Layer, sensor
from cubestore_pipelines.benchmarks.cloudsen12.files import (
    ANGLE,
    BANDS,
    CARD,
    FLOAT32,
    L1C,
    L2A,
    MASKED,
    RADAR,
    Plane,
    other,
)
from cubestore_pipelines.benchmarks.cloudsen12.labels import LABELS

Dtypes = Mapping[Plane, np.dtype[Any]]

ATTRIBUTION = (
    "Aybar et al. 2022, CloudSEN12, Scientific Data 9, 782; "
    "contains modified Copernicus Sentinel data"
)
LICENSE = "CC-BY-NC-4.0"
"""csaybar/CloudSEN12-high, README."""

COMMENT = (
    "Numbers are stored as they were published: an offset in a product's digital numbers was "
    "neither removed nor added. All products are older than processing baseline 04.00."
)

NO_DATA = 0
"""The digital number that says so: ESA, Sentinel-2 Products Specification Document."""

_SENSORS = {L1C: "sentinel-2-l1c", L2A: "sentinel-2-l2a"}
_SUFFIXES = {L1C: "l1c", L2A: "l2a", RADAR: "s1"}

_BACKSCATTER = Layer(
    name=RADAR,
    dtype=FLOAT32,
    nodata=float(MASKED),
    long_name="backscatter coefficient sigma nought, as Earth Engine has it",
    units="dB",
    source=CARD,
)
_INCIDENCE = Layer(
    name=ANGLE,
    dtype=FLOAT32,
    nodata=float(MASKED),
    long_name="angle of incidence, from the product's own grid",
    units="degree",
    source=CARD,
)


def description(
    name: str, dtypes: Dtypes, *, size: int, attributes: Mapping[str, Any]
) -> PatchDescription:
    """Return the set that files with these planes make.

    Args:
        name: of the set.
        dtypes: what there is, and as what it is stored.
        size: pixels along a patch's side.
        attributes: of the group.
    """
    part = name.partition("/")[2]
    pixels = sensors(dtypes, size)
    inside = {one.name for sensor in pixels for one in (sensor.layer, *sensor.layers)}
    others = [one for one in dtypes if one.variable not in inside]
    return PatchDescription(
        name=name,
        title=f"CloudSEN12, {part}",
        pixels=pixels,
        labels=tuple(_layer(one.variable, dtypes[one]) for one in others),
        attribution=ATTRIBUTION,
        license=LICENSE,
        attributes={"comment": COMMENT, **attributes},
    )


def sensors(dtypes: Dtypes, size: int) -> tuple[Pixels, ...]:
    """Return the sensors that there are; the first one's names have no suffix."""
    found: list[Pixels] = []
    for variable in BANDS:
        bands = tuple(one.band for one in dtypes if one.variable == variable)
        if bands:
            suffix = _SUFFIXES[variable] if found else ""
            found.append(replace(_pixels(variable, bands, dtypes, size), suffix=suffix))
    return tuple(found)


def _pixels(variable: str, bands: tuple[str, ...], dtypes: Dtypes, size: int) -> Pixels:
    dtype = dtypes[Plane(variable, bands[0])]
    if variable in _SENSORS:
        of_sensor = Pixels.of(_SENSORS[variable], size=size, bands=bands)
        layer = replace(of_sensor.layer, name=variable, dtype=dtype, nodata=NO_DATA)
        return replace(of_sensor, layer=layer)
    return Pixels(
        layer=replace(_BACKSCATTER, dtype=dtype),
        bands=tuple(sensor("sentinel-1-rtc").band(band) for band in bands),
        size=size,
        layers=(_layer(ANGLE, dtypes[Plane(ANGLE)]),) if Plane(ANGLE) in dtypes else (),
        sensor="sentinel-1-grd",
    )


def _layer(variable: str, dtype: np.dtype[Any]) -> Layer:
    if variable in LABELS:
        return LABELS[variable].layer(variable, dtype)
    known = _INCIDENCE if variable == ANGLE else other(variable)
    assert known is not None  # noqa: S101 - planes are made from these tables
    return replace(known, dtype=dtype)
