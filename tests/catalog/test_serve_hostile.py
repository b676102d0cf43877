"""What nobody should send: each is refused with a reason, and nothing outside the store is read.

The rows go over a real connection, byte for byte: a client library would tidy them up.
"""

import contextlib
import http.client
import json
from urllib.parse import quote, urlsplit

import pytest

CUBE = "mgrs/31UDQ/landsat-c2-l2"
LOOK = f"/quicklook/{CUBE}/0.png"
SERIES = f"/series/{CUBE}"

UP = (
    "..",
    "../..",
    "../../../../../../../../etc/passwd",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "..%252f..%252fetc%252fpasswd",
    "%c0%ae%c0%ae/etc/passwd",
    "..%5c..%5cetc%5cpasswd",
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "zarr.json%00.png",
    "mgrs/31UDQ/landsat-c2-l2/../../../../secret",
    "mgrs/31UDQ/landsat-c2-l2/%2e%2e/%2e%2e/%2e%2e/%2e%2e/secret",
    "mgrs/31UDQ/./landsat-c2-l2/zarr.json",
    "mgrs/31UDQ/.control/landsat-c2-l2/lock",
    "mgrs/31UDQ/%2econtrol/landsat-c2-l2/lock",
    "mgrs/31UDQ/.control/landsat-c2-l2/commits/../lock",
    "mgrs/31UDQ/.control/../.control/landsat-c2-l2/commits/0000000.json",
    "mgrs/31UDQ/.control/landsat-c2-l2/commits/0000000.json/",
    "mgrs/31UDQ/landsat-c2-l2/zarr.json%0a",
    "mgrs/31UDQ/landsat-c2-l2/" + "a" * 5000,
    "mgrs/" + "a/" * 3000 + "zarr.json",
    "~root/.ssh/id_rsa",
    "file:///etc/passwd",
    "proc/self/environ",
    "mgrs/31UDQ/landsat-c2-l2/zarr.json;ls",
    "mgrs/31UDQ/landsat-c2-l2/\u202e".encode().hex(),
)
"""Paths out of a store, or to what is not served of it."""

PLACES = [
    *(f"/zarr/{path}" for path in UP),
    *(f"/quicklook/{path}/0.png" for path in UP[:8]),
    f"/quicklook/{CUBE}/..%2f..%2fzarr.json",
    f"/quicklook/{CUBE}/" + "9" * 400 + ".png",
    f"/quicklook/{CUBE}/%D9%A1.png",  # a digit, but not one of ours
    f"/quicklook/{CUBE}/1e3.png",
    "/quicklook/mgrs/31UDQ/..%2fsentinel-2-l2a/0.png",
    "/embedding/mgrs/..%2f..%2fetc/passwd/0.png",
    f"/embedding/{CUBE}/0.png?model=..%2f..%2fetc%2fpasswd",
    f"/embedding/{CUBE}/0.png?model=%00",
    "/chip/..%2f..%2f..%2fetc%2fpasswd.png",
    "/chip/" + "a-" * 2000 + "1-1-1-1.png",
    "/chip/31UDQ-landsat-c2-l2-x-0-99999-99999-99999.png",
    "/browse/..%2f..%2f..%2fetc%2fpasswd",
    "/browse/%2e%2e/%2e%2e/api.py",
    "/browse/%00",
    "/collections/..%2f..%2fetc%2fpasswd",
    "/collections/landsat-c2-l2/items/..%2f..%2f..%2fetc%2fpasswd",
    "/collections/%ff%fe/items",
]

