"""Which places of different splits share ground, or lie too near: found exactly, pair by pair.

Places of one UTM zone are compared as rectangles in the zone's plane, those of one sinusoidal tile
in the sinusoidal one. All others are carried, with vertices along their sides, into the plane of
one of the two: that is how tiles of neighbouring zones meet, MGRS and MODIS, and both sides of the
antimeridian. A chip at the edge of a cube counts whole, the padding beyond the edge included.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cubestore.grids.mgrs import MgrsTile
from cubestore.splits.places import Places, meridian, to_lonlat, to_plane

RADIUS = 6_371_008.8
"""Mean radius of the Earth, metres: Moritz (2000)."""

STRETCH = 1.004
"""No plane of a UTM zone is stretched more where tiles of it lie: a distance on the ground is at
most this many times smaller than the one measured."""

STRETCH_FAR = 1.03
"""The same of planes around a sinusoidal tile's middle."""

SLACK = 1.01
"""What the distance between two tiles is taken for, of the sphere's: the Earth is none."""

TOUCHING = 1e-6
"""Of a side: what overlaps by less does but touch."""

PIECES, PIECES_SINUSOIDAL = 2, 16
"""Of a side that is carried into another plane: straight in UTM to a centimetre, else bent."""

SINUSOIDAL = "sinusoidal"
"""The plane of the sinusoidal grid; others are named by their meridian."""

Plane = float | str
Found = tuple[NDArray[np.int64], NDArray[np.int64]]


def conflicts(places: Places, rank: NDArray[np.int64], buffer: float) -> Iterator[Found]:
    """Yield pairs of places whose ranks differ and that overlap, or lie nearer than the buffer.

    Args:
        places: the places.
        rank: of each; below zero are places that count for nothing.
        buffer: metres.

    Yields:
        The places of higher rank, and of each a place of lower rank.
    """
    ground = _Ground(places, buffer)
    for one, other in _near(places, rank, buffer):
        for ours, theirs in [(one, other)] if one == other else [(one, other), (other, one)]:
            yield from ground.pairs(ours, theirs, rank)


@dataclass(slots=True)
class _Ground:
    """Shapes of the places of tiles, in one plane or another."""

    places: Places
    buffer: float
    _members: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    _shapes: dict[tuple[int, Plane], NDArray[Any]] = field(default_factory=dict)

    def pairs(self, one: int, other: int, rank: NDArray[np.int64]) -> Iterator[Found]:
        """Yield pairs of a place of one tile and a place of lower rank of the other."""
        plane = self._plane(min(one, other), max(one, other))
        ours, theirs = self._of(one), self._of(other)
        for low in np.unique(rank[theirs][rank[theirs] >= 0]).tolist():
            below, above = rank[theirs] == low, rank[ours] > low
            if not above.any():
                continue
            tree = shapely.STRtree(self._in(other, plane)[below])
            shapes = self._in(one, plane)[above]
            a, b = self._query(tree, shapes, plane)
            if len(a):
                yield ours[above][a], theirs[below][b]

    def _query(self, tree: Any, shapes: NDArray[Any], plane: Plane) -> NDArray[np.int64]:  # noqa: ANN401 - shapely's
        if not self.buffer:
            return _array(tree.query(_shrunk(shapes), predicate="intersects"))
        utm = plane != SINUSOIDAL and float(plane).is_integer()
        reach = self.buffer * (STRETCH if utm else STRETCH_FAR)
        return _array(tree.query(shapes, predicate="dwithin", distance=reach))

    def _plane(self, one: int, other: int) -> Plane:
        """Return the plane in which the places of two tiles are compared."""
        tiles = [self.places.tiles[one], self.places.tiles[other]]
        meridians = [meridian(tile) for tile in tiles if isinstance(tile, MgrsTile)]
        if meridians:
            return float(meridians[0])
        if not self.buffer:
            return SINUSOIDAL
        return float(np.floor(tiles[0].center[0])) + 0.5

    def _of(self, tile: int) -> NDArray[np.int64]:
        if tile not in self._members:
            self._members[tile] = np.flatnonzero(self.places.tile == tile)
        return self._members[tile]

    def _in(self, tile: int, plane: Plane) -> NDArray[Any]:
        if (tile, plane) not in self._shapes:
            self._shapes[tile, plane] = _shapes(self.places, self._of(tile), plane)
        return self._shapes[tile, plane]


