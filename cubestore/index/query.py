"""Questions to the chip index: which chips, by place, time, cloud and whatever else is in it.

    cubestore.chips(
        "STORE", sensor="sentinel-2-l2a", bbox=(2.2, 48.8, 2.5, 49.0), datetime="2023-06/2023-08",
        max_cloud=0.1, where="class_built > 0.2 and platform == 'sentinel-2a'",
    )

Files are left out by their names (grid, tile, sensor, size), groups of rows by their statistics;
what remains is filtered row by row. Any store will do that fsspec reads.
"""

import operator
import os
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import fsspec
import pyarrow as pa
import pyarrow.dataset as ds
import shapely
from pyarrow.fs import FSSpecHandler, LocalFileSystem, PyFileSystem

from cubestore.errors import NoIndexError, QueryError, UnknownCubeError
from cubestore.index import file as indexfile
from cubestore.index import where as conditions
from cubestore.index.build import covering, state
from cubestore.index.file import FOLDER, SCHEMA, VERSION, Described, Name
from cubestore.index.interval import interval
from cubestore.index.selection import Box, Words, crosses, files, meets_tile, words_of
from cubestore.store import Store, open_store

if TYPE_CHECKING:
    import geopandas as gpd

Place = Store | str | os.PathLike[str]

ASKABLE: Mapping[str, pa.DataType] = {
    field.name: field.type
    for field in SCHEMA
    if not (pa.types.is_nested(field.type) or pa.types.is_binary(field.type))
}
"""The columns that a condition may name."""


