"""The catalogue: STAC items and collections, an API that searches them, and all of a store by HTTP.

    publish("STORE")                              # static JSON and GeoParquet, STORE/catalog
    items, collections = load("STORE")
    index = Index(items)
    app = api(index, collections, title="Cubes of the Danube")
    app = service("STORE")

``app`` is a Starlette application for any ASGI server, and can be mounted below a path; ``api``
serves a catalogue, ``service`` that of a store with its pixels.
"""

from cubestore_catalog.api import api
from cubestore_catalog.errors import (
    CatalogError,
    ItemError,
    OverloadError,
    RequestError,
    TooLargeError,
    UnknownRecordError,
)
from cubestore_catalog.publish import Published, publish
from cubestore_catalog.search.index import Index, Page
from cubestore_catalog.search.parquet import load
from cubestore_catalog.search.query import Search, Sort
from cubestore_catalog.service import service

__all__ = [
    "CatalogError",
    "Index",
    "ItemError",
    "OverloadError",
    "Page",
    "Published",
    "RequestError",
    "Search",
    "Sort",
    "TooLargeError",
    "UnknownRecordError",
    "api",
    "load",
    "publish",
    "service",
]
