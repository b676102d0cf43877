"""What nobody should send: each is refused with a reason, and nothing outside the store is read.

The rows go over a real connection, byte for byte: a client library would tidy them up.
"""

import contextlib
import gzip
import http.client
import itertools
import json
import math
import socket
import time
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
    f"{LOOK}?size=nan",
    f"/quicklook/{CUBE}/inf.png",
    f"{SERIES}?lon=inf&lat=nan",
    "/search/similar?lon=nan&lat=inf",
    "/search/similar?lon=2.05&lat=49&k=nan",
    "/search?limit=nan",
    "/search?limit=1e3",
    "/search?datetime=nan",
    "/search?filter=" + quote("id LIKE '" + "%_" * 2000 + "b'"),
    "/search?filter=" + quote("T_AFTER(datetime, DATE('9999-99-99'))"),
]

ID = {"property": "id"}


def _ring(corners, radii):
    turns = [2 * math.pi * corner / corners for corner in range(corners)]
    places = [
        [round(next(radii) * math.cos(turn), 6), round(next(radii) * math.sin(turn), 6)]
        for turn in turns
    ]
    return [*places, places[0]]


CIRCLE = {"type": "Polygon", "coordinates": [_ring(40_000, itertools.repeat(50))]}
STAR = _ring(1000, itertools.cycle([50, 10, 30]))
"""It crosses itself."""


def _tested(node):
    """Return a filter that no array can answer."""
    return json.dumps(
        {"filter": {"op": "or", "args": [node, {"op": "=", "args": [ID, "a"]}]}}
    ).encode()


def _nested(operator, levels):
    node = ID
    for _ in range(levels):
        node = {"op": operator, "args": [node]}
    return {"op": "=", "args": [node, "a"]}


def _collected(levels):
    node = {"type": "Point", "coordinates": [2, 49]}
    for _ in range(levels):
        node = {"type": "GeometryCollection", "geometries": [node]}
    return node


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
    gzip.compress(b"a" * 10_000_000, mtime=0),  # nobody unpacks it
    b'{"filter": {"op": "=", "args": [{"property": "gsd"}, ' + b"9" * 5000 + b"]}}",
    _tested({"op": "like", "args": ["a" * 400_000, "%a" * 20_000 + "b"]}),
    _tested({"op": "in", "args": [ID, [str(number) for number in range(50_000)]]}),
    _tested({"op": "s_intersects", "args": [{"property": "geometry"}, CIRCLE]}),
    json.dumps({"intersects": {**CIRCLE, "coordinates": [STAR]}}).encode(),
]

HARD = {
    "powers": {"filter": "9^9^9^9 = gsd OR id = 'x'", "filter-lang": "cql2-text"},
    "nothing to divide by": {"filter": "1/0 = gsd OR gsd % 0 = 1", "filter-lang": "cql2-text"},
    "5,000 digits": {"filter": "gsd = " + "9" * 5000, "filter-lang": "cql2-text"},
    "a pattern that is none": {"filter": "id LIKE '(a+)+$' OR 1=2", "filter-lang": "cql2-text"},
    "casei of casei": {"filter": _nested("casei", 25)},
    "100,000 ids": {"ids": [str(number) for number in range(100_000)]},
    "100,000 values": {"query": {"id": {"in": [str(number) for number in range(100_000)]}}},
    "256 properties that nothing has": {"sortby": [{"field": f"p{n}"} for n in range(256)]},
    "40,000 corners": {"intersects": CIRCLE},
    "60,000 points": {
        "intersects": {
            "type": "MultiPoint",
            "coordinates": [[n % 180, n % 90] for n in range(60_000)],
        }
    },
    "collections of collections": {"intersects": _collected(28)},
    "a box over the antimeridian with heights": {"bbox": [170, -10, -100, -170, 10, 1e6]},
    "the poles": {"bbox": [-180, -90, 180, 90]},
}
"""What is answered, whatever it costs: within seconds."""

