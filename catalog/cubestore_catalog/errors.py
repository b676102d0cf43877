"""What a catalogue refuses, drawn as a tree; each error names the HTTP status that it becomes.

CatalogError (CubestoreError)
├── RequestError (ValueError)          400  a parameter that cannot be understood
│   └── TooLargeError                  413  a body beyond what is read
├── UnknownRecordError (KeyError)      404  no collection or item of that id
└── ItemError (ValueError)             500  an item or collection that cannot be served
"""

from typing import ClassVar

from cubestore.errors import CubestoreError


class CatalogError(CubestoreError):
    """Whatever the catalogue refuses."""

    status: ClassVar[int] = 500
    """The HTTP status of the answer."""


class RequestError(CatalogError, ValueError):
    """A request whose parameters cannot be understood."""

    status = 400


class TooLargeError(RequestError):
    """A request whose body is larger than what is read."""

    status = 413


class UnknownRecordError(CatalogError, KeyError):
    """There is no collection or item of that id."""

    status = 404


class ItemError(CatalogError, ValueError):
    """An item or a collection that cannot be served; raised before anything is."""
