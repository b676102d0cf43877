import pickle
from dataclasses import replace

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from cubestore_catalog import Index, ItemError, RequestError, Search, Sort, UnknownRecordError
from cubestore_catalog.search.query import from_post
from cubestore_catalog.search.times import instant

HOUR = 3_600_000_000
SORTS = ("eo:cloud_cover", "datetime", "platform", "id", "missing")


def ids(page):
    return [item["id"] for item in page.items]


def pages(index, search):
    """Return the ids of every page."""
    found = []
    while True:
        page = index.search(search)
        found.append(ids(page))
        if page.token is None:
            return found
        search = replace(search, token=page.token)


def span(item):
    properties = item["properties"]
    if properties["datetime"] is not None:
        return instant(properties["datetime"]), instant(properties["datetime"])
    return instant(properties["start_datetime"]), instant(properties["end_datetime"])


def meets(item, parts, start, end):
    """Say of one item what the index says of all."""
    first, last = span(item)
    shape = shapely.geometry.shape(item["geometry"])
    return first <= end and last >= start and any(part.intersects(shape) for part in parts)


@st.composite
def boxes(draw):
    """Draw boxes about the archive, of which some cross the antimeridian."""
    longitudes = st.integers(-24, 80).map(lambda n: n / 2) | st.sampled_from([-180.0, 170.0, 180.0])
    south, north = sorted(draw(st.tuples(*[st.integers(78, 100).map(lambda n: n / 2)] * 2)))
    return [draw(longitudes), south, draw(longitudes), north]


def parts(box):
    west, south, east, north = box
    spans = [(west, east)] if west <= east else [(west, 180), (-180, east)]
    lines = [shapely.LineString([(w, south), (e, north)]) for w, e in spans]
    return [
        shapely.envelope(line) if line.length else shapely.Point(line.coords[0]) for line in lines
    ]


@settings(max_examples=100, deadline=None)
@given(box=boxes(), hours=st.tuples(st.integers(-9000, 400), st.integers(0, 9000)))
def test_a_search_finds_what_a_look_at_every_item_finds(index, items, box, hours):
    start = instant("2023-01-01T00:00:00Z") + hours[0] * HOUR
    end = start + hours[1] * HOUR
    search = replace(from_post({"bbox": box, "limit": 1000}), start=start, end=end)
    expected = {item["id"] for item in items if meets(item, parts(box), start, end)}
    assert set(ids(index.search(search))) == expected


@settings(max_examples=40, deadline=None)
@given(
    limit=st.integers(1, 70),
    sortby=st.lists(st.builds(Sort, st.sampled_from(SORTS), st.booleans()), max_size=3),
)
def test_the_pages_of_any_length_make_the_whole(index, limit, sortby):
    whole = index.search(Search(limit=1000, sortby=tuple(sortby)))
    some = pages(index, Search(limit=limit, sortby=tuple(sortby)))
    assert [one for page in some for one in page] == ids(whole)
    assert all(len(page) == limit for page in some[:-1])
    assert whole.matched == len(whole.items) == len(index)


def test_a_page_of_large_items_ends_early_and_goes_on(items):
    large = [{**item, "assets": {"data": {"href": "a" * 5_000_000}}} for item in items[:8]]
    some = pages(Index(large), Search(limit=100))
    assert [len(page) for page in some] == [3, 3, 2]
    assert [one for page in some for one in page] == ids(Index(items[:8]).search(Search()))


def test_items_that_go_between_two_pages_shift_nothing(items):
    for sortby in ((), (Sort("eo:cloud_cover"),), (Sort("platform", descending=True),)):
        search = Search(limit=20, sortby=sortby)
        first = Index(items).search(search)
        fewer = Index([item for item in items if item not in first.items[10:]])
        second = fewer.search(replace(search, limit=1000, token=first.token))
        assert set(ids(second)) == {item["id"] for item in items} - set(ids(first))


def test_an_area_of_many_parts_is_looked_at_as_a_whole(index, items):
    spots = [shapely.box(x / 2, 40.2, x / 2 + 0.1, 40.4) for x in range(-20, 20, 3)]
    spots += [shapely.box(x / 2, 44.2, x / 2 + 0.1, 44.4) for x in range(-20, 20, 3)]
    area = shapely.union_all(spots)
    assert shapely.get_num_geometries(area) > 16
    found = index.search(Search(areas=(area,), limit=1000))
    expected = {i["id"] for i in items if area.intersects(shapely.geometry.shape(i["geometry"]))}
    assert set(ids(found)) == expected
    assert 0 < len(expected) < len(items)


def test_the_newest_come_first(index):
    newest = [item["properties"]["datetime"] for item in index.search(Search(limit=60)).items]
    assert newest == sorted(newest, reverse=True)


@pytest.mark.parametrize("descending", [False, True])
def test_items_without_the_property_come_last(items, descending):
    bare = {**items[0], "id": "bare", "properties": {"datetime": "2023-01-01T00:00:00Z"}}
    found = Index([*items, bare]).search(
        Search(limit=100, sortby=(Sort("eo:cloud_cover", descending),))
    )
    clouds = [item["properties"]["eo:cloud_cover"] for item in found.items[:-1]]
    assert found.items[-1]["id"] == "bare"
    assert clouds == sorted(clouds, reverse=descending)


def test_times_are_sorted_and_compared_as_times(items):
    texts = ["2023-01-01T00:00:00.5Z", "2023-01-01T00:00:00Z", "2023-01-01T02:00:00+02:00"]
    some = [
        {**item, "properties": {"datetime": text, "created": text}}
        for item, text in zip(items, texts, strict=False)
    ]
    index = Index(some)
    search = from_post({"query": {"created": {"gt": "2023-01-01T00:00:00Z"}}})
    assert ids(index.search(search)) == ["scene-000"]
    assert ids(index.search(Search(sortby=(Sort("created"),))))[-1] == "scene-000"


