"""MODIS, the best of eight days on the sinusoidal grid, as the Planetary Computer publishes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from cubestore_pipelines.simulate import ground, landscape, published, rasters, scenes, sky
from cubestore_pipelines.simulate.landscape import View
from cubestore_pipelines.simulate.plane import bits, lattice, waves
from cubestore_pipelines.simulate.published import Json
from cubestore_pipelines.simulate.rasters import Layers, Patch, Square

PIXELS = 2_400
"""Along a tile's edge."""

EDGE = 20_015_109.354 / 18
"""Metres along a tile's edge, as NASA has it; edges are published with six digits."""

DAYS = 8

BANDS = tuple(f"sur_refl_b{number:02}" for number in range(1, 8))

SEEN_AS = MappingProxyType(
    dict(zip(BANDS, ("B04", "B8A", "B02", "B03", "B09", "B11", "B12"), strict=True))
)
"""Sentinel-2's band for each of MODIS': the ground has no other spectra."""

LAYERS = MappingProxyType(
    {
        "quality": ("sur_refl_qc_500m", 2**32 - 1),
        "state": ("sur_refl_state_500m", 2**16 - 1),
        "day_of_year": ("sur_refl_day_of_year", 2**16 - 1),
        "solar_zenith_angle": ("sur_refl_szen", 0),
        "view_zenith_angle": ("sur_refl_vzen", 0),
        "relative_azimuth_angle": ("sur_refl_raz", 0),
    }
)
"""The assets of what is no reflectance, and what their files hold where nothing was seen."""

NODATA = -28_672

CORRECTED, LESS_THAN_IDEAL = 1 << 30, 1
"""Bits of the quality."""

LAND, DEEP_INLAND_WATER, LOW_AEROSOL = 1 << 3, 5 << 3, 1 << 6
CLOUDY, MIXED, SHADED, SOME_CIRRUS, CLOUD_TOO = 1, 2, 1 << 2, 2 << 8, 1 << 10
"""Bits of the state."""

