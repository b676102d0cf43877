"""The API as an unmodified client and as plain HTTP see it."""

import asyncio
import gzip
import subprocess
import sys
from urllib.parse import parse_qsl, urlsplit

import httpx
import orjson
import pytest
from pystac_client import Client
from starlette.applications import Starlette
from starlette.routing import Mount

from cubestore_catalog import Index, ItemError, api

TRIANGLE = {"type": "Polygon", "coordinates": [[[-10, 40], [-5, 40], [-10, 44], [-10, 40]]]}
EVERYTHING = 63


@pytest.fixture(scope="module")
def client(address):
    return Client.open(address)


@pytest.fixture(scope="module")
def http(address):
    with httpx.Client(base_url=address) as session:
        yield session


def test_a_client_opens_the_catalogue(client):
    assert [one.id for one in client.get_collections()] == ["optical", "radar"]
    assert client.get_collection("radar").title == "Radar"
    assert client.title == "Small archive"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({}, EVERYTHING),
        ({"bbox": [-10, 40, -8.5, 41]}, 2),
        ({"bbox": [170, -90, -170, 90]}, 0),
        ({"intersects": TRIANGLE}, 4),
        ({"datetime": "2023-01-03"}, 4),  # the client makes a day of it
        ({"datetime": "2022-02-10T00:00:00Z"}, 1),  # within a month
        ({"datetime": "../2022-02-10T00:00:00Z"}, 2),
        ({"datetime": "2022-02-10T00:00:00Z/.."}, 62),
        ({"datetime": "2023-01-03T01:00:00+01:00"}, 2),
        ({"collections": ["radar"]}, 30),
        ({"collections": ["radar", "nowhere"]}, 30),
        ({"ids": ["scene-001", "scene-002", "nothing"]}, 2),
        ({"query": {"eo:cloud_cover": {"lt": 20}}}, 16),
        ({"query": ["platform=sat-a"]}, 21),
        ({"filter": "eo:cloud_cover < 20", "filter_lang": "cql2-text"}, 16),
        ({"filter": {"op": "<", "args": [{"property": "eo:cloud_cover"}, 20]}}, 16),
        ({"filter": {"op": "lt", "args": [{"property": "eo:cloud_cover"}, 20]}}, 16),
        ({"bbox": [-10, 40, 0, 50], "collections": ["radar"], "datetime": "2023-01-01/.."}, 10),
    ],
)
def test_a_client_finds(client, method, parameters, count):
    search = client.search(method=method, limit=5, **parameters)
    found = [(item.collection_id, item.id) for item in search.items()]
    assert len(set(found)) == len(found) == search.matched() == count


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_neither_repeat_nor_skip(client, method, items):
    pages = list(client.search(method=method, limit=7, sortby="-eo:cloud_cover").pages())
    found = [item for page in pages for item in page]
    clouds = [item.properties["eo:cloud_cover"] for item in found]
    assert len(pages) == 9
    assert {item.id for item in found} == {item["id"] for item in items}
    assert clouds == sorted(clouds, reverse=True)


def test_a_client_sorts_and_chooses_fields(client):
    search = client.search(
        max_items=3,
        sortby=["+properties.platform", "-id"],
        fields=["id", "properties.gsd", "-properties.datetime"],
    )
    found = list(search.items_as_dicts())
    assert [item["id"] for item in found] == ["scene-057", "scene-054", "scene-051"]
    assert [set(item) for item in found] == [{"id", "properties"}] * 3
    assert found[0]["properties"] == {"gsd": 10}


DEFAULT = {"type", "stac_version", "id", "collection", "geometry", "bbox", "links", "assets"}
ALL = DEFAULT | {"stac_extensions", "properties"}


@pytest.mark.parametrize(
    ("fields", "members", "properties"),
    [  # the table of the extension's text
        ({}, DEFAULT | {"properties"}, {"datetime"}),
        ({"include": None, "exclude": []}, DEFAULT | {"properties"}, {"datetime"}),
        ({"include": ["id", "bbox"]}, {"id", "bbox"}, set()),
        ({"exclude": ["assets", "properties.gsd"]}, ALL - {"assets"}, {"datetime", "platform"}),
        (
            {"include": [], "exclude": ["assets"]},
            DEFAULT - {"assets"} | {"properties"},
            {"datetime"},
        ),
        ({"include": None, "exclude": ["properties"]}, DEFAULT, set()),
        ({"include": ["id", "bbox"], "exclude": ["id"]}, {"id", "bbox"}, set()),
        ({"include": ["id"], "exclude": ["id", "bbox"]}, {"id"}, set()),
        ({"include": ["properties.gsd"], "exclude": ["properties"]}, {"properties"}, {"gsd"}),
        (
            {"include": ["properties"], "exclude": ["properties.gsd"]},
            {"properties"},
            {"datetime", "platform"},
        ),
        ({"include": ["properties.gsd.x", "nothing.at.all"]}, {"properties"}, {"gsd"}),
    ],
)
def test_of_an_item_what_was_asked_for_is_served(http, fields, members, properties):
    found = http.post("/search", json={"fields": fields}).json()["features"][0]
    assert set(found) == members
    assert set(found.get("properties", {})) - {"eo:cloud_cover"} == properties


