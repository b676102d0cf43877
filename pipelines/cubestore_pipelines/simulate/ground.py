"""What lies on the simulated ground: land cover that stays, and how its colours go by the year."""

import math
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore_pipelines.simulate.plane import (
    Field,
    Lattice,
    Nodes,
    Places,
    lattice,
    slope,
    waves,
)

WATER, FOREST, CROPS, MEADOW, TOWN = range(5)

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
"""All that Sentinel-2 has; the ground cannot be seen in B10."""

_LEAF = (0.03, 0.03, 0.06, 0.03, 0.09, 0.27, 0.33, 0.36, 0.37, 0.30, 0.001, 0.18, 0.08)
_SOIL = (0.07, 0.09, 0.12, 0.16, 0.18, 0.20, 0.22, 0.24, 0.25, 0.20, 0.001, 0.31, 0.26)
_TREE = (0.02, 0.02, 0.04, 0.02, 0.06, 0.21, 0.26, 0.28, 0.29, 0.23, 0.001, 0.13, 0.05)
_BARK = (0.03, 0.04, 0.05, 0.06, 0.08, 0.12, 0.14, 0.16, 0.17, 0.13, 0.001, 0.17, 0.12)
_LAKE = (0.06, 0.06, 0.05, 0.03, 0.03, 0.02, 0.02, 0.02, 0.02, 0.01, 0.001, 0.01, 0.01)
_ROOF = (0.11, 0.12, 0.14, 0.16, 0.18, 0.20, 0.22, 0.23, 0.24, 0.19, 0.001, 0.27, 0.24)

SPECTRA = MappingProxyType(
    {
        WATER: (_LAKE, _LAKE),
        FOREST: (_BARK, _TREE),
        CROPS: (_SOIL, _LEAF),
        MEADOW: (_SOIL, _LEAF),
        TOWN: (_ROOF, _ROOF),
    }
)
"""Surface reflectance without and with leaves: shapes of textbooks, no measurement."""

VARIETIES = 16
"""Fields of one cover are sown and mown at different times."""

VEGETATED, BARE, OPEN_WATER = 4, 5, 6
"""Classes of Sentinel-2's scene classification."""

LEAFY = 0.4
"""From which greenness on a field counts as vegetation."""

HILLS, RIDGES = 120.0, 25.0
"""Metres; one standard deviation of the height over 14 km, and over 4 km."""

_LAND_SEED, _RIDGE_SEED, _USE_SEED, _CURVE_SEED = range(1, 5)
_FIELD = (330.0, 210.0)
"""Metres; width and height of a parcel."""


def height(at: Nodes) -> Places:
    """Return metres above the mean height of the land."""
    hills = HILLS * waves(at, _LAND_SEED, 14_000)
    return hills + RIDGES * waves(at, _RIDGE_SEED, 4_000)


@lru_cache(maxsize=3)  # the pixel sizes of one window, of which there are many scenes
def kinds(pixels: GeoBox) -> NDArray[np.uint8]:
    """Return what is on each pixel, as ``cover * VARIETIES + variety``; read-only."""
    grid = lattice(pixels)
    variety = _varieties(grid)
    level, use = grid.pixels(height(grid.nodes) / HILLS), grid.pixels(_use(grid.nodes))
    kind = np.where(use > 0.4, FOREST, CROPS).astype("uint8")  # noqa: PLR2004 - a third wooded
    kind[(kind == CROPS) & (variety % 4 == 3)] = MEADOW  # noqa: PLR2004 - every fourth field
    kind[(use < -1.1) & (level > -0.5)] = TOWN  # noqa: PLR2004 - a tenth, above the floods
    kind[level < -1.2] = WATER  # noqa: PLR2004 - a tenth under water
    kind *= np.uint8(VARIETIES)
    kind += variety
    kind.flags.writeable = False
    return kind


def spectra(time: datetime) -> Field:
    """Return the reflectance ``(kind, band)`` of the ground on a day."""
    table = np.empty((len(SPECTRA), VARIETIES, len(BANDS)), "float32")
    for cover, (bare, green) in SPECTRA.items():
        share = _greenness(cover, time)[:, None]
        contrast = 0.0 if cover == WATER else 0.1
        brightness = 1 + contrast * np.cos(2.4 * np.arange(VARIETIES))[:, None]
        table[cover] = brightness * (np.array(bare) * (1 - share) + np.array(green) * share)
    return table.reshape(-1, len(BANDS))


def classes(time: datetime) -> NDArray[np.uint8]:
    """Return the scene classification of every kind on a day."""
    table = np.full((len(SPECTRA), VARIETIES), BARE, "uint8")
    for cover in (FOREST, CROPS, MEADOW):
        table[cover][_greenness(cover, time) >= LEAFY] = VEGETATED
    table[WATER] = OPEN_WATER
    return table.ravel()


def shading(at: Nodes, zenith: Places, azimuth: Places) -> Places:
    """Return the light on sloping ground, where level ground has 1.

    Args:
        at: where.
        zenith: of the sun, radians.
        azimuth: of the sun, radians from north, clockwise.
    """
    east, north = slope(height, at)
    facing = -(east * np.sin(azimuth) + north * np.cos(azimuth))
    return np.clip(1 + np.tan(zenith) * facing, 0.3, 1.7)


def _use(at: Nodes) -> Places:
    return waves(at, _USE_SEED, 5_000)


def _varieties(grid: Lattice) -> NDArray[np.uint8]:
    """Return a number below `VARIETIES` for each parcel, the same on all its pixels."""
    nodes, (width, depth) = grid.nodes, _FIELD
    bend = 200 * waves(nodes, _CURVE_SEED, 6_000)  # metres: no landscape is a chessboard
    column = grid.cells((nodes.east + bend) / width)
    row = grid.cells((nodes.north - bend) / depth)
    row *= np.int32(19_349_663)
    column *= np.int32(73_856_093)
    column ^= row
    column *= np.int32(0x2C1B3C6D)
    column >>= 16  # the bits below repeat
    return column.astype("uint8") & np.uint8(VARIETIES - 1)


def _greenness(cover: int, time: datetime) -> Places:
    """Return the share of leaves by variety on a day, 0 to 1."""
    day, variety = time.timetuple().tm_yday, np.arange(VARIETIES)
    if cover == CROPS:  # sown in autumn or in spring
        peak = np.where(variety % 2, 135, 205) + variety
        return 0.05 + 0.9 * np.exp(-(((day - peak) / 45) ** 2))
    summer = (1 - math.cos(2 * math.pi * (day - 15) / 365)) / 2
    least, most = {FOREST: (0.25, 1.0), MEADOW: (0.4, 0.9)}.get(cover, (0.0, 0.0))
    return np.full(VARIETIES, least + (most - least) * summer)
