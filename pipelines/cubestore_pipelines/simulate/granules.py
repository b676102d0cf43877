"""A scene cut by a tile, as Sentinel-2's ground segment would publish it: its names, its numbers.

What a file must hold and what a cube must hold are both computed here, from the landscape, never
from a file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore import cloud, grids
from cubestore.sensors.sentinel2 import SENTINEL_2_L1C
from cubestore_pipelines.simulate.landscape import STANDARD, Scene, View
from cubestore_pipelines.simulate.plane import part

GSD = MappingProxyType({band.name: int(band.gsd) for band in SENTINEL_2_L1C.bands})
"""Metres of each band's own pixels."""

SCL_GSD = 20
"""Metres of a pixel of the scene classification."""

OFFSET = 1000
"""What digital numbers have on top from baseline 04.00 on."""

FIRST_WITH_OFFSET = "04.00"

NODATA, CUBE_NODATA = 0, -32768
"""Of the files, and of a cube's reflectance."""

ALIGNED = 60
"""Metres; edges on multiples of this are edges of pixels of every band."""

_ORBITS_IN_CYCLE, _CYCLE = 143, timedelta(days=10)
_KNOWN_ORBIT = MappingProxyType({"2A": 18_417, "2B": 9_509})
"""Absolute orbits at the start of 2019: of Sentinel-2A the true one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swath:
    """What of its tile a granule shows, metres from the north-west corner."""

    top: int
    bottom: int
    left: int
    right: int
    slant: float = 0.0
    """Metres to the west per metre to the south, since orbits descend to the south-west."""

    def covers(self, grid: GeoBox, tile: GeoBox) -> NDArray[np.bool_]:
        """Return which pixels' centres are within."""
        south = tile.affine.f - grid.affine.f - grid.affine.e * (np.arange(grid.shape[0]) + 0.5)
        east = grid.affine.c - tile.affine.c + grid.affine.a * (np.arange(grid.shape[1]) + 0.5)
        across = east + self.slant * (south - self.top)[:, None]
        inside: NDArray[np.bool_] = (across >= self.left) & (across < self.right)
        inside[(south < self.top) | (south >= self.bottom)] = False
        return inside

    def window(self, gsd: int, side: int) -> tuple[slice, slice]:
        """Return the pixels ``(y, x)`` of a tile about the swath, on edges of every band's."""
        west = self.left - max(self.slant, 0) * (self.bottom - self.top)
        east = self.right - min(self.slant, 0) * (self.bottom - self.top)
        starts = [max(0, int(edge // ALIGNED)) for edge in (self.top, west)]
        stops = [min(side // ALIGNED, -int(-edge // ALIGNED)) for edge in (self.bottom, east)]
        rows, columns = (
            slice(start * (ALIGNED // gsd), stop * (ALIGNED // gsd))
            for start, stop in zip(starts, stops, strict=True)
        )
        return rows, columns

    def corners(self) -> list[tuple[float, float]]:
        """Return the outline ``(east, south)``, counter-clockwise, closed."""
        shift = self.slant * (self.bottom - self.top)
        north_west, north_east = (self.left, self.top), (self.right, self.top)
        south_west, south_east = (self.left - shift, self.bottom), (self.right - shift, self.bottom)
        return [north_west, south_west, south_east, north_east, north_west]


@dataclass(frozen=True, slots=True, kw_only=True)
class Granule:
    """One product on one tile."""

    tile: str
    time: datetime
    """When the datatake began, to the millisecond."""
    strip: datetime
    """When the part of it began that was received at once, the datastrip."""
    generated: datetime
    baseline: str
    """Of the processing: ``05.09``."""
    cloudiness: float
    swath: Swath
    platform: str = "2A"
    relative_orbit: int = 108

    @property
    def item_id(self) -> str:
        """The item's id."""
        return self._name(baseline="")

    @property
    def product(self) -> str:
        """The product's name, without its ending."""
        return self._name(baseline=f"_N{self.baseline.replace('.', '')}")

    @property
    def offset(self) -> int:
        """What the digital numbers have on top."""
        return OFFSET if self.baseline >= FIRST_WITH_OFFSET else 0

    @property
    def orbit(self) -> int:
        """The absolute orbit."""
        start = datetime(2019, 1, 1, tzinfo=self.time.tzinfo)
        turns = (self.time - start) / _CYCLE * _ORBITS_IN_CYCLE
        return _KNOWN_ORBIT[self.platform] + round(turns)

    @property
    def scene(self) -> Scene:
        """What the satellite saw."""
        return Scene(item_id=self.item_id, time=self.time, cloudiness=self.cloudiness)

    def grid(self, gsd: int) -> GeoBox:
        """Return the pixels of the whole tile."""
        return grids.tile(self.tile).geobox(gsd)

    def window(self, gsd: int) -> tuple[slice, slice]:
        """Return the pixels ``(y, x)`` of the tile outside which there are no data."""
        return self.swath.window(gsd, self.grid(gsd).shape[0] * gsd)

    def numbers(self, view: View, grid: GeoBox, bands: Sequence[str]) -> NDArray[np.uint16]:
        """Return the digital numbers ``(band, y, x)`` of a view on ``grid``."""
        values = view.reflectance(bands)
        values += np.int16(self.offset)
        np.maximum(values, 1, out=values)
        values[:, ~self.swath.covers(grid, self.grid(ALIGNED))] = NODATA
        return values.view("uint16")

    def classes(self, view: View, grid: GeoBox) -> NDArray[np.uint8]:
        """Return the scene classification ``(y, x)`` of a view on ``grid``."""
        return np.where(self.swath.covers(grid, self.grid(ALIGNED)), view.quality(), np.uint8(0))

    def _name(self, *, baseline: str) -> str:
        return (
            f"S{self.platform}_MSIL2A_{stamp(self.time)}{baseline}_R{self.relative_orbit:03}"
            f"_T{self.tile}_{stamp(self.generated)}"
        )


def stamp(time: datetime) -> str:
    """Return a time as it stands in a product's name."""
    return f"{time:%Y%m%dT%H%M%S}"


def truth(
    granule: Granule, grid: GeoBox, bands: Sequence[str] = STANDARD
) -> dict[str, NDArray[np.generic]]:
    """Return what a cube must hold of a granule.

    Pixels of 20 m and 60 m are repeated; the offset is removed.

    Args:
        granule: the granule.
        grid: a part of its tile's 10 m pixels.
        bands: names of Sentinel-2's bands.

    Returns:
        ``reflectance (band, y, x)``, ``quality (y, x)`` and ``cloud_class (y, x)``, as stored.
    """
    reflectance = np.empty((len(bands), *grid.shape), "int16")
    for gsd in sorted({GSD[band] for band in bands}):
        chosen = [index for index, band in enumerate(bands) if GSD[band] == gsd]
        around, crop = _around(granule, grid, gsd)
        view = granule.scene.view(around)
        numbers = granule.numbers(view, around, [bands[index] for index in chosen])
        values = numbers.view("int16") - np.int16(granule.offset)
        values[numbers == NODATA] = CUBE_NODATA
        for index, band in zip(chosen, values, strict=True):
            reflectance[index] = _repeated(band, gsd)[crop]
    around, crop = _around(granule, grid, SCL_GSD)
    scl = granule.classes(granule.scene.view(around), around)
    quality = _repeated(scl, SCL_GSD)[crop]
    return {
        "reflectance": reflectance,
        "quality": quality,
        "cloud_class": cloud.from_scl(quality),
    }


def _around(granule: Granule, grid: GeoBox, gsd: int) -> tuple[GeoBox, tuple[slice, slice]]:
    """Return pixels of ``gsd`` that cover a grid of 10 m, and where it is in them, in 10 m."""
    tile = granule.grid(10)
    if grid.crs != tile.crs or grid.affine.a != tile.affine.a:
        raise ValueError(
            f"Pixels in {grid.crs}; those of 10 m of the tile {granule.tile} are asked"
        )
    y = (tile.affine.f - grid.affine.f) / 10
    x = (grid.affine.c - tile.affine.c) / 10
    rows, columns = (slice(int(a), int(a) + n) for a, n in zip((y, x), grid.shape, strict=True))
    times = gsd // 10
    outer = [slice(s.start // times, -(-s.stop // times)) for s in (rows, columns)]
    crop = [
        slice(inner.start - outside.start * times, inner.stop - outside.start * times)
        for inner, outside in zip((rows, columns), outer, strict=True)
    ]
    return part(granule.grid(gsd), (outer[0], outer[1])), (crop[0], crop[1])


def _repeated(values: NDArray[Any], gsd: int) -> NDArray[Any]:
    return values.repeat(gsd // 10, axis=0).repeat(gsd // 10, axis=1)