HOST = b"Host: a\r\nConnection: close\r\n"
POST = b"POST /search HTTP/1.1\r\n" + HOST
AMBIGUOUS = {
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
    "a length and chunks": POST
    + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    "two encodings": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "an encoding of no kind": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a length that is no number": POST + b"Content-Length: 0x5\r\n\r\n",
    "a length of 30 digits": POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
    "a negative chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    "a blank before the colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a NUL": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
    "letters that are no ASCII": "GET /é HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
    "HTTP/0.9": b"GET /\r\n\r\n",
    "another server's page": b"GET http://evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a way through": b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "an echo": b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n",
}

HEADERS = {
    "1,000 ranges": {"Range": "bytes=" + ",".join(f"{n}-{n}" for n in range(1000))},
    "10,000 tags": {"If-None-Match": '"a",' * 10_000},
    "a tag that is none": {"If-Range": "\x7f" * 1000, "Range": "bytes=0-1"},
    "3,000 media types": {"Accept": "text/html;q=0.1," * 3000},
    "a host that is no name": {"Host": "a/b@c<script>"},
    "another protocol": {"Connection": "Upgrade", "Upgrade": "websocket"},
}
"""What is passed over: the answer is the one without."""

EVERYTHING = [
    *("/", "/conformance", "/collections", "/search", "/browse/", "/zarr/", "/zarr/mgrs/"),
    *(f"/zarr/{CUBE}/zarr.json", LOOK, f"/quicklook/{CUBE}/0.json"),
    *(f"{SERIES}?lon=2.05&lat=49", "/search/similar?lon=2.05&lat=49", f"/embedding/{CUBE}/0.png"),
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


@pytest.mark.parametrize("body", BODIES, ids=lambda body: f"{len(body)} {body[:40]!r}")
def test_a_bad_body_is_refused(served, served_store, body):
    status, text = sent(served, "POST", "/search", body)
    refused(served_store, status, text)
    assert set(json.loads(text)) == {"code", "description"}


@pytest.mark.parametrize("body", HARD.values(), ids=HARD.keys())
def test_a_hard_question_is_answered(served, body):
    start = time.process_time()
    status, text = sent(served, "POST", "/search", json.dumps(body).encode())
    assert status == 200, text[:300]
    assert time.process_time() - start < 2  # the service is a thread of this process


@pytest.mark.parametrize("said", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_is_ambiguous_is_refused_and_nothing_after_it_read(served, said):
    place = urlsplit(served)
    with socket.create_connection((place.hostname, place.port), timeout=5) as connection:
        connection.sendall(said)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.split(b" ", 2)[1] in {b"400", b"404", b"405"}
    assert b"smuggled" not in answer


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS.keys())
def test_headers_that_mean_nothing_are_passed_over(web, headers):
    plain = web.get(f"/zarr/{CUBE}/zarr.json")
    answer = web.get(f"/zarr/{CUBE}/zarr.json", headers=headers)
    assert (answer.status_code, answer.content) == (200, plain.content)


@pytest.mark.parametrize("target", EVERYTHING)
def test_head_and_options_are_answered_where_get_is(web, target):
    get, head, options = (web.request(method, target) for method in ("GET", "HEAD", "OPTIONS"))
    assert (get.status_code, head.status_code, head.content) == (200, 200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.headers["content-length"] == get.headers["content-length"]
    assert options.status_code == 204
    assert set(options.headers["allow"].split(", ")) >= {"GET", "HEAD", "OPTIONS"}


def test_a_request_that_never_ends_is_cut(served):
    with contextlib.suppress(ConnectionError):  # it hangs up while we still talk
        assert sent(served, "GET", "/search?filter=" + "a" * 2_000_000)[0] == 400
    assert sent(served, "GET", "/conformance")[0] == 200


def test_there_are_nearly_two_hundred():
    tables = (PLACES, QUERIES, BODIES, HARD, AMBIGUOUS, HEADERS, EVERYTHING)
    assert sum(map(len, tables)) >= 189
