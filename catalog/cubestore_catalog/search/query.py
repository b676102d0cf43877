"""A search as one value: what GET writes as texts and POST as JSON meets here.

Parameters that are not known are ignored, as the great archives do: clients send each server
what another one asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import shapely

from cubestore_catalog.errors import RequestError
from cubestore_catalog.search import cql, places, times
from cubestore_catalog.search.columns import COMPARISONS, PATTERNS, Condition
from cubestore_catalog.search.fields import WHOLE, Fields

Json = Any
"""Whatever JSON holds."""

DEFAULT_LIMIT, MOST = 10, 10_000
"""Items per page: unless told, and however many are asked for."""

MOST_DEEP = 64
"""How deep JSON may be nested; GeoJSON needs eight levels."""

MOST_PARTS = 256
"""Conditions, properties to sort by, or members to include or to leave out."""

CRS84 = frozenset(
    {
        "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
        "https://www.opengis.net/def/crs/OGC/1.3/CRS84",
        "CRS84",
    }
)


@dataclass(frozen=True, slots=True)
class Sort:
    """A property to sort by."""

    name: str
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is searched for; the fields that are left out allow everything."""

    areas: tuple[shapely.Geometry, ...] = ()
    """Every item meets each of them."""
    start: int = times.EARLIEST
    end: int = times.LATEST
    """The first and last microsecond since 1970."""
    collections: tuple[str, ...] | None = None
    ids: tuple[str, ...] | None = None
    conditions: tuple[Condition, ...] = ()
    filters: tuple[cql.Rest, ...] = ()
    """What of the filter is no condition."""
    sortby: tuple[Sort, ...] = ()
    """Before the order of all items: newest first, then by id."""
    fields: Fields = WHOLE
    limit: int = DEFAULT_LIMIT
    token: str | None = None
    """Where the page before ended."""


def from_get(parameters: Mapping[str, str]) -> Search:
    """Return the search of a query string.

    Raises:
        RequestError: a parameter cannot be understood.
    """
    body: dict[str, Any] = {"filter-lang": "cql2-text", **parameters}
    for name, read in READERS.items():
        if name in parameters:
            body[name] = read(parameters[name])
    if body["filter-lang"] == "cql2-json" and "filter" in body:
        body["filter"] = json(body["filter"].encode())
    return from_post(body)


def from_post(body: object) -> Search:
    """Return the search of a JSON body.

    Raises:
        RequestError: a parameter cannot be understood.
    """
    if not isinstance(body, dict):
        raise RequestError("The body is no JSON object", expected='{"collections": […], …}')
    given = {key: value for key, value in body.items() if value is not None}
    start, end = _interval(given)
    found = _filter(given)
    conditions = (*_conditions(given.get("query", {})), *found.conditions)
    fields = Fields.read(body["fields"]) if "fields" in body else WHOLE
    sortby = _sortby(given.get("sortby", []))
    _refuse_many(conditions, sortby, fields.include, fields.exclude)
    return Search(
        areas=(*_areas(given), *found.areas),
        start=start,
        end=end,
        collections=_texts(given, "collections"),
        ids=_texts(given, "ids"),
        conditions=conditions,
        filters=found.rest,
        sortby=sortby,
        fields=fields,
        limit=_limit(given.get("limit", DEFAULT_LIMIT)),
        token=_text(given, "token"),
    )


def json(content: bytes) -> Json:
    """Return the document of a JSON text: no NaN, no surrogates, no deep nesting.

    Raises:
        RequestError: the text is no such JSON.
    """
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"The JSON cannot be read: {error}", expected="RFC 8259") from error
    if _deeper(document, MOST_DEEP):
        raise RequestError(
            "The JSON is nested too deep", expected=f"at most {MOST_DEEP} levels of it"
        )
    return document


def _refuse_many(*parts: Sequence[object]) -> None:
    """Refuse what would take a pass over all items for each of thousands of parts."""
    if max(map(len, parts)) > MOST_PARTS:
        raise RequestError(
            "The search has too many parts",
            expected=f"at most {MOST_PARTS} conditions, sorts or fields",
        )


def _deeper(document: object, most: int) -> bool:
    if not isinstance(document, (dict, list)):
        return False
    inner = document.values() if isinstance(document, dict) else document
    return most == 0 or any(_deeper(one, most - 1) for one in inner)


def _areas(given: Mapping[str, Any]) -> list[shapely.Geometry]:
    if "bbox" in given and "intersects" in given:
        raise RequestError("Both bbox and intersects are given", expected="one of them")
    if "intersects" in given:
        return [places.geometry(given["intersects"])]
    return [places.box(_numbers(given["bbox"]))] if "bbox" in given else []


