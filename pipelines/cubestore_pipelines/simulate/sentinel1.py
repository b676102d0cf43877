"""Sentinel-1, terrain-corrected, as the Planetary Computer publishes it: frames of a pass.

A frame lies askew on its pixels. Beside it they hold 0, which is not what is declared as nodata;
that stands in the radar's shadow, and where nothing is written.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore_pipelines.simulate import ground, published, rasters, scenes
from cubestore_pipelines.simulate.footprints import Footprint
from cubestore_pipelines.simulate.plane import bits, crs_of, lattice
from cubestore_pipelines.simulate.published import Json, written
from cubestore_pipelines.simulate.rasters import Layers, Patch, Square

GSD = 10
NODATA, EMPTY = -32768.0, 0.0
"""What is declared, and what stands beside the swath."""

POLARISATIONS = ("vv", "vh")

LOOKS = 4
"""Of which a pixel is the mean; published as 4.4."""

SHADOW = 0.945
"""Light of a lamp at the radar's place, below which a slope lies in its shadow."""

LOOK = np.radians(40.0)
"""Angle of the radar's beam from the vertical."""

_ORIENTATION = MappingProxyType({"ascending": np.radians(259.0), "descending": np.radians(101.0)})
"""From where the beam comes, clockwise from north: it looks to the right of the track."""

_BACKSCATTER = MappingProxyType(
    {
        ground.WATER: (0.006, 0.0012),
        ground.FOREST: (0.16, 0.042),
        ground.CROPS: (0.09, 0.016),
        ground.MEADOW: (0.07, 0.012),
        ground.TOWN: (0.45, 0.07),
    }
)
"""Gamma nought, linear, vv and vh: of the order of what textbooks have."""

