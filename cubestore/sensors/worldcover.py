"""ESA WorldCover: what covers the land, eleven classes, from Sentinel-1 and Sentinel-2."""

import numpy as np

from cubestore.sensors.definition import Band, Flag, Layer, Sensor

_MANUAL = "ESA, WorldCover Product User Manual, versions 1.0 (2020) and 2.0 (2021), map legend"

ESA_WORLDCOVER = Sensor(
    id="esa-worldcover",
    title="ESA WorldCover",
    grid="mgrs",
    gsd=10,
    pixels=Layer(
        name="land_cover",
        dtype=np.dtype(np.uint8),
        nodata=0,
        long_name="land cover class",
        flags=(
            Flag(meaning="tree_cover", value=10),
            Flag(meaning="shrubland", value=20),
            Flag(meaning="grassland", value=30),
            Flag(meaning="cropland", value=40),
            Flag(meaning="built_up", value=50),
            Flag(meaning="bare_or_sparse_vegetation", value=60),
            Flag(meaning="snow_and_ice", value=70),
            Flag(meaning="permanent_water_bodies", value=80),
            Flag(meaning="herbaceous_wetland", value=90),
            Flag(meaning="mangroves", value=95),
            Flag(meaning="moss_and_lichen", value=100),
        ),
        source=_MANUAL,
    ),
    bands=(Band(name="map", gsd=10, source=_MANUAL),),
    constellation="sentinel-1, sentinel-2",
    instruments=("c-sar", "msi"),
    license="CC-BY-4.0",
    attribution=(
        "© ESA WorldCover project / Contains modified Copernicus Sentinel data processed by"
        " ESA WorldCover consortium"
    ),
    source=_MANUAL,
)
