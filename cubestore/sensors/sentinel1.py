"""Sentinel-1 C-SAR: radiometrically terrain-corrected backscatter.

Both polarisations have one wavelength, that of the carrier. Some encoders were trained on
other numbers in its place (Clay: 3.5 and 4.0): those are codes, which their inputs put in.
"""

import math

import numpy as np

from cubestore.sensors.definition import Band, Flag, Layer, Sensor

SPEED_OF_LIGHT = 299_792_458.0
"""Metres per second, exact: BIPM, SI Brochure, 9th edition, section 2.2."""

CARRIER = 5.405e9
"""Hertz: ESA, Sentinel-1 SAR Technical Guide, SAR instrument, centre frequency."""

WAVELENGTH = SPEED_OF_LIGHT / CARRIER * 1e6
"""Micrometres; the guide prints 5.5465763 cm."""

_INSTRUMENT = "ESA, Sentinel-1 SAR Technical Guide, SAR instrument, key parameters"
_PRODUCT = "Microsoft / Catalyst, Sentinel-1 RTC, derived from ESA's Level-1 GRD (IW)"

MANTISSA_BITS = 10
"""Rounds by at most 0.0021 dB, far below the 1 dB to which the radar itself is calibrated."""

_OPERA = "NASA JPL, OPERA RTC-S1 Product Specification (JPL D-108758), mask and static layers"

_LAYOVER_SHADOW = Layer(
    name="layover_shadow",
    dtype=np.dtype(np.uint8),
    nodata=255,
    long_name="layover and shadow of the terrain",
    flags=(
        Flag(meaning="neither", value=0),
        Flag(meaning="shadow", value=1),
        Flag(meaning="layover", value=2),
        Flag(meaning="layover_and_shadow", value=3),
    ),
    source=_OPERA,
)

_INCIDENCE_ANGLE = Layer(
    name="incidence_angle",
    dtype=np.dtype(np.float32),
    nodata=math.nan,
    long_name="angle between the radar's line of sight and the normal of the ellipsoid",
    units="degree",
    source=_OPERA,
)

SENTINEL_1_RTC = Sensor(
    id="sentinel-1-rtc",
    title="Sentinel-1 radiometrically terrain-corrected backscatter",
    grid="mgrs",
    gsd=10,
    pixels=Layer(
        name="backscatter",
        dtype=np.dtype(np.float32),
        nodata=math.nan,
        long_name="backscatter coefficient gamma nought, linear power, terrain corrected",
        units="1",
        source=_PRODUCT,
    ),
    # 10 m is the spacing of the pixels; what the radar resolves is 20 m x 22 m.
    bands=(
        Band(name="vv", center_wavelength=WAVELENGTH, gsd=10, source=_INSTRUMENT),
        Band(name="vh", center_wavelength=WAVELENGTH, gsd=10, source=_INSTRUMENT),
    ),
    optional_layers=(_LAYOVER_SHADOW, _INCIDENCE_ANGLE),
    mantissa_bits=MANTISSA_BITS,
    constellation="sentinel-1",
    instruments=("c-sar",),
    license="CC-BY-4.0",
    attribution=(
        "Contains modified Copernicus Sentinel data; terrain correction by Catalyst for Microsoft"
    ),
    source=_PRODUCT,
)
