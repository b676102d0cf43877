"""The sensors that a store can hold: physics, one module per instrument.

To add one: a module beside these with a ``Sensor``, a row per band with the document that its
numbers were read in, and one line in ``SENSORS`` below. A sensor stands here only when real
items of a provider name assets for all its standard bands; the tests hold them against it.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from cubestore.errors import UnknownSensorError
from cubestore.sensors.copernicus_dem import COP_DEM_GLO_30
from cubestore.sensors.definition import Band, Flag, Layer, Sensor
from cubestore.sensors.landsat import LANDSAT_C2_L1, LANDSAT_C2_L2
from cubestore.sensors.linz import LINZ
from cubestore.sensors.modis import MODIS_09A1
from cubestore.sensors.naip import NAIP
from cubestore.sensors.sentinel1 import SENTINEL_1_RTC
from cubestore.sensors.sentinel2 import SENTINEL_2_L1C, SENTINEL_2_L2A
from cubestore.sensors.worldcover import ESA_WORLDCOVER

__all__ = ["SENSORS", "Band", "Flag", "Layer", "Sensor", "sensor"]

SENSORS: Mapping[str, Sensor] = MappingProxyType(
    {
        known.id: known
        for known in (
            SENTINEL_2_L2A,
            SENTINEL_2_L1C,
            LANDSAT_C2_L2,
            LANDSAT_C2_L1,
            SENTINEL_1_RTC,
            NAIP,
            LINZ,
            MODIS_09A1,
            COP_DEM_GLO_30,
            ESA_WORLDCOVER,
        )
    }
)
"""Every sensor by its id."""


def sensor(sensor_id: str) -> Sensor:
    """Return the sensor of that id.

    Raises:
        UnknownSensorError: nobody registered it.
    """
    if sensor_id in SENSORS:
        return SENSORS[sensor_id]
    near = get_close_matches(sensor_id.lower(), SENSORS, n=1)
    raise UnknownSensorError(
        f"No sensor is called {sensor_id!r}",
        expected=f"one of {', '.join(SENSORS)}",
        remedy=f"the nearest is {near[0]!r}" if near else "choose one of those",
    )