def _numbers(value: object) -> list[float]:
    if not isinstance(value, list) or any(type(one) not in (int, float) for one in value):
        raise _wrong("bbox", value, "a list of four or six numbers")
    return [float(one) for one in value]


def _interval(given: Mapping[str, Any]) -> tuple[int, int]:
    text = _text(given, "datetime")
    return (times.EARLIEST, times.LATEST) if text is None else times.interval(text)


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is None or isinstance(value, str):
        return value
    raise _wrong(name, value, "a text")


def _texts(given: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    """Return a list of ids; an empty one asks for nothing in particular."""
    value = given.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _wrong(name, value, "a list of texts")
    return tuple(value) or None


def _limit(value: object) -> int:
    if type(value) is not int or value < 1:
        raise _wrong("limit", value, f"a whole number from 1 to {MOST}")
    return min(value, MOST)


def _sortby(value: object) -> tuple[Sort, ...]:
    if not isinstance(value, list):
        raise _wrong("sortby", value, '[{"field": "datetime", "direction": "desc"}]')
    return tuple(map(_sort, value))


def _sort(value: object) -> Sort:
    match value:
        case {"field": str(field), **rest} if rest.get("direction", "asc") in ("asc", "desc"):
            return Sort(cql.bare(field), rest.get("direction") == "desc")
    raise _wrong("sortby", value, '{"field": "datetime", "direction": "asc"} or "desc"')


def _conditions(query: object) -> list[Condition]:
    if not isinstance(query, dict) or not all(isinstance(tests, dict) for tests in query.values()):
        raise _wrong("query", query, '{"eo:cloud_cover": {"lt": 10}}')
    return [
        _condition(cql.bare(name), operator, value)
        for name, tests in query.items()
        for operator, value in tests.items()
    ]


def _condition(name: str, operator: str, value: object) -> Condition:
    match operator, value:
        case "in", list() if all(isinstance(one, (str, int, float)) for one in value):
            return Condition(name, operator, tuple(value))
        case _, str() if operator in PATTERNS:
            return Condition(name, operator, value)
        case _, str() | int() | float() if operator in COMPARISONS:
            return Condition(name, operator, value)
    operators = ", ".join([*COMPARISONS, *PATTERNS, "in"])
    raise _wrong(f"query of {name}", {operator: value}, f"one of {operators} and a value for it")


def _filter(given: Mapping[str, Any]) -> cql.Filter:
    language = given.get("filter-lang", "cql2-json")
    if given.get("filter-crs", "CRS84") not in CRS84:
        raise _wrong(
            "filter-crs", given["filter-crs"], "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
        )
    if language not in ("cql2-json", "cql2-text"):
        raise _wrong("filter-lang", language, "cql2-json or cql2-text")
    return cql.read(given["filter"], language) if "filter" in given else cql.Filter()


def _wrong(name: str, found: object, expected: str) -> RequestError:
    return RequestError(f"The parameter {name} is {found!r:.120}", expected=expected)


def _split(text: str) -> list[str]:
    return text.split(",") if text else []


def _floats(text: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError as error:
        raise _wrong("bbox", text, "west,south,east,north") from error


def _whole(text: str) -> object:
    return (
        int(text) if text.isascii() and text.isdecimal() and len(text) < len(str(2**63)) else text
    )


def _signs(text: str) -> list[dict[str, str]]:
    """Return ``-properties.datetime,+id`` as POST writes it; an unescaped + arrives as a blank."""
    return [
        {"field": part.lstrip("+- "), "direction": "desc" if part.startswith("-") else "asc"}
        for part in _split(text)
    ]


def _fields(text: str) -> dict[str, list[str]]:
    parts = _split(text)
    return {
        "include": [part.lstrip("+ ") for part in parts if not part.startswith("-")],
        "exclude": [part[1:] for part in parts if part.startswith("-")],
    }


READERS: Mapping[str, Callable[[str], Any]] = {
    "bbox": _floats,
    "intersects": lambda text: json(text.encode()),
    "collections": _split,
    "ids": _split,
    "limit": _whole,
    "sortby": _signs,
    "fields": _fields,
    "query": lambda text: json(text.encode()),
}
"""How the parameters of GET become those of POST."""

ASKED = (*READERS, "datetime", "filter", "filter-lang", "filter-crs", "token")
"""All parameters of a search."""
