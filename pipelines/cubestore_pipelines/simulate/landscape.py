"""What a simulated satellite sees: ground that stays, seasons, and clouds that pass.

Everything is a function of place and time, so two scenes that overlap show the same ground, and
a scene made twice is the same to the last bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore import cloud
from cubestore.sensors.sentinel2 import SENTINEL_2_L2A
from cubestore_pipelines.simulate import ground, sky
from cubestore_pipelines.simulate.plane import Field, lattice

STANDARD = tuple(band.name for band in SENTINEL_2_L2A.bands)
"""The bands of a cube, where no others are asked for."""

CLOUD_TOP = 0.75
"""Reflectance of thick cloud, in all bands but the cirrus band."""

CIRRUS_TOP = 0.05
"""The same in B10, where the air above a low cloud is opaque."""

SHADOW = 0.35
"""What of the light reaches the ground under a cloud."""

SCL_SHADOW, SCL_MEDIUM, SCL_CLOUD, SCL_THIN = 3, 8, 9, 10
"""Classes of Sentinel-2's scene classification."""

SHADED, MEDIUM, THICK = 0.25, 0.5, 0.8
"""From which density on the ground counts as shaded, and a cloud as more than thin."""

SCALE = 10_000
"""Steps of a digital number to a reflectance of 1."""

_STRIP = 64
"""Rows worked on at a time: what fits a processor's cache."""


@dataclass(frozen=True, slots=True)
class View:
    """A scene on some pixels, before it is looked at through the bands."""

    time: datetime
    kind: NDArray[np.uint8]
    """What lies on the ground, see `ground.kinds`."""
    light: Field
    """What falls on it, where level ground in the open has 1."""
    density: Field
    """What clouds hide of it."""
    shadow: Field
    """What clouds hold back of the sun."""

    def reflectance(self, bands: Sequence[str] = STANDARD) -> NDArray[np.int16]:
        """Return reflectance ``(band, y, x)`` in steps of 1/10000."""
        table = SCALE * ground.spectra(self.time).T
        pixels = np.empty((len(bands), *self.kind.shape), "int16")
        for start in range(0, len(self.kind), _STRIP):
            rows = slice(start, start + _STRIP)
            seen = self.light[rows] * (1 - self.density[rows])
            for band, out in zip(bands, pixels[:, rows], strict=True):
                values = np.take(table[ground.BANDS.index(band)], self.kind[rows])
                values *= seen
                values += np.float32(SCALE * _top(band)) * self.density[rows]
                np.rint(values, out=out, casting="unsafe")
        return pixels

    def quality(self) -> NDArray[np.uint8]:
        """Return the scene classification, SCL."""
        scl = ground.classes(self.time)[self.kind]
        scl[self.shadow > SHADED] = SCL_SHADOW
        scl[self.density > 0] = SCL_THIN
        scl[self.density > MEDIUM] = SCL_MEDIUM
        scl[self.density > THICK] = SCL_CLOUD
        return scl


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One acquisition by a simulated Sentinel-2."""

    item_id: str
    time: datetime
    cloudiness: float
    """Roughly the part of the sky that is covered, 0 to 1."""

    def view(self, grid: GeoBox) -> View:
        """Return what is seen on some pixels.

        Args:
            grid: 10, 20 or 60 m pixels on multiples of their size, north up.
        """
        points = lattice(grid)
        here = sky.sun(points.nodes, self.time)
        light = points.pixels(ground.shading(points.nodes, here.zenith, here.azimuth))
        sky_of = (points.nodes, self.time, self.cloudiness)
        shadow, density = (
            np.clip(points.pixels(thickness(*sky_of)), 0, 1)
            for thickness in (sky.shadows, sky.clouds)
        )
        light *= 1 - np.float32(1 - SHADOW) * shadow
        return View(self.time, ground.kinds(grid), light, density, shadow)

    def pixels(
        self, grid: GeoBox, bands: Sequence[str] = STANDARD
    ) -> dict[str, NDArray[np.generic]]:
        """Return the variables of a sentinel-2-l2a cube on a part of its tile.

        Args:
            grid: 10 m pixels, north up.
            bands: names of Sentinel-2's bands.

        Returns:
            ``reflectance (band, y, x)``, ``quality (y, x)`` and ``cloud_class (y, x)``, as stored.
        """
        view = self.view(grid)
        quality = view.quality()
        return {
            "reflectance": view.reflectance(bands),
            "quality": quality,
            "cloud_class": cloud.from_scl(quality),
        }


def _top(band: str) -> float:
    return CIRRUS_TOP if band == "B10" else CLOUD_TOP
