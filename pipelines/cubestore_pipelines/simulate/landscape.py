"""What a simulated satellite sees: land cover that stays, seasons, and clouds that pass.

Everything is a function of place and time, so two scenes that overlap show the same ground, and
a scene made twice is the same to the last bit.
"""

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore import cloud

WATER, FOREST, CROPS, TOWN = range(4)

SPECTRA = {
    #         B02   B03   B04   B05   B06   B07   B08   B8A   B11   B12
    WATER: (0.06, 0.05, 0.03, 0.03, 0.02, 0.02, 0.02, 0.02, 0.01, 0.01),
    FOREST: (0.03, 0.05, 0.03, 0.08, 0.20, 0.25, 0.27, 0.28, 0.14, 0.07),
    CROPS: (0.05, 0.09, 0.07, 0.14, 0.30, 0.36, 0.39, 0.40, 0.25, 0.15),
    TOWN: (0.12, 0.14, 0.16, 0.18, 0.20, 0.22, 0.23, 0.24, 0.27, 0.24),
}
"""Typical surface reflectance in the standard bands: shapes of textbooks, no measurement."""

GREENING = {WATER: 0.0, FOREST: 0.15, CROPS: 0.5, TOWN: 0.0}
"""By how much the infrared of a cover falls from summer to winter."""

CLOUD_TOP = 0.75
"""Reflectance of thick cloud in every band."""

SHADOW = 0.35
"""What of the light reaches the ground under a cloud."""

SCL_OF_COVER = {WATER: 6, FOREST: 4, CROPS: 4, TOWN: 5}
SCL_CLOUD, SCL_THIN, SCL_SHADOW = 9, 10, 3
"""Classes of Sentinel-2's scene classification."""

INFRARED = slice(3, 10)
"""B05 and beyond, in the standard bands."""

SHADOW_SHIFT = (60, -90)
"""Rows and columns from a cloud to its shadow: north of the equator, in the morning."""

_WAVES = 7
_QUANTUM = 10_000

Field = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One acquisition by a simulated Sentinel-2."""

    item_id: str
    time: datetime
    cloudiness: float
    """Roughly the part of the sky that is covered, 0 to 1."""

    def pixels(self, grid: GeoBox) -> dict[str, NDArray[np.generic]]:
        """Return the variables of a sentinel-2-l2a cube on a part of its tile.

        Args:
            grid: 10 m pixels, north up.

        Returns:
            ``reflectance (band, y, x)``, ``quality (y, x)`` and ``cloud_class (y, x)``, as stored.
        """
        cover = land_cover(grid)
        density = self._clouds(grid)
        shadow = np.roll(density, SHADOW_SHIFT, axis=(0, 1)) > 0
        quality = self._quality(cover, density, shadow=shadow)
        return {
            "reflectance": self._reflectance(cover, density, shadow=shadow),
            "quality": quality,
            "cloud_class": cloud.from_scl(quality),
        }

    def _clouds(self, grid: GeoBox) -> Field:
        """Optical density: 0 clear, above 0.5 thick."""
        seed = int(self.time.timestamp()) % 2**31
        sky = _noise(grid, seed, period=9_000) + np.float32(2 * self.cloudiness - 1.4)
        density: Field = np.clip(3 * sky, 0, 1)
        return density

    def _quality(
        self, cover: NDArray[np.uint8], density: Field, *, shadow: NDArray[np.bool_]
    ) -> NDArray[np.uint8]:
        quality = np.array([SCL_OF_COVER[c] for c in sorted(SCL_OF_COVER)], "uint8")[cover]
        quality[shadow] = SCL_SHADOW
        quality[density > 0] = SCL_THIN
        quality[density > 0.5] = SCL_CLOUD  # noqa: PLR2004 - see _clouds
        return quality

    def _reflectance(
        self, cover: NDArray[np.uint8], density: Field, *, shadow: NDArray[np.bool_]
    ) -> NDArray[np.int16]:
        light = np.where(shadow, np.float32(SHADOW), np.float32(1))
        spectra = self._spectra()
        pixels = np.empty((spectra.shape[1], *cover.shape), "int16")
        for band, values in enumerate(spectra.T):
            ground = values[cover] * light
            pixels[band] = np.rint((ground + (CLOUD_TOP - ground) * density) * _QUANTUM)
        return pixels

    def _spectra(self) -> Field:
        """Reflectance by cover and band on the day of the scene."""
        day = self.time.timetuple().tm_yday
        winter = (1 + math.cos(2 * math.pi * (day - 15) / 365)) / 2
        spectra = np.array([SPECTRA[cover] for cover in sorted(SPECTRA)], "float32")
        for cover, loss in GREENING.items():
            spectra[cover, INFRARED] *= 1 - loss * winter
        return spectra


def land_cover(grid: GeoBox) -> NDArray[np.uint8]:
    """Return the cover of every pixel: a function of the place alone."""
    height, use = _noise(grid, 1, period=14_000), _noise(grid, 2, period=5_000)
    cover = np.where(use > 0.15, FOREST, CROPS).astype("uint8")  # noqa: PLR2004 - a third wooded
    cover[(use < -0.5) & (height > 0)] = TOWN  # noqa: PLR2004 - a tenth built up
    cover[height < -0.6] = WATER  # noqa: PLR2004 - a tenth under water
    return cover


def _noise(grid: GeoBox, seed: int, *, period: float) -> Field:
    """A smooth field about -1 to 1: waves of many directions and of about one length."""
    random = np.random.default_rng(seed)
    rows, columns = grid.shape
    x = grid.affine.c + grid.affine.a * (np.arange(columns) + 0.5)
    y = grid.affine.f + grid.affine.e * (np.arange(rows) + 0.5)
    field = np.zeros((rows, columns), "float32")
    for _ in range(_WAVES):
        angle, phase = random.uniform(0, 2 * math.pi, 2)
        length = 2 * math.pi / (period * random.uniform(0.4, 1.6))
        along_x = np.exp(1j * (length * math.cos(angle) * x + phase)).astype("complex64")
        along_y = np.exp(1j * length * math.sin(angle) * y).astype("complex64")
        field += np.outer(along_y, along_x).real
    field /= math.sqrt(_WAVES)
    return field
