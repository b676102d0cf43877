"""The places of chips: what is one on the ground, whatever was taken of it and however often.

A place is a square of pixels of a tile: the chips of all slots there, and of all sensors whose
pixels are cut alike, are the same place. Places of different tiles are different, though their
ground may be the same: neighbouring tiles overlap.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
from geopandas import GeoDataFrame
from numpy.typing import NDArray

from cubestore import grids, layout, sensors
from cubestore.grids import Tile
from cubestore.grids.mgrs import FALSE_NORTHING, UTM, ZONE_WIDTH, MgrsTile
from cubestore.grids.sinusoidal import EARTH_RADIUS
from cubestore.grids.tiles import ANTIMERIDIAN
from cubestore.splits import columns

Numbers = NDArray[np.float64]

MILLIMETRES = 1000
"""In a metre: coordinates that differ by less are the same."""


@dataclass(frozen=True, slots=True)
class Places:
    """The different places of some chips."""

    tiles: tuple[Tile, ...]
    tile: NDArray[np.int64]
    """Of each place, which of `tiles`."""

    left: Numbers
    """West edge in the tile's CRS, metres; of MGRS tiles northings count from the equator."""

    top: Numbers
    side: Numbers
    of_row: NDArray[np.int64]
    """Of each chip, its place."""

    def __len__(self) -> int:
        return len(self.tile)

    def keys(self) -> list[str]:
        """Return a name for each place that depends on nothing but the place."""
        corners = (np.rint(edge * MILLIMETRES).astype(np.int64) for edge in self._edges())
        rows = zip(self.tile.tolist(), *(corner.tolist() for corner in corners), strict=True)
        return ["/".join([self.tiles[tile].id, *map(str, rest)]) for tile, *rest in rows]

    def _edges(self) -> tuple[Numbers, Numbers, Numbers]:
        return self.left, self.top, self.side

    def take(self, some: NDArray[np.int64]) -> "Places":
        """Return some of the places, each of a row of its own."""
        left, top, side = (edge[some] for edge in self._edges())
        return Places(self.tiles, self.tile[some], left, top, side, np.arange(len(some)))

    def centres(self) -> tuple[Numbers, Numbers]:
        """Return longitude and latitude of the places' centres; off the Earth, of its edge."""
        lon, lat = np.empty(len(self)), np.empty(len(self))
        x, y = self.left + self.side / 2, self.top - self.side / 2
        for number, tile in enumerate(self.tiles):
            at = self.tile == number
            lon[at], lat[at] = to_lonlat(tile, x[at], y[at])
        return wrap(lon), lat


def places(chips: pa.Table | GeoDataFrame) -> Places:
    """Return the different places of chips, by their tile, sensor, size and indexes.

    Raises:
        MismatchError: a column is missing, or a sensor does not lie on a tile's grid.
        UnknownTileError: no such tile.
        UnknownSensorError: no such sensor.
    """
    x, y = (columns.numbers(chips, f"chip_index_{axis}").astype(np.int64) for axis in "xy")
    tile, tile_ids = columns.codes(chips, "tile")
    sensor, sensor_ids = columns.codes(chips, "sensor")
    size = columns.numbers(chips, "chip_size").astype(np.int64)
    keys, of_row = _unique(np.stack([tile, sensor, size, y, x]))
    tiles = tuple(grids.tile(name) for name in tile_ids)
    corners = np.empty((3, keys.shape[1]))
    for group, at in _groups(keys[:3]):
        grid = layout.geobox(sensors.sensor(sensor_ids[group[1]]), tiles[group[0]])
        pixel, _, west, _, step, north, *_ = grid.affine
        down, right = keys[3:, at] * group[2]
        corners[:, at] = (
            west + pixel * right,
            north + step * down - _false_northing(tiles[group[0]]),
            np.full(down.shape, pixel * group[2]),
        )
    marks = np.rint(corners * MILLIMETRES).astype(np.int64)
    _, first, same = np.unique(
        np.vstack([keys[0], marks]), axis=1, return_index=True, return_inverse=True
    )
    left, top, side = corners[:, first]
    return Places(tiles, keys[0, first], left, top, side, same.reshape(-1)[of_row])


def _unique(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct columns of some rows of small numbers, and which each column is."""
    packed = np.zeros(rows.shape[1], np.int64)
    for row in rows:
        _, values = np.unique(row, return_inverse=True)
        packed = packed * (values.max(initial=0) + 1) + values
        _, packed = np.unique(packed, return_inverse=True)
    _, first = np.unique(packed, return_index=True)
    return rows[:, first], packed


def _groups(keys: NDArray[np.int64]) -> list[tuple[list[int], NDArray[np.int64]]]:
    """Return the distinct columns, each with where it stands."""
    distinct, which = _unique(keys)
    order = np.argsort(which, kind="stable")
    ends = np.searchsorted(which[order], np.arange(distinct.shape[1] + 1))
    return [
        (distinct[:, k].tolist(), order[ends[k] : ends[k + 1]]) for k in range(distinct.shape[1])
    ]


def _false_northing(tile: Tile) -> int:
    return FALSE_NORTHING if isinstance(tile, MgrsTile) and tile.square.row < 0 else 0


def to_lonlat(tile: Tile, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    """Return degrees of places in a tile's CRS; longitudes may run on past 180°.

    What lies off the Earth, in a corner of the sinusoidal grid, is moved to the Earth's edge.
    """
    if isinstance(tile, MgrsTile):
        lon, lat = plane().transform(x, y, direction="INVERSE")
        return lon + meridian(tile), lat
    lat = np.clip(y / EARTH_RADIUS, -np.pi / 2, np.pi / 2)
    widest = np.pi * EARTH_RADIUS * np.cos(lat)
    radius = np.maximum(EARTH_RADIUS * np.cos(lat), 1.0)
    return np.degrees(np.clip(x, -widest, widest) / radius), np.degrees(lat)


def to_plane(lon: Numbers, lat: Numbers, central: Any) -> tuple[Numbers, Numbers]:  # noqa: ANN401 - one or many
    """Return the coordinates of places in the UTM projection around a meridian, metres."""
    x, y = plane().transform(wrap(lon - central), lat)
    return x, y


def meridian(tile: MgrsTile) -> int:
    """Return the central meridian of a tile's zone, degrees."""
    return tile.square.zone * ZONE_WIDTH - 183


def meridian_of(lon: Numbers) -> Numbers:
    """Return the central meridian of the zone of 6° that longitudes lie in, degrees."""
    west: Numbers = np.floor(wrap(lon) / ZONE_WIDTH) * ZONE_WIDTH
    return west + ZONE_WIDTH / 2


def wrap(degrees: Numbers) -> Numbers:
    """Return longitudes in [-180, 180)."""
    return (degrees + ANTIMERIDIAN) % (2 * ANTIMERIDIAN) - ANTIMERIDIAN


@cache
def plane() -> pyproj.Transformer:
    """Return degrees from the central meridian and the equator -> easting, northing."""
    return pyproj.Transformer.from_pipeline(
        f"+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step {UTM}"
    )
