"""Pictures from aeroplanes: the ground in bytes, with a grain that tells pixels from pixels."""

from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore_pipelines.simulate import landscape
from cubestore_pipelines.simulate.plane import bits

SEEN_AS = MappingProxyType({"red": "B04", "green": "B03", "blue": "B02", "nir": "B08"})
"""Sentinel-2's band for each of a camera's."""

_CONTRAST, _DARK = 18, 8
"""Steps of 1/10000 of reflectance to one of brightness, and what is taken off: woods turn black."""

_GRAIN = 16
"""Levels of the grain, which differs from band to band."""

_BRIGHTEST = 254
"""So that 255 may be nodata."""


def picture(some: GeoBox, time: datetime, bands: Sequence[str]) -> NDArray[np.uint8]:
    """Return the brightness ``(band, y, x)`` of some pixels, under a clear sky."""
    scene = landscape.Scene(item_id="", time=time, cloudiness=0.0)
    values = scene.view(some).reflectance([SEEN_AS[band] for band in bands])
    values //= np.int16(_CONTRAST)
    grain = bits(some, int(time.timestamp()) % 2**31)
    for index, band in enumerate(bands):
        shift = 4 * list(SEEN_AS).index(band)
        values[index] += ((grain >> shift) % _GRAIN).astype("int16")
    values -= np.int16(_DARK + _GRAIN // 2)
    return np.clip(values, 0, _BRIGHTEST).astype("uint8")
