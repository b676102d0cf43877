"""Search APIs and token services that lie, stall or never come to an end."""

import itertools
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from cubestore_pipelines.simulate.assets import COLLECTION
from cubestore_pipelines.simulate.faults import Fault, Kind
from cubestore_pipelines.simulate.server import STAC, serving
from tests.faults import ingest, site
from tests.faults.site import Json, give_json
from tests.faults.table import Row

TOKENS, SEARCH = "/api/sas/*", f"{STAC}/search"
BUDGET = 60.0
"""Seconds within which a build with ``--timeout 2`` must have given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What the simulated server does to a search or to a request for a token."""

    name: str
    faults: tuple[Fault, ...]
    status: int = 0


SERVED = (
    Served(name="503 twice to POST", faults=(Fault(SEARCH, Kind.STATUS, times=2),)),
    Served(name="503 for ever to POST", faults=(Fault(SEARCH, Kind.STATUS, times=None),), status=1),
    Served(
        name="429 with Retry-After",
        faults=(Fault(SEARCH, Kind.STATUS, status=429, retry_after="1"),),
    ),
    Served(name="a dropped search", faults=(Fault(SEARCH, Kind.RESET),)),
    Served(name="a search that answers slowly", faults=(Fault(SEARCH, Kind.TRICKLE, seconds=1.0),)),
    Served(name="a search that stalls", faults=(Fault(SEARCH, Kind.STALL, times=None),), status=1),
    Served(name="a page in HTML", faults=(Fault(SEARCH, Kind.LOGIN_PAGE, times=None),), status=1),
    Served(
        name="a search that says: in an hour",
        faults=(Fault(SEARCH, Kind.STATUS, status=429, retry_after="3600", times=None),),
        status=1,
    ),
    Served(
        name="503 to POST and for a token",
        faults=(Fault(SEARCH, Kind.STATUS, times=2), Fault(TOKENS, Kind.STATUS)),
    ),
    Served(name="503 twice for a token", faults=(Fault(TOKENS, Kind.STATUS, times=2),)),
    Served(
        name="503 for ever for a token", faults=(Fault(TOKENS, Kind.STATUS, times=None),), status=3
    ),
    Served(
        name="a token that says: in an hour",
        faults=(Fault(TOKENS, Kind.STATUS, status=429, retry_after="3600", times=None),),
        status=3,
    ),
    Served(
        name="a token that stalls",
        faults=(Fault(TOKENS, Kind.STALL, times=None, seconds=3600.0),),
        status=3,
    ),
)
"""What transient faults must not prevent, and what permanent ones must not hide."""


@dataclass(slots=True)
class Api:
    """A STAC API of a few lines, which does as it likes."""

    items: list[Json]
    calls: "itertools.count[int]" = field(default_factory=itertools.count)

    def __call__(self, handler: BaseHTTPRequestHandler, _: bytes) -> None:
        """Answer a request."""
        host = f"http://{handler.headers['Host']}"
        if handler.path.startswith("/collections"):
            self.collections(handler, host)
        elif handler.path.startswith("/search"):
            self.search(handler, host)
        else:
            self.landing(handler, host)

    def landing(self, handler: BaseHTTPRequestHandler, host: str) -> None:
        """Answer with the landing page."""
        give_json(handler, landing(host))

    def collections(self, handler: BaseHTTPRequestHandler, host: str) -> None:
        """Answer with the collections."""
        give_json(handler, collections(host))

    def search(self, handler: BaseHTTPRequestHandler, _host: str) -> None:
        """Answer with all items."""
        give_json(handler, page(self.items))


def landing(host: str) -> Json:
    """Return a landing page."""
    links = [
        {"rel": "self", "href": f"{host}/"},
        {"rel": "root", "href": f"{host}/"},
        {"rel": "search", "href": f"{host}/search", "method": "POST"},
        {"rel": "data", "href": f"{host}/collections"},
    ]
    conforms = [
        f"https://api.stacspec.org/v1.0.0/{part}" for part in ("core", "item-search", "collections")
    ]
    head = {"type": "Catalog", "id": "api", "stac_version": "1.0.0", "description": "An API."}
    return {**head, "conformsTo": conforms, "links": links}


def collections(host: str, **more: Any) -> Json:
    """Return a page of collections."""
    extent = {
        "spatial": {"bbox": [[-180, -90, 180, 90]]},
        "temporal": {"interval": [[None, None]]},
    }
    one = {"type": "Collection", "id": COLLECTION, "stac_version": "1.0.0", "description": "All."}
    one |= {"license": "other", "extent": extent, "links": []}
    return {"collections": [one], "links": more.get("links", [{"rel": "self", "href": host}])}


def page(items: Sequence[Any], *links: Json) -> Json:
    """Return a page of items."""
    return {"type": "FeatureCollection", "features": list(items), "links": list(links)}


def following(host: str, path: str = "/search?again", method: str = "GET") -> Json:
    """Return a link to a next page."""
    return {"rel": "next", "href": f"{host}{path}", "method": method}


class Repeating(Api):
    """Each page is the first one."""

    def search(self, handler: BaseHTTPRequestHandler, host: str) -> None:
        """Answer with all items, and the promise of more."""
        give_json(handler, page(self.items, following(host)))


