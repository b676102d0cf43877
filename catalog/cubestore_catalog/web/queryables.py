"""What can be asked for of items, as a JSON schema that refers to nothing outside of itself.

Where its reader has no network it is as good as anywhere; and it says of each property what the
items have: the types of its values, and the values where they are few.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cubestore_catalog.search.columns import TEMPORAL
from cubestore_catalog.search.properties import Property

KINDS: Mapping[type, str] = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
}
"""Objects are left out: nothing can be compared with one."""

TEXT = {"type": "string"}
TIME = {"type": "string", "format": "date-time"}

SHAPES = (
    *("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"),
    "GeometryCollection",
)
GEOMETRY = {
    "title": "Footprint, as GeoJSON",
    "type": "object",
    "format": "geometry-any",  # as OGC API - Features - Part 3 calls it
    "required": ["type"],
    "properties": {
        "type": {"type": "string", "enum": SHAPES},
        "coordinates": {"type": "array"},
        "geometries": {"type": "array", "items": {"type": "object"}},
    },
}


def queryables(
    address: str, properties: Mapping[str, Property], collections: Sequence[str]
) -> dict[str, Any]:
    """Return the JSON schema of what can be asked for.

    Args:
        address: the URL of this document.
        properties: those of the items.
        collections: the ids that items can have for their collection's.
    """
    return {
        "$schema": "https://json-schema.org/draft/2019-09/schema",
        "$id": address,
        "type": "object",
        "title": "Queryables",
        "properties": {
            "id": TEXT,
            "collection": {**TEXT, "enum": list(collections)} if collections else TEXT,
            "geometry": GEOMETRY,
            **{name: told for name, one in properties.items() if (told := _schema(name, one))},
            "datetime": TIME,
        },
        "additionalProperties": True,
    }


def _schema(name: str, told: Property) -> dict[str, Any]:
    """Return the schema of a property; none of one whose values cannot be compared."""
    if name in TEMPORAL:
        return TIME
    kinds = sorted({KINDS[kind] for kind in told.types if kind in KINDS})
    choices = {"enum": list(told.choices)} if told.choices else {}
    return {"type": kinds[0] if len(kinds) == 1 else kinds, **choices} if kinds else {}
