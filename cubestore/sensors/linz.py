"""LINZ: aerial photographs of New Zealand, red, green and blue.

LINZ publishes neither camera nor passbands. The rows hold those of the Leica ADS100 from
USDA's metadata of NAIP as a stand-in; a survey's real ones may lie 0.03 micrometres aside.
Surveys have pixels of 0.1 to 1 m; a cube has 0.5 m.
"""

import numpy as np

from cubestore.sensors.definition import Band, Layer, Sensor

GSD = 0.5
"""Metres."""

_STAND_IN = "not published by LINZ; Leica ADS100 in its place, spectral ranges as in USDA's NAIP"
_PROGRAM = "Toitū Te Whenua Land Information New Zealand, New Zealand Imagery, RGB orthophotos"

LINZ = Sensor(
    id="linz",
    title="LINZ aerial imagery of New Zealand",
    grid="mgrs",
    gsd=GSD,
    pixels=Layer(
        name="brightness",
        dtype=np.dtype(np.uint8),
        nodata=0,
        long_name="brightness of the aerial image",
        units="1",
        masked=True,
        source=_PROGRAM,
    ),
    resampling="bilinear",
    bands=(
        Band(
            name="red",
            common_name="red",
            center_wavelength=0.635,
            full_width_half_max=0.032,
            gsd=GSD,
            source=_STAND_IN,
        ),
        Band(
            name="green",
            common_name="green",
            center_wavelength=0.555,
            full_width_half_max=0.060,
            gsd=GSD,
            source=_STAND_IN,
        ),
        Band(
            name="blue",
            common_name="blue",
            center_wavelength=0.465,
            full_width_half_max=0.060,
            gsd=GSD,
            source=_STAND_IN,
        ),
    ),
    constellation="",
    license="CC-BY-4.0",
    attribution="Sourced from the LINZ Data Service and licensed for reuse under CC BY 4.0",
    source=_PROGRAM,
)