class Endless(Api):
    """Each page brings thousands of new items."""

    def search(self, handler: BaseHTTPRequestHandler, host: str) -> None:
        """Answer with items nobody has seen."""
        number, small = next(self.calls), {"id": "", "properties": {}, "assets": {"a": {}}}
        small["properties"] = {"datetime": "2023-07-18T00:00:00Z"}
        items = [{**small, "id": f"{number}-{k}"} for k in range(10_000)]
        give_json(handler, page(items, following(host)))


class Overlapping(Api):
    """Each item is on two pages."""

    def search(self, handler: BaseHTTPRequestHandler, host: str) -> None:
        """Answer with an item and the one before."""
        number = int(handler.path.partition("=")[2] or 0)
        items = self.items[max(number - 1, 0) : number + 1]
        more = [following(host, f"/search?page={number + 1}")] * (number < len(self.items) - 1)
        give_json(handler, page(items, *more))


class EndlessCollections(Api):
    """The list of collections never ends."""

    def collections(self, handler: BaseHTTPRequestHandler, host: str) -> None:
        """Answer with the first page again."""
        give_json(handler, collections(host, links=[following(host, "/collections?again")]))


class Nonsense(Api):
    """Features that are none, among those that are."""

    def search(self, handler: BaseHTTPRequestHandler, _host: str) -> None:
        """Answer with anything."""
        give_json(handler, page([None, "x", 7, [], {}, {"id": "x"}, *self.items]))


class NoLinks(Api):
    """A landing page whose links are null."""

    def landing(self, handler: BaseHTTPRequestHandler, host: str) -> None:
        """Answer without links."""
        give_json(handler, {**landing(host), "links": None})


class SlowHeader(Api):
    """The header of the answer to a search comes byte by byte, and never ends."""

    def search(self, handler: BaseHTTPRequestHandler, _host: str) -> None:
        """Answer with a header without end."""
        trickle(handler, b"HTTP/1.1 200 OK\r\nX-Slow: ")


class SlowBody(Api):
    """The answer to a search comes byte by byte, and never ends."""

    def search(self, handler: BaseHTTPRequestHandler, _host: str) -> None:
        """Answer with a body without end."""
        trickle(handler, b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")


def trickle(handler: BaseHTTPRequestHandler, start: bytes, gap: float = 0.5) -> None:
    """Send a byte now and then, until the other side has had enough."""
    handler.wfile.write(start)
    while True:
        time.sleep(gap)
        handler.wfile.write(b" ")


LYING: tuple[tuple[str, Callable[[list[Json]], Api], int], ...] = (
    ("pages that repeat themselves", Repeating, 1),
    ("pages without end", Endless, 1),
    ("collections without end", EndlessCollections, 1),
    ("items that are on two pages", Overlapping, 0),
    ("features that are none", Nonsense, 3),
    ("a landing page without links", NoLinks, 1),
    ("a search whose header trickles", SlowHeader, 1),
    ("a search whose body trickles", SlowBody, 1),
)
"""APIs, and the exit status of a build from them."""


def searches(base: Path) -> Iterator[Row]:
    """Search, and ask for tokens, where that goes wrong."""
    one = ingest.case(base / "case", [ingest.Spoilt(name="sound")] * 2)
    for served in SERVED:
        yield from_served(base, one, served)
    for name, kind, status in LYING:
        yield from_lying(base, one, name, kind(one.sound.items), status)


def from_served(base: Path, one: ingest.Case, served: Served) -> Row:
    """Build from the simulated server while it does something wrong."""
    row, store = Row(served.name), base / served.name.replace(":", "")
    with serving(one.sound) as server:
        server.faults.inject(*served.faults)
        _judge(row, store, one, served.status, lambda: _build(store, server.stac_url, server))
    return row.done()


def from_lying(base: Path, one: ingest.Case, name: str, api: Api, status: int) -> Row:
    """Build from an API that lies; the files are where they always are."""
    row, store = Row(name), base / name
    with serving(one.sound) as server, site.hosting(api) as lying:
        url = f"http://127.0.0.1:{lying.port}/"
        _judge(row, store, one, status, lambda: _build(store, url, server))
    return row.done()


def _build(store: Path, url: str, server: Any) -> site.Done:
    return site.build(store, url, "--timeout", 2, server=server, place=site.NORTH, timeout=BUDGET)


def _judge(
    row: Row, store: Path, one: ingest.Case, status: int, build: Callable[[], site.Done]
) -> None:
    row.trials += 1
    try:
        done = build()
    except subprocess.TimeoutExpired:
        row.failures.append(f"it hangs: no end within {BUDGET:.0f} s")
        return
    row.failures += done.problems
    if done.status != status:
        row.failures.append(f"exit status {done.status}, not {status}: {done.stderr[-500:]}")
    there = site.slots(store)
    whole = len(there) == (0 if status else len(one.granules)) or name_of(row) == "features"
    if not whole:
        row.failures.append(f"{len(there)} slots")
    row.failures += site.wrong(store, one.sound, site.NORTHERN)
    row.new += len(there)


def name_of(row: Row) -> str:
    """Return the first word of what is tried."""
    return row.fault.partition(" ")[0]
