"""Splits that others have made: a table of chips, of tiles, or of areas."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import shapely
from numpy.typing import NDArray

from cubestore.errors import QueryError
from cubestore.splits import columns
from cubestore.splits.columns import LONLAT
from cubestore.splits.places import Places

VECTOR = {".gpkg", ".fgb", ".geojson", ".shp"}

Table = Any  # an Arrow table or a GeoDataFrame: neither is typed


def read(path: str, chips: Table, there: Places) -> NDArray[Any]:
    """Return the split that a file gives each chip; "" where it says nothing.

    Args:
        path: CSV, Parquet, GeoPackage or FlatGeobuf with ``split`` and one of ``chipid``, ``tile``
            or a geometry; an area counts for the chips whose centre it holds.
        chips: an index.
        there: its places.

    Raises:
        QueryError: the file cannot be read, or says nothing of any chip, or two things of one.
    """
    table = _table(path)
    there_are = columns.names(table)
    key = next((name for name in ("chipid", "tile") if name in there_are), None)
    if "split" not in there_are or (key is None and not isinstance(table, gpd.GeoDataFrame)):
        raise _unusable(path, f"has the columns {', '.join(there_are)}")
    splits = columns.texts(table, "split")
    if key is not None:
        found = _by_name(path, key, columns.texts(table, key), splits, columns.texts(chips, key))
    else:
        found = _by_area(path, table, splits, there)[there.of_row]
    if not (found != "").any():
        raise _unusable(path, "says nothing of any of these chips")
    return found


def _table(path: str) -> Table:
    ending = Path(path).suffix.lower()
    try:
        if ending == ".csv":
            return _csv(path)
        if ending == ".parquet":
            geo = b"geo" in (pa.parquet.read_schema(path).metadata or {})
            return gpd.read_parquet(path) if geo else pa.parquet.read_table(path)
        if ending in VECTOR:
            return gpd.read_file(path)
    except (OSError, ValueError, RuntimeError) as error:  # pyogrio's are of the last
        raise _unusable(path, f"cannot be read: {error}") from error
    raise _unusable(path, f"ends in {ending or 'nothing'}")


def _csv(path: str) -> pa.Table:
    """Return a table of text: a split may be called 1."""
    head = pa.csv.open_csv(path).schema.names
    text = pa.csv.ConvertOptions(column_types=dict.fromkeys(head, pa.string()))
    return pa.csv.read_csv(path, convert_options=text)


def _unusable(path: str, how: str) -> QueryError:
    return QueryError(
        f"{path} {how}",
        expected="CSV, Parquet, GeoPackage or FlatGeobuf with split and chipid, tile or geometry",
        remedy="write such a table of these chips",
    )


def _by_name(
    path: str, key: str, names: NDArray[Any], splits: NDArray[Any], wanted: NDArray[Any]
) -> NDArray[Any]:
    known: dict[str, str] = {}
    for name, split in zip(names.tolist(), splits.tolist(), strict=True):
        if known.setdefault(name, split) != split:
            raise _unusable(path, f"puts the {key} {name} into {known[name]!r} and {split!r}")
    return np.array([known.get(name, "") for name in wanted.tolist()], object)


def _by_area(
    path: str, table: gpd.GeoDataFrame, splits: NDArray[Any], there: Places
) -> NDArray[Any]:
    if table.crs is None:
        raise _unusable(path, "has a geometry without a CRS")
    areas = np.asarray(table.to_crs(LONLAT).geometry.array, object)
    lon, lat = there.centres()
    place, area = shapely.STRtree(areas).query(shapely.points(lon, lat), predicate="intersects")
    found = np.full(len(there), "", object)
    found[place] = splits[area]
    if (found[place] != splits[area]).any():
        at = int(place[np.flatnonzero(found[place] != splits[area])[0]])
        raise _unusable(path, f"has areas of two splits at {lon[at]:.5f}, {lat[at]:.5f}")
    return found
