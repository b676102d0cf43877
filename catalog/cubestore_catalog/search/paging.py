"""Where a page ended, as a token: the sort values and the key of its last item.

A position and no offset: items that come or go between two pages shift nothing.
"""

import base64
import binascii
from collections.abc import Sequence

import orjson

from cubestore_catalog.errors import RequestError

Key = tuple[int, str, str]
"""What items are ordered by: microseconds before 1970, id, collection."""


def write(values: Sequence[object], key: Key) -> str:
    """Return the token of the page that ends with an item.

    Args:
        values: the item's values of the properties that are sorted by.
        key: its place in the order of all items.
    """
    content = orjson.dumps([[one if _scalar(one) else None for one in values], *key])
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def read(token: str, count: int) -> tuple[list[object], Key]:
    """Return the values and the key of a token.

    Args:
        token: as `write` made it.
        count: of how many properties the search sorts by.

    Raises:
        RequestError: the token is none of such a search.
    """
    try:
        padded = token + "=" * (-len(token) % 4)
        document = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError) as error:
        raise _wrong(token) from error
    match document:
        case [list(values), int(when), str(item_id), str(collection)]:
            if len(values) == count and all(map(_scalar, values)):
                return values, (when, item_id, collection)
    raise _wrong(token)


def _scalar(value: object) -> bool:
    return value is None or type(value) in (str, int, float)


def _wrong(token: str) -> RequestError:
    return RequestError(
        f"The token {token!r:.60} is none of this search",
        expected="the token of the next link, with all other parameters as before",
    )
