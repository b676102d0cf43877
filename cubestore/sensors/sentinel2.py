"""Sentinel-2 MSI: surface reflectance (L2A) and top-of-atmosphere reflectance (L1C).

The numbers are those of Sentinel-2A, since a cube mixes the platforms on one band axis.
Sentinel-2B lies within 3.1 nm of them, but for B10 (+3.4), B11 (-3.3) and B12 (-16.7 nm).

Published items disagree, and on the widths none is right:

* Centres: Earth Search and the Planetary Computer print the mission's requirement (0.49,
  0.842, 1.61, 2.19), CDSE the measured ones of each platform.
* Widths: Earth Search and the Planetary Computer print the whole passband, from the product
  metadata's MIN to its MAX (0.098 for B02), CDSE half of MAX itself (0.267). What is half the
  response's height stands only in ESA's own table, which is believed here.
"""

import numpy as np

from cubestore.sensors.definition import Band, Flag, Layer, Sensor

_S2A = "ESA, Sentinel-2 MSI Technical Guide, Spectral resolution, table of Sentinel-2A"
_PRODUCTS = "ESA, Sentinel-2 Products Specification Document (S2-PDGS-TAS-DI-PSD)"

# The three red edges carry the names of version 2 of STAC's eo extension: under "rededge",
# which Earth Search and the Planetary Computer still write, they could not be told apart.
# B8A is nir08; the Planetary Computer calls it rededge too.
_BANDS = (
    Band(
        name="B01",
        common_name="coastal",
        center_wavelength=0.4427,
        full_width_half_max=0.021,
        gsd=60,
        source=_S2A,
    ),
    Band(
        name="B02",
        common_name="blue",
        center_wavelength=0.4924,
        full_width_half_max=0.066,
        gsd=10,
        source=_S2A,  # later documents of ESA's say 0.4927
    ),
    Band(
        name="B03",
        common_name="green",
        center_wavelength=0.5598,
        full_width_half_max=0.036,
        gsd=10,
        source=_S2A,
    ),
    Band(
        name="B04",
        common_name="red",
        center_wavelength=0.6646,
        full_width_half_max=0.031,
        gsd=10,
        source=_S2A,
    ),
    Band(
        name="B05",
        common_name="rededge071",
        center_wavelength=0.7041,
        full_width_half_max=0.015,
        gsd=20,
        source=_S2A,
    ),
    Band(
        name="B06",
        common_name="rededge075",
        center_wavelength=0.7405,
        full_width_half_max=0.015,
        gsd=20,
        source=_S2A,
    ),
    Band(
        name="B07",
        common_name="rededge078",
        center_wavelength=0.7828,
        full_width_half_max=0.020,
        gsd=20,
        source=_S2A,
    ),
    Band(
        name="B08",
        common_name="nir",
        center_wavelength=0.8328,
        full_width_half_max=0.106,
        gsd=10,
        source=_S2A,
    ),
    Band(
        name="B8A",
        common_name="nir08",
        center_wavelength=0.8647,
        full_width_half_max=0.021,
        gsd=20,
        source=_S2A,
    ),
    Band(
        name="B09",
        common_name="nir09",
        center_wavelength=0.9451,
        full_width_half_max=0.020,
        gsd=60,
        source=_S2A,
    ),
    Band(
        name="B10",
        common_name="cirrus",
        center_wavelength=1.3735,
        full_width_half_max=0.031,
        gsd=60,
        source=_S2A,
    ),
    Band(
        name="B11",
        common_name="swir16",
        center_wavelength=1.6137,
        full_width_half_max=0.091,
        gsd=20,
        source=_S2A,
    ),
    Band(
        name="B12",
        common_name="swir22",
        center_wavelength=2.2024,
        full_width_half_max=0.175,
        gsd=20,
        source=_S2A,
    ),
)

_ON_REQUEST = ("B01", "B09")
"""The 60 m bands for aerosol and water vapour, which the correction to L2A has used up."""

_NOT_IN_L2A = "B10"
"""The cirrus band sees no ground."""


def _reflectance(long_name: str, source: str) -> Layer:
    return Layer(
        name="reflectance",
        dtype=np.dtype(np.int16),
        nodata=-32768,
        long_name=long_name,
        units="1",
        scale_factor=1e-4,
        add_offset=0.0,
        masked=True,
        source=source,
    )


_SCL = Layer(
    name="quality",
    dtype=np.dtype(np.uint8),
    nodata=0,
    long_name="scene classification (SCL)",
    flags=(
        Flag(meaning="no_data", value=0),
        Flag(meaning="saturated_or_defective", value=1),
        Flag(meaning="dark_area_pixels", value=2),
        Flag(meaning="cloud_shadows", value=3),
        Flag(meaning="vegetation", value=4),
        Flag(meaning="not_vegetated", value=5),
        Flag(meaning="water", value=6),
        Flag(meaning="unclassified", value=7),
        Flag(meaning="cloud_medium_probability", value=8),
        Flag(meaning="cloud_high_probability", value=9),
        Flag(meaning="thin_cirrus", value=10),
        Flag(meaning="snow", value=11),
    ),
    source=f"{_PRODUCTS}, Level-2A, scene classification",
)

_TERMS = "Copernicus Sentinel Data Legal Notice"
_ATTRIBUTION = "Contains modified Copernicus Sentinel data"

SENTINEL_2_L2A = Sensor(
    id="sentinel-2-l2a",
    title="Sentinel-2 Level-2A surface reflectance",
    grid="mgrs",
    gsd=10,
    pixels=_reflectance(
        "surface reflectance",
        f"{_PRODUCTS}, Level-2A: BOA_QUANTIFICATION_VALUE 10000, BOA_ADD_OFFSET removed",
    ),
    bands=tuple(b for b in _BANDS if b.name not in (*_ON_REQUEST, _NOT_IN_L2A)),
    optional_bands=tuple(b for b in _BANDS if b.name in _ON_REQUEST),
    layers=(_SCL,),
    constellation="sentinel-2",
    instruments=("msi",),
    level="L2A",
    license=_TERMS,
    attribution=_ATTRIBUTION,
    source=_PRODUCTS,
)

# No quality layer: L1C has none on the 10 m grid (its cloud mask is of 60 m, or polygons).
SENTINEL_2_L1C = Sensor(
    id="sentinel-2-l1c",
    title="Sentinel-2 Level-1C top-of-atmosphere reflectance",
    grid="mgrs",
    gsd=10,
    pixels=_reflectance(
        "top-of-atmosphere reflectance",
        f"{_PRODUCTS}, Level-1C: QUANTIFICATION_VALUE 10000, RADIO_ADD_OFFSET removed",
    ),
    bands=_BANDS,
    constellation="sentinel-2",
    instruments=("msi",),
    level="L1C",
    license=_TERMS,
    attribution=_ATTRIBUTION,
    source=_PRODUCTS,
)