def test_an_item_without_a_single_time_keeps_both(http):
    one = {"ids": ["month-01"], "fields": {}}
    found = http.post("/search", json=one).json()["features"][0]["properties"]
    assert found["datetime"] is None
    assert {"start_datetime", "end_datetime"} < set(found)


@pytest.mark.parametrize("fields", ["", "-assets", "-assets,-properties.gsd"])
def test_what_a_text_leaves_out_is_left_out_of_the_default(http, fields):
    """A text cannot say that nothing is included, so it is taken to include nothing by name."""
    some = http.get("/search", params={"fields": fields}).json()["features"]
    left = {"assets"} if fields else set()
    assert all(set(item) == DEFAULT - left | {"properties"} for item in some)
    assert all(set(item) == ALL for item in http.get("/search").json()["features"])


def test_a_client_gets_items_of_a_collection(client):
    optical = client.get_collection("optical")
    assert optical.get_item("scene-002").id == "scene-002"
    assert len(list(optical.get_items())) == 33
    assert [item.id for item in optical.get_items("scene-002", "month-01")] == [
        "scene-002",
        "month-01",
    ]
    assert len(list(client.get_collection("radar").get_items())) == 30


def test_a_client_reads_what_can_be_asked_for(client):
    document = client.get_merged_queryables(["optical", "radar"])
    assert document["properties"]["eo:cloud_cover"] == {"type": "number"}
    assert document["properties"]["platform"]["enum"] == ["sat-a", "sat-b", "sat-c"]
    assert "start_datetime" not in client.get_collection("radar").get_queryables()["properties"]
    assert client.get_queryables()["properties"]["datetime"]["format"] == "date-time"


def ask(application, url):
    """Return what an application answers without a server."""

    async def asked():
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport) as session:
            return await session.get(url)

    return asyncio.run(asked()).json()


def links(document, rel):
    return [link["href"] for link in document["links"] if link["rel"] == rel]


def test_links_begin_where_the_request_was_sent(http, address):
    item = http.get("/collections/radar/items/scene-001").json()
    assert links(item, "self") == [f"{address}/collections/radar/items/scene-001"]
    assert links(item, "parent") == links(item, "collection") == [f"{address}/collections/radar"]
    assert links(item, "root") == [f"{address}/"]
    assert links(item, "license") == ["https://elsewhere.example/license"]


def walk(http, url, seen):
    """Follow every link of the API itself."""
    answer = http.get(url)
    assert answer.status_code == 200, url
    seen.add(url)
    for link in answer.json().get("links", []):
        if link["href"].startswith(str(http.base_url)[:-1]) and link["href"] not in seen:
            walk(http, link["href"], seen)


def test_every_link_leads_somewhere(http, address):
    seen = set()
    walk(http, f"{address}/", seen)
    assert {f"{address}/{name}" for name in ("api", "conformance", "queryables")} < seen


EACH = {
    "bbox": "0,40,5,50",
    "intersects": '{"type": "Point", "coordinates": [0.5, 45.5]}',
    "datetime": "2023-01-20T00:00:00Z/..",
    "collections": "radar",
    "ids": "scene-001",
    "limit": "3",
    "sortby": "id",
    "fields": "id",
    "query": '{"platform": {"eq": "sat-a"}}',
    "filter": "platform = 'sat-b'",
}
HOW = {"filter-lang", "filter-crs", "token"}
"""What says how another one is meant, or where to go on."""


def test_the_description_names_what_a_search_listens_to(http):
    paths = http.get("/api").json()["paths"]
    for path in ("/search", "/collections/{collection}/items"):
        named = [one["name"] for one in paths[path]["get"]["parameters"] if one["in"] == "query"]
        assert {*named} == {*EACH, *HOW}
    assert "requestBody" in paths["/search"]["post"]
    whole = http.get("/search").json()["features"]
    for name, value in EACH.items():
        assert http.get("/search", params={name: value}).json()["features"] != whole, name


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/api", "/conformance", "/queryables", "/search", "/collections"),
        *("/collections/radar", "/collections/radar/queryables", "/collections/radar/items"),
        "/collections/radar/items/scene-001",
    ],
)
def test_head_is_answered_where_get_is(http, path):
    head, get = http.head(path), http.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


