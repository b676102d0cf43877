"""The catalogue: STAC items and collections, and an API that searches them.

    publish("STORE")                              # static JSON and GeoParquet, STORE/catalog
    items, collections = load("STORE")
    index = Index(items)
    app = api(index, collections, title="Cubes of the Danube")

``app`` is a Starlette application for any ASGI server, and can be mounted below a path.
"""

from cubestore_catalog.api import api
from cubestore_catalog.errors import (
    CatalogError,
    ItemError,
    RequestError,
    TooLargeError,
    UnknownRecordError,
)
from cubestore_catalog.index import Index, Page
from cubestore_catalog.parquet import load
from cubestore_catalog.publish import Published, publish
from cubestore_catalog.query import Search, Sort

__all__ = [
    "CatalogError",
    "Index",
    "ItemError",
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
]
