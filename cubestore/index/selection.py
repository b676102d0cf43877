"""Which files of the chip index a question is to be put to, from their names alone."""

import math
from collections.abc import Iterable, Sequence
from functools import cache

import shapely

from cubestore import grids
from cubestore.errors import NoIndexError, QueryError
from cubestore.index import file as indexfile
from cubestore.index.file import FOLDER, Name
from cubestore.sensors import sensor as sensor_of
from cubestore.store import Store

Words = str | Iterable[str]
"""One, or several."""

Box = Sequence[float]
"""West, south, east, north in degrees."""

DEGREE = 100_000.0
"""Metres: less than a degree of latitude."""

TURN = 360
"""Degrees."""

NEAR_POLE = 0.01
"""The least cosine of latitude that is told from a pole's."""


def files(
    store: Store,
    *,
    sensor: Words | None = None,
    tile: Words | None = None,
    chip_size: int | None = None,
) -> list[Name]:
    """Return the files of the index in which to look, sorted.

    Raises:
        NoIndexError: the store has no index, or none of that sensor, tile or size.
        QueryError: the index has several sizes, and none is asked for.
    """
    return _size(_chosen(store, sensor, tile), store, chip_size)


def _chosen(store: Store, sensor: Words | None, tile: Words | None) -> list[Name]:
    """Return the files of some sensors and tiles."""
    names = indexfile.names(store.path)
    if not names:
        raise NoIndexError(
            f"{store.path} has no chip index",
            expected=f"{FOLDER}/*.parquet in it",
            remedy=f"make it: cubestore index {store.path}",
        )
    sensors = None if sensor is None else {sensor_of(one).id for one in words_of(sensor)}
    tiles = None if tile is None else {grids.tile(one).id for one in words_of(tile)}
    found = [n for n in names if sensors is None or n.sensor in sensors]
    found = [n for n in found if tiles is None or n.tile in tiles]
    if not found:
        asked = ", ".join(sorted({*(sensors or ()), *(tiles or ())}))
        raise _lacking(store, f"The chip index has nothing of {asked}", names)
    return found


def _lacking(store: Store, found: str, names: Sequence[Name]) -> NoIndexError:
    there = sorted({name.sensor for name in names})
    tiles = len({name.tile for name in names})
    return NoIndexError(
        found,
        expected=f"some of {', '.join(there)} on {tiles} tiles",
        remedy=f"index what was built since: cubestore index {store.path}",
    )


def _size(names: list[Name], store: Store, size: int | None) -> list[Name]:
    """Return the files of a size, which must be said where there are several."""
    sizes = sorted({name.size for name in names})
    if size is None and len(sizes) == 1:
        return names
    if size is None:
        raise QueryError(
            f"The index has chips of {', '.join(map(str, sizes))} pixels",
            expected="one size in a question",
            remedy=f"give chip_size, for example {sizes[0]}",
        )
    found = [name for name in names if name.size == size]
    if not found:
        raise NoIndexError(
            f"The index has no chips of {size} pixels",
            expected=f"one of {', '.join(map(str, sizes))}",
            remedy=f"make them: cubestore index {store.path} --chip-size {size}",
        )
    return found


def meets_tile(name: Name, bbox: Box) -> bool:
    """Whether a file may have a chip in a box."""
    west, south, east, north = bbox
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    low, high, parts = _reach(name)
    return (
        south <= high
        and north >= low
        and any(
            start <= right + turn and end >= left + turn
            for start, end in spans
            for left, right in parts
            for turn in (-TURN, 0, TURN)
        )
    )


def crosses(name: Name) -> bool:
    """Whether a file may have chips that cross the antimeridian."""
    _, _, parts = _reach(name)
    return any(max(-west, east) >= TURN / 2 for west, east in parts)


@cache
def _reach(name: Name) -> tuple[float, float, list[tuple[float, float]]]:
    """Return latitudes and longitudes between which all chips of a file lie.

    The last ones reach past the tile. Longitudes may run on past 180°.
    """
    beyond = name.size * sensor_of(name.sensor).gsd / DEGREE
    bounds = shapely.bounds(shapely.get_parts(grids.tile(name.tile).footprint))
    low, high = bounds[:, 1].min() - beyond, bounds[:, 3].max() + beyond
    narrow = math.cos(math.radians(min(90, max(abs(low), abs(high)))))
    wide = beyond / max(NEAR_POLE, narrow)
    return low, high, [(west - wide, east + wide) for west, _, east, _ in bounds.tolist()]


def words_of(words: Words) -> list[str]:
    """Return one or several as a list."""
    return [words] if isinstance(words, str) else list(words)
