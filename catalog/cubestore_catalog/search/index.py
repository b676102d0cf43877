"""The items, searchable: arrays that are built once, in the order in which items are served.

The order of all items is newest first, then by id and collection: total, so that pages neither
repeat nor skip. A row is an item's place in it. Space is a tree, time two arrays of integers,
collections one; a property becomes a column when it is first asked for. Only what of a filter
none of these can answer is tested item by item, on the rows that are left.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

from cubestore_catalog import limits
from cubestore_catalog.errors import ItemError, RequestError, UnknownRecordError
from cubestore_catalog.search import paging, times
from cubestore_catalog.search.columns import TEMPORAL, Column, Mask
from cubestore_catalog.search.cql import Rest
from cubestore_catalog.search.properties import Property, choices
from cubestore_catalog.search.query import Search, Sort

NOTHING = frozenset({type(None)})
"""The type of what a property is that has no value."""

Item = Mapping[str, Any]
Rows = NDArray[np.int64]

TOP_LEVEL = ("id", "collection")
"""What of an item is compared and sorted like a property, but is none."""


MOST_BYTES = 16_000_000
"""Of the items on a page: those of cubes with thousands of slots have a megabyte each."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of what a search finds."""

    items: tuple[Item, ...]
    matched: int
    """How many items all pages have together."""
    token: str | None
    """Where the next page begins; None after the last."""


