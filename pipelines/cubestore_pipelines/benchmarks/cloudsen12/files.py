"""What the names of CloudSEN12's files mean: which band of which variable, or which label.

The documents spell them in several ways (``L1C_B04``, ``L1C_B4``; ``manual_hq``,
``LABEL_manual_hq``; ``EXTRA_ocurrence``, ``extra/occurrence``); all mean the same here.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cubestore.sensors import Flag, Layer, sensor
from cubestore_pipelines.benchmarks.cloudsen12.labels import LABELS

CARD = "CloudSEN12 on Hugging Face (csaybar/CloudSEN12-high), General Description"
EXPORTED = "cloudsen12/dataset, utils.R: what Earth Engine masks is -99"
MASKED = -99
"""See ``EXPORTED``; VV of -99 is what the column on radar coverage counts."""

L1C, L2A, RADAR, ANGLE = "reflectance", "reflectance_l2a", "backscatter_s1", "incidence_angle_s1"

BANDS: dict[str, tuple[str, ...]] = {
    L1C: tuple(band.name for band in sensor("sentinel-2-l1c").bands),
    L2A: tuple(band.name for band in sensor("sentinel-2-l1c").bands if band.name != "B10"),
    RADAR: ("vv", "vh"),
}
"""The variables that have bands, in the order that a set has them."""

INT16, FLOAT32 = np.dtype("int16"), np.dtype("float32")


_SOURCE = f"{CARD}; {EXPORTED}"


def _layer(name: str, long_name: str, **known: Any) -> Layer:  # noqa: ANN401 - fields of Layer
    usual = Layer(name=name, long_name=long_name, dtype=INT16, nodata=MASKED, source=_SOURCE)
    return replace(usual, **known)


_WORLD_COVER = (
    (10, "tree_cover"),
    (20, "shrubland"),
    (30, "grassland"),
    (40, "cropland"),
    (50, "built_up"),
    (60, "bare_or_sparse_vegetation"),
    (70, "snow_and_ice"),
    (80, "permanent_water_bodies"),
    (90, "herbaceous_wetland"),
    (95, "mangroves"),
    (100, "moss_and_lichen"),
)

LAYERS: dict[str, Layer] = {
    "aot": _layer(
        "aerosol_optical_thickness", "aerosol optical thickness", units="1", scale_factor=1e-3
    ),
    "wvp": _layer("water_vapour", "water vapour, as Sen2Cor has it", scale_factor=1e-3),
    "tci_r": _layer("true_colour_red", "true colour image, red"),
    "tci_g": _layer("true_colour_green", "true colour image, green"),
    "tci_b": _layer("true_colour_blue", "true colour image, blue"),
    "cdi": _layer("cloud_displacement_index", "cloud displacement index", scale_factor=1e-4),
    "shwdirection": _layer(
        "shadow_direction",
        "azimuth of the clouds' shadows, from north",
        units="degree",
        scale_factor=1e-2,
    ),
    "elevation": _layer("elevation", "elevation, MERIT Hydro", units="m", nodata=-32768),
    "ocurrence": _layer(
        "water_occurrence", "how often water was there, JRC Global Surface Water", units="percent"
    ),
    "lc100": _layer("land_cover_100m", "Copernicus CGLS-LC100, collection 3"),
    "lc10": _layer(
        "land_cover_10m",
        "ESA WorldCover v100",
        flags=tuple(Flag(meaning=meaning, value=value) for value, meaning in _WORLD_COVER),
    ),
}
"""Name of the file, without ``L2A_`` or ``EXTRA_`` -> the variable, with the card's scales."""

_ALIASES = {"occurrence": "ocurrence"}
_REFLECTANCE = re.compile(r"(l1c|l2a)_b0*(\d{1,2})(a?)")
_PREFIX = re.compile(r"(label|extra|l2a)_")


@dataclass(frozen=True, slots=True, order=True)
class Plane:
    """What one file of the memmap layout holds: a band of a variable, or a variable."""

    variable: str
    band: str = ""

    def __str__(self) -> str:
        return f"{self.variable} {self.band}".strip()


def plane(stem: str) -> Plane | None:
    """Return what a file holds, by its name without ending; None: nothing that is known."""
    name = stem.lower()
    found = _REFLECTANCE.fullmatch(name)
    if found:
        level, number, narrow = found.groups()
        band = f"B{number}A" if narrow else f"B{int(number):02d}"
        variable = {"l1c": L1C, "l2a": L2A}[level]
        return Plane(variable, band) if band in BANDS[variable] else None
    if name in {"s1_vv", "s1_vh"}:
        return Plane(RADAR, name[-2:])
    return Plane(ANGLE) if name == "s1_angle" else _single(_PREFIX.sub("", name))


def _single(name: str) -> Plane | None:
    name = _ALIASES.get(name, name)
    if name in LAYERS:
        return Plane(LAYERS[name].name)
    label = next((label for label in LABELS if label.lower() == name), None)
    return Plane(label) if label else None


def other(variable: str) -> Layer | None:
    """Return the layer of a variable that is neither pixels nor a label."""
    return next((one for one in LAYERS.values() if one.name == variable), None)
