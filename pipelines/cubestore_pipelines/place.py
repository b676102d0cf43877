"""Places on the command line -> geometry in lon/lat, and tiles."""

from pathlib import Path
from typing import Any

import shapely

from cubestore_pipelines.errors import PlanError

ANTIMERIDIAN = 180.0
COLUMNS = ("tile", "name", "Name", "mgrs", "id")
"""What files of tiles call their ids."""


def box(west: float, south: float, east: float, north: float) -> shapely.Geometry:
    """Return a box; west greater than east crosses the antimeridian."""
    if (west, south) == (east, north):
        return shapely.Point(west, south)
    if not (-90 <= south < north <= 90 and max(abs(west), abs(east)) <= ANTIMERIDIAN):  # noqa: PLR2004 - degrees
        raise PlanError(
            f"A box from {west} {south} to {east} {north}",
            expected="west south east north, in degrees, south below north",
            remedy="give longitude before latitude",
        )
    if west < east:
        return shapely.box(west, south, east, north)
    parts = [shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)]
    return shapely.MultiPolygon(parts)


def area(path: Path) -> shapely.Geometry:
    """Return what a vector file covers.

    Raises:
        PlanError: it cannot be read, or tells no CRS.
    """
    return shapely.union_all(places(path))


def places(path: Path) -> list[shapely.Geometry]:
    """Return the features of a vector file, one by one, in lon/lat.

    Raises:
        PlanError: it cannot be read, or tells no CRS.
    """
    try:
        return list(_frame(path).to_crs("EPSG:4326").geometry)
    except (OSError, ValueError, RuntimeError) as error:  # pyogrio's are RuntimeErrors
        raise PlanError(
            f"{path} cannot be read as an area: {' '.join(str(error).split())[:200]}",
            expected="GeoJSON, FlatGeobuf, GeoParquet or another vector file with a CRS",
            remedy="check what was given with --aoi",
        ) from None


def tiles(path: Path) -> tuple[str, ...]:
    """Return the tiles of a file: one a line, or a column of a vector file.

    Raises:
        PlanError: it has none.
    """
    try:
        if path.suffix in {".txt", ".csv", ""}:
            words = path.read_text(encoding="utf-8").replace(",", " ").split()
        else:
            words = _column(path)
    except OSError as error:
        words, reason = [], f": {error.strerror}"
    else:
        reason = ""
    names = tuple(dict.fromkeys(word for word in words if word not in COLUMNS))
    if not names:
        raise PlanError(
            f"{path} has no tiles{reason}",
            expected=f"a tile a line, or a vector file with a column {' or '.join(COLUMNS)}",
            remedy="check what was given with --tiles",
        )
    return names


def _column(path: Path) -> list[str]:
    frame = _frame(path)
    named = [name for name in COLUMNS if name in frame]
    return [str(value) for name in named[:1] for value in frame[name]]


def _frame(path: Path) -> Any:  # noqa: ANN401 - geopandas'
    import geopandas  # noqa: PLC0415 - half a second, for those who need it

    parquet = path.suffix in {".parquet", ".geoparquet"}
    return geopandas.read_parquet(path) if parquet else geopandas.read_file(path)