def test_a_next_link_of_get_keeps_the_parameters(http):
    page = http.get("/collections/radar/items", params={"limit": 4, "bbox": "-10,40,40,50"}).json()
    parameters = dict(parse_qsl(urlsplit(links(page, "next")[0]).query))
    assert (parameters["limit"], parameters["bbox"]) == ("4", "-10,40,40,50")
    assert http.get(links(page, "next")[0]).json()["numberMatched"] == page["numberMatched"]


WRONG = [
    {"bbox": [0, 0, 1]},
    {"bbox": [0, 0, 1, "1"]},
    {"bbox": "0,0,1,1"},
    {"bbox": [0, 1, 1, 0]},  # south above north
    {"bbox": [0, 0, 200, 1]},
    {"bbox": [0, 0, 9, 1, 1, 0]},  # heights the wrong way round
    {"bbox": [0, 0, 1, 1], "intersects": TRIANGLE},
    {"intersects": {"type": "Point", "coordinates": [200, 0]}},
    {"intersects": {"type": "Point", "coordinates": []}},
    {"intersects": {"type": "Feature", "geometry": TRIANGLE}},
    {"intersects": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}},
    {"intersects": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}},
    {"intersects": "POINT (1 1)"},
    {"datetime": "2023-01-01"},
    {"datetime": ["2023-01-01T00:00:00Z"]},
    {"datetime": "2023-01-02T00:00:00Z/2023-01-01T00:00:00Z"},
    {"collections": "radar"},
    {"collections": [1]},
    {"ids": {"a": 1}},
    {"limit": 0},
    {"limit": -1},
    {"limit": "10"},
    {"limit": True},
    {"limit": 1.5},
    {"sortby": "id"},
    {"sortby": [{"field": "id", "direction": "up"}]},
    {"sortby": [{"direction": "asc"}]},
    {"fields": None},
    {"fields": ["id"]},
    {"fields": {"include": "id"}},
    {"query": {"gsd": 10}},
    {"query": {"gsd": {"about": 10}}},
    {"query": {"gsd": {"eq": None}}},
    {"query": {"gsd": {"in": 10}}},
    {"query": {"platform": {"startsWith": 3}}},
    {"query": {"datetime": {"gt": "yesterday"}}},
    {"filter": "id ="},
    {"filter": "id = ", "filter-lang": "cql2-text"},
    {"filter": "nonsense(3)", "filter-lang": "cql2-text"},
    {"filter": "id", "filter-lang": "cql2-text"},
    {"filter": "POINT EMPTY = 3", "filter-lang": "cql2-text"},
    {"filter": "(" * 5000 + "id='a'" + ")" * 5000, "filter-lang": "cql2-text"},
    {"filter": "NOT " * 4000 + "id='a'", "filter-lang": "cql2-text"},
    {"filter": "gsd = " + "1-" * 5000 + "1", "filter-lang": "cql2-text"},
    {"filter": "gsd = " + "1 -1 " * 3000, "filter-lang": "cql2-text"},
    {"filter": " AND ".join(["id='a'"] * 40_000), "filter-lang": "cql2-text"},
    {"filter": {"op": "nonsense", "args": []}},
    {"filter": {"op": "=", "args": [{"property": "id"}]}},
    {"filter": {"op": ["="], "args": [1, 2]}},
    {"filter": {"op": "=", "args": [{"property": "id"}, None]}},
    {"filter": {"op": "t_after", "args": [{"property": "datetime"}, {"timestamp": "soon"}]}},
    {"filter": {"op": "s_intersects", "args": [{"property": "geometry"}, {"type": "Point"}]}},
    {"filter": [], "filter-lang": "cql2-json"},
    {"filter": "id = 'a'", "filter-lang": "cql"},
    {"filter": True, "filter-crs": "http://www.opengis.net/def/crs/EPSG/0/3857"},
    {"filter": {"op": "not", "args": [{"op": "not", "args": [True]}] * 1}, "limit": "x"},
    {"token": "nonsense"},
    {"token": "W10"},  # an empty list
    {"token": 3},
    [],
    3,
]


@pytest.mark.parametrize("body", WRONG)
def test_a_wrong_search_is_refused_with_a_reason(http, body):
    answer = http.post("/search", json=body)
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"code", "description"}
    assert "Expected" in answer.json()["description"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"limit": NaN}',
        b'{"limit": 1e999}',
        b'{"limit": ' + b"1" * 5000 + b"}",
        b'{"ids": ["\xff"]}',
        b'{"ids": ["\\ud800"]}',
        b'{"filter": ' + b"[" * 900 + b"]" * 900 + b"}",
        b"[" * 100_000,
    ],
)
def test_json_that_no_one_should_read_is_refused(http, content):
    assert http.post("/search", content=content).status_code == 400