class Index:
    """Items that can be searched.

    Args:
        items: STAC items; each has an id, a collection and a time. They are not copied and must
            not be changed.

    Raises:
        ItemError: an item lacks one of these, has a geometry that cannot be read, or is there
            twice.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        keyed = sorted(((*_key(item), item) for item in items), key=_first)
        self._keys = [key for key, _, _ in keyed]
        self._items = [item for _, _, item in keyed]
        self._rows = {(key[2], key[1]): row for row, key in enumerate(self._keys)}
        if len(self._rows) < len(self._items):
            raise ItemError(_twice(self._keys), expected="one item of an id in a collection")
        self.collections = sorted({collection for collection, _ in self._rows})
        self._collection = np.array(
            [self.collections.index(key[2]) for key in self._keys], np.int64
        )
        self._start = -np.array([key[0] for key in self._keys], np.int64)
        self._end = np.array([end for _, end, _ in keyed], np.int64)
        self._tree = shapely.STRtree(_shapes(self._items))
        self._bounds = shapely.bounds(self._tree.geometries)
        self._kinds = self._observe()
        self._columns: dict[str, Column] = {}
        self._properties: dict[str | None, Mapping[str, Property]] = {}

    def __len__(self) -> int:
        return len(self._items)

    def item(self, collection: str, item_id: str) -> Item:
        """Return one item.

        Raises:
            UnknownRecordError: there is none of that id in that collection.
        """
        row = self._rows.get((collection, item_id))
        if row is None:
            raise UnknownRecordError(f"There is no item {item_id!r} in {collection!r}")
        return self._items[row]

    def properties(self, collection: str | None = None) -> Mapping[str, Property]:
        """Return the properties of the items of a collection, or of all; kept, once asked for."""
        if collection not in self._properties:
            self._properties[collection] = self._known(collection)
        return self._properties[collection]

    def _known(self, collection: str | None) -> Mapping[str, Property]:
        seen: dict[str, frozenset[type]] = {}
        for name, properties in self._kinds.items():
            if collection in (None, name):
                for key, kinds in properties.items():
                    seen[key] = seen.get(key, frozenset()) | kinds - NOTHING
        asked = self.collections if collection is None else [collection]
        items = [self._items[row] for row in np.flatnonzero(self._of_collections(asked)).tolist()]
        return {name: _property(name, seen[name], items) for name in sorted(seen)}

    def search(self, search: Search) -> Page:
        """Return one page of what a search finds.

        Raises:
            RequestError: the token is none of this search, or a value that is compared with a
                time is no time.
        """
        rows = self._matching(search)
        places = [self._signed(sort) for sort in search.sortby]
        left = rows if search.token is None else rows[self._after(rows, places, search)]
        order = np.lexsort([left, *(place[left] for place in reversed(places))])
        page = left[order[: search.limit]] if places else left[: search.limit]
        page = page[: self._fitting(page)]
        more = len(left) > len(page)
        token = self._token(int(page[-1]), search.sortby) if more else None
        return Page(tuple(self._items[row] for row in page.tolist()), len(rows), token)

    def _fitting(self, page: Rows) -> int:
        """Return how many items of a page can be sent at once, at least one."""
        size = 0
        for count, row in enumerate(page.tolist()):
            size += len(orjson.dumps(self._items[row]))
            if count and size > MOST_BYTES:
                return count
        return len(page)

    def _matching(self, search: Search) -> Rows:
        """Return the rows of all items that are searched for, in order."""
        mask = (self._start <= search.end) & (self._end >= search.start)
        if search.collections is not None:
            mask &= self._of_collections(search.collections)
        if search.ids is not None:
            mask &= self._of_ids(search.ids)
        for area in search.areas:
            mask &= self._meeting(area)
        for condition in search.conditions:
            limits.check()
            mask &= self._column(condition.name).matches(condition)
        rows = np.flatnonzero(mask)
        for rest in search.filters:
            rows = rows[[self._meets(row, rest) for row in rows.tolist()]]
        return rows

    def _meets(self, row: int, rest: Rest) -> bool:
        limits.check()
        return rest.matches(self._items[row])

    def _of_collections(self, names: Collection[str]) -> Mask:
        known = [number for number, name in enumerate(self.collections) if name in names]
        return np.isin(self._collection, known)

    def _of_ids(self, ids: Sequence[str]) -> Mask:
        pairs = ((collection, item_id) for collection in self.collections for item_id in ids)
        mask = np.zeros(len(self), bool)
        mask[[self._rows[pair] for pair in pairs if pair in self._rows]] = True
        return mask

    def _meeting(self, area: shapely.Geometry) -> Mask:
        mask = np.zeros(len(self), bool)
        for part in shapely.get_parts(area):
            limits.check()
            near = self._tree.query(part)
            inside = self._inside(part, near)
            mask[near[inside]] = True
            rest = near[~inside]
            shapely.prepare(part)
            mask[rest] |= shapely.intersects(part, self._tree.geometries[rest])
        return mask

    def _inside(self, part: shapely.Geometry, rows: Rows) -> Mask:
        """Return which rows lie whole in a part that is a box: of most boxes nearly all."""
        if not shapely.box(*part.bounds).equals(part):
            return np.zeros(len(rows), bool)
        west, south, east, north = part.bounds
        left, bottom, right, top = self._bounds[rows].T
        inside: Mask = (left >= west) & (bottom >= south) & (right <= east) & (top <= north)
        return inside

    def _column(self, name: str) -> Column:
        """Return a property of all rows; those that no item has are not kept."""
        if name in self._columns:
            return self._columns[name]
        values = [_value(item, name) for item in self._items]
        column = Column(values, temporal=name in TEMPORAL)
        if name in TOP_LEVEL or any(name in properties for properties in self._kinds.values()):
            self._columns[name] = column
        return column

    def _signed(self, sort: Sort) -> NDArray[np.float64]:
        """Return the rows' places by a property; those that lack it stand last either way."""
        order = self._column(sort.name).order
        return _last(-order if sort.descending else order)

    def _after(self, rows: Rows, places: list[NDArray[np.float64]], search: Search) -> Mask:
        """Return which rows stand behind the last item of the page before.

        That item need not be there any more: the token holds its values, not its row.
        """
        values, key = paging.read(search.token or "", len(places))
        after, tied = np.zeros(len(rows), bool), np.ones(len(rows), bool)
        for place, sort, value in zip(places, search.sortby, values, strict=True):
            at = self._column(sort.name).place(value)
            mark = _last(np.array(-at if sort.descending else at))
            after |= tied & (place[rows] > mark)
            tied &= place[rows] == mark
        return after | (tied & (rows >= bisect_right(self._keys, key)))

    def _token(self, row: int, sortby: Sequence[Sort]) -> str:
        values = [_value(self._items[row], sort.name) for sort in sortby]
        return paging.write(values, self._keys[row])

    def _observe(self) -> dict[str, dict[str, frozenset[type]]]:
        """Return the types that each property of each collection has."""
        seen: dict[str, dict[str, set[type]]] = {name: {} for name in self.collections}
        for key, item in zip(self._keys, self._items, strict=True):
            properties = seen[key[2]]
            for name, value in item["properties"].items():
                properties.setdefault(name, set()).add(type(value))
        return {c: {k: frozenset(v) for k, v in names.items()} for c, names in seen.items()}


def _key(item: Item) -> tuple[paging.Key, int]:
    """Return what items are ordered by, newest first, then id, then collection; and their end."""
    for name in ("id", "collection"):
        if not isinstance(item.get(name), str):
            raise ItemError(f"The item {item.get('id')!r} has no {name}", expected="a text")
    start, end = _span(item)
    return (-start, item["id"], item["collection"]), end


def _first(keyed: tuple[paging.Key, int, Item]) -> paging.Key:
    return keyed[0]


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


_ENDS = ("start", "end")


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


def _property(name: str, types: frozenset[type], items: Sequence[Item]) -> Property:
    limits.check()
    if types != {str} or name in TEMPORAL:
        return Property(types)
    return Property(types, choices(item["properties"].get(name) for item in items))


def _value(item: Item, name: str) -> object:
    if name == "datetime":
        return times.nominal(item["properties"])
    return item.get(name) if name in TOP_LEVEL else item["properties"].get(name)


def _last(places: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isnan(places), np.inf, places)


def _twice(keys: Sequence[paging.Key]) -> str:
    names = sorted((key[2], key[1]) for key in keys)
    one = next(pair for pair, after in pairwise(names) if pair == after)
    return f"The item {one[1]!r} is in the collection {one[0]!r} twice"
