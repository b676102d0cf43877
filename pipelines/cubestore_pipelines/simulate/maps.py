"""Maps of the simulated ground on degrees: heights (Copernicus DEM) and land cover (WorldCover)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore_pipelines.simulate import ground, published, rasters, scenes
from cubestore_pipelines.simulate.plane import lattice
from cubestore_pipelines.simulate.published import Json
from cubestore_pipelines.simulate.rasters import Layers, Patch, Square

BASE = 250.0
"""Metres of the land's mean height above the geoid."""

CANOPY = MappingProxyType({ground.FOREST: 18.0, ground.TOWN: 9.0})
"""Metres by which what stands on the ground is higher: a surface model shows that."""

SPACING = MappingProxyType({0: 1.0, 50: 1.5, 60: 2.0, 70: 3.0, 80: 5.0, 85: 10.0})
"""Seconds of longitude between heights, by the latitude from which on: Product Handbook."""

ROWS = 3600
"""Heights along a degree of latitude."""

COVER = MappingProxyType(
    {ground.WATER: 80, ground.FOREST: 10, ground.CROPS: 40, ground.MEADOW: 30, ground.TOWN: 50}
)
"""WorldCover's classes of what lies on the ground."""

OLDER = MappingProxyType({ground.MEADOW: 40})
"""What the first version took for another class."""

PALETTE = MappingProxyType(
    {
        10: (0, 100, 0, 255),
        30: (255, 255, 76, 255),
        40: (240, 150, 255, 255),
        50: (250, 0, 0, 255),
        80: (0, 100, 200, 255),
    }
)

PIXELS, DEGREES = 36_000, 3
"""Pixels along a tile of WorldCover, and the degrees that it spans."""

_BLOCK, _OVERVIEWS = 1024, (2, 4, 8, 16)
"""Of a published sheet, which has two more overviews."""

_QUALITY_PIXELS = 6_000
_QUALITY = (12, 30, 40)
"""Of every pixel: radar images, optical images, percent of those that were useless."""


@dataclass(frozen=True, slots=True)
class DemTile(published.Collected):
    """One degree of the Copernicus DEM, of which a square about a place is written."""

    latitude: int
    """Of the south edge."""
    longitude: int
    """Of the west edge."""
    shown: Square
    sensor = "cop-dem-glo-30"
    collection = "cop-dem-glo-30"

    @property
    def item_id(self) -> str:
        """The product's name; its 10 stands for arc seconds, tenths of them."""
        return f"Copernicus_DSM_COG_10_{self.cell}_DEM"

    @property
    def cell(self) -> str:
        """The south-west corner: ``N49_00_E006_00``."""
        return f"{_north(self.latitude)}_00_{_east(self.longitude)}_00"

    @property
    def patch(self) -> Patch:
        """Its pixels: heights are those of points, so edges lie half a pixel outside."""
        count = round(3600 / _spacing(self.latitude))
        step, drop = 1 / count, 1 / ROWS
        corner = (self.longitude - step / 2, self.latitude + 1 + drop / 2)
        affine = Affine(step, 0, corner[0], 0, -drop, corner[1])
        return rasters.square(GeoBox((ROWS, count), affine, "EPSG:4326"), self.shown)

    def pixels(self, some: GeoBox, bands: Sequence[str] | None = None) -> Layers:
        """Return the heights of some of its pixels."""
        del bands
        return {"elevation": _heights(some)[None]}

    def truth(self, grid: GeoBox, bands: Sequence[str] | None = None) -> Layers:
        """Return the nearest heights on a cube's pixels: 0 beside the square, NaN off the tile."""
        del bands
        sea, nodata = {"elevation": 0.0}, scenes.nodata(self.sensor)
        return rasters.seen(self.patch, grid, self.pixels, nodata, blank=sea)

    def write(self, directory: Path) -> Json:
        """Write the file, and return the item."""
        item = self._item()
        path = published.lies(directory, item["assets"]["data"]["href"])
        values = self.pixels(self.patch.part)["elevation"]
        tags = {"AREA_OR_POINT": "Point"}
        rasters.write(path, values, self.patch, predictor=3, tags=tags)
        return item

    def _item(self) -> Json:
        whole = self.patch.whole
        where = {"proj:shape": list(whole.shape), "proj:transform": list(whole.affine)[:6]}
        ring = rasters.outline(rasters.box(self.patch.bounds), "EPSG:4326", digits=8)
        names = {"id": self.item_id, "cell": self.cell}
        return published.item(self.collection, names, ring, where)