_DESIGNATORS = MappingProxyType({"1A": "2014-016A", "1B": "2016-025A"})
_KNOWN_ORBIT = MappingProxyType({"1A": (72, 25_279), "1B": (26, 14_300)})
"""By which relative orbits are counted, and the absolute orbit at the start of 2019."""
_ORBITS_IN_CYCLE, _CYCLE = 175, timedelta(days=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame(published.Collected):
    """One of the frames that a pass is cut into."""

    start: datetime
    seconds: float
    """That it took."""
    taken: datetime
    """When the pass began, by which its speckle is seeded: frames that overlap show the same."""
    orbit_state: str
    relative_orbit: int
    zone: int
    """Of UTM, north."""
    footprint: Footprint
    """Metres; its middle lies on multiples of 10."""
    shown: Square
    """What of it is written."""
    platform: str = "1A"
    slice_number: int = 4
    sensor = "sentinel-1-rtc"
    collection = "sentinel-1-rtc"

    @property
    def source(self) -> str:
        """The name of the product that it was made from."""
        stop = self.start + timedelta(seconds=self.seconds)
        times = f"{self.start:%Y%m%dT%H%M%S}_{stop:%Y%m%dT%H%M%S}"
        return f"S{self.platform}_IW_GRDH_1SDV_{times}_{self.orbit:06}_{self._take:06X}"

    @property
    def product(self) -> str:
        """The same with the four digits that end it."""
        digits = hashlib.sha256(self.source.encode()).hexdigest()[:4].upper()
        return f"{self.source}_{digits}"

    @property
    def item_id(self) -> str:
        """The item's id."""
        return f"{self.source}_rtc"

    @property
    def orbit(self) -> int:
        """The absolute orbit, of those about its time the one with its relative orbit."""
        shift, known = _KNOWN_ORBIT[self.platform]
        begin = datetime(2019, 1, 1, tzinfo=self.start.tzinfo)
        about = known + round((self.start - begin) / _CYCLE * _ORBITS_IN_CYCLE)
        relative = (about - shift - 1) % _ORBITS_IN_CYCLE + 1
        half = _ORBITS_IN_CYCLE // 2
        return about + (self.relative_orbit - relative + half) % _ORBITS_IN_CYCLE - half

    @property
    def patch(self) -> Patch:
        """Its pixels: a box about the frame, on multiples of 10 m."""
        return rasters.square(self.footprint.pixels(GSD, f"EPSG:326{self.zone}"), self.shown)

    def numbers(self, some: GeoBox, bands: Sequence[str] = POLARISATIONS) -> NDArray[np.float32]:
        """Return what the files hold on some of their pixels: ``(band, y, x)``."""
        kind = ground.kinds(some)
        speckle = bits(some, int(self.taken.timestamp()) % 2**31)
        chosen = [POLARISATIONS.index(band) for band in bands]
        values = np.stack([self._means()[one][kind] for one in chosen])
        for index, one in enumerate(chosen):
            values[index] *= _speckle()[(speckle >> (16 * one)) & 0xFFFF]
        values[:, self._shadowed(some)] = NODATA
        values[:, ~self.footprint.covers(some)] = EMPTY
        return values

    def pixels(self, some: GeoBox, bands: Sequence[str] | None = None) -> Layers:
        """Return some of its pixels as a cube has them; not yet rounded."""
        values = self.numbers(some, scenes.bands_of(self.sensor, bands))
        return {"backscatter": np.where(values > 0, values, np.float32(np.nan))}

    def truth(self, grid: GeoBox, bands: Sequence[str] | None = None) -> Layers:
        """Return what a cube must hold, before it rounds."""
        nodata = scenes.nodata(self.sensor)
        return rasters.seen(self.patch, grid, lambda some: self.pixels(some, bands), nodata)

    def write(self, directory: Path) -> Json:
        """Write the files, and return the item."""
        item = self._item()
        values = self.numbers(self.patch.part)
        for band, own in zip(POLARISATIONS, values, strict=True):
            asset = item["assets"][band]
            path = published.lies(directory, asset["href"])
            rasters.write(path, own[None], self.patch, nodata=NODATA, predictor=3)
            asset["file:size"] = path.stat().st_size
            asset["file:checksum"] = hashlib.md5(path.read_bytes()).hexdigest()  # noqa: S324 - theirs
        return item

    @property
    def _take(self) -> int:
        """The number of the datatake: the same for all frames of a pass."""
        return int(self.taken.timestamp()) // 6_000 % 0x80000

    def _means(self) -> NDArray[np.float32]:
        """Return the mean backscatter by polarisation and by what lies on the ground."""
        leaves = ground.spectra(self.taken)[:, ground.BANDS.index("B08")]
        means = np.array([_BACKSCATTER[cover] for cover in ground.SPECTRA], "float32").T
        table = means.repeat(ground.VARIETIES, axis=1) * (np.float32(0.5) + 2 * leaves)
        return np.asarray(table, "float32")

    def _shadowed(self, some: GeoBox) -> NDArray[np.bool_]:
        points = lattice(some)
        zenith = np.full_like(points.nodes.east, LOOK)
        azimuth = np.full_like(zenith, _ORIENTATION[self.orbit_state])
        dark: NDArray[np.bool_] = (
            points.pixels(ground.shading(points.nodes, zenith, azimuth)) < SHADOW
        )
        return dark

    def _item(self) -> Json:
        names = {
            "id": self.item_id,
            "source": self.source,
            "product": self.product,
            "day": f"{self.start.year}/{self.start.month}/{self.start.day}",
        }
        ring = rasters.outline(self.footprint.corners(), str(self.patch.whole.crs), digits=14)
        return published.item(self.collection, names, ring, self._properties())

    def _properties(self) -> Json:
        whole = self.patch.whole
        half = timedelta(seconds=self.seconds / 2)
        return {
            "datetime": written(self.start + half),
            "start_datetime": str(self.start),
            "end_datetime": str(self.start + 2 * half),
            "platform": f"SENTINEL-{self.platform}",
            "s1:shape": [whole.shape[1], whole.shape[0]],
            "proj:bbox": [float(edge) for edge in self.patch.bounds],
            "proj:epsg": crs_of(whole).epsg,
            "proj:shape": list(whole.shape),
            "proj:transform": [float(one) for one in whole.affine],
            "s1:datatake_id": str(self._take),
            "s1:slice_number": str(self.slice_number),
            "sat:orbit_state": self.orbit_state,
            "sat:absolute_orbit": self.orbit,
            "sat:relative_orbit": self.relative_orbit,
            "sat:platform_international_designator": _DESIGNATORS[self.platform],
        }


@cache
def _speckle() -> NDArray[np.float32]:
    """Return 65536 equally likely means of as many exponentials as there are looks."""
    values = np.linspace(0, 12, 200_001)
    scaled = LOOKS * values
    terms = 1 + scaled + scaled**2 / 2 + scaled**3 / 6
    below = 1 - np.exp(-scaled) * terms
    table = np.interp((np.arange(2**16) + 0.5) / 2**16, below, values)
    return np.asarray(table, "float32")
