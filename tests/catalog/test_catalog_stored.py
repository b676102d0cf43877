"""Items out of GeoParquet are found as those in a list are, and are the same."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cubestore_catalog import Index, ItemError
from cubestore_catalog.search.parquet import read
from cubestore_catalog.search.query import from_post
from cubestore_catalog.stac import parquet
from tests.catalog.conftest import COLLECTIONS, collection
from tests.catalog.test_catalog_index import FILTERS, ids, pages


@pytest.fixture(scope="module")
def archive(items):
    """The archive, some of whose items have what others lack."""
    changes = {
        0: {"created": "2023-01-01T00:00:00.5Z", "proj:code": None, "gsd": 0.5},
        1: {"created": "2023-01-01T00:00:00Z", "flag": True, "parts": [1, 2], "size": {"a": 1}},
        2: {"created": "2023-01-01T02:00:00.000001Z", "flag": False, "eo:cloud_cover": None},
    }
    return [
        {**item, "properties": {**item["properties"], **changes.get(number, {})}}
        for number, item in enumerate(items)
    ]


@pytest.fixture(scope="module")
def paths(archive, tmp_path_factory):
    """A file of each collection."""
    home = tmp_path_factory.mktemp("stored")
    for name in COLLECTIONS:
        members = [item for item in archive if item["collection"] == name]
        parquet.write(home / f"{name}.parquet", members, collection(name))
    return [home / f"{name}.parquet" for name in COLLECTIONS]


@pytest.fixture(scope="module")
def stored(paths):
    return Index(read(*paths))


@pytest.fixture(scope="module")
def listed(archive):
    return Index(archive)


SEARCHES = [
    *({"filter": text, "filter-lang": "cql2-text"} for text, _ in FILTERS),
    {"bbox": [-10, 40, 0, 50], "datetime": "../2022-02-10T00:00:00Z"},
    {"ids": ["scene-001", "month-01"]},
    {"query": {"created": {"gt": "2023-01-01T00:00:00Z"}}},
    {"query": {"created": {"startsWith": "2023-01-01T00:00:00."}}},
    {"query": {"datetime": {"startsWith": "2023-01-0"}}},
    {"query": {"gsd": {"lt": 10}}},
    {"query": {"flag": {"eq": False}}},
    {"query": {"parts": {"neq": 3}}},  # what is no single value is never a match
    {"query": {"id": {"startsWith": "month"}}},
    {"filter": "flag = TRUE OR created IS NULL", "filter-lang": "cql2-text"},
    {"filter": "gsd * 2 = 1 OR flag = FALSE", "filter-lang": "cql2-text"},
    {"filter": "NOT (eo:cloud_cover < 50 OR collection = 'radar')", "filter-lang": "cql2-text"},
    {"filter": {"op": "a_contains", "args": [{"property": "parts"}, [1]]}},
    {"sortby": [{"field": "created"}, {"field": "platform", "direction": "desc"}]},
    {"sortby": [{"field": "gsd"}, {"field": "flag"}, {"field": "datetime"}]},
    {"sortby": [{"field": "parts"}, {"field": "collection", "direction": "desc"}]},
]


@pytest.mark.parametrize("search", SEARCHES, ids=str)
def test_a_search_finds_the_same(stored, listed, search):
    asked = from_post({**search, "limit": 7})
    found = [index.search(asked) for index in (stored, listed)]
    assert found[0] == found[1]  # the items, how many there are, and the token
    assert pages(stored, asked) == pages(listed, asked)


def test_what_can_be_asked_for_is_the_same(stored, listed):
    assert stored.collections == listed.collections
    for name in (None, *COLLECTIONS):
        told, known = ({**index.properties(name)} for index in (stored, listed))
        assert told.keys() == known.keys()
        for key, one in known.items():
            assert one.types - {int} <= told[key].types, key  # a column has one type
            assert one.choices == told[key].choices, key


def test_items_are_those_that_were_written(paths, archive):
    found = read(*paths)
    assert len(found) == len(archive)
    assert sorted(found, key=lambda item: item["id"]) == sorted(archive, key=lambda i: i["id"])
    assert found[-1] == found[len(found) - 1]
    assert found[1:3] == [found[1], found[2]]


def test_no_files_have_no_items():
    assert len(Index(read())) == 0
    assert ids(Index(read()).search(from_post({"bbox": [0, 0, 1, 1]}))) == []


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda table: table.drop_columns(["geometry"]), "cannot be read.*geometry"),
        (lambda table: table.drop_columns([parquet.WHOLE]), "cannot be read.*cubestore:item"),
        (lambda table: _changed(table, "datetime", None), "has no time"),
        (lambda table: _changed(table, "geometry", b"no shape"), "geometry cannot be read"),
    ],
)
def test_a_file_that_lacks_something_is_refused(paths, tmp_path, spoil, problem):
    pq.write_table(spoil(pq.read_table(paths[1])), tmp_path / "spoilt.parquet")
    with pytest.raises(ItemError, match=problem):
        read(tmp_path / "spoilt.parquet")


def _changed(table, name, value):
    place = table.column_names.index(name)
    column = pa.array([value] * len(table), table.schema.field(name).type)
    return table.set_column(place, name, column)
