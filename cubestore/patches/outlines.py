"""Where patches lie on the Earth: their corners in lon/lat, on whichever grids they are."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj
import xarray as xr
from numpy.typing import NDArray

from cubestore.index.footprints import Footprints, Numbers, of_rings

CORNERS = np.array([(0, 1), (1, 1), (1, 0), (0, 0), (0, 1)])
"""Column and row of a square's, counter-clockwise where rows count from the north."""

AZIMUTHS = np.array([225.0, 135.0, 45.0, 315.0, 225.0])
"""Degrees from the north at which they lie, seen from the middle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Square:
    """What is meant of each patch of a set: the whole, or the square in its middle."""

    start: float
    """First pixel of the grid ``(y, x)``, along either axis."""

    end: float
    """Behind the last."""

    metres: float
    """Along its side, for patches whose grid nobody knows."""


def square(data: xr.Dataset, sensor: str, size: int, gsd: float) -> Square:
    """Return what chips of some pixels are of the patches of a set.

    Args:
        data: the set.
        sensor: whose pixels are counted; a set without such pixels has chips of whole patches.
        size: pixels along a chip. What is larger than a patch is the patch.
        gsd: metres of a pixel.
    """
    pixels = [array for array in data.data_vars.values() if array.attrs.get("sensor") == sensor]
    grid = data.sizes.get("x", size)
    own = pixels[0].shape[-1] if pixels else size
    side, scale = min(size, own), grid / own
    first = (own - side) // 2
    return Square(start=first * scale, end=(first + side) * scale, metres=side * gsd)


def outlines(data: xr.Dataset, rows: NDArray[Any], meant: Square) -> Footprints:
    """Return the outlines of patches.

    Of one whose grid nobody knows it is a square around its middle, with sides to the north and
    to the east.

    Args:
        data: the set.
        rows: the patches, by number.
        meant: what of each.
    """
    columns = (data[n].values[rows] for n in ("longitude", "latitude", "crs", "transform"))
    longitude, latitude, crs, grids = columns
    lon, lat = _around(longitude, latitude, meant.metres)
    for name in sorted({*crs.tolist()} - {""}):
        mine = (crs == name) & ~np.isnan(grids).any(axis=1)
        lon[mine], lat[mine] = _on_grid(name, grids[mine], meant)
    return of_rings(lon, lat, longitude)


def _around(longitude: Numbers, latitude: Numbers, metres: float) -> tuple[Numbers, Numbers]:
    """Return the corners of squares around places, ``(place, corner)``."""
    shape = (len(longitude), len(AZIMUTHS))
    east, north = (np.broadcast_to(o[:, None], shape) for o in (longitude, latitude))
    azimuths, half = np.broadcast_to(AZIMUTHS, shape), np.full(shape, metres / 2**0.5)
    lon, lat, _ = pyproj.Geod(ellps="WGS84").fwd(east, north, azimuths, half)
    return np.asarray(lon), np.asarray(lat)


def _on_grid(crs: str, grids: Numbers, meant: Square) -> tuple[Numbers, Numbers]:
    """Return the corners of squares on grids of a CRS, ``(patch, corner)``."""
    a, b, c, d, e, f = grids.T[..., None]
    column, row = (CORNERS * (meant.end - meant.start) + meant.start).T
    there = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    lon, lat = there.transform(a * column + b * row + c, d * column + e * row + f)
    turned = (a * e - b * d)[:, 0] > 0  # rows count from the south
    lon[turned], lat[turned] = lon[turned, ::-1], lat[turned, ::-1]
    return lon, lat
