"""The items, searchable: arrays that are built once, in the order in which items are served.

The order of all items is newest first, then by id and collection: total, so that pages neither
repeat nor skip. A row is an item's place in it. Space is a tree, time two arrays of integers,
collections one; a property becomes a column when it is first asked for. Only what of a filter
none of these can answer is tested item by item, on the rows that are left.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from cubestore_catalog import limits
from cubestore_catalog.errors import ItemError, UnknownRecordError
from cubestore_catalog.search import paging, times
from cubestore_catalog.search.columns import TEMPORAL, Column, Mask
from cubestore_catalog.search.cql import Rest
from cubestore_catalog.search.held import TOP_LEVEL, Held, Item
from cubestore_catalog.search.listed import Listed
from cubestore_catalog.search.properties import Property, choices
from cubestore_catalog.search.query import Search, Sort

NOTHING = frozenset({type(None)})
"""The type of what a property is that has no value."""

Rows = NDArray[np.int64]

PLAIN = frozenset({str, int, float, bool})
"""What JSON has beside lists and objects."""

DATETIME = "datetime"
"""Compared and sorted as `times.nominal` has it."""

AT_ONCE = 1000
"""Footprints that are compared with an area between two looks at the time."""

FEW = 16
"""Parts of an area."""

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
            not be changed. Those of `load` stay text until they are asked for.

    Raises:
        ItemError: an item lacks one of these, has a geometry that cannot be read, or is there
            twice.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        held = items if isinstance(items, Held) else Listed(items)
        order = sorted(range(len(held)), key=held.keys.__getitem__)
        self._held, self._order = held, np.array(order, np.int64)
        self._keys = [held.keys[place] for place in order]
        self._rows = {(key[2], key[1]): row for row, key in enumerate(self._keys)}
        if len(self._rows) < len(self._keys):
            raise ItemError(_twice(self._keys), expected="one item of an id in a collection")
        self.collections = sorted({collection for collection, _ in self._rows})
        numbers = {name: number for number, name in enumerate(self.collections)}
        self._collection = np.array([numbers[key[2]] for key in self._keys], np.int64)
        self._start = -np.array([key[0] for key in self._keys], np.int64)
        self._end = held.ends[self._order]
        self._tree = shapely.STRtree(held.shapes[self._order])
        self._bounds = shapely.bounds(self._tree.geometries)
        self._columns: dict[str, Column] = {}
        self._properties: dict[str | None, Mapping[str, Property]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def item(self, collection: str, item_id: str) -> Item:
        """Return one item.

        Raises:
            UnknownRecordError: there is none of that id in that collection.
        """
        row = self._rows.get((collection, item_id))
        if row is None:
            raise UnknownRecordError(f"There is no item {item_id!r} in {collection!r}")
        return self._item(row)

    def properties(self, collection: str | None = None) -> Mapping[str, Property]:
        """Return the properties of the items of a collection, or of all; kept, once asked for."""
        if collection not in self._properties:
            self._properties[collection] = self._known(collection)
        return self._properties[collection]

    def _known(self, collection: str | None) -> Mapping[str, Property]:
        rows = np.flatnonzero(
            self._of_collections([collection] if collection else self.collections)
        )
        kinds = self._kinds(collection)
        return {name: self._property(name, kinds[name], rows) for name in sorted(kinds)}

    def _kinds(self, collection: str | None = None) -> Mapping[str, frozenset[type]]:
        """Return the properties that the items have, and the types of their values."""
        seen: dict[str, frozenset[type]] = {}
        for name, properties in self._held.kinds.items():
            if collection in (None, name):
                for key, kinds in properties.items():
                    seen[key] = seen.get(key, frozenset()) | kinds - NOTHING
        return seen

    def _property(self, name: str, types: frozenset[type], rows: Rows) -> Property:
        limits.check()
        if types != {str} or name in TEMPORAL:
            return Property(types)
        values = self._held.values(name)
        return Property(types, choices(values[place] for place in self._order[rows].tolist()))

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
        return Page(tuple(map(self._item, page.tolist())), len(rows), token)

    def _fitting(self, page: Rows) -> int:
        """Return how many items of a page can be sent at once, at least one."""
        size = 0
        for count, row in enumerate(page.tolist()):
            size += self._held.size(int(self._order[row]))
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
            look = self._look(rest.names)
            rows = rows[[_meets(look(row), rest) for row in rows.tolist()]]
        return rows

    def _look(self, names: Iterable[str]) -> Callable[[int], Item]:
        """Return how rows are looked at: by columns where these tell all, for that is quick."""
        if not all(self._is_plain(name) for name in names):
            return self._item
        columns = {name: self._column(name) for name in names}

        def look(row: int) -> Item:
            told = {name: column.value(row) for name, column in columns.items()}
            known = {name: value for name, value in told.items() if value is not None}
            return {**known, "properties": known}

        return look

    def _is_plain(self, name: str) -> bool:
        """Return whether a property has no values but numbers, texts and truths."""
        kinds = self._kinds().get(name, frozenset())
        return name in TOP_LEVEL or (bool(kinds) and kinds <= PLAIN)

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
        for part in _parts(area):
            limits.check()
            near = self._tree.query(part)
            inside = self._inside(part, near)
            mask[near[inside]] = True
            shapely.prepare(part)
            rest = near[~inside]
            for some in np.array_split(rest, len(rest) // AT_ONCE + 1):
                limits.check()
                mask[some] |= shapely.intersects(part, self._tree.geometries[some])
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
        """Return a property of all rows; all that no item has are one column of nothing."""
        known = name in TOP_LEVEL or any(name in kinds for kinds in self._held.kinds.values())
        key = name if known else ""
        if key not in self._columns:
            limits.check()
            self._columns[key] = self._made(name) if known else Column([None] * len(self))
        return self._columns[key]

    def _made(self, name: str) -> Column:
        values = self._held.values(name)
        if name == DATETIME:
            told = zip(values, self._held.values("start_datetime"), strict=True)
            values = [start if value is None else value for value, start in told]
        ordered = [values[place] for place in self._order.tolist()]
        return Column(ordered, temporal=name in TEMPORAL)

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
        item = self._item(row)
        values = [_value(item, sort.name) for sort in sortby]
        return paging.write(values, self._keys[row])

    def _item(self, row: int) -> Item:
        found: Item = self._held[int(self._order[row])]
        return found


def _parts(area: shapely.Geometry) -> Sequence[shapely.Geometry]:
    """Return what is looked for one by one: a few parts may be boxes, and thousands take long."""
    return shapely.get_parts(area) if shapely.get_num_geometries(area) <= FEW else [area]


def _meets(item: Item, rest: Rest) -> bool:
    limits.check()
    return rest.matches(item)


def _value(item: Item, name: str) -> object:
    if name == DATETIME:
        return times.nominal(item["properties"])
    return (item if name in TOP_LEVEL else item["properties"]).get(name)


def _last(places: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isnan(places), np.inf, places)


def _twice(keys: Sequence[paging.Key]) -> str:
    names = sorted((key[2], key[1]) for key in keys)
    one = next(pair for pair, after in pairwise(names) if pair == after)
    return f"The item {one[1]!r} is in the collection {one[0]!r} twice"
