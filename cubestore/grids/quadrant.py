"""Where the Earth ends in the sinusoidal grid.

The four quadrants of the grid are mirror images, so everything here counts from the equator and
from the central meridian outwards: one quadrant of 18 x 9 tiles of ten degrees. On it a point is
at ``x = longitude cos(latitude)``, and the Earth is what has ``x <= 180° cos(latitude)``.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

COLUMNS, ROWS = 36, 18
"""Of the whole grid: notes of the MODLAND Tile Calculator."""

TILE_DEGREES = 10
"""Side of a tile, along the equator or a meridian."""

DIGITS = 9
"""To which degrees are rounded, a tenth of a millimetre: 18 cos 60° is 9 and no more."""


class Quadrant(NamedTuple):
    """A tile's place in its quadrant, and which quadrant that is."""

    east: int
    """1 or -1: the sign of its longitudes."""

    north: int
    """1 or -1: the sign of its latitudes."""

    inner: int
    """Tiles between the central meridian and this one, 0 to 17."""

    start: int
    """Latitude of the edge nearer to the equator, degrees."""

    @property
    def end(self) -> float:
        """The latitude at which the tile or the Earth ends; not above `start` if it has none."""
        return min(self.start + TILE_DEGREES, earth_ends(self.inner))

    @property
    def bend(self) -> float:
        """The latitude from which the antimeridian is in the tile, up to its end if at all."""
        return max(self.start, earth_ends(self.inner + 1))

    def longitudes(self, latitudes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the tile's inner and outer edge at ``latitudes``, in degrees: (2, n)."""
        edges = np.array([[self.inner], [self.inner + 1]]) * TILE_DEGREES
        return np.minimum(edges / np.cos(np.radians(latitudes)), 180)

    def touches(self, other: "Quadrant") -> bool:
        """Return whether two tiles with an edge or a corner in common have it on the Earth."""
        return max(self.start, other.start) <= earth_ends(max(self.inner, other.inner))

    def faces(self, other: "Quadrant") -> bool:
        """Return whether two tiles touch across the antimeridian."""
        start, end = max(self.bend, other.bend), min(self.end, other.end)
        same_side = self.north == other.north or start == 0
        return same_side and self.east != other.east and start <= end


def place(column: int, row: int) -> Quadrant:
    """Return where the tile of column h and row v lies."""
    east, north = column >= COLUMNS // 2, row < ROWS // 2
    return Quadrant(
        east=1 if east else -1,
        north=1 if north else -1,
        inner=column - COLUMNS // 2 if east else COLUMNS // 2 - 1 - column,
        start=TILE_DEGREES * (ROWS // 2 - 1 - row if north else row - ROWS // 2),
    )


@cache
def earth_ends(tiles_out: int) -> float:
    """Return the latitude at which the Earth is so many tiles wide on either side, degrees."""
    return round(math.degrees(math.acos(tiles_out * 2 / COLUMNS)), DIGITS)