QUERIES = [
    f"{LOOK}?size=99999999999999999999",
    f"{LOOK}?size=-1",
    f"{LOOK}?size=%EF%BC%91",
    f"{LOOK}?bands=" + ",".join(["B4"] * 5000),
    f"{LOOK}?bands=__class__",
    f"{LOOK}?bands=..%2f..%2fetc",
    f"{LOOK}?rescale=nan,nan",
    f"{LOOK}?rescale=-inf,inf",
    f"{LOOK}?rescale=1e999,2e999",
    f"{LOOK}?rescale=" + "0,1;" * 5000,
    f"{LOOK}?colormap=..%2f..%2fetc%2fpasswd",
    f"{LOOK}?index=__import__('os')",
    f"{LOOK}?%00=1",
    f"{SERIES}?lon=1e999&lat=49",
    f"{SERIES}?lon=2&lat=-1e999",
    f"{SERIES}?lon=%00&lat=49",
    f"{SERIES}?lon=2.05&lat=49&bands=" + "B4," * 5000,
    f"{SERIES}?lon=2_0&lat=4_9",
    "/search/similar?lon=2.05&lat=49&k=99999999999999999999",
    "/search/similar?lon=2.05&lat=49&k=1.5",
    "/search/similar?chip=..%2f..%2fetc%2fpasswd",
    "/search/similar?chip=" + "9" * 5000,
    "/search/similar?lon=2.05&lat=49&datetime=" + "9" * 5000,
    "/search/similar?lon=2.05&lat=49&model=%27%20OR%201=1",
    "/search?limit=99999999999999999999999999",
    "/search?limit=-5",
    "/search?bbox=nan,nan,nan,nan",
    "/search?bbox=-1e999,0,1e999,1",
    "/search?bbox=" + "1," * 9000 + "1",
    "/search?datetime=0000-00-00T00:00:00Z",
    "/search?datetime=" + "1" * 9000,
    "/search?token=" + "A" * 9000,
    "/search?token=..%2f..%2fetc%2fpasswd",
    "/search?sortby=" + "id," * 5000,
    "/search?fields=" + "a.b.c," * 5000,
    "/search?intersects=" + "[" * 5000,
    "/search?filter=" + "(" * 9000 + "1=1" + ")" * 9000,
    "/search?filter=" + quote("NOT " * 2000 + "a=1"),
    "/search?filter=" + quote(" OR ".join(["a LIKE '%a%b%c%'"] * 2000)),
    "/search?filter=" + quote("casei(" * 500 + "a" + ")" * 500 + "='a'"),
    "/search?filter=%FF%FE",
    "/search?filter=" + quote("1=1; DROP TABLE items"),
    "/search?filter=" + quote("S_INTERSECTS(geometry, POLYGON((nan nan, 1 1, 2 2, nan nan)))"),
]

BODIES = [
    b"",
    b"\x00",
    b"\xff\xfe\xfd",
    b"[" * 500_000,
    b'{"a":' * 100_000,
    b'{"limit": NaN}',
    b'{"limit": 1e400}',
    b'{"limit": -0}',
    b'{"bbox": [null, null, null, null]}',
    b'{"bbox": [1e308, 1e308, 1e308, 1e308]}',
    b'{"ids": ["\\ud800"]}',
    b'{"ids": [[[[]]]]}',
    b'{"ids": "' + b"a" * 2_000_000 + b'"}',
    b'{"collections": {"$ne": null}}',
    b'{"query": {"id": {"$where": "1"}}}',
    b'{"query": {"__proto__": 1}}',
    json.dumps({"query": {f"p{n}": {"eq": n} for n in range(20_000)}}).encode(),
    json.dumps({"sortby": [{"field": f"p{n}"} for n in range(20_000)]}).encode(),
    json.dumps({"fields": {"include": [f"a.{n}" for n in range(20_000)]}}).encode(),
    json.dumps({"filter": {"op": "and", "args": [[]] * 50_000}}).encode(),
    json.dumps({"filter": {"op": "evil", "args": []}}).encode(),
    json.dumps({"filter": {"op": "like", "args": [{"property": "id"}, {"a": 1}]}}).encode(),
    json.dumps({"intersects": {"type": "Polygon", "coordinates": [[[0, 0]] * 3]}}).encode(),
    json.dumps({"intersects": {"type": "Point", "coordinates": [[[[]]]]}}).encode(),
    json.dumps({"intersects": {"type": "Feature", "geometry": None}}).encode(),
    json.dumps({"token": "A" * 100_000}).encode(),
    json.dumps({"datetime": ["2020-01-01T00:00:00Z"]}).encode(),
]


def sent(address, method, target, body=None):
    """Send a request as it is; return the status and the text of the answer."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    connection._validate_path = lambda _: None
    connection.request(method, target, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    status, text = answer.status, answer.read()
    connection.close()
    return status, text


def refused(served_store, status, text):
    assert 400 <= status < 500, (status, text[:300])
    assert b"root:" not in text
    assert b"Traceback" not in text
    assert b'"lock"' not in text
    assert served_store.path.encode() not in text


@pytest.mark.parametrize("target", PLACES, ids=lambda target: target[:60])
def test_there_is_no_way_out(served, served_store, target):
    status, text = sent(served, "GET", target)
    refused(served_store, status, text)
    assert set(json.loads(text)) == {"code", "description"}


@pytest.mark.parametrize("target", QUERIES, ids=lambda target: target[:60])
def test_a_bad_parameter_is_refused(served, served_store, target):
    status, text = sent(served, "GET", target)
    refused(served_store, status, text)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:40]))
def test_a_bad_body_is_refused(served, served_store, body):
    status, text = sent(served, "POST", "/search", body)
    refused(served_store, status, text)
    assert set(json.loads(text)) == {"code", "description"}


def test_a_request_that_never_ends_is_cut(served):
    with contextlib.suppress(ConnectionError):  # it hangs up while we still talk
        assert sent(served, "GET", "/search?filter=" + "a" * 2_000_000)[0] == 400
    assert sent(served, "GET", "/conformance")[0] == 200


def test_there_are_about_a_hundred():
    assert len(PLACES) + len(QUERIES) + len(BODIES) >= 100