@dataclass(frozen=True, slots=True)
class CoverTile(published.Collected):
    """Three degrees of WorldCover, of which a square about a place is written."""

    latitude: int
    """Of the south edge, a multiple of 3."""
    longitude: int
    """Of the west edge, a multiple of 3."""
    year: int
    """2020, the first version, or 2021, the second."""
    shown: Square
    sensor = "esa-worldcover"
    collection = "esa-worldcover"

    @property
    def item_id(self) -> str:
        """The product's name."""
        return f"ESA_WorldCover_10m_{self.year}_v{self._version}_{self.tile}"

    @property
    def tile(self) -> str:
        """The south-west corner: ``N48E006``."""
        return _north(self.latitude) + _east(self.longitude)

    @property
    def patch(self) -> Patch:
        """Its pixels."""
        return rasters.square(self._whole(PIXELS), self.shown)

    def pixels(self, some: GeoBox, bands: Sequence[str] | None = None) -> Layers:
        """Return the classes of some of its pixels."""
        del bands
        classes = {**COVER, **(OLDER if self.year == 2020 else {})}  # noqa: PLR2004 - the first
        table = np.zeros(len(ground.SPECTRA), "uint8")
        table[list(classes)] = list(classes.values())
        return {"land_cover": table[ground.kinds(some) // ground.VARIETIES][None]}

    def truth(self, grid: GeoBox, bands: Sequence[str] | None = None) -> Layers:
        """Return the nearest classes on a cube's pixels; 0 elsewhere."""
        del bands
        return rasters.seen(self.patch, grid, self.pixels, scenes.nodata(self.sensor))

    def write(self, directory: Path) -> Json:
        """Write the files, and return the item."""
        item = self._item()
        paths = {
            key: published.lies(directory, item["assets"][key]["href"])
            for key in ("map", "input_quality")
        }
        values = self.pixels(self.patch.part)["land_cover"]
        rasters.write(
            paths["map"],
            values,
            self.patch,
            nodata=0,
            colours=PALETTE,
            overviews=_OVERVIEWS,
            predictor=1,
            blockxsize=_BLOCK,
            blockysize=_BLOCK,
        )
        quality = rasters.square(self._whole(_QUALITY_PIXELS), self.shown)
        counts = np.broadcast_to(
            np.array(_QUALITY, "int16")[:, None, None], (3, *quality.part.shape)
        )
        rasters.write(paths["input_quality"], counts, quality, nodata=-1)
        return item

    @property
    def _version(self) -> int:
        return 100 * (self.year - 2019)

    def _whole(self, count: int) -> GeoBox:
        step = DEGREES / count
        affine = Affine(step, 0, self.longitude, 0, -step, self.latitude + DEGREES)
        return GeoBox((count, count), affine, "EPSG:4326")

    def _item(self) -> Json:
        names = {
            "id": self.item_id,
            "tile": self.tile,
            "year": str(self.year),
            "version": f"v{self._version}",
        }
        properties = {
            "start_datetime": f"{self.year}-01-01T00:00:00Z",
            "end_datetime": f"{self.year}-12-31T23:59:59Z",
            "esa_worldcover:product_version": f"{self._version // 100}.0.0",
        }
        ring = rasters.outline(rasters.box(self.patch.bounds), "EPSG:4326")
        item = published.item(self.collection, names, ring, properties)
        for key, count in (("map", PIXELS), ("input_quality", _QUALITY_PIXELS)):
            item["assets"][key]["proj:transform"] = list(self._whole(count).affine)[:6]
        return item


def dem_tiles(shown: Square) -> Iterator[DemTile]:
    """Yield the tiles of the DEM that a square about a place meets."""
    for latitude, longitude in _cells(shown, 1):
        yield DemTile(latitude, longitude, shown)


def cover_tiles(shown: Square, year: int) -> Iterator[CoverTile]:
    """Yield the tiles of WorldCover that a square about a place meets."""
    for latitude, longitude in _cells(shown, DEGREES):
        yield CoverTile(latitude, longitude, year, shown)


def _cells(shown: Square, degrees: int) -> Iterator[tuple[int, int]]:
    west, south, east, north = (int(edge // degrees) for edge in shown.degrees)
    for latitude in range(south, north + 1):
        for longitude in range(west, east + 1):
            yield latitude * degrees, longitude * degrees


def _heights(pixels: GeoBox) -> NDArray[np.float32]:
    points = lattice(pixels)
    level = points.pixels(ground.height(points.nodes) / ground.HILLS)
    table = np.zeros(len(ground.SPECTRA), "float32")
    table[list(CANOPY)] = list(CANOPY.values())
    bare: NDArray[np.float32] = np.float32(BASE) + np.float32(ground.HILLS) * level
    return bare + table[ground.kinds(pixels) // ground.VARIETIES]


def _spacing(latitude: int) -> float:
    """Return the seconds of longitude between heights: the edge nearer the equator decides."""
    nearer = latitude if latitude >= 0 else -latitude - 1
    return next(step for start, step in reversed(tuple(SPACING.items())) if nearer >= start)


def _north(latitude: int) -> str:
    return f"{'N' if latitude >= 0 else 'S'}{abs(latitude):02}"


def _east(longitude: int) -> str:
    return f"{'E' if longitude >= 0 else 'W'}{abs(longitude):03}"
