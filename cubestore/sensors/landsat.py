"""Landsat 8 and 9 OLI, Collection 2: surface reflectance (Level 2) and top of atmosphere (Level 1).

The numbers are those of Landsat 8; Landsat 9's OLI-2 lies within a nanometre or two. TM, ETM+
and MSS number other passbands B1 to B7: they would be sensors of their own.

Published items round to two digits, and older ones (the Planetary Computer's landsat-8-c2-l2)
print the edges' nominal distance; both lie within their rounding of the numbers here.
"""

import numpy as np

from cubestore.sensors.definition import Band, Flag, Layer, Sensor

_RESPONSE = (
    "NASA GSFC: Barsi et al. 2014, The Spectral Response of the Landsat-8 Operational Land"
    " Imager, Remote Sensing 6(10), 10232-10251, band averages of centre and FWHM"
)
_LEVEL_1 = "USGS LSDS-1822, Landsat 8-9 OLI/TIRS Collection 2 Level 1 Data Format Control Book"
_LEVEL_2 = "USGS LSDS-1328, Landsat 8-9 OLI/TIRS Collection 2 Level 2 Data Format Control Book"

# B1 would come first by wavelength; cubes that hold it hold it where their maker put it.
_COASTAL = Band(
    name="B1",
    common_name="coastal",
    center_wavelength=0.44296,
    full_width_half_max=0.01598,
    gsd=30,
    source=_RESPONSE,
)

_BANDS = (
    Band(
        name="B4",
        common_name="red",
        center_wavelength=0.65459,
        full_width_half_max=0.03747,
        gsd=30,
        source=_RESPONSE,
    ),
    Band(
        name="B3",
        common_name="green",
        center_wavelength=0.56141,
        full_width_half_max=0.05733,
        gsd=30,
        source=_RESPONSE,
    ),
    Band(
        name="B2",
        common_name="blue",
        center_wavelength=0.48204,
        full_width_half_max=0.06004,
        gsd=30,
        source=_RESPONSE,
    ),
    Band(
        name="B5",
        common_name="nir08",
        center_wavelength=0.86467,
        full_width_half_max=0.02825,
        gsd=30,
        source=_RESPONSE,
    ),
    Band(
        name="B6",
        common_name="swir16",
        center_wavelength=1.60886,
        full_width_half_max=0.08472,
        gsd=30,
        source=_RESPONSE,
    ),
    Band(
        name="B7",
        common_name="swir22",
        center_wavelength=2.20073,
        full_width_half_max=0.18666,
        gsd=30,
        source=_RESPONSE,
    ),
)

MARGIN = 15.0
"""Metres: Landsat's pixel edges lie at 15 mod 30, an MGRS tile's at 0."""


def _reflectance(long_name: str, scale_factor: float, add_offset: float, source: str) -> Layer:
    return Layer(
        name="reflectance",
        dtype=np.dtype(np.uint16),
        nodata=0,
        long_name=long_name,
        units="1",
        scale_factor=scale_factor,
        add_offset=add_offset,
        masked=True,
        source=source,
    )


_QA_PIXEL = Layer(
    name="quality",
    dtype=np.dtype(np.uint16),
    nodata=1,
    long_name="pixel quality assessment (QA_PIXEL)",
    flags=(
        Flag(meaning="fill", mask=1 << 0, value=1 << 0),
        Flag(meaning="dilated_cloud", mask=1 << 1, value=1 << 1),
        Flag(meaning="cirrus", mask=1 << 2, value=1 << 2),
        Flag(meaning="cloud", mask=1 << 3, value=1 << 3),
        Flag(meaning="cloud_shadow", mask=1 << 4, value=1 << 4),
        Flag(meaning="snow", mask=1 << 5, value=1 << 5),
        Flag(meaning="clear", mask=1 << 6, value=1 << 6),
        Flag(meaning="water", mask=1 << 7, value=1 << 7),
        Flag(meaning="cloud_confidence_low", mask=3 << 8, value=1 << 8),
        Flag(meaning="cloud_confidence_medium", mask=3 << 8, value=2 << 8),
        Flag(meaning="cloud_confidence_high", mask=3 << 8, value=3 << 8),
        Flag(meaning="cloud_shadow_confidence_low", mask=3 << 10, value=1 << 10),
        Flag(meaning="cloud_shadow_confidence_high", mask=3 << 10, value=3 << 10),
        Flag(meaning="snow_confidence_low", mask=3 << 12, value=1 << 12),
        Flag(meaning="snow_confidence_high", mask=3 << 12, value=3 << 12),
        Flag(meaning="cirrus_confidence_low", mask=3 << 14, value=1 << 14),
        Flag(meaning="cirrus_confidence_high", mask=3 << 14, value=3 << 14),
    ),
    source=f"{_LEVEL_1}, Pixel Quality Assessment band, bit assignments",
)

_SATURATION = Layer(
    name="saturation",
    dtype=np.dtype(np.uint16),
    nodata=2**16 - 1,
    long_name="radiometric saturation and terrain occlusion (QA_RADSAT)",
    flags=(
        *(Flag(meaning=f"b{n}_saturated", mask=1 << n - 1, value=1 << n - 1) for n in range(1, 8)),
        Flag(meaning="b9_saturated", mask=1 << 8, value=1 << 8),
        Flag(meaning="terrain_occlusion", mask=1 << 11, value=1 << 11),
    ),
    source=f"{_LEVEL_1}, Radiometric Saturation and Terrain Occlusion QA band, bit assignments",
)

_SURFACE_TEMPERATURE = Layer(
    name="surface_temperature",
    dtype=np.dtype(np.uint16),
    nodata=0,
    long_name="surface temperature (ST_B10)",
    units="K",
    scale_factor=0.00341802,
    add_offset=149.0,
    masked=True,  # without, every reader would see nodata as 149 K
    source=f"{_LEVEL_2}, surface temperature: multiplicative and additive scaling factor",
)

_TERMS = "public domain (USGS)"

LANDSAT_C2_L2 = Sensor(
    id="landsat-c2-l2",
    title="Landsat 8-9 OLI Collection 2 Level-2 surface reflectance",
    grid="mgrs",
    gsd=30,
    margin=MARGIN,
    pixels=_reflectance(
        "surface reflectance", 2.75e-5, -0.2, f"{_LEVEL_2}, surface reflectance scaling factors"
    ),
    bands=_BANDS,
    optional_bands=(_COASTAL,),
    layers=(_QA_PIXEL,),
    optional_layers=(_SATURATION, _SURFACE_TEMPERATURE),
    constellation="landsat",
    instruments=("oli",),
    level="L2",
    license=_TERMS,
    attribution="Landsat Level-2 surface reflectance courtesy of the U.S. Geological Survey",
    source=_LEVEL_2,
)

LANDSAT_C2_L1 = Sensor(
    id="landsat-c2-l1",
    title="Landsat 8-9 OLI Collection 2 Level-1 top-of-atmosphere reflectance",
    grid="mgrs",
    gsd=30,
    margin=MARGIN,
    pixels=_reflectance(
        "top-of-atmosphere reflectance, not divided by the sine of the sun's elevation",
        2e-5,
        -0.1,
        f"{_LEVEL_1}, REFLECTANCE_MULT_BAND_x and REFLECTANCE_ADD_BAND_x",
    ),
    bands=_BANDS,
    layers=(_QA_PIXEL,),
    optional_layers=(_SATURATION,),
    constellation="landsat",
    instruments=("oli",),
    level="L1",
    license=_TERMS,
    attribution="Landsat Level-1 data courtesy of the U.S. Geological Survey",
    source=_LEVEL_1,
)
