"""Where chips lie: polygons in longitude and latitude -> squares of a tile's own CRS."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from cubestore.grids import Tile

GSD = 10
"""Metres of a pixel of Clay v0's chips."""

NEAR = 0.01
"""Metres by which corners may be off, after their way through degrees and back."""

CORNERS = 5
"""Points of a square's outline, of which the last is the first."""

Metres = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Squares:
    """The squares of some chips, in the CRS of their tile."""

    left: Metres
    top: Metres
    side: Metres
    """Metres, of whole pixels."""

    sound: npt.NDArray[np.bool_]
    """Whether the polygon is such a square; where not, the rest means nothing."""

    longitude: Metres
    """Degrees, of the middle."""

    latitude: Metres

    def only(self, those: npt.NDArray[np.bool_]) -> "Squares":
        """Return some of them."""
        return Squares(**{name: getattr(self, name)[those] for name in Squares.__annotations__})


def squares(shapes: npt.NDArray[np.object_], tile: Tile) -> Squares:
    """Return the squares that polygons are on a tile.

    Args:
        shapes: polygons in longitude and latitude; None: none.
        tile: in whose CRS they are squares.
    """
    there = pyproj.Transformer.from_crs("OGC:CRS84", str(tile.crs), always_xy=True)
    outlines = np.stack([_outline(shape) for shape in shapes])
    x, y = there.transform(outlines[..., 0], outlines[..., 1])
    left, right, bottom, top = x.min(1), x.max(1), y.min(1), y.max(1)
    with np.errstate(invalid="ignore"):  # of what lies infinitely far away
        side = np.round((right - left) / GSD) * GSD
        edges = _near(x, left, right) & _near(y, bottom, top)
        sound = edges & _square(right - left, top - bottom, side)
    centre = there.transform(left + side / 2, top - side / 2, direction="INVERSE")
    return Squares(
        left=np.round(left, 2),
        top=np.round(top, 2),
        side=side,
        sound=sound,
        longitude=np.asarray(centre[0]),
        latitude=np.asarray(centre[1]),
    )


def _outline(shape: shapely.Geometry | None) -> Metres:
    """Return five points; infinitely far away where it is no polygon of four corners."""
    points = shapely.get_coordinates(shape)
    fits = isinstance(shape, shapely.Polygon) and points.shape == (CORNERS, 2)
    return points if fits and np.isfinite(points).all() else np.full((CORNERS, 2), np.inf)


def _near(at: Metres, low: Metres, high: Metres) -> npt.NDArray[np.bool_]:
    """Whether all points lie on one of two edges."""
    off = np.minimum(np.abs(at - low[:, None]), np.abs(at - high[:, None]))
    return np.asarray((off <= NEAR).all(axis=1))


def _square(wide: Metres, high: Metres, side: Metres) -> npt.NDArray[np.bool_]:
    near = (np.abs(wide - side) <= NEAR) & (np.abs(high - side) <= NEAR)
    return np.asarray(near & (side > 0))