_UNSEEN, _UNSEEN_SEED, _UNSEEN_PERIOD = 1.8, 71, 40_000
"""What was never seen: of a field of variance 1, above this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite(published.Collected):
    """What was seen best in eight days."""

    product: str
    """``MOD09A1`` of Terra or ``MYD09A1`` of Aqua: the item has no other word for it."""
    start: datetime
    produced: datetime
    column: int
    """h, from the west."""
    row: int
    """v, from the north."""
    cloudiness: float
    shown: Square
    sensor = "modis-09a1"
    collection = "modis-09A1-061"

    @property
    def item_id(self) -> str:
        """The product's name."""
        where = f"h{self.column:02}v{self.row:02}"
        return f"{self.product}.A{self.start:%Y%j}.{where}.061.{self.produced:%Y%j%H%M%S}"

    @property
    def patch(self) -> Patch:
        """Its pixels, as rounded as they are published."""
        left, right, top, bottom = self._edges()
        width, depth = (right - left) / PIXELS, (top - bottom) / PIXELS
        affine = Affine(width, 0, left, 0, -depth, top)
        return rasters.square(GeoBox((PIXELS, PIXELS), affine, CRS(_wkt())), self.shown)

    def pixels(self, some: GeoBox, bands: Sequence[str] | None = None) -> Layers:
        """Return some of its pixels, as files and a cube have them."""
        scene = landscape.Scene(item_id=self.item_id, time=self._noon, cloudiness=self.cloudiness)
        view = scene.view(some)
        chosen = scenes.bands_of(self.sensor, bands)
        day = bits(some, self._seed) % DAYS
        found: Layers = {
            "reflectance": view.reflectance([SEEN_AS[band] for band in chosen]),
            "quality": _quality(view),
            "state": _state(view),
            "day_of_year": self._days()[day],
            **self._angles(some, day.astype("int16")),
        }
        fills = {name: nodata for name, (_, nodata) in LAYERS.items()} | {"reflectance": NODATA}
        points = lattice(some)
        unseen = points.pixels(waves(points.nodes, _UNSEEN_SEED, _UNSEEN_PERIOD)) > _UNSEEN
        for name, values in found.items():
            values[..., unseen] = fills[name]
        return found

    def truth(self, grid: GeoBox, bands: Sequence[str] | None = None) -> Layers:
        """Return what a cube must hold."""
        nodata = scenes.nodata(self.sensor)
        return rasters.seen(self.patch, grid, lambda some: self.pixels(some, bands), nodata)

    def write(self, directory: Path) -> Json:
        """Write the files, and return the item."""
        item, patch = self._item(), self.patch
        values = self.pixels(patch.part, BANDS)
        images = {
            band: (own, NODATA) for band, own in zip(BANDS, values["reflectance"], strict=True)
        }
        images |= {asset: (values[name], nodata) for name, (asset, nodata) in LAYERS.items()}
        for key, asset in item["assets"].items():
            path = published.lies(directory, asset["href"])
            if key in images:
                own, nodata = images[key]
                rasters.write(path, own[None], patch, nodata=nodata)
            elif asset["href"].startswith("http://"):
                rasters.write_text(path, scenes.DOCUMENT)
        return item

    @property
    def _noon(self) -> datetime:
        """When Terra passes, or Aqua, in the middle of the days."""
        hour = 10.5 if self.product.startswith("MOD") else 13.5
        local = timedelta(hours=hour - self.shown.longitude / 15)
        return self.start + timedelta(days=DAYS // 2) + local

    @property
    def _seed(self) -> int:
        return int(self._noon.timestamp()) % 2**31

    def _days(self) -> NDArray[np.uint16]:
        """Return the day of the year of each of the days; it begins anew with the year."""
        days = [self.start + timedelta(days=number) for number in range(DAYS)]
        return np.array([day.timetuple().tm_yday for day in days], "uint16")

    def _angles(self, some: GeoBox, day: NDArray[np.int16]) -> Layers:
        points = lattice(some)
        zenith = points.pixels(sky.sun(points.nodes, self._noon).zenith)
        return {
            "solar_zenith_angle": np.rint(np.degrees(zenith) * 100).astype("int16"),
            "view_zenith_angle": np.int16(500) + np.int16(700) * day,
            "relative_azimuth_angle": np.int16(-13_993) + np.int16(4_000) * day,
        }

    def _edges(self) -> tuple[float, float, float, float]:
        """Return left, right, top and bottom."""
        column, row = self.column - 18, 9 - self.row
        left, right, top, bottom = (
            round(one * EDGE, 6) for one in (column, column + 1, row, row - 1)
        )
        return left, right, top, bottom

    def _item(self) -> Json:
        left, right, top, bottom = self._edges()
        names = {
            "id": self.item_id,
            "folder": f"{self.product}/{self.column:02}/{self.row:02}/{self.start:%Y%j}",
        }
        last = self.start + timedelta(days=DAYS - 1)
        corners = [(right, bottom), (right, top), (left, top), (left, bottom), (right, bottom)]
        properties = {
            "created": f"{self.produced:%Y-%m-%dT%H:%M:%SZ}",
            "updated": published.written(self.produced + timedelta(hours=33, microseconds=903_000)),
            "start_datetime": f"{self.start:%Y-%m-%d}T00:00:00Z",
            "end_datetime": f"{last:%Y-%m-%d}T23:59:59Z",
            "modis:tile-id": f"51{self.column:03}{self.row:03}",
            "modis:vertical-tile": self.row,
            "modis:horizontal-tile": self.column,
            "proj:geometry": {"type": "Polygon", "coordinates": [[list(one) for one in corners]]},
            "proj:transform": list(self.patch.whole.affine)[:6],
        }
        ring = rasters.outline(rasters.box(self.patch.bounds), _wkt(), digits=4)
        return published.item(self.collection, names, ring, properties)


def _quality(view: View) -> NDArray[np.uint32]:
    worse = (view.density > landscape.MEDIUM) | (view.shadow > landscape.SHADED)
    return np.uint32(CORRECTED) + worse * np.uint32(LESS_THAN_IDEAL)


def _state(view: View) -> NDArray[np.uint16]:
    water = view.kind // ground.VARIETIES == ground.WATER
    state = np.where(water, DEEP_INLAND_WATER, LAND).astype("uint16") | np.uint16(LOW_AEROSOL)
    thick, some = view.density > landscape.THICK, view.density > landscape.MEDIUM
    state |= thick * np.uint16(CLOUDY | CLOUD_TOO)
    state |= (some & ~thick) * np.uint16(MIXED)
    state |= (view.shadow > landscape.SHADED) * np.uint16(SHADED)
    state |= ((view.density > 0) & ~some) * np.uint16(SOME_CIRRUS)
    return state


def _wkt() -> str:
    """Return the projection in the words in which it is published."""
    text: str = published.shape("modis-09A1-061")["item"]["properties"]["proj:wkt2"]
    return text