@pytest.mark.parametrize(
    ("query", "test"),
    [
        ({"eo:cloud_cover": {"lt": 20}}, lambda p: p["eo:cloud_cover"] < 20),
        ({"eo:cloud_cover": {"gte": 7, "lte": 63}}, lambda p: 7 <= p["eo:cloud_cover"] <= 63),
        ({"eo:cloud_cover": {"eq": 7.0}}, lambda p: p["eo:cloud_cover"] == 7),
        ({"platform": {"neq": "sat-a"}}, lambda p: p["platform"] != "sat-a"),
        ({"platform": {"gt": "sat-aa"}}, lambda p: p["platform"] > "sat-aa"),  # no item has it
        ({"platform": {"lte": "sat-b"}}, lambda p: p["platform"] <= "sat-b"),
        ({"platform": {"in": ["sat-a", "sat-z", 3]}}, lambda p: p["platform"] == "sat-a"),
        ({"eo:cloud_cover": {"in": [0, 7]}}, lambda p: p["eo:cloud_cover"] in (0, 7)),
        ({"platform": {"startsWith": "sat"}}, lambda _: True),
        ({"platform": {"endsWith": "-c"}}, lambda p: p["platform"].endswith("-c")),
        ({"properties.platform": {"contains": "t-b"}}, lambda p: p["platform"] == "sat-b"),
        ({"eo:cloud_cover": {"neq": "7"}}, lambda p: p["eo:cloud_cover"] != 7),  # stac-client's
        ({"eo:cloud_cover": {"neq": "low"}}, lambda _: False),  # of another kind: never a match
        ({"absent": {"neq": 3}}, lambda _: False),
        ({"gsd": {"eq": True}}, lambda _: False),
    ],
)
def test_a_query_compares_properties(index, items, query, test):
    found = index.search(from_post({"query": query, "limit": 1000}))
    assert set(ids(found)) == {item["id"] for item in items if test(item["properties"])}


FILTERS = [
    ("eo:cloud_cover < 20", lambda i: i["properties"]["eo:cloud_cover"] < 20),
    ("20 > eo:cloud_cover", lambda i: i["properties"]["eo:cloud_cover"] < 20),
    ("platform LIKE '%-a'", lambda i: i["properties"]["platform"] == "sat-a"),
    ("platform LIKE 's_t%b'", lambda i: i["properties"]["platform"] == "sat-b"),
    ("NOT platform = 'sat-a'", lambda i: i["properties"]["platform"] != "sat-a"),
    ("platform IN ('sat-a','x')", lambda i: i["properties"]["platform"] == "sat-a"),
    ("eo:cloud_cover BETWEEN 7 AND 21", lambda i: 7 <= i["properties"]["eo:cloud_cover"] <= 21),
    ("absent IS NULL AND id = 'scene-003'", lambda i: i["id"] == "scene-003"),
    ("absent = 3 OR collection = 'radar'", lambda i: i["collection"] == "radar"),
    ("NOT (absent = 3)", lambda _: False),  # unknown, so not true
    (
        "datetime >= TIMESTAMP('2023-01-02T02:00:00+02:00')",
        lambda i: (i["properties"]["datetime"] or "") >= "2023-01-02T00:00:00Z",
    ),
    (
        "S_INTERSECTS(geometry, POLYGON((-9.9 40, -8.1 40, -8.1 42, -9.9 42, -9.9 40)))",
        lambda i: meets(i, [shapely.box(-9.9, 40, -8.1, 42)], -(2**62), 2**62),
    ),
    (
        "NOT S_INTERSECTS(geometry, BBOX(-9.9, 40, -8.1, 42))",
        lambda i: not meets(i, [shapely.box(-9.9, 40, -8.1, 42)], -(2**62), 2**62),
    ),
]


@pytest.mark.parametrize(("text", "test"), FILTERS)
def test_a_filter_is_true_of_what_is_found(index, items, text, test):
    search = from_post({"filter": text, "filter-lang": "cql2-text", "limit": 1000})
    assert set(ids(index.search(search))) == {item["id"] for item in items if test(item)}


def test_an_id_names_an_item_of_its_collection(index, items):
    assert index.item("radar", "scene-003") is items[3]
    with pytest.raises(UnknownRecordError):
        index.item("optical", "scene-003")


def test_an_empty_index_can_be_searched():
    found = Index([]).search(from_post({"bbox": [0, 0, 1, 1], "sortby": [{"field": "x"}]}))
    assert (found.items, found.matched, found.token) == ((), 0, None)


def test_an_item_without_footprint_lies_nowhere(items):
    index = Index([{**items[0], "geometry": None}])
    assert index.search(Search()).matched == 1
    assert index.search(from_post({"bbox": [-180, -90, 180, 90]})).matched == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"collection": None},
        {"id": 3},
        {"properties": {}},
        {"properties": {"datetime": "yesterday"}},
        {"properties": {"datetime": None, "start_datetime": "2023-01-01T00:00:00Z"}},
        {"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}},
        {"id": "scene-001", "collection": "radar"},  # is there already
    ],
)
def test_an_item_that_cannot_be_served_is_refused_before_anything_is(items, changes):
    with pytest.raises(ItemError):
        Index([items[1], {**items[0], **changes}])


def test_the_errors_cross_process_borders():
    error = RequestError("found", expected="expected")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(again), str(again)) == (RequestError, "found. Expected: expected.")
