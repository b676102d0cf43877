"""The clients that others wrote, unmodified, against the program that serves a store."""

import json
import re
import subprocess
import sys
from urllib.parse import urlsplit

import httpx
import pystac
import pytest
from jsonschema import Draft201909Validator
from pystac_client import Client

from cubestore_catalog import publish
from cubestore_catalog.stac import terms
from tests.catalog.clients import OPTICAL, SETS, TILES, crowded_store, cut_off, program
from tests.catalog.published import validator

AREA = {"type": "Polygon", "coordinates": [[[1, 48], [6, 48], [6, 52], [1, 52], [1, 48]]]}

CLOUDY = {"op": ">", "args": [{"property": "eo:cloud_cover"}, 30]}
NORTH = {"type": "Point", "coordinates": [3.4, 51.1]}
SIXTH = "TIMESTAMP('2024-01-06T12:00:00Z')"
EVERY = {f"{tile}-{OPTICAL}" for tile in TILES}
LAST = {f"{tile}-{OPTICAL}" for tile in TILES[6:]}

QUERYABLES = "http://www.opengis.net/def/rel/ogc/1.0/queryables"

QUESTIONS = {
    "query_comparison_field": "eo:cloud_cover",
    **{f"query_{name}_value": "20" for name in ("eq", "neq", "lt", "lte", "gt", "gte")},
    "query_substring_field": "title",
    "query_starts_with_value": "Sentinel",
    "query_ends_with_value": "31UDQ",
    "query_contains_value": "tile",
    "query_in_field": "version",  # of one letter: it takes texts for sets of letters
    "query_in_values": "1,2,3",
}

WRONG_COMPLAINTS = {
    r"(Query|Sort) Ext\] : POST .*\"collections\": \"[a-z0-9-]+\"\}.* status code 400 instead": (
        "it posts a text for `collections`; STAC API, Item Search: '[string]', an array of IDs"
    ),
    r"'exclude': \['properties'\], 'include': \['properties\.\S+ response contained fewer than 5": (
        "Fields Extension, 2: 'these fields should be the only fields included'; 5.1: 'if "
        "properties is excluded and properties.datetime is included, then datetime should be the "
        "only nested field in properties'"
    ),
}
"""What the validator finds wrong and is right, as a pattern, and why."""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = crowded_store(tmp_path_factory.mktemp("clients") / "store")
    publish(made.path)
    return made


@pytest.fixture(scope="module")
def served(store):
    with program(store.path) as address:
        yield address


@pytest.fixture
def refused(served, shared_data, monkeypatch):
    """Let the schemas come from the sample data; return what else was asked of the network."""
    from stac_validator import utilities  # noqa: PLC0415 - the tool takes a second

    judge, fetch = validator(shared_data), utilities.fetch_and_parse_file
    known = judge.schema_cache

    def found(address, *more):
        return known[address] if address in known else fetch(address, *more)

    monkeypatch.setattr(utilities, "fetch_and_parse_file", found)
    monkeypatch.setattr("pystac.validation.RegisteredValidator._validator", judge)
    return cut_off(monkeypatch, served)


def complaints(address, collection, *classes):
    """Return what stac-api-validator finds wrong with an API, of its conformance classes."""
    from stac_api_validator.validations import QueryConfig, validate_api  # noqa: PLC0415

    _, errors = validate_api(
        root_url=address,
        ccs_to_validate=list(classes),
        collection=collection,
        geometry=json.dumps(AREA),
        auth_bearer_token=None,
        auth_query_parameter=None,
        fields_nested_property="properties.eo:cloud_cover",
        validate_pagination=True,
        query_config=QueryConfig(**QUESTIONS),
        transaction_collection=None,
        headers=None,
    )
    return [*errors]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # it calls what pystac will drop
def test_the_validator_of_stac_apis_finds_nothing_wrong(served, refused):
    foundations = ("core", "collections", "features", "item-search")
    extensions = ("features#filter", *(f"item-search#{n}" for n in ("filter", "fields", "query")))
    found = complaints(served, OPTICAL, *foundations, *extensions)
    found += complaints(served, "patches", "item-search#sort")  # it cannot sort by intervals
    assert [c for c in found if not any(re.search(k, c) for k in WRONG_COMPLAINTS)] == []
    read = {urlsplit(one.address).hostname for one in terms.OF.values()}
    assert {host.partition(":")[0] for host in refused} <= read  # whether links to terms lead there
    assert all(any(re.search(known, c) for c in found) for known in WRONG_COMPLAINTS)


