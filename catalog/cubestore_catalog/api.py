"""A STAC API over an index of items, as a Starlette application.

It can be mounted below any path: every link begins with the address that the request was sent to.
What a request gets wrong is answered with a code and a reason, and never ends in a 500.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cubestore_catalog.errors import (
    CatalogError,
    ItemError,
    TooLargeError,
    TooSlowBodyError,
    UnknownRecordError,
)
from cubestore_catalog.search import query
from cubestore_catalog.search.held import Item
from cubestore_catalog.search.index import Index, Page
from cubestore_catalog.web import documents
from cubestore_catalog.web.answers import address_of, answer, refuse, refuse_route
from cubestore_catalog.web.documents import GEOJSON, OPENAPI, QUERYABLES, SCHEMA, Address, Link
from cubestore_catalog.web.parameters import given_once
from cubestore_catalog.web.queryables import queryables

MOST_BYTES = 1_000_000
"""Of a request's body: a country's outline has a tenth of it."""

MOST_SECONDS = 10.0
"""Until a body has arrived."""

METHODS = ("GET", "HEAD", "POST", "OPTIONS")

OURS = frozenset({"self", "root", "parent", "collection", "items", QUERYABLES})
"""Links that depend on where something is served, so the API writes them anew."""

Run = Callable[..., Awaitable[Response]]
"""How a call is made that takes some time: in a thread."""

Adapt = Callable[[Address, Mapping[str, Any]], Mapping[str, Any]]
"""An item or a collection as it is served at an address."""


def api(
    index: Index,
    collections: Iterable[Mapping[str, Any]],
    *,
    title: str = "STAC API",
    description: str = "Items that can be searched by place, time and property.",
    page: str = "",
    run: Run = run_in_threadpool,
    adapt: Adapt = lambda _, record: record,
) -> Starlette:
    """Return a STAC API that serves an index.

    Args:
        index: the items.
        collections: the STAC collections that they belong to, in the order of their listing.
        title: of the landing page.
        description: of the landing page.
        page: path of a page for people, below the API; "": there is none.
        run: how a search is run, which begins with reading what is asked: a filter of a megabyte
            takes a while.
        adapt: makes of an item or a collection what is served at an address.

    Raises:
        ItemError: items belong to a collection that is not among these.
    """
    known = {document["id"]: document for document in collections}
    if strangers := [name for name in index.collections if name not in known]:
        raise ItemError(f"Items belong to {strangers}", expected="collections that are given")
    service = _Service(index, known, title, description, page, run, adapt)
    return Starlette(
        routes=service.routes(),
        middleware=[
            # No credentials: with them any site could read what its visitor may.
            Middleware(
                CORSMiddleware, allow_origins=["*"], allow_methods=METHODS, allow_headers=["*"]
            ),
        ],
        exception_handlers={CatalogError: refuse, HTTPException: refuse_route},
    )


@dataclass(frozen=True, slots=True)
class _Service:
    """The endpoints."""

    index: Index
    collections: Mapping[str, Mapping[str, Any]]
    title: str
    description: str
    page: str
    run: Run
    adapt: Adapt

    def routes(self) -> list[Route]:
        return [
            Route("/", self.landing),
            Route("/api", self.openapi),
            Route("/conformance", self.conformance),
            Route("/queryables", self.queryables),
            Route("/search", self.search, methods=["GET", "POST"]),
            Route("/collections", self.listing),
            Route("/collections/{collection}", self.collection),
            Route("/collections/{collection}/queryables", self.queryables),
            Route("/collections/{collection}/items", self.items),
            Route("/collections/{collection}/items/{item:path}", self.item),
        ]

    async def landing(self, request: Request) -> Response:
        address = address_of(request)
        document = documents.landing(address, self.title, self.description, self.collections)
        if self.page:
            document["links"] += documents.page_links(address, self.page)
        return answer(document)

    async def openapi(self, request: Request) -> Response:
        paths = {
            route.path.replace(":path", ""): sorted((route.methods or set()) - {"HEAD"})
            for route in self.routes()
        }
        return answer(documents.openapi(address_of(request), self.title, paths), OPENAPI)

    async def conformance(self, _: Request) -> Response:
        return answer({"conformsTo": list(documents.CONFORMANCE)})

    async def queryables(self, request: Request) -> Response:
        return await self.run(self._queryables, request)

    async def listing(self, request: Request) -> Response:
        address = address_of(request)
        served = [
            _served_collection(address, self.adapt(address, one))
            for one in self.collections.values()
        ]
        links = [address.link("self", "collections"), address.link("root", "")]
        return answer({"collections": served, "links": links, "numberMatched": len(served)})

    async def collection(self, request: Request) -> Response:
        name, address = self._known(request.path_params["collection"]), address_of(request)
        return answer(_served_collection(address, self.adapt(address, self.collections[name])))

    async def item(self, request: Request) -> Response:
        name = self._known(request.path_params["collection"])
        item = self.index.item(name, request.path_params["item"])
        return answer(self._served(address_of(request), item), GEOJSON)

    async def items(self, request: Request) -> Response:
        name = self._known(request.path_params["collection"])
        return await self.run(self._got, request, {"collections": (name,)})

    async def search(self, request: Request) -> Response:
        if request.method == "POST":
            return await self.run(self._posted, request, await _body(request))
        return await self.run(self._got, request, {})

    def _queryables(self, request: Request) -> Response:
        name = request.path_params.get("collection")
        path = ("queryables",) if name is None else ("collections", self._known(name), "queryables")
        listed = [*self.collections] if name is None else [name]
        properties = self.index.properties(name)
        return answer(queryables(address_of(request).of(*path), properties, listed), SCHEMA)

    def _known(self, name: str) -> str:
        if name not in self.collections:
            raise UnknownRecordError(
                f"There is no collection {name!r}", expected="one that /collections lists"
            )
        return name

    def _got(self, request: Request, fixed: Mapping[str, Any]) -> Response:
        search = replace(query.from_get(given_once(request)), **fixed)
        return self._found(request, search, None)

    def _posted(self, request: Request, content: bytes) -> Response:
        body = query.json(content)
        return self._found(request, query.from_post(body), body)

    def _found(self, request: Request, search: query.Search, body: query.Json) -> Response:
        """Return a page of items; ``body`` is what was posted, if it was."""
        page, address = self.index.search(search), address_of(request)
        found = {
            "type": "FeatureCollection",
            "features": [search.fields.of(self._served(address, item)) for item in page.items],
            "links": _page_links(request, page, body),
            "numberMatched": page.matched,
            "numberReturned": len(page.items),
        }
        return answer(found, GEOJSON)

    def _served(self, address: Address, item: Item) -> dict[str, Any]:
        return _with_links(address, self.adapt(address, item))


def _with_links(address: Address, item: Item) -> dict[str, Any]:
    home = ("collections", item["collection"])
    links = [
        address.link("self", *home, "items", item["id"], media=GEOJSON),
        address.link("parent", *home),
        address.link("collection", *home),
        address.link("root", ""),
    ]
    return {**item, "links": links + _others(item)}


def _served_collection(address: Address, document: Mapping[str, Any]) -> dict[str, Any]:
    home = ("collections", document["id"])
    links = [
        address.link("self", *home),
        address.link("parent", ""),
        address.link("root", ""),
        address.link("items", *home, "items", media=GEOJSON),
        address.link(QUERYABLES, *home, "queryables", media=SCHEMA),
    ]
    return {**document, "links": links + _others(document)}


def _others(document: Mapping[str, Any]) -> list[Link]:
    return [link for link in document.get("links", ()) if link.get("rel") not in OURS]


def _page_links(request: Request, page: Page, body: query.Json) -> list[Link]:
    address = address_of(request)
    here = address.base + quote(request.scope["path"].removeprefix(request.scope["root_path"]))
    asked = f"{here}?{request.url.query}" if request.url.query else here
    links = [address.link("root", ""), {"rel": "self", "type": GEOJSON, "href": asked}]
    if page.token is None:
        return links
    after: Link = {"rel": "next", "type": GEOJSON, "method": request.method}
    if request.method == "POST":
        return [*links, {**after, "href": here, "body": {**body, "token": page.token}}]
    parameters = urlencode({**request.query_params, "token": page.token})
    return [*links, {**after, "method": "GET", "href": f"{here}?{parameters}"}]


async def _body(request: Request) -> bytes:
    """Return a request's body, of which no more is read than allowed."""
    body = bytearray()
    try:
        async with asyncio.timeout(MOST_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    raise TooLargeError(
                        "The body is too large", expected=f"at most {MOST_BYTES} bytes"
                    )
    except TimeoutError as error:
        raise TooSlowBodyError(
            "The body does not arrive", expected=f"all of it in {MOST_SECONDS:g} s"
        ) from error
    return bytes(body)