def _shapes(places: Places, members: NDArray[np.int64], plane: Plane) -> NDArray[Any]:
    """Return places of one tile as polygons in a plane."""
    left, top, side = places.left[members], places.top[members], places.side[members]
    tile = places.tiles[places.tile[members[0]]]
    utm = isinstance(tile, MgrsTile)
    if plane == (meridian(tile) if isinstance(tile, MgrsTile) else SINUSOIDAL):
        return _array(shapely.box(left, top - side, left + side, top))
    ring = _ring(PIECES if utm else PIECES_SINUSOIDAL)
    x, y = (
        edge[:, None] + side[:, None] * unit for edge, unit in zip((left, top), ring, strict=True)
    )
    x, y = to_plane(*to_lonlat(tile, x, y), plane)
    known = np.isfinite(x).all(1) & np.isfinite(y).all(1)
    found = np.full(len(members), None, object)
    found[known] = shapely.make_valid(shapely.polygons(np.stack([x, y], -1)[known]))
    return found


def _ring(pieces: int) -> NDArray[np.float64]:
    """Return the square from (0, -1) to (1, 0) as a closed ring, x and y."""
    at = np.linspace(0, 4, 4 * pieces + 1)
    return np.stack(
        [np.interp(at, range(5), [0, 1, 1, 0, 0]), np.interp(at, range(5), [0, 0, -1, -1, 0])]
    )


def _shrunk(shapes: NDArray[Any]) -> NDArray[Any]:
    """Return shapes that do not touch what the given ones do but touch."""
    west, south, east, north = shapely.bounds(shapes).T
    points, of = shapely.get_coordinates(shapes, return_index=True)
    middle = np.stack([(west + east) / 2, (south + north) / 2], axis=-1)[of]
    return _array(
        shapely.set_coordinates(shapes.copy(), middle + (points - middle) * (1 - 2 * TOUCHING))
    )


def _near(places: Places, rank: NDArray[np.int64], buffer: float) -> list[tuple[int, int]]:
    """Return pairs of tiles, each with itself too, of which places could meet and ranks differ."""
    rings = [_around(places, number) for number in range(len(places.tiles))]
    middle = np.array([ring.mean(0) / np.linalg.norm(ring.mean(0)) for ring in rings])
    reach = np.array(
        [np.linalg.norm(r - m, axis=1).max() for r, m in zip(rings, middle, strict=True)]
    )
    lowest, highest = np.full(len(rings), np.iinfo("i8").max), np.full(len(rings), -1)
    counted = rank >= 0
    np.minimum.at(lowest, places.tile[counted], rank[counted])
    np.maximum.at(highest, places.tile[counted], rank[counted])
    found = []
    for one in range(len(rings)):
        apart = np.linalg.norm(middle[one:] - middle[one], axis=1)
        near = apart <= SLACK * (reach[one] + reach[one:] + buffer / RADIUS)
        low = np.minimum(lowest[one:], lowest[one])
        differ = np.maximum(highest[one:], highest[one]) > low
        found += [(one, one + step) for step in np.flatnonzero(near & differ).tolist()]
    return found


def _around(places: Places, number: int) -> NDArray[np.float64]:
    """Return points around all places of a tile, on the unit sphere."""
    at = places.tile == number
    left, top, side = places.left[at], places.top[at], places.side[at]
    west, south, east, north = left.min(), (top - side).min(), (left + side).max(), top.max()
    ring = _ring(PIECES_SINUSOIDAL)
    x, y = west + (east - west) * ring[0], north + (north - south) * ring[1]
    lon, lat = map(np.radians, to_lonlat(places.tiles[number], x, y))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)


def _array(values: Any) -> NDArray[Any]:  # noqa: ANN401 - shapely's
    return np.asarray(values)
