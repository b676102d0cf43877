"""What a catalogue refuses, drawn as a tree; each error names the HTTP status that it becomes.

CatalogError (CubestoreError)
├── RequestError (ValueError)          400  a parameter that cannot be understood
│   ├── TooLargeError                  413  a body beyond what is read
│   └── TooSlowBodyError               408  a body that does not arrive
├── UnknownRecordError (KeyError)      404  no collection, item, file or picture of that name
├── OverloadError (TimeoutError)       503  more than can be done now, or in the time that there is
├── ItemError (ValueError)             500  an item or collection that cannot be served
├── AddressError (ValueError)               an address by which no service can be seen
└── PortError (OSError)                     an address that cannot be listened at
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


class TooSlowBodyError(RequestError):
    """A request whose body takes longer to arrive than anyone waits."""

    status = 408


class UnknownRecordError(CatalogError, KeyError):
    """There is no collection, item, file or picture of that name."""

    status = 404


class OverloadError(CatalogError, TimeoutError):
    """More is asked for than can be done now, or in the time that a request has."""

    status = 503


class ItemError(CatalogError, ValueError):
    """An item or a collection that cannot be served; raised before anything is."""


class AddressError(CatalogError, ValueError):
    """An address by which no service can be seen."""


class PortError(CatalogError, OSError):
    """An address that cannot be listened at."""
