"""NAIP: aerial photographs of the United States, red, green, blue and near infrared.

Contractors fly what cameras they have, and USDA's metadata of each image name the passbands.
The rows hold the narrowest, those of the Leica ADS100 (2020), in micrometres. By the same
source the Intergraph DMC (2011) sees blue 0.40-0.58, green 0.50-0.65, red 0.59-0.675 and near
infrared 0.675-0.85, the Leica ContentMapper (2022) 0.42-0.51, 0.48-0.59, 0.58-0.66 and
0.72-0.85: a cube of several years mixes them. Brightness is a picture's, not a reflectance.
"""

import numpy as np

from cubestore.sensors.definition import Band, Layer, Sensor

_METADATA = (
    "USDA FPAC-BC-APFO, NAIP Digital Georectified Image: FGDC metadata of"
    " m_3211605_ne_11_060_20200415, process description, ADS100 spectral ranges"
)
_PROGRAM = "USDA, National Agriculture Imagery Program (NAIP), four-band digital orthophotos"

NAIP = Sensor(
    id="naip",
    title="NAIP aerial imagery",
    grid="mgrs",
    gsd=1,
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
            center_wavelength=0.635,  # 0.619-0.651
            full_width_half_max=0.032,
            gsd=1,
            source=_METADATA,
        ),
        Band(
            name="green",
            common_name="green",
            center_wavelength=0.555,  # 0.525-0.585
            full_width_half_max=0.060,
            gsd=1,
            source=_METADATA,
        ),
        Band(
            name="blue",
            common_name="blue",
            center_wavelength=0.465,  # 0.435-0.495
            full_width_half_max=0.060,
            gsd=1,
            source=_METADATA,
        ),
        Band(
            name="nir",
            common_name="nir",
            center_wavelength=0.845,  # 0.808-0.882
            full_width_half_max=0.074,
            gsd=1,
            source=_METADATA,
        ),
    ),
    constellation="",
    license="public domain (USDA)",
    attribution="National Agriculture Imagery Program (NAIP), U.S. Department of Agriculture",
    source=_PROGRAM,
)
