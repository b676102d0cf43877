"""Landsat 8 and 9, Collection 2: Level 2 as the Planetary Computer has it, Level 1 as USGS does.

Two rows of a path overlap and show the same. The CRS is that of northern UTM, in the south too.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore_pipelines.simulate import ground, landscape, published, rasters, scenes
from cubestore_pipelines.simulate.footprints import Footprint
from cubestore_pipelines.simulate.landscape import View
from cubestore_pipelines.simulate.plane import lattice, waves
from cubestore_pipelines.simulate.published import Json, written
from cubestore_pipelines.simulate.rasters import Layers, Patch, Square

GSD = 30
FILL, QUALITY_FILL, SATURATION_FILL = 0, 1, 2**16 - 1
"""Of the files' pixels, of their quality, and of a cube's saturation, for which files have none."""

SEEN_AS = MappingProxyType(
    {"B1": "B01", "B2": "B02", "B3": "B03", "B4": "B04", "B5": "B8A", "B6": "B11", "B7": "B12"}
)
"""Sentinel-2's band for each of Landsat's: the ground has no other spectra."""

ASSETS = MappingProxyType(
    {
        "B1": "coastal",
        "B2": "blue",
        "B3": "green",
        "B4": "red",
        "B5": "nir08",
        "B6": "swir16",
        "B7": "swir22",
    }
)

CLEAR, WATER, CIRRUS, DILATED, CLOUD, SHADE = 21824, 21952, 54596, 21826, 22280, 23888
"""Values of QA_PIXEL: LSDS-1619, table of the usual ones."""

SATURATED = 0b11
"""Bits of QA_RADSAT for B1 and B2, which clouds are too bright for."""

_ROOT = "http://landsateuwest.blob.core.windows.net/landsat-c2"
_LOOK = "http://landsatlook.usgs.gov/data/collection02/level-1/standard/"
_LOOK_S3 = "s3://usgs-landsat/collection02/level-1/standard/"
_LOOK_PAGES = "https://landsatlook.usgs.gov/stac-browser/collection02/level-1/standard/"

_KELVIN, _COLDEST, _STEP = 273.15, 149.0, 0.00341802
_CLOUD_TOP = 255.0
_WARMTH = MappingProxyType(
    {ground.WATER: -6.0, ground.FOREST: -3.0, ground.CROPS: 2.0, ground.MEADOW: 0.0, ground.TOWN: 6}
)
"""Kelvin that the ground is warmer than the air."""

_UNKNOWN = 1.6
"""Where emissivity is unknown there is no temperature: of a field of variance 1, above this."""

_EMISSIVITY_SEED, _EMISSIVITY_PERIOD = 61, 4_000

_THERMAL = ("qa", "drad", "emis", "emsd", "trad", "urad", "atran", "cdist", "lwir11")
"""What an item without surface temperature lacks."""

_OTHERS = MappingProxyType(
    {"quality": "qa_pixel", "saturation": "qa_radsat", "surface_temperature": "lwir11"}
)
"""The assets of what is no reflectance."""

_IDLE = MappingProxyType({"qa_aerosol": (np.dtype("uint8"), 1)})
"""Other images, of which nothing is written: dtype and nodata. The rest is as this."""
_IDLE_ELSE = (np.dtype("int16"), -9999)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Landsat(published.Collected, ABC):
    """One scene at one level."""

    time: datetime
    """Of its middle."""
    taken: datetime
    """When the path's first row here was seen: light and clouds are of that moment in all."""
    path: int
    row: int
    zone: int
    """Of UTM."""
    footprint: Footprint
    """Metres of northern UTM; its middle lies on multiples of 30."""
    shown: Square
    cloudiness: float
    processed: datetime
    number: int = 9
    """Of the satellite."""
    correction: str
    category: str = "T1"
    sensor: ClassVar[str]
    collection: ClassVar[str]

    @property
    def product(self) -> str:
        """The product's name."""
        days = f"{self.time:%Y%m%d}_{self.processed:%Y%m%d}"
        return f"LC{self.number:02}_{self.correction}_{self._where}_{days}_02_{self.category}"

    @property
    def patch(self) -> Patch:
        """Its pixels: they lie about multiples of 30 m, so edges are at 15 mod 30."""
        whole = self.footprint.pixels(GSD, f"EPSG:326{self.zone:02}", point=True)
        return rasters.square(whole, self.shown)

    @property
    def folder(self) -> str:
        """Where its files are, below those of its level."""
        return f"oli-tirs/{self.time:%Y}/{self.path:03}/{self.row:03}/{self.product}"

    @property
    def sun(self) -> tuple[float, float]:
        """The sun's elevation and azimuth, degrees."""
        return scenes.sun(self.shown, self.taken)

    def pixels(self, some: GeoBox, bands: Sequence[str] | None = None) -> Layers:
        """Return some of its pixels, as files and a cube have them, but for the saturation."""
        view = self._scene.view(some)
        outside = ~self.footprint.covers(some)
        chosen = scenes.bands_of(self.sensor, bands)
        reflectance = self.numbers(view.reflectance([SEEN_AS[band] for band in chosen]))
        found = {
            "reflectance": np.maximum(reflectance, FILL + 1),
            "quality": _quality(view),
            "saturation": np.where(view.density == 1, np.uint16(SATURATED), np.uint16(0)),
            **self.others(view, some),
        }
        for name, values in found.items():
            values[..., outside] = self.fills[name]
        return found

    def truth(self, grid: GeoBox, bands: Sequence[str] | None = None) -> Layers:
        """Return what a cube must hold. Where there is no quality, there is no saturation."""
        nodata = scenes.nodata(self.sensor)
        found = rasters.seen(
            self.patch, grid, lambda some: self.pixels(some, bands), nodata, blank=self.fills
        )
        found["saturation"][found["quality"] == QUALITY_FILL] = SATURATION_FILL
        return found

    def write(self, directory: Path) -> Json:
        """Write the files, and return the item."""
        patch = self.patch
        values = self.pixels(patch.part, tuple(self.files))
        item = self._item(values["quality"])
        images = dict(zip(self.files.values(), values["reflectance"], strict=True))
        images |= {_OTHERS[name]: one for name, one in values.items() if name in _OTHERS}
        nodata = {"qa_pixel": QUALITY_FILL, "qa_radsat": None}
        for key, asset in item["assets"].items():
            path = published.lies(directory, asset["href"])
            if key in images:
                _write(path, images[key], patch, nodata.get(key, FILL))
            elif asset["href"].startswith("http://"):
                _write_idle(path, patch, *_IDLE.get(key, _IDLE_ELSE))
        return item

    @property
    def files(self) -> Mapping[str, str]:
        """The assets of the bands that have files with something in them."""
        return ASSETS

    @property
    def fills(self) -> Mapping[str, float]:
        """What files hold beside the scene."""
        fills = {"quality": QUALITY_FILL}
        names = ("reflectance", "saturation", "surface_temperature")
        return {**dict.fromkeys(names, FILL), **fills}

    @abstractmethod
    def numbers(self, reflectance: NDArray[np.int16]) -> NDArray[np.uint16]:
        """Return digital numbers of reflectance in steps of 1/10000."""

    def others(self, view: View, some: GeoBox) -> Layers:
        """Return what else this level has."""
        del view, some
        return {}

    @abstractmethod
    def _item(self, quality: NDArray[np.uint16]) -> Json: ...

    @property
    def _where(self) -> str:
        return f"{self.path:03}{self.row:03}"

    @property
    def _scene(self) -> landscape.Scene:
        return landscape.Scene(item_id=self.product, time=self.taken, cloudiness=self.cloudiness)

    def _properties(self, quality: NDArray[np.uint16]) -> Json:
        whole = self.patch.whole
        elevation, azimuth = self.sun
        cloudy = _cloudy(quality)
        return {
            "datetime": written(self.time),
            "eo:cloud_cover": cloudy,
            "landsat:cloud_cover_land": cloudy,
            "proj:epsg": 32600 + self.zone,
            "proj:shape": list(whole.shape),
            "proj:transform": [float(one) for one in whole.affine][:6],
            "view:sun_azimuth": azimuth,
            "view:sun_elevation": elevation,
            "landsat:wrs_path": f"{self.path:03}",
            "landsat:wrs_row": f"{self.row:03}",
            "landsat:scene_id": f"LC{self.number}0{self._where}{self.time:%Y%j}LGN00",
            "landsat:correction": self.correction,
            "landsat:collection_category": self.category,
        }

    def _ring(self) -> list[tuple[float, float]]:
        return rasters.outline(self.footprint.corners(), str(self.patch.whole.crs), digits=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceScene(_Landsat):
    """Level 2: surface reflectance and, unless it is ``L2SR``, surface temperature."""

    correction: str = "L2SP"
    sensor = "landsat-c2-l2"
    collection = "landsat-c2-l2"

    @property
    def item_id(self) -> str:
        """The product's name without the day of the processing."""
        day = f"{self.time:%Y%m%d}_02"
        return f"LC{self.number:02}_{self.correction}_{self._where}_{day}_{self.category}"

    def numbers(self, reflectance: NDArray[np.int16]) -> NDArray[np.uint16]:
        """Return digital numbers: reflectance is theirs * 2.75e-5 - 0.2."""
        return np.rint((reflectance.astype("float64") + 2000) * 40 / 11).astype("uint16")

    def others(self, view: View, some: GeoBox) -> Layers:
        """Return the surface temperature: kelvin are its numbers * 0.00341802 + 149."""
        if self.correction == "L2SR":
            return {"surface_temperature": np.zeros(some.shape, "uint16")}
        air = _KELVIN + self.sun[0] / 2 - 5
        table = np.array([air + _WARMTH[cover] for cover in ground.SPECTRA], "float32")
        kelvin = table[view.kind // ground.VARIETIES] * (1 - view.density)
        kelvin += np.float32(_CLOUD_TOP) * view.density
        numbers = np.rint((kelvin.astype("float64") - _COLDEST) / _STEP).astype("uint16")
        points = lattice(some)
        field = waves(points.nodes, _EMISSIVITY_SEED, _EMISSIVITY_PERIOD)
        numbers[points.pixels(field) > _UNKNOWN] = FILL
        return {"surface_temperature": numbers}

    def _item(self, quality: NDArray[np.uint16]) -> Json:
        names = {
            "id": self.item_id,
            "product": self.product,
            "base": f"{_ROOT}/level-2/standard/{self.folder}",
        }
        properties = {
            **self._properties(quality),
            "created": written(self.processed),
            "platform": f"landsat-{self.number}",
        }
        without = _THERMAL if self.correction == "L2SR" else ()
        item = published.item(self.collection, names, self._ring(), properties, without=without)
        if without:
            item["links"] = [one for one in item["links"] if not one["href"].endswith("_ST")]
        return item


@dataclass(frozen=True, slots=True, kw_only=True)
class RawScene(_Landsat):
    """Level 1: reflectance at the top of the atmosphere, not divided by the sine of the sun's."""

    correction: str = "L1TP"
    sensor = "landsat-c2-l1"
    collection = "landsat-c2l1"

    @property
    def item_id(self) -> str:
        """The product's name."""
        return self.product

    def numbers(self, reflectance: NDArray[np.int16]) -> NDArray[np.uint16]:
        """Return digital numbers: reflectance is (theirs * 2e-5 - 0.1) / sin(elevation)."""
        sine = np.sin(np.radians(self.sun[0]))
        return np.asarray(np.rint((reflectance * sine + 1000) * 5), "uint16")

    def _item(self, quality: NDArray[np.uint16]) -> Json:
        names = {
            "id": self.item_id,
            "root": _LOOK,
            "s3": _LOOK_S3,
            "browser": _LOOK_PAGES,
            "folder": self.folder,
        }
        own = {"platform": f"LANDSAT_{self.number}", "instruments": ["OLI", "TIRS"]}
        properties = {**self._properties(quality), **own}
        return published.item(self.collection, names, self._ring(), properties)


@dataclass(frozen=True, slots=True)
class ScannerItem(published.Collected):
    """An item of Landsat 5's MSS: without files, since no cube can hold it."""

    time: datetime
    shown: Square
    sensor = ""
    collection = "landsat-c2-l1"

    @property
    def item_id(self) -> str:
        """The item's id."""
        return f"LM05_L1GS_197026_{self.time:%Y%m%d}_02_T2"

    def write(self, directory: Path) -> Json:
        """Write nothing, and return the item."""
        del directory
        elevation, azimuth = scenes.sun(self.shown, self.time)
        product = self.item_id.replace("_02_T2", "_20200820_02_T2")
        folder = f"level-1/standard/mss/{self.time:%Y}/197/026/{product}"
        names = {"id": self.item_id, "product": product, "base": f"{_ROOT}/{folder}"}
        properties = {
            "created": "2022-06-28T09:36:44.703787Z",
            "datetime": written(self.time),
            "platform": "landsat-5",
            "proj:epsg": 32631,
            "proj:shape": [3690, 3787],
            "proj:transform": [60.0, 0.0, 639990.0, 0.0, -60.0, 5544990.0],
            "eo:cloud_cover": 2.0,
            "landsat:cloud_cover_land": 2.0,
            "landsat:wrs_path": "197",
            "landsat:wrs_row": "026",
            "landsat:scene_id": f"LM50{'197026'}{self.time:%Y%j}ESA00",
            "landsat:correction": "L1GS",
            "landsat:collection_category": "T2",
            "view:sun_azimuth": azimuth,
            "view:sun_elevation": elevation,
        }
        ring = rasters.box(Square(self.shown.longitude, self.shown.latitude, 180_000).degrees)
        return published.item(self.collection, names, ring, properties)

    def truth(self, grid: GeoBox, bands: Sequence[str] | None = None) -> Layers:
        """Refuse: there is no such cube.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(f"No cube of {grid} holds {bands} of {self.item_id}")


def _quality(view: View) -> NDArray[np.uint16]:
    water = view.kind // ground.VARIETIES == ground.WATER
    quality = np.where(water, np.uint16(WATER), np.uint16(CLEAR))
    quality[view.shadow > landscape.SHADED] = SHADE
    quality[view.density > 0] = CIRRUS
    quality[view.density > landscape.MEDIUM] = DILATED
    quality[view.density > landscape.THICK] = CLOUD
    return quality


def _cloudy(quality: NDArray[np.uint16]) -> float:
    """Return the percentage of the scene's pixels that are clouds."""
    seen = quality != QUALITY_FILL
    return round(100 * float((quality[seen] == CLOUD).mean()), 2) if seen.any() else -1.0


def _write(path: Path, values: NDArray[Any], patch: Patch, nodata: float | None) -> None:
    tags = {"AREA_OR_POINT": "Point"}
    rasters.write(path, values[None], patch, nodata=nodata, tags=tags)


def _write_idle(path: Path, patch: Patch, dtype: np.dtype[Any], nodata: float) -> None:
    """Write a document, or an image of nothing."""
    if path.suffix.lower() != ".tif":
        rasters.write_text(path, scenes.DOCUMENT)
        return
    corner = slice(0, 1), slice(0, 1)
    rasters.write(
        path, np.full((1, 1, 1), nodata, dtype), Patch(patch.whole, corner), nodata=nodata
    )
