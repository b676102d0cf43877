"""The proof that chips of different splits share no ground, by another way than they were parted.

It looks at nothing but the recorded outlines, in lon/lat on the ellipsoid. An STRtree over their
boxes, grown by the buffer in geodesic metres, finds what could meet; each such pair is then laid
into the plane that touches the Earth there, and measured. Sides between four corners are straight
in it, as they are in UTM; outlines of more vertices (sinusoidal) are straight in lon/lat between
those, and get more of them first.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from geopandas import GeoDataFrame
from numpy.typing import NDArray

from cubestore.errors import LeakError
from cubestore.grids.tiles import ANTIMERIDIAN
from cubestore.splits import columns

SEMI_MAJOR, FLATTENING = 6_378_137.0, 1 / 298.257223563
"""Of WGS 84: EPSG 7030."""

TOUCHING = 2e-4
"""Of a side: outlines that overlap by less do but touch; a 20th of a pixel of 256."""

TOUCHING_BENT = 4e-3
"""The same of outlines with bent sides, whose vertices do not all lie on the true ones: a pixel."""

CORNERS, PIECES = 5, 32
"""Vertices of a closed outline of four corners, and pieces of others from side to side."""

ROUNDING = 2e-3
"""Of a buffer: how far a distance in the touching plane may be off."""

BENT = 1e-3
"""Of an outline's size: how far its true sides may run outside its corners' box."""

DEGREE = 110_000.0
"""Metres in a degree of latitude, at least (less than that of the meridian anywhere)."""

POLAR = 89.0
"""Degrees of latitude beyond which a box goes round the pole."""

AT_ONCE = 50_000
"""Pairs that are measured at a time."""


def assert_no_leak(chips: pa.Table | GeoDataFrame, buffer: float = 0.0) -> None:
    """Prove that no chip of a split shares ground with one of another, or is nearer than a buffer.

    Chips whose split is "" or null belong to none. Neighbours of one grid touch and do not share.

    Args:
        chips: an index with ``split`` and outlines; ``chipid``, if it is there, names the two.
        buffer: metres of ground that must lie between two splits.

    Raises:
        LeakError: two chips do, or are.
        MismatchError: a column is missing, or the outlines are not in lon/lat.
    """
    splits = columns.texts(chips, "split")
    rows = np.flatnonzero(splits != "")
    every = columns.outlines(chips)[rows]
    first, split = _distinct(every, splits[rows])
    parts, owner = shapely.get_parts(every[first], return_index=True)
    for one, other in _candidates(parts, split[owner], buffer):
        distance = _distances(parts[one], parts[other], buffer)
        near = distance < buffer * (1 - ROUNDING) if buffer else distance <= 0
        if near.any():
            worst = int(np.argmin(distance))
            pair = [int(rows[first[owner[side[worst]]]]) for side in (one, other)]
            raise leak(chips, splits, pair, float(distance[worst]), buffer)


def leak(
    chips: pa.Table | GeoDataFrame,
    splits: NDArray[Any],
    pair: list[int],
    distance: float | None,
    buffer: float,
) -> LeakError:
    """Return the error that names two chips."""
    named = columns.texts(chips, "chipid") if "chipid" in columns.names(chips) else None
    who = [f"{row if named is None else named[row]} ({splits[row]})" for row in pair]
    apart = f"lie {distance:.0f} m apart" if distance else "share ground"
    wanted = f"at least {buffer:.0f} m between different splits" if buffer else "no common ground"
    return LeakError(
        f"The chips {' and '.join(who)} {apart}",
        expected=wanted,
        remedy="part them with cubestore.splits.assign, or leave one of the two out",
    )


def _distinct(
    outlines: NDArray[Any], splits: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first chip of each outline and split, and the split's number."""
    data = pa.array(shapely.to_wkb(outlines, byte_order=1), pa.large_binary())
    shape = data.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    _, split = np.unique(splits.astype(str), return_inverse=True)
    _, first = np.unique(shape * (split.max(initial=0) + 1) + split, return_index=True)
    return first, split[first]