def scan(  # noqa: PLR0913 - a question has many parts, each by keyword
    store: Place,
    *,
    sensor: Words | None = None,
    tile: Words | None = None,
    bbox: Box | None = None,
    datetime: str = "",
    max_cloud: float | None = None,
    max_nodata: float | None = None,
    split: Words | None = None,
    chip_size: int | None = None,
    where: str = "",
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Return the chips that meet every condition, as an Arrow table, in the order of the index.

    Args:
        store: a store, or the path or address of one.
        sensor: one or several ids.
        tile: one or several ids.
        bbox: west, south, east, north in degrees; west > east crosses the antimeridian. Chips
            whose own bounding box meets it.
        datetime: ``A/B`` in UTC, each a year, month, day, moment or ``..``.
        max_cloud: of a chip's pixels, 0 to 1.
        max_nodata: the same.
        split: one or several.
        chip_size: pixels; needed where the index has several sizes.
        where: a condition on columns: ``class_built > 0.2 and platform == 'sentinel-2a'``.
        columns: those to return; None: all.

    Raises:
        NoIndexError: the store has no index, or none of that sensor, tile or size.
        QueryError: a question that cannot be understood.
        NotAStoreError: no store there.
    """
    opened = _opened(store)
    parts = _conditions(datetime, max_cloud, max_nodata, split, where)
    names = files(opened, sensor=sensor, tile=tile, chip_size=chip_size)
    if bbox is not None:
        names = [name for name in names if meets_tile(name, box_of(bbox))]
        parts.append(_meets(*box_of(bbox), crossing=any(map(crosses, names))))
    wanted = list(SCHEMA.names) if columns is None else _known(columns)
    if not names:
        return SCHEMA.empty_table().select(wanted)
    condition = reduce(operator.and_, parts) if parts else None
    return _dataset(opened, names).to_table(columns=wanted, filter=condition)


def chips(store: Place, **question: Any) -> "gpd.GeoDataFrame":  # noqa: ANN401 - those of scan
    """Return the chips that meet every condition, as a GeoDataFrame in lon/lat.

    Args:
        store: a store, or the path or address of one.
        question: see :func:`cubestore.index.scan`. ``columns`` always has the geometry.

    Raises:
        NoIndexError: the store has no index, or none of that sensor, tile or size.
        QueryError: a question that cannot be understood.
    """
    import geopandas as gpd  # noqa: PLC0415 - for people alone

    columns = question.pop("columns", None)
    names = list(columns) if columns is not None else [n for n in SCHEMA.names if n != "bbox"]
    table = scan(store, **question, columns=list(dict.fromkeys([*names, "geometry"])))
    geometry = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
    frame = table.drop_columns("geometry").to_pandas()
    framed = gpd.GeoDataFrame(frame, geometry=geometry, crs="OGC:CRS84")
    return framed[[*dict.fromkeys([*names, "geometry"])]]


def stale(store: Place) -> list[tuple[str, str]]:
    """Return the (tile, sensor) of what `cubestore index` would change, sorted.

    Those are cubes with a newer commit than the index describes, of their own or of their tile's
    land cover; cubes that the index lacks; and what the index still has of cubes that are gone.
    """
    opened = _opened(store)
    cubes, names = set(opened.cubes()), indexfile.names(opened.path)
    indexed = {(name.tile, name.sensor) for name in names}
    old = {(n.tile, n.sensor) for n in names if (n.tile, n.sensor) in cubes and behind(opened, n)}
    return sorted(old | (cubes ^ indexed))


def behind(store: Store, name: Name) -> bool:
    """Whether `cubestore index` would write a file anew: its cube or land cover has changed."""
    told = indexfile.described(store.path, name)
    try:
        cube = store.cube(name.tile, name.sensor)
    except UnknownCubeError:
        return True
    there = state(cube), state(covering(store, cube))
    return told is None or told.version != VERSION or (told.commit, told.land_cover) != there


# Which files.


def _opened(store: Place) -> Store:
    return store if isinstance(store, Store) else open_store(store)


def _dataset(store: Store, names: Sequence[Name]) -> ds.Dataset:
    """Return the files as one dataset; what they hold is known, so none is looked at."""
    _refuse_mixed(store, names)
    files: Any = LocalFileSystem()
    root = f"{store.path}/{FOLDER}"
    if "://" in store.path:
        remote, root = fsspec.url_to_fs(root)
        files = PyFileSystem(FSSpecHandler(remote))
    paths = [f"{root}/{name.file}" for name in names]
    return ds.FileSystemDataset.from_paths(
        paths, schema=SCHEMA, format=ds.ParquetFileFormat(), filesystem=files
    )


def _refuse_mixed(store: Store, names: Sequence[Name]) -> None:
    """Refuse numbers that were counted in different ways, or that another version wrote."""
    told = [_described(store, name) for name in names]
    ways = sorted({one.compat for one in told})
    if len(ways) > 1:
        raise QueryError(
            "The index was counted in our own way in part, in part as stacchip counts",
            expected="one way for all that is asked for",
            remedy=f"cubestore index {store.path}, with --compat {ways[-1]} or without, for all",
        )


def _described(store: Store, name: Name) -> Described:
    told = indexfile.described(store.path, name)
    if told is None or told.version != VERSION:
        raise NoIndexError(
            f"{FOLDER}/{name.file} is not of this version, or damaged",
            expected=f"a file of the chip index, version {VERSION}",
            remedy=f"write it anew: cubestore index {store.path} --chip-size {name.size}",
        )
    return told


# Which rows.


def _conditions(
    datetime: str,
    max_cloud: float | None,
    max_nodata: float | None,
    split: Words | None,
    where: str,
) -> list[ds.Expression]:
    """Return what a chip must be, but for its place."""
    limits = {"cloud_cover_percentage": max_cloud, "nodata_percentage": max_nodata}
    parts = [_below(name, limit) for name, limit in limits.items() if limit is not None]
    parts += _during(datetime)
    if split is not None:
        parts.append(ds.field("split").isin(words_of(split)))
    if where.strip():
        parts.append(conditions.parse(where, ASKABLE))
    return parts


def _below(name: str, limit: float) -> ds.Expression:
    if not 0 <= limit <= 1:
        what = name.partition("_")[0]
        raise QueryError(
            f"max_{what} of {limit:g}",
            expected="a fraction, from 0 to 1",
            remedy=f"for {limit:g} % give {limit / 100:g}",
        )
    return ds.field(name) <= pa.scalar(limit, pa.float32())


def box_of(bbox: Box) -> tuple[float, float, float, float]:
    """Return the four numbers of a box.

    Raises:
        QueryError: they are no box.
    """
    numbers = tuple(float(number) for number in bbox)
    if len(numbers) == len(BOX_SIDES):
        west, south, east, north = numbers
        inside = max(abs(west), abs(east)) <= 180 and -90 <= south <= north <= 90  # noqa: PLR2004 - degrees
        if inside:
            return west, south, east, north
    raise QueryError(
        f"A bbox of {numbers}",
        expected="west, south, east, north in degrees, south below north",
        remedy="give longitude before latitude; beyond 180° subtract 360°",
    )


BOX_SIDES = ("west", "south", "east", "north")


def _meets(
    west: float, south: float, east: float, north: float, *, crossing: bool
) -> ds.Expression:
    """Return whether a chip's bounding box meets a box, at whichever side of the antimeridian.

    Args:
        west: of the box; greater than ``east`` where it crosses the antimeridian.
        south: of the box.
        east: of the box.
        north: of the box.
        crossing: whether chips may cross it. If none does, statistics leave out more.
    """
    xmin, ymin, xmax, ymax = (ds.field("bbox", side.name) for side in indexfile.BBOX)
    level = (ymin <= north) & (ymax >= south)
    if west > east:  # what crosses 180° itself meets it always
        return level & ((xmax >= west) | (xmin <= east) | (xmin > xmax))
    plain = (xmin <= east) & (xmax >= west)
    if not crossing:
        return level & plain
    return level & (plain | ((xmin > xmax) & ((xmin <= east) | (xmax >= west))))


def _during(datetime: str) -> list[ds.Expression]:
    start, end = interval(datetime)
    time, dtype = ds.field("time"), ASKABLE["time"]
    found = [] if start is None else [time >= pa.scalar(start, dtype)]
    return found if end is None else [*found, time <= pa.scalar(end, dtype)]


def _known(columns: Sequence[str]) -> list[str]:
    """Return the columns that are asked for.

    Raises:
        QueryError: the index has no such column.
    """
    strange = [name for name in columns if name not in SCHEMA.names]
    if strange or isinstance(columns, str):
        raise QueryError(
            f"The columns {columns if isinstance(columns, str) else ', '.join(strange)}",
            expected=f"some of {', '.join(SCHEMA.names)}, in a list",
            remedy="leave them out for all",
        )
    return list(columns)
