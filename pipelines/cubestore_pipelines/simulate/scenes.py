"""What every simulated scene offers, whatever took it: a name, files, an item, and the truth."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np
from odc.geo.geobox import GeoBox

from cubestore.cloud import CLOUD_CLASS, from_modis_state, from_qa_pixel, from_scl
from cubestore.sensors import SENSORS
from cubestore_pipelines.simulate import sky
from cubestore_pipelines.simulate.plane import at
from cubestore_pipelines.simulate.published import Json
from cubestore_pipelines.simulate.rasters import Layers, Square

DOCUMENT = "<simulated/>\n"
"""What the files hold that are no images."""


class Scene(Protocol):
    """One item of one collection. Two that are equal are the same to the last bit."""

    @property
    def item_id(self) -> str:
        """The item's id."""

    @property
    def collection(self) -> str:
        """The collection's id."""

    @property
    def sensor(self) -> str:
        """The sensor whose cubes hold it, or ""."""

    def write(self, directory: Path) -> Json:
        """Write the files into an archive's folder, and return the item."""

    def gathered(self, items: Sequence[Json]) -> Json:
        """Return the collection that holds some items like this one's."""

    def truth(self, grid: GeoBox, bands: Sequence[str] | None) -> Layers:
        """Return what a cube must hold of it, but for `cloud_class`.

        Args:
            grid: a cube's pixels, or a part of them.
            bands: names of the sensor's bands; its standard ones where None.
        """


def sun(shown: Square, time: datetime) -> tuple[float, float]:
    """Return the sun's elevation, and its azimuth from north, clockwise: degrees."""
    there = sky.sun(at(shown.longitude, shown.latitude), time)
    elevation, azimuth = 90 - np.degrees(there.zenith[0]), np.degrees(there.azimuth[0]) % 360
    return round(float(elevation), 8), round(float(azimuth), 8)


def nodata(sensor: str) -> Mapping[str, float]:
    """Return the nodata value of every variable of a sensor's cubes."""
    known = SENSORS[sensor]
    layers = (known.pixels, *known.layers, *known.optional_layers, CLOUD_CLASS)
    return {layer.name: layer.nodata for layer in layers}


def classified(sensor: str, layers: Layers) -> Layers:
    """Return variables and, where the sensor has a mask to take it from, ``cloud_class``."""
    mission = sensor.partition("-")[0]
    if sensor == "sentinel-2-l2a":
        return {**layers, "cloud_class": from_scl(layers["quality"])}
    if mission == "landsat":
        return {**layers, "cloud_class": from_qa_pixel(layers["quality"])}
    if mission == "modis":
        return {**layers, "cloud_class": from_modis_state(layers["state"])}
    return layers


def bands_of(sensor: str, bands: Sequence[str] | None) -> tuple[str, ...]:
    """Return the bands asked for, or a sensor's standard ones."""
    return tuple(bands) if bands else tuple(band.name for band in SENSORS[sensor].bands)