def _candidates(
    parts: NDArray[Any], split: NDArray[np.int64], buffer: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield pairs of outlines of different splits whose grown boxes meet."""
    boxes, owner = _grown(parts, buffer)
    plain, plain_owner = _grown(parts, 0.0)
    for number in np.unique(split).tolist():
        mine, later = split[owner] == number, split[plain_owner] > number
        if not later.any():
            return
        tree = shapely.STRtree(plain[later])
        one, other = tree.query(boxes[mine], predicate="intersects")
        one, other = owner[mine][one], plain_owner[later][other]
        for start in range(0, len(one), AT_ONCE):
            yield one[start : start + AT_ONCE], other[start : start + AT_ONCE]


def _grown(parts: NDArray[Any], buffer: float) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return boxes around outlines, and whose each is: those near 180° are there on both sides."""
    west, south, east, north = shapely.bounds(parts).T
    bent = BENT * np.maximum(east - west, north - south)
    up = buffer / DEGREE + bent
    far = np.minimum(np.maximum(np.abs(south), np.abs(north)) + up, POLAR)
    aside = np.where(
        far < POLAR, buffer / DEGREE / np.cos(np.radians(far)) + bent, 2.0 * ANTIMERIDIAN
    )
    west, east, south, north = west - aside, east + aside, south - up, north + up
    owner = np.arange(len(parts))
    copies = [
        (0.0, owner),
        (2.0 * ANTIMERIDIAN, owner[west < -ANTIMERIDIAN]),
        (-2.0 * ANTIMERIDIAN, owner[east > ANTIMERIDIAN]),
    ]
    boxes = [shapely.box(west[k] + turn, south[k], east[k] + turn, north[k]) for turn, k in copies]
    return np.concatenate(boxes), np.concatenate([k for _, k in copies])


def _distances(one: NDArray[Any], other: NDArray[Any], buffer: float) -> NDArray[np.float64]:
    """Return the metres between pairs of outlines; of a buffer of none, 0 where they overlap."""
    west, south, east, north = shapely.bounds(one).T
    at = np.stack([(west + east) / 2, (south + north) / 2])
    ours, theirs = _laid(one, at), _laid(other, at)
    if buffer:
        return np.asarray(shapely.distance(ours, theirs))
    return np.where(shapely.intersects(_shrunk(ours), theirs), 0.0, 1.0)


def _shrunk(outlines: NDArray[Any]) -> NDArray[Any]:
    """Return outlines that do not overlap what the given ones do but touch."""
    west, south, east, north = shapely.bounds(outlines).T
    bent = shapely.get_num_coordinates(outlines) > CORNERS
    margin = np.where(bent, TOUCHING_BENT, TOUCHING) * np.maximum(east - west, north - south)
    with np.errstate(divide="ignore", invalid="ignore"):  # slivers, of which nothing is left
        return np.asarray(shapely.buffer(outlines, -margin, join_style="mitre"))


def _laid(outlines: NDArray[Any], at: NDArray[np.float64]) -> NDArray[Any]:
    """Return outlines in the planes that touch the Earth at one place each, metres."""
    west, _, east, _ = shapely.bounds(outlines).T
    bent = shapely.get_num_coordinates(outlines) > CORNERS
    pieces = shapely.segmentize(outlines, np.where(bent, (east - west) / PIECES, np.inf))
    lonlat, index = shapely.get_coordinates(pieces, return_index=True)
    lon0, lat0 = np.radians(at[:, index])
    dx, dy, dz = _xyz(*np.radians(lonlat.T)) - _xyz(lon0, lat0)
    outward = dx * np.cos(lon0) + dy * np.sin(lon0)
    east = dy * np.cos(lon0) - dx * np.sin(lon0)
    north = dz * np.cos(lat0) - outward * np.sin(lat0)
    up = outward * np.cos(lat0) + dz * np.sin(lat0)
    onto = 1 / np.maximum(1 + up / SEMI_MAJOR, 0.1)  # along rays: straight stays straight
    return np.asarray(
        shapely.set_coordinates(pieces.copy(), np.stack([east * onto, north * onto], axis=-1))
    )


def _xyz(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return geocentric coordinates of places on the ellipsoid, metres."""
    eccentricity = FLATTENING * (2 - FLATTENING)
    radius = SEMI_MAJOR / np.sqrt(1 - eccentricity * np.sin(lat) ** 2)
    across = radius * np.cos(lat)
    up = radius * (1 - eccentricity) * np.sin(lat)
    return np.stack([across * np.cos(lon), across * np.sin(lon), up])
