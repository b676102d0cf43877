"""Items that are at hand as documents, looked at one by one."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

from cubestore_catalog.errors import ItemError, RequestError
from cubestore_catalog.search import times
from cubestore_catalog.search.held import TOP_LEVEL, Held, Item, Kinds

_ENDS = ("start", "end")


class Listed(Held):
    """Items in a list.

    Args:
        items: STAC items; each has an id, a collection and a time. They are not copied and must
            not be changed.

    Raises:
        ItemError: an item lacks one of these, or has a geometry that cannot be read.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = list(items)
        names = [_names(item) for item in self._items]
        spans = [_span(item) for item in self._items]
        self.keys = [(-start, *name) for (start, _), name in zip(spans, names, strict=True)]
        self.ends = np.array([end for _, end in spans], np.int64)
        self.shapes = _shapes(self._items)
        self.kinds = _observed(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, row: Any) -> Any:  # noqa: ANN401 - an item, or some
        return self._items[row]

    def values(self, name: str) -> Sequence[object]:
        """Return what each has of a property."""
        if name in TOP_LEVEL:
            return [item.get(name) for item in self._items]
        return [item["properties"].get(name) for item in self._items]

    def size(self, row: int) -> int:
        """Return the bytes of an item as JSON."""
        return len(orjson.dumps(self._items[row]))


def _names(item: Item) -> tuple[str, str]:
    """Return an item's id and collection."""
    for name in TOP_LEVEL:
        if not isinstance(item.get(name), str):
            raise ItemError(f"The item {item.get('id')!r} has no {name}", expected="a text")
    return item["id"], item["collection"]


def _span(item: Item) -> tuple[int, int]:
    """Return the first and last microsecond of an item."""
    properties = item["properties"]
    try:
        if properties.get("datetime") is not None:
            start = end = times.instant(properties["datetime"])
        else:
            start, end = (times.instant(properties[f"{part}_datetime"]) for part in _ENDS)
    except (KeyError, TypeError, RequestError) as error:
        raise ItemError(
            f"The item {item['id']} has no time: {error}",
            expected="a datetime, or start_datetime and end_datetime, of RFC 3339",
        ) from error
    return start, end


def _shapes(items: Sequence[Item]) -> NDArray[Any]:
    """Return the footprints of items: all in one call, and one by one where that fails."""
    try:
        shapes: NDArray[Any] = shapely.from_geojson(
            np.array([_geojson(item) for item in items], object)
        )
    except (shapely.GEOSException, TypeError):
        return np.array([_shape(item) for item in items], object)
    return shapes


def _geojson(item: Item) -> bytes | None:
    geometry = item.get("geometry")
    return None if geometry is None else orjson.dumps(geometry)


def _shape(item: Item) -> shapely.Geometry | None:
    """Return an item's footprint; an item may have none, and then lies nowhere."""
    try:
        return shapely.from_geojson(_geojson(item))
    except (shapely.GEOSException, TypeError) as error:
        raise ItemError(f"The geometry of {item['id']} cannot be read: {error}") from error


def _observed(items: Sequence[Item]) -> dict[str, Kinds]:
    """Return the types that each property of each collection has."""
    seen: dict[str, dict[str, set[type]]] = {}
    for item in items:
        properties = seen.setdefault(item["collection"], {})
        for name, value in item["properties"].items():
            properties.setdefault(name, set()).add(type(value))
    return {c: {k: frozenset(v) for k, v in names.items()} for c, names in seen.items()}
