"""The same items, whatever kind of catalogue lists them."""

import contextlib
import json
import socket
import sys
import threading
import time
from datetime import UTC, datetime
from itertools import pairwise

import pyarrow.parquet as pq
import pystac
import pytest
import shapely
import uvicorn
from stac_geoparquet.arrow import parse_stac_items_to_arrow, to_parquet
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

import cubestore
from cubestore_catalog import Index, api
from cubestore_pipelines import documents
from cubestore_pipelines.errors import CatalogError
from cubestore_pipelines.items import Item
from cubestore_pipelines.search import Catalog, Query, catalog, interval, search

L2A = cubestore.sensor("sentinel-2-l2a")
COLLECTION = "sentinel-2-l2a"


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Times.


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2023", "2023-01-01", "2023-12-31T23:59:59.999999"),
        ("2023-06", "2023-06-01", "2023-06-30T23:59:59.999999"),
        ("2024-02", "2024-02-01", "2024-02-29T23:59:59.999999"),  # a leap year
        ("2023-12", "2023-12-01", "2023-12-31T23:59:59.999999"),
        ("2023-06-12", "2023-06-12", "2023-06-12T23:59:59.999999"),
        ("2023-06-12T10:00:00Z", "2023-06-12T10:00:00", "2023-06-12T10:00:00"),
        ("2023-06-12T10:00:00+02:00", "2023-06-12T08:00:00", "2023-06-12T08:00:00"),
        ("2023-06-12T10:00", "2023-06-12T10:00:00", "2023-06-12T10:00:00"),  # without a zone
        ("2023-06/2023-08", "2023-06-01", "2023-08-31T23:59:59.999999"),
        ("2021/2023-08-01", "2021-01-01", "2023-08-01T23:59:59.999999"),
        ("2023-06/2023-06", "2023-06-01", "2023-06-30T23:59:59.999999"),
        ("2023-06-12/..", "2023-06-12", None),
        ("../2023-06-12", None, "2023-06-12T23:59:59.999999"),
        ("2023/", "2023-01-01", None),  # STAC: open
        ("/2023", None, "2023-12-31T23:59:59.999999"),
        ("../..", None, None),
        ("", None, None),
    ],
)
def test_an_interval_holds_both_of_its_ends_whole(text, start, end):
    assert interval(text) == tuple(utc(moment) if moment else None for moment in (start, end))


@pytest.mark.parametrize(
    "text",
    [
        "2023-08/2023-06",  # backwards
        "2023-06-12T11:00:00Z/2023-06-12T10:00:00Z",
        "2023-13",
        "2023-02-30",
        "2023-00",  # no month
        "2023-06-00",  # no day
        "June",
        "20230612",
        "2023/2024/2025",
        "2023-06-12T25:00:00Z",
        "2023 - 2024",
        "-",
        "latest",
    ],
)
def test_what_is_no_interval_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - its words are the caller's
        interval(text)


# A catalogue, in every shape.

SQUARE = 0.5


def feature(item_id, when, place, **more):
    west, south = place
    bounds = [west, south, west + SQUARE, south + SQUARE]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
            "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
        ],
        "id": item_id,
        "collection": COLLECTION,
        "geometry": json.loads(shapely.to_geojson(shapely.box(*bounds))),
        "bbox": bounds,
        "properties": {"datetime": when, "proj:epsg": 32631, "eo:cloud_cover": 10.0},
        "links": [],
        "assets": {
            "B02": {
                "href": f"https://a.org/{item_id}/B02.tif",
                "type": "image/tiff",
                "roles": ["data"],
                "proj:transform": [10.0, 0.0, 6e5, 0.0, -10.0, 5e6],
                "proj:shape": [100, 100],
                "eo:bands": [{"name": "B02", "common_name": "blue"}],
            }
        },
    } | more


def composite():
    """Return an item of a quarter, without a ``datetime``."""
    one = feature("quarter", None, (2, 48))
    ends = {"start_datetime": "2023-04-01T00:00:00Z", "end_datetime": "2023-06-30T23:59:59Z"}
    return one | {"properties": one["properties"] | {"datetime": None} | ends}


FEATURES = [
    feature("june", "2023-06-12T10:50:31.024000Z", (2, 48)),
    feature("july", "2023-07-12T10:50:31.024000Z", (2, 48)),
    feature("last-june", "2022-06-12T10:50:31.024000Z", (2, 48)),
    feature("far", "2023-06-12T10:50:31.024000Z", (12, 48)),
    feature("west-of-the-line", "2023-06-12T22:00:00Z", (179.5, -17)),
    feature("east-of-the-line", "2023-06-13T22:00:00Z", (-180, -17)),
    composite(),
]
PARIS = shapely.box(2.1, 48.1, 2.2, 48.2)
LINE = shapely.MultiPolygon(
    [shapely.box(179.4, -17, 180, -16), shapely.box(-180, -17, -179.4, -16)]
)
"""Across the antimeridian."""

