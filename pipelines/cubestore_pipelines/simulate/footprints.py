"""Outlines of what satellites see: rectangles along a track, askew on the pixels of a map."""

import math
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

TILT = 0.2
"""Metres to the side per metre along the track: 11 degrees from north. Of ascending ones, less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """A rectangle in metres of a projected CRS."""

    centre: tuple[int, int]
    """East and north."""
    width: int
    """Across the track."""
    length: int
    """Along it."""
    tilt: float = TILT

    def covers(self, some: GeoBox) -> NDArray[np.bool_]:
        """Return which pixels' centres are within."""
        east, north = self.centre
        x = some.affine.c - east + some.affine.a * (np.arange(some.shape[1]) + 0.5)[None, :]
        y = some.affine.f - north + some.affine.e * (np.arange(some.shape[0]) + 0.5)[:, None]
        inside: NDArray[np.bool_] = np.abs(x - self.tilt * y) < self.width / 2
        inside &= np.abs(y + self.tilt * x) < self.length / 2
        return inside

    def corners(self) -> list[tuple[float, float]]:
        """Return the outline, counter-clockwise, closed."""
        east, north = self.centre
        scale = 1 / (1 + self.tilt**2)
        signs = ((-1, 1), (-1, -1), (1, -1), (1, 1), (-1, 1))
        halves = [(x * self.width / 2, y * self.length / 2) for x, y in signs]
        return [
            (east + scale * (u + self.tilt * v), north + scale * (v - self.tilt * u))
            for u, v in halves
        ]

    def pixels(self, gsd: int, crs: str, *, point: bool = False) -> GeoBox:
        """Return pixels that hold it.

        Args:
            gsd: metres, of which the centre is a multiple.
            crs: of the outline.
            point: pixels lie about multiples of their size, not between them.
        """
        lean = abs(self.tilt)
        across = math.ceil((self.width + lean * self.length) / 2 / gsd) + point / 2
        along = math.ceil((self.length + lean * self.width) / 2 / gsd) + point / 2
        east, north = self.centre
        affine = Affine(gsd, 0, east - across * gsd, 0, -gsd, north + along * gsd)
        return GeoBox((round(2 * along), round(2 * across)), affine, crs)


def footprint(
    place: tuple[float, float],
    at: tuple[float, float],
    size: tuple[int, int],
    *,
    multiple: int,
    tilt: float = TILT,
) -> Footprint:
    """Return the rectangle in which a place lies so far to the right and along the track.

    Args:
        place: metres east and north.
        at: metres from the rectangle's middle, across the track and along it.
        size: width and length.
        multiple: of which the middle shall be one.
        tilt: metres to the side per metre along the track.
    """
    across, along = at
    scale = 1 / (1 + tilt**2)
    east = place[0] - scale * (across + tilt * along)
    north = place[1] - scale * (along - tilt * across)
    centre = (multiple * round(east / multiple), multiple * round(north / multiple))
    return Footprint(centre=centre, width=size[0], length=size[1], tilt=tilt)