def asked_for(item):
    """Return what can be asked for of an item: its properties that have a value, and three more."""
    properties = {name: value for name, value in item["properties"].items() if value is not None}
    return {**properties, **{name: item[name] for name in ("id", "collection", "geometry")}}


def is_plain(value):
    return not any(isinstance(one, dict) for one in (value if isinstance(value, list) else [value]))


def test_queryables_are_true_of_every_item_and_need_no_other_document(served):
    listed = httpx.get(f"{served}/collections").json()["collections"]
    for record in (httpx.get(served).json(), *listed):
        (link,) = [one["href"] for one in record["links"] if one["rel"] == QUERYABLES]
        schema = httpx.get(link).json()
        assert schema["$id"] == link
        assert "$ref" not in json.dumps(schema)
        Draft201909Validator.check_schema(schema)
        only = {"collections": record["id"]} if record["type"] == "Collection" else {}
        items = httpx.get(f"{served}/search", params={"limit": 100, **only}).json()["features"]
        for item in items:
            asked = asked_for(item)
            Draft201909Validator(schema).validate(asked)
            plain = {name for name, value in asked.items() if is_plain(value)}
            assert plain < {*schema["properties"]}


@pytest.fixture(scope="module")
def client(served):
    return Client.open(served)


def test_everything_is_valid_as_it_is_served(client, shared_data):
    judge = validator(shared_data)
    found = [client, *client.get_collections(), *client.search().items()]
    assert (
        len(found) == 1 + 5 + len(TILES) + 1 + 1 + len(SETS) + 2
    )  # vectors beside MODIS and a set
    for record in found:
        record.validate(validator=judge)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("question", "answer"),
    [  # cube n was seen on the n-th of January, with 5 n percent of clouds
        ({}, EVERY),
        ({"filter": "eo:cloud_cover > 30", "filter_lang": "cql2-text"}, LAST),
        ({"filter": CLOUDY, "filter_lang": "cql2-json"}, LAST),
        ({"query": {"eo:cloud_cover": {"gt": 30}}}, LAST),
        ({"datetime": "2024-01-07/.."}, LAST),
        ({"filter": f"datetime > {SIXTH}", "filter_lang": "cql2-text"}, LAST),  # null, but it began
        ({"filter": f"NOT datetime < {SIXTH}", "filter_lang": "cql2-text"}, LAST),  # one by one
        ({"ids": [f"31UDQ-{OPTICAL}", "none"]}, {f"31UDQ-{OPTICAL}"}),
        ({"query": {"grid:code": {"eq": "MGRS-31UDQ"}}}, {f"31UDQ-{OPTICAL}"}),
        ({"intersects": NORTH}, {f"31UES-{OPTICAL}"}),
        ({"bbox": [3.3, 51.0, 3.5, 51.1]}, {f"31UES-{OPTICAL}"}),
    ],
)
def test_cubes_are_found_over_pages_and_counted(client, method, question, answer):
    search = client.search(method=method, collections=[OPTICAL], limit=5, **question)
    pages = list(search.pages())
    found = [item.id for page in pages for item in page]
    assert set(found) == answer
    assert len(found) == len(answer) == search.matched()
    assert len(pages) == -(-len(answer) // 5)


def test_cubes_come_in_the_order_and_with_the_members_that_were_asked_for(client):
    fields = ["id", "properties.eo:cloud_cover"]
    search = client.search(collections=[OPTICAL], limit=5, sortby="-eo:cloud_cover", fields=fields)
    assert list(search.items_as_dicts()) == [
        {"id": f"{tile}-{OPTICAL}", "properties": {"eo:cloud_cover": 5.0 * number}}
        for number, tile in reversed([*enumerate(TILES, 1)])
    ]


@pytest.mark.parametrize(("sortby", "tiles"), [("datetime", TILES), ("-datetime", TILES[::-1])])
def test_what_lasts_is_sorted_by_its_beginning(client, sortby, tiles):
    found = client.search(collections=[OPTICAL], limit=5, sortby=sortby).items()
    assert [item.id for item in found] == [f"{tile}-{OPTICAL}" for tile in tiles]


def test_collections_are_listed_by_the_clients_own_program(served):
    command = [sys.executable, "-m", "pystac_client.cli", "collections", served]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    collections = [pystac.Collection.from_dict(one) for one in json.loads(done.stdout)]
    assert [one.id for one in collections] == [
        *("embeddings-rcf-v1.0", "models", "modis-09a1", "patches", OPTICAL)
    ]
