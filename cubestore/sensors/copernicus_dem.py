"""Copernicus DEM GLO-30: heights of the surface, with its buildings and trees."""

import math

import numpy as np

from cubestore.sensors.definition import Band, Layer, Sensor

_HANDBOOK = "Airbus / ESA, Copernicus DEM Product Handbook (GEO1988-CopernicusDEM-SPE-002)"

COP_DEM_GLO_30 = Sensor(
    id="cop-dem-glo-30",
    title="Copernicus DEM GLO-30",
    grid="mgrs",
    gsd=30,
    # Tiles of nothing but sea are not published: absent is NaN, not zero.
    pixels=Layer(
        name="elevation",
        dtype=np.dtype(np.float32),
        nodata=math.nan,
        long_name="height of the surface above the geoid EGM2008",
        units="m",
        source=_HANDBOOK,
    ),
    resampling="bilinear",
    bands=(Band(name="elevation", gsd=30, source=_HANDBOOK),),
    constellation="tandem-x",
    license="Licence for COP-DEM-GLO-30-F, Global 30m, full, free and open",
    attribution=(
        "Produced using Copernicus WorldDEM-30 © DLR e.V. 2010-2014 and © Airbus Defence and"
        " Space GmbH 2014-2018 provided under COPERNICUS by the European Union and ESA; all"
        " rights reserved"
    ),
    source=_HANDBOOK,
)
