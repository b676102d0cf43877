"""Where a search looks: boxes and GeoJSON geometries, in longitude and latitude on WGS 84."""

import math
from collections.abc import Sequence

import orjson
import shapely

from cubestore_catalog.errors import RequestError

FLAT, SOLID = 4, 6
"""How many numbers a box has without and with heights."""

TYPES = frozenset(
    {
        "Point",
        "MultiPoint",
        "LineString",
        "MultiLineString",
        "Polygon",
        "MultiPolygon",
        "GeometryCollection",
    }
)


def box(numbers: Sequence[float]) -> shapely.Geometry:
    """Return the area of a bbox, in two parts where it crosses the antimeridian.

    Args:
        numbers: west, south, east, north; or the same with the lowest and highest height, which
            are ignored. A west greater than east crosses the antimeridian.

    Raises:
        RequestError: another count of numbers, beyond the globe, or south above north.
    """
    west, south, east, north = _edges(numbers)
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    return shapely.union_all([_rectangle(start, south, end, north) for start, end in spans])


def geometry(document: object) -> shapely.Geometry:
    """Return the shape of a GeoJSON geometry.

    Raises:
        RequestError: no GeoJSON geometry, an empty or invalid one, or one beyond the globe.
    """
    if not isinstance(document, dict) or document.get("type") not in TYPES:
        raise _no_geometry(f"{_short(document)} is no geometry")
    try:
        shape = shapely.from_geojson(orjson.dumps(document))
    except (shapely.GEOSException, TypeError) as error:
        raise _no_geometry(f"{_short(document)} cannot be read: {error}") from error
    _check(shape)
    return shape


def _edges(numbers: Sequence[float]) -> tuple[float, float, float, float]:
    if len(numbers) not in (FLAT, SOLID) or not all(map(math.isfinite, numbers)):
        raise _no_box(numbers)
    half = len(numbers) // 2
    west, south, east, north = *numbers[:2], *numbers[half : half + 2]
    falling = any(
        low > high for low, high in zip(numbers[1:half], numbers[half + 1 :], strict=True)
    )
    if falling or not _on_globe(west, south, east, north):
        raise _no_box(numbers)
    return west, south, east, north


def _rectangle(west: float, south: float, east: float, north: float) -> shapely.Geometry:
    """Return a box, which is a line or a point where it has no width or height."""
    if west < east and south < north:
        return shapely.box(west, south, east, north)
    diagonal = shapely.LineString([(west, south), (east, north)])
    return diagonal if diagonal.length else shapely.Point(west, south)


def _check(shape: shapely.Geometry) -> None:
    if shape.is_empty or not _on_globe(*shape.bounds):
        raise _no_geometry(f"The geometry is empty or reaches beyond the globe: {shape.bounds}")
    if not shape.is_valid:
        raise _no_geometry(f"The geometry is not valid: {shapely.is_valid_reason(shape)}")


def _on_globe(west: float, south: float, east: float, north: float) -> bool:
    return all(abs(lon) <= 180 for lon in (west, east)) and -90 <= south <= north <= 90  # noqa: PLR2004 - degrees


def _no_box(numbers: Sequence[float]) -> RequestError:
    return RequestError(
        f"The bbox {_short(list(numbers))}",
        expected="west, south, east, north in degrees, south below north; or six numbers with "
        "heights",
    )


def _no_geometry(found: str) -> RequestError:
    return RequestError(
        found, expected="a valid GeoJSON geometry in longitude and latitude, closed rings"
    )


def _short(document: object, most: int = 80) -> str:
    text = repr(document)
    return text if len(text) <= most else f"{text[:most]}…"
