"""NAIP: quarter quadrangles of aerial pictures, as the Planetary Computer publishes them.

Nothing in them is nodata: a black pixel is black. The files here are smaller than real ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore_pipelines.simulate import published, rasters, scenes
from cubestore_pipelines.simulate.aerial import picture
from cubestore_pipelines.simulate.published import Json
from cubestore_pipelines.simulate.rasters import Bounds, Layers, Patch

BANDS = ("red", "green", "blue", "nir")

BLACK, NODATA = 1, 0
"""What a cube has for a black pixel, and for none."""

_QUADRANGLES = 8
"""Along a side of a degree; a quarter of one is a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quad(published.Collected):
    """One picture."""

    taken: datetime
    quarter: str
    """Of its quadrangle: ``ne``."""
    corner: tuple[int, int]
    """West and north edge, metres."""
    size: tuple[int, int]
    """Width and height, metres."""
    zone: int
    """Of UTM."""
    state: str = "ks"
    centimetres: int = 100
    issued: str = ""
    """The day that ends the item's id, or ""."""
    modern: bool = False
    """Whether the item is as those since 2023 are."""
    alpha: bool = False
    """Whether the file wrongly says that the fourth band is alpha."""
    sensor = "naip"
    collection = "naip"

    @property
    def item_id(self) -> str:
        """The item's id."""
        return f"{self.state}_{self._name}{f'_{self.issued}' if self.issued else ''}"

    @property
    def patch(self) -> Patch:
        """Its pixels, all written."""
        gsd = self.centimetres / 100
        shape = (round(self.size[1] / gsd), round(self.size[0] / gsd))
        affine = Affine(gsd, 0, self.corner[0], 0, -gsd, self.corner[1])
        whole = GeoBox(shape, affine, f"EPSG:{26900 + self.zone}")
        return Patch(whole, (slice(0, shape[0]), slice(0, shape[1])))

    def numbers(self, some: GeoBox, bands: Sequence[str] = BANDS) -> NDArray[np.uint8]:
        """Return what the file holds on some of its pixels."""
        return picture(some, self.taken, bands)

    def pixels(self, some: GeoBox, bands: Sequence[str] | None = None) -> Layers:
        """Return some of its pixels as a cube has them."""
        values = self.numbers(some, scenes.bands_of(self.sensor, bands))
        return {"brightness": np.maximum(values, np.uint8(BLACK))}

    def truth(self, grid: GeoBox, bands: Sequence[str] | None = None) -> Layers:
        """Return what a cube must hold."""
        nodata = scenes.nodata(self.sensor)
        return rasters.seen(self.patch, grid, lambda some: self.pixels(some, bands), nodata)

    def write(self, directory: Path) -> Json:
        """Write the files, and return the item."""
        item, patch = self._item(), self.patch
        profile: dict[str, Any] = {"photometric": "RGB", "alpha": "YES" if self.alpha else "NO"}
        for key, asset in item["assets"].items():
            path = published.lies(directory, asset["href"])
            if key == "image":
                rasters.write(path, self.numbers(patch.whole), patch, **profile)
            elif asset["href"].startswith("http://"):
                rasters.write_text(path, scenes.DOCUMENT)
        return item

    @property
    def _degrees(self) -> tuple[float, float]:
        """Longitude and latitude of the middle."""
        west, south, east, north = self.patch.bounds
        middle = [((west + east) / 2, (south + north) / 2)]
        return rasters.outline(middle, str(self.patch.whole.crs), digits=5)[0]

    @property
    def _cell(self) -> str:
        """Latitude and longitude of the degree's south-east corner: ``38098``."""
        longitude, latitude = self._degrees
        return f"{math.floor(latitude):02}{math.floor(-longitude):03}"

    @property
    def _name(self) -> str:
        longitude, latitude = self._degrees
        row, column = (math.floor(one % 1 * _QUADRANGLES) for one in (-latitude, longitude))
        quadrangle = f"{self._cell}{row * _QUADRANGLES + column + 1:02}"
        fine = f"{self.centimetres:03}" if self.centimetres < 100 else "1"  # noqa: PLR2004 - a metre
        return f"m_{quadrangle}_{self.quarter}_{self.zone}_{fine}_{self.taken:%Y%m%d}"

    def _item(self) -> Json:
        quad = f"{self._name}_{self.issued}" if self.modern else self._name
        names = {
            "id": self.item_id,
            "quad": quad,
            "state": self.state,
            "year": f"{self.taken:%Y}",
            "cell": self._cell,
        }
        shape = "naip-2023" if self.modern else "naip"
        ring = rasters.outline(_ring(self.patch.bounds), str(self.patch.whole.crs), digits=6)
        return published.item(shape, names, ring, self._properties())

    def _properties(self) -> Json:
        whole = self.patch.whole
        longitude, latitude = self._degrees
        centroid = {"proj:centroid": {"lat": latitude, "lon": longitude}} if self.modern else {}
        return {
            "gsd": self.centimetres / 100,
            "datetime": f"{self.taken:%Y-%m-%dT%H:%M:%SZ}",
            "naip:year": f"{self.taken:%Y}",
            "naip:state": self.state,
            "proj:bbox": [float(edge) for edge in self.patch.bounds],
            "proj:epsg": 26900 + self.zone,
            "proj:shape": list(whole.shape),
            "proj:transform": [float(one) for one in whole.affine],
            **centroid,
        }


def _ring(bounds: Bounds) -> list[tuple[float, float]]:
    """Return a ring that begins in the south-east, as these items have it."""
    west, south, east, north = bounds
    return [(east, south), (east, north), (west, north), (west, south), (east, south)]
