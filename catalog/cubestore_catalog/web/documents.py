"""What the API says about itself: landing page, conformance, its description."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from cubestore_catalog.search.query import ASKED
from cubestore_catalog.stac.records import STAC_VERSION

JSON = "application/json"
GEOJSON = "application/geo+json"
SCHEMA = "application/schema+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
QUERYABLES = "http://www.opengis.net/def/rel/ogc/1.0/queryables"

STAC = "https://api.stacspec.org/v1.0.0"
FEATURES = "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf"
FILTER = "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf"
CQL2 = "http://www.opengis.net/spec/cql2/1.0/conf"

CONFORMANCE = (
    *(f"{STAC}/{part}" for part in ("core", "collections", "ogcapi-features", "item-search")),
    *(f"{STAC}/item-search#{part}" for part in ("fields", "sort", "query")),
    *(f"{STAC}/ogcapi-features#{part}" for part in ("fields", "sort", "query")),
    "https://api.stacspec.org/v1.0.0-rc.2/item-search#filter",
    *(f"{FEATURES}/{part}" for part in ("core", "geojson", "oas30")),
    *(f"{FILTER}/{part}" for part in ("filter", "features-filter")),
    *(f"{CQL2}/{part}" for part in ("cql2-text", "cql2-json", "basic-cql2")),
)
"""The classes that are kept; those of the filter never left their release candidate."""

SEARCHED = ("/search", "/items")
"""How paths end at which items are searched."""

BODY = {"required": True, "content": {JSON: {"schema": {"type": "object"}}}}
"""A search that is posted."""

Link = dict[str, Any]


class Address:
    """Where the API lies, as the one who asks sees it.

    Args:
        base: the URL of the landing page, without a slash at its end.
    """

    def __init__(self, base: str) -> None:
        self.base = base

    def of(self, *parts: str) -> str:
        """Return the URL of a path below the landing page."""
        return f"{self.base}/{'/'.join(quote(part, safe='') for part in parts)}"

    def link(self, rel: str, *parts: str, media: str = JSON, **more: str) -> Link:
        """Return a link to a path below the landing page."""
        return {"rel": rel, "type": media, "href": self.of(*parts), **more}


def landing(address: Address, title: str, description: str, children: Mapping[str, Any]) -> Link:
    """Return the landing page.

    Args:
        address: where the API lies.
        title: for people.
        description: for people; its first words make the id.
        children: the collections by id.
    """
    return {
        "type": "Catalog",
        "id": "-".join(title.lower().split()),
        "title": title,
        "description": description,
        "stac_version": STAC_VERSION,
        "conformsTo": list(CONFORMANCE),
        "links": [
            *_landing_links(address),
            *(_child(address, name, document) for name, document in children.items()),
        ],
    }


def page_links(address: Address, path: str) -> list[Link]:
    """Return links to a page for people, at a path below the landing page."""
    titles = {
        "alternate": "The same as a page",
        "service-doc": "A page that shows what can be asked",
    }
    page = {"type": "text/html", "href": f"{address.base}/{path}"}
    return [{"rel": rel, **page, "title": title} for rel, title in titles.items()]


def openapi(address: Address, title: str, paths: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the OpenAPI description.

    Args:
        address: where the API lies.
        title: for people.
        paths: the methods of each path.
    """
    return {
        "openapi": "3.0.3",
        "info": {"title": title, "version": "1.0.0"},
        "servers": [{"url": address.base}],
        "paths": {
            path: {method.lower(): _operation(path, method) for method in methods}
            for path, methods in paths.items()
        },
    }


def _landing_links(address: Address) -> list[Link]:
    return [
        address.link("self", ""),
        address.link("root", ""),
        address.link("conformance", "conformance"),
        address.link("data", "collections"),
        address.link("search", "search", media=GEOJSON, method="GET"),
        address.link("search", "search", media=GEOJSON, method="POST"),
        address.link(QUERYABLES, "queryables", media=SCHEMA),
        address.link("service-desc", "api", media=OPENAPI, title="OpenAPI description"),
    ]


def _child(address: Address, name: str, document: Mapping[str, Any]) -> Link:
    return address.link("child", "collections", name, title=document.get("title") or name)


def _operation(path: str, method: str) -> dict[str, Any]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    asked = ASKED if path.endswith(SEARCHED) and method == "GET" else ()
    answers = {"200": "OK", "400": "Wrong parameters", "404": "There is none of that name"}
    return {
        "parameters": [
            *(_parameter(name, "path") for name in names),
            *(_parameter(name, "query") for name in asked),
        ],
        **({"requestBody": BODY} if method == "POST" else {}),
        "responses": {code: {"description": text} for code, text in answers.items()},
    }


def _parameter(name: str, place: str) -> dict[str, Any]:
    schema = {"type": "integer" if name == "limit" else "string"}
    return {"name": name, "in": place, "required": place == "path", "schema": schema}