@pytest.mark.parametrize(
    "text",
    [
        "limit=0",
        "limit=ten",
        "limit=" + "9" * 5000,
        "limit=1&limit=2",
        "bbox=",
        "bbox=1,2,3",
        "bbox=[1,2,3,4]",
        "bbox=0,0,nan,1",
        "bbox=0,0,inf,1",
        "datetime=2023-01-01T00:00:00",
        "intersects={",
        "query=3",
        "filter=id%20%3D",
        "filter=%7B%22op%22&filter-lang=cql2-json",
        "filter-lang=sql&filter=1",
        "token=%00",
    ],
)
def test_a_wrong_query_string_is_refused(http, text):
    for path in ("/search", "/collections/radar/items"):
        assert http.get(f"{path}?{text}").status_code == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nowhere", 404),
        ("/collections/nothing", 404),
        ("/collections/nothing/items", 404),
        ("/collections/nothing/queryables", 404),
        ("/collections/radar/items/nothing", 404),
        ("/collections/radar/items/..%2f..%2fetc", 404),
        ("/collections/radar/items/%00", 404),
    ],
)
def test_what_is_not_there_is_said_to_be_missing(http, path, status):
    answer = http.get(path)
    assert (answer.status_code, set(answer.json())) == (status, {"code", "description"})


def test_a_large_body_is_not_read(http):
    def endless():
        yield b'{"ids": ["'
        for _ in range(40):
            yield b"a" * 50_000

    assert http.post("/search", json={"ids": ["a" * 1_000_000]}).status_code == 413
    assert http.post("/search", content=endless()).status_code == 413


def test_a_limit_beyond_the_most_is_that(http):
    page = http.get("/search?limit=1000000").json()
    assert page["numberReturned"] == page["numberMatched"] == EVERYTHING


def test_any_site_may_ask_but_without_credentials(http):
    answer = http.get("/search", headers={"Origin": "https://evil.example", "Cookie": "a=b"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    assert http.options("/search", headers=asked).status_code == 200


@pytest.mark.parametrize("below", ["", "/a%20b/stac"])
def test_it_can_lie_anywhere(application, below):
    outer = Starlette(routes=[Mount(below.replace("%20", " "), application)])
    root = f"https://cubes.example{below}"
    assert links(ask(outer, f"{root}/"), "data") == [f"{root}/collections"]
    assert links(ask(outer, f"{root}/search?limit=1"), "next")[0].startswith(f"{root}/search?")


def test_items_of_a_collection_that_is_not_given_are_refused(index):
    with pytest.raises(ItemError, match="radar"):
        api(index, [{"id": "optical"}])


def test_ids_may_hold_what_a_url_must_not(items):
    strange = {**items[0], "id": "a/b ?#ü%", "collection": "c d?"}
    application = api(Index([strange]), [{"id": "c d?", "links": []}])
    found = ask(application, "https://cubes.example/search")["features"][0]
    assert ask(application, links(found, "self")[0])["id"] == strange["id"]
    assert ask(application, links(found, "parent")[0])["id"] == "c d?"


def recorded(shared_data):
    for file in sorted((shared_data / "api_traffic").glob("*.json.gz")):
        for exchange in orjson.loads(gzip.decompress(file.read_bytes())):
            yield exchange["request"]


def test_what_real_clients_asked_is_answered(http, shared_data):
    count = 0
    for request in recorded(shared_data):
        path, query = urlsplit(request["uri"]).path, urlsplit(request["uri"]).query
        if request["method"] == "POST":
            body = {k: v for k, v in request["body"].items() if k != "token"}  # theirs, not ours
            answer = http.post("/search", json=body)
        elif path.endswith(("/items", "/search")):
            answer = http.get(f"/collections/radar/items?{query}")
        else:
            continue
        count += 1
        assert "features" in answer.json()
        assert answer.status_code == 200, (request, answer.text)
    assert count > 20


def test_the_clients_own_program_searches_and_saves(address, tmp_path):
    def client(*arguments):
        command = [sys.executable, "-m", "pystac_client.cli", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout

    asked = [
        "search",
        address,
        "-c",
        "radar",
        "--query",
        '{"eo:cloud_cover": {"lt": 50}}',
        "--limit",
        "7",
    ]
    saved = tmp_path / "item_collection.json"
    client(*asked, "--save", str(saved))
    found = orjson.loads(saved.read_bytes())["features"]
    assert client(*asked, "--matched") == f"{len(found)} items matched\n"
    asked[asked.index('{"eo:cloud_cover": {"lt": 50}}')] = "eo:cloud_cover<50"  # sent as text
    assert client(*asked, "--matched") == f"{len(found)} items matched\n"
    assert len(found) > 7  # over several pages
    assert {item["collection"] for item in found} == {"radar"}
    assert all(item["properties"]["eo:cloud_cover"] < 50 for item in found)