COLLECTION_DOCUMENT = {
    "type": "Collection",
    "stac_version": "1.0.0",
    "id": COLLECTION,
    "description": "Some.",
    "license": "proprietary",
    "extent": {
        "spatial": {"bbox": [[-180, -90, 180, 90]]},
        "temporal": {"interval": [["2015-01-01T00:00:00Z", None]]},
    },
    "links": [],
}


@contextlib.contextmanager
def served(application):
    """Serve an ASGI application on the loopback while the context lasts."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application, ws="none", lifespan="off", log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def write_folder(place):
    (place / "a" / "b").mkdir(parents=True)
    for n, one in enumerate(FEATURES):
        path = (place, place / "a", place / "a" / "b")[n % 3] / f"{one['id']}.json"
        path.write_text(json.dumps(one))
    (place / "a" / "notes.json").write_text('{"type": "Collection"}')
    return place


def write_collection(place):
    path = place / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": FEATURES}))
    return path


def write_geoparquet(place):
    to_parquet(parse_stac_items_to_arrow(FEATURES), place / "items.parquet")
    return place / "items.parquet"


def write_static(place):
    root = pystac.Catalog("root", "Some.")
    child = pystac.Collection.from_dict(COLLECTION_DOCUMENT)
    root.add_child(child)
    child.add_items([pystac.Item.from_dict(one) for one in FEATURES])
    root.normalize_and_save(str(place), pystac.CatalogType.SELF_CONTAINED)
    return place / "catalog.json"


WRITTEN = {
    "folder": write_folder,
    "ItemCollection": write_collection,
    "stac-geoparquet": write_geoparquet,
    "static catalogue": write_static,
}


@pytest.fixture(scope="module")
def address():
    with served(api(Index(FEATURES), [COLLECTION_DOCUMENT])) as url:
        yield url


@pytest.fixture(scope="module", params=["API", *WRITTEN])
def place(request, tmp_path_factory):
    """The address of each kind of catalogue, all of the same items."""
    if request.param == "API":
        return request.getfixturevalue("address")
    return str(WRITTEN[request.param](tmp_path_factory.mktemp("catalog")))


def query(area=PARIS, times="", **more):
    start, end = interval(times)
    return Query(sensor=L2A, area=area, start=start, end=end, **more)


def names(found):
    return [item.id for item in found.items]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (query(), ["last-june", "quarter", "june", "july"]),  # by time
        (query(times="2023-06-12"), ["quarter", "june"]),
        (query(times="2023-06"), ["quarter", "june"]),
        (query(times="2023-06-13/.."), ["quarter", "july"]),  # a composite lasts
        (query(times="2023-07/.."), ["july"]),
        (query(times="../2022"), ["last-june"]),
        (query(times="2023-06-12T10:50:31.024Z"), ["quarter", "june"]),  # both ends belong to it
        (query(times="2023-06-12T10:50:31.025Z/2023-06-12T11:00:00Z"), ["quarter"]),
        (query(shapely.box(12.1, 48, 12.2, 48.1)), ["far"]),
        (query(LINE), ["west-of-the-line", "east-of-the-line"]),
        (query(LINE, "2023-06-13"), ["east-of-the-line"]),
        (query(shapely.box(100, 0, 101, 1)), []),
        (query(collections=(COLLECTION,), times="2022"), ["last-june"]),
    ],
    ids=range(13),
)
def test_a_query_finds_the_same_items_in_every_kind_of_catalogue(place, asked, found):
    result = search(Catalog(address=place), asked)
    assert names(result) == found
    assert result.unreadable == ()


def test_an_item_reads_the_same_from_every_kind_of_catalogue(place):
    *_, june = search(Catalog(address=place), query(times="2023-06")).items
    expected = shapely.from_geojson(json.dumps(FEATURES[0]["geometry"]))
    assert june.time == june.time_end == utc("2023-06-12T10:50:31.024")
    assert june.collection == COLLECTION
    assert june.geometry.equals(expected)
    assert june.number("eo:cloud_cover") == 10
    (blue,) = june.assets.values()
    assert blue.href == "https://a.org/june/B02.tif"
    assert (blue.key, blue.crs, blue.shape) == ("B02", "EPSG:32631", (100, 100))
    assert blue.transform == (10, 0, 6e5, 0, -10, 5e6)
    assert [band.name for band in blue.bands] == ["B02"]


def test_the_file_of_one_item_is_a_catalogue(tmp_path):
    path = tmp_path / "june.json"
    path.write_text(json.dumps(FEATURES[0]))
    assert names(search(Catalog(address=str(path)), query())) == ["june"]


def test_relative_addresses_start_at_the_document_they_are_in(tmp_path):
    local = feature("june", "2023-06-12T10:50:31Z", (2, 48))
    local["assets"]["B02"]["href"] = "./B02.tif"
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "june.json").write_text(json.dumps(local))
    collection = {"type": "FeatureCollection", "features": [local]}
    (tmp_path / "items.json").write_text(json.dumps(collection))
    root = pystac.Catalog("root", "Some.")
    root.add_item(pystac.Item.from_dict(local))
    root.normalize_and_save(str(tmp_path / "static"), pystac.CatalogType.SELF_CONTAINED)
    expected = {
        "deep": tmp_path / "deep",
        "deep/june.json": tmp_path / "deep",
        "items.json": tmp_path,
        "static/catalog.json": tmp_path / "static" / "june",
    }
    for name, folder in expected.items():
        (item,) = search(catalog(str(tmp_path / name)), query()).items
        assert item.assets["B02"].href == str(folder / "B02.tif")


@pytest.mark.parametrize(
    ("links", "folder"),
    [
        ([], "."),
        ([{"rel": "self", "href": "https://a.org/deep/june.json"}], "."),  # copied to this disk
    ],
)
def test_relative_addresses_of_stac_geoparquet_start_at_the_file(tmp_path, links, folder):
    local = feature("june", "2023-06-12T10:50:31Z", (2, 48), links=links)
    local["assets"]["B02"]["href"] = "./B02.tif"
    to_parquet(parse_stac_items_to_arrow([local]), tmp_path / "items.parquet")
    (item,) = search(catalog(str(tmp_path / "items.parquet")), query()).items
    assert item.assets["B02"].href == str(tmp_path / folder / "B02.tif")


def test_a_column_that_an_item_has_not_is_none_of_its_properties(tmp_path):
    other = feature("other", "2023-06-12T10:50:31Z", (2, 48))
    other["properties"]["s2:processing_baseline"] = "05.09"
    other["assets"]["B03"] = dict(other["assets"]["B02"])
    to_parquet(parse_stac_items_to_arrow([FEATURES[0], other]), tmp_path / "items.parquet")
    assert pq.read_schema(tmp_path / "items.parquet").get_field_index("s2:processing_baseline") > 0
    found = search(Catalog(address=str(tmp_path / "items.parquet")), query())
    june = next(item for item in found.items if item.id == "june")
    assert june.text("s2:processing_baseline") == ""
    assert list(june.assets) == ["B02"]


def test_a_broken_item_is_told_of_and_the_others_found(tmp_path):
    broken = feature("broken", "noon", (2, 48))
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [broken, *FEATURES]}))
    found = search(Catalog(address=str(path)), query(times="2023-06"))
    assert names(found) == ["quarter", "june"]
    assert [error.found for _, error in found.unreadable] == ["Item broken has the datetime 'noon'"]


@pytest.mark.parametrize("served", [None, 3, "june", [], {}])
def test_what_is_no_item_in_a_list_is_told_of_and_the_others_found(tmp_path, served):
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [served, FEATURES[0]]}))
    found = search(Catalog(address=str(path)), query())
    assert names(found) == ["june"]
    assert len(found.unreadable) == 1


def test_an_item_that_is_listed_twice_is_found_once(tmp_path):
    twice = {"type": "FeatureCollection", "features": FEATURES * 2}
    (tmp_path / "items.json").write_text(json.dumps(twice))
    other = FEATURES[0] | {"collection": "another"}
    (tmp_path / "other.json").write_text(json.dumps(other))
    found = search(Catalog(address=str(tmp_path)), query(times="2023-06"))
    assert [(item.id, item.collection) for item in found.items] == [
        ("quarter", COLLECTION),
        ("june", "another"),
        ("june", COLLECTION),
    ]


def test_an_item_without_a_place_is_found_everywhere(tmp_path):
    placeless = feature("june", "2023-06-12T10:50:31Z", (2, 48), geometry=None)
    (tmp_path / "june.json").write_text(json.dumps(placeless | {"bbox": None}))
    found = search(Catalog(address=str(tmp_path)), query(shapely.box(100, 0, 101, 1)))
    assert names(found) == ["june"]


def test_only_the_collections_that_are_named_are_entered(tmp_path, monkeypatch):
    root = pystac.Catalog("root", "Some.")
    for name in (COLLECTION, "another"):
        child = pystac.Collection.from_dict(COLLECTION_DOCUMENT | {"id": name})
        root.add_child(child)
        child.add_item(pystac.Item.from_dict(FEATURES[0] | {"id": f"of-{name}"}))
    root.normalize_and_save(str(tmp_path), pystac.CatalogType.SELF_CONTAINED)
    asked, load = [], documents.load
    monkeypatch.setattr(documents, "load", lambda a, **k: (asked.append(a), load(a, **k))[1])
    where = Catalog(address=str(tmp_path / "catalog.json"))
    assert names(search(where, query(collections=("another",)))) == ["of-another"]
    assert not any(f"of-{COLLECTION}" in one for one in asked)


def test_a_static_catalogue_that_runs_in_a_circle_ends(tmp_path):
    links = [{"rel": "child", "href": "./a.json"}, {"rel": "child", "href": "./catalog.json"}]
    for name in ("catalog.json", "a.json"):
        (tmp_path / name).write_text(json.dumps({"type": "Catalog", "id": name, "links": links}))
    assert search(Catalog(address=str(tmp_path / "catalog.json")), query()).items == ()


# What an API may do.


def test_collections_that_nobody_knows_are_refused_with_those_that_are_there():
    documents_ = [COLLECTION_DOCUMENT | {"id": name} for name in ("aerial", "radar")]
    features = [FEATURES[0] | {"collection": "aerial"}]
    with served(api(Index(features), documents_)) as url:
        with pytest.raises(CatalogError, match="it has aerial, radar") as refusal:
            search(Catalog(address=url), query())
        assert "--collection" in refusal.value.remedy
        assert names(search(Catalog(address=url), query(collections=("aerial",)))) == ["june"]


def endless(pages):
    """Return an API that goes on for ever, with the same items or with new ones."""

    async def landing(request):
        url = str(request.base_url)
        conforms = [f"https://api.stacspec.org/v1.0.0/{one}" for one in ("core", "item-search")]
        links = [
            {"rel": "self", "href": url},
            {
                "rel": "search",
                "href": f"{url}search",
                "type": "application/geo+json",
                "method": "POST",
            },
        ]
        described = {"type": "Catalog", "id": "x", "description": "x", "stac_version": "1.0.0"}
        return JSONResponse({**described, "conformsTo": conforms, "links": links})

    async def found(request):
        href = f"{request.base_url}search"
        following = {"rel": "next", "href": href, "method": "POST", "body": {}, "merge": True}
        return JSONResponse(
            {"type": "FeatureCollection", "features": next(pages), "links": [following]}
        )

    routes = [Route("/", landing), Route("/search", found, methods=["POST"])]
    return Starlette(routes=routes)


def test_an_api_that_repeats_itself_is_an_error():
    def same():
        while True:
            yield FEATURES[:2]

    with served(endless(same())) as url, pytest.raises(CatalogError, match="repeats itself"):
        search(Catalog(address=url), query(collections=(COLLECTION,)))


def test_an_api_that_pages_for_ever_is_an_error(monkeypatch):
    monkeypatch.setattr(sys.modules[search.__module__], "MOST_ITEMS", 50)

    def new():
        for n in range(10**6):
            yield [feature(f"i{n}-{k}", "2023-06-12T10:50:31Z", (2, 48)) for k in range(10)]

    with served(endless(new())) as url, pytest.raises(CatalogError, match="60 items and has more"):
        search(Catalog(address=url), query(collections=(COLLECTION,)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("none.json", None),
        ("text.json", "hello"),
        ("list.json", "[]"),
        ("geometry.json", '{"type": "Point"}'),
        ("deep.json", "[" * 100_000),
        ("items.parquet", "PAR1 not"),
        ("none.parquet", None),
    ],
)
def test_what_is_no_catalogue_is_refused(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(CatalogError) as refusal:
        search(Catalog(address=str(tmp_path / name)), query())
    assert name in str(refusal.value)


def test_a_server_that_is_not_there_is_refused():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(CatalogError, match=f"127.0.0.1:{port}"):
        search(Catalog(address=f"http://127.0.0.1:{port}/"), query(), timeout=1)


def test_items_are_in_the_order_of_time(place):
    found = search(Catalog(address=place), query()).items
    assert all(isinstance(item, Item) for item in found)
    assert all(first.time <= second.time for first, second in pairwise(found))
