"""Where something lies on the Earth, as GeoJSON has it."""

from typing import Any

import shapely

from cubestore_catalog.stac.records import Json

WIDEST = 181
"""Degrees of longitude, one of them for rounding: no tile is wider than half the globe."""

DIGITS = 7
"""Of a degree: a centimetre."""


def placed(shape: shapely.Geometry) -> Json:
    """Return the geometry and the bbox of an item.

    Args:
        shape: in longitude and latitude, cut where it crosses the antimeridian. Parts that are more
            than half the globe from one another lie on either side of it; then west is greater
            than east in the bbox: RFC 7946, section 5.2.
    """
    bounds = shapely.bounds(shapely.get_parts(shape))
    west, south, east, north = bounds[:, 0], bounds[:, 1].min(), bounds[:, 2], bounds[:, 3].max()
    crosses = len(bounds) > 1 and east.max() - west.min() > WIDEST
    ends = (west[west >= 0].min(), east[west < 0].max()) if crosses else (west.min(), east.max())
    bbox = [round(float(n), DIGITS) for n in (ends[0], south, ends[1], north)]
    return {"geometry": _rounded(shapely.geometry.mapping(shape)), "bbox": bbox}


def boxed(bbox: list[float]) -> Json:
    """Return a box as the geometry and the bbox of an item."""
    return {"geometry": _rounded(shapely.geometry.mapping(shapely.box(*bbox))), "bbox": bbox}


def around(bboxes: list[list[float]]) -> list[float]:
    """Return the box around boxes; whole circles of latitude where one crosses 180°."""
    west, south, east, north = zip(*bboxes, strict=True)
    if any(w > e for w, e in zip(west, east, strict=True)):
        return [-180.0, min(south), 180.0, max(north)]
    return [min(west), min(south), max(east), max(north)]


def _rounded(value: Any) -> Any:  # noqa: ANN401 - GeoJSON
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, tuple | list) else value
