"""The catalogue: STAC items and collections, and an API that searches them.

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
from cubestore_catalog.query import Search, Sort

__all__ = [
    "CatalogError",
    "Index",
    "ItemError",
    "Page",
    "RequestError",
    "Search",
    "Sort",
    "TooLargeError",
    "UnknownRecordError",
    "api",
]
