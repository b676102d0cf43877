"""What a sensor is to the store: its bands, what its pixels mean, and its masks.

Physics only. Where a provider keeps the files is the providers' matter; what scale and
offset one item declares is that item's.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One channel of a sensor."""

    name: str
    """The product's own name: ``B04``, ``sur_refl_b01``, ``vv``."""

    common_name: str = ""
    """STAC common name (``red``, ``nir08`` …), or "" where STAC has none."""

    center_wavelength: float = math.nan
    """Centre of the passband, micrometres; NaN where the band is no passband."""

    full_width_half_max: float = math.nan
    """Width of the passband at half its height, micrometres."""

    gsd: float
    """Ground sample distance of the product's own pixels, metres, nominal."""

    source: str
    """The document these numbers were read in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One meaning of a mask: a value, or bits under a mask that equal a value."""

    meaning: str
    """A word without spaces, as CF's ``flag_meanings`` wants it."""

    value: int
    """The value, or the value of the bits under ``mask``."""

    mask: int = 0
    """The bits looked at; 0 where the whole value counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One variable of a cube on ``(time, y, x)``, or on ``(time, band, y, x)`` for the pixels."""

    name: str
    """The variable: ``reflectance``, ``quality`` …"""

    dtype: np.dtype[np.generic]
    """As stored."""

    nodata: float
    """The stored value that means: nothing here. It is the Zarr ``fill_value``."""

    long_name: str
    """For people and axis labels."""

    units: str = ""
    """CF units of the unpacked values; "1" for reflectance, "" for classes."""

    scale_factor: float | None = None
    """CF packing: value = stored * scale_factor + add_offset. None where not packed."""

    add_offset: float | None = None
    """See ``scale_factor``."""

    masked: bool = False
    """Whether readers are to see nodata as NaN (CF ``_FillValue``): integers that measure, never
    masks, classes and floats."""

    valid_range: tuple[int, int] | None = None
    """Smallest and largest stored value that the product calls valid."""

    flags: tuple[Flag, ...] = ()
    """What the values or bits of a mask mean."""

    source: str
    """The document that defines the layer."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", np.dtype(self.dtype))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """One product of one instrument, as a cube holds it."""

    id: str
    """The name of its cubes: ``sentinel-2-l2a``."""

    title: str
    """For people."""

    grid: Literal["mgrs", "sin"]
    """The tiling that its cubes lie on."""

    gsd: float
    """Pixel size of the cube, metres."""

    margin: float = 0.0
    """Metres by which the cube's box is grown on each side of the tile."""

    pixels: Layer
    """The pixel variable."""

    bands: tuple[Band, ...]
    """The standard bands, in the cube's order."""

    optional_bands: tuple[Band, ...] = ()
    """Bands of the same variable that a cube holds on request."""

    layers: tuple[Layer, ...] = ()
    """The product's masks and what else lies on ``(time, y, x)`` in every cube."""

    optional_layers: tuple[Layer, ...] = ()
    """Layers that a cube holds on request."""

    composite: bool = False
    """Whether a slot spans a time: the cube then has ``time_end``."""

    resampling: Literal["nearest", "bilinear"] = "nearest"
    """How its pixels come onto the cube's grid where that is not the file's own: what was measured
    and what is a class as they are, heights and pictures in between."""

    mantissa_bits: int | None = None
    """Bits that float pixels are rounded to unless all are asked for; None: untouched."""

    constellation: str
    """STAC ``constellation``, or "" for aircraft."""

    instruments: tuple[str, ...] = ()
    """STAC ``instruments``, as the archives' own items have them; none where they name none."""

    level: str = ""
    """How far the producer took the product, as STAC's ``processing:level`` has it; "" where the
    producer counts no levels."""

    license: str
    """SPDX id, or the name of the terms."""

    attribution: str
    """The line that the provider asks users to show."""

    source: str
    """The product's specification."""

    @property
    def every_band(self) -> tuple[Band, ...]:
        """Those that a cube may hold: the standard ones first."""
        return (*self.bands, *self.optional_bands)

    @property
    def every_layer(self) -> tuple[Layer, ...]:
        """Those that a cube may hold beside the pixels: what all cubes have first."""
        return (*self.layers, *self.optional_layers)

    def band(self, name: str) -> Band:
        """Return the band of that name, standard or optional.

        Raises:
            KeyError: the sensor has no such band.
        """
        for band in self.every_band:
            if band.name == name:
                return band
        raise KeyError(name)
