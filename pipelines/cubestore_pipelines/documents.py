"""STAC documents that cannot search for themselves: files, folders and static catalogues.

Each reader yields items as JSON, with the address from which their relative addresses start.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

from cubestore_pipelines.addresses import Policy, policy
from cubestore_pipelines.errors import CatalogError
from cubestore_pipelines.items import resolve
from cubestore_pipelines.transfer import fetch

Json = Mapping[str, Any]

MOST_BYTES = 256 * 2**20
"""Of one document."""

MOST_DOCUMENTS = 100_000
"""Of one static catalogue."""


def load(address: str, *, timeout: float, policy: Policy | None = None) -> Json:
    """Return the JSON object at a path or an address.

    Args:
        address: the user's word, or that of a catalogue.
        timeout: seconds for an answer.
        policy: where a catalogue may point to; None: the address is the user's.

    Raises:
        CatalogError: nothing is there, or no JSON object.
    """
    data = _bytes(address, timeout, policy or Policy(local=True))
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise CatalogError(
            f"{address} holds no JSON object; it begins with {bytes(data[:40])!r}",
            expected="STAC",
            remedy="check the address given with --catalog",
        )
    return document


def _bytes(address: str, timeout: float, policy: Policy) -> bytes:
    try:
        path = policy.path(address)
        if path is None:
            return fetch(address, timeout=timeout, most=MOST_BYTES, policy=policy)
        return path.read_bytes()
    except OSError as error:
        reason = getattr(error, "found", None) or error.strerror or str(error)
        raise CatalogError(
            f"The catalogue {address} cannot be read: {reason}",
            expected="a STAC API, catalogue, ItemCollection or stac-geoparquet file",
            remedy="check what was given with --catalog",
        ) from None


def base(feature: Json, collection: str) -> str:
    """Return where the relative addresses of an item in an ItemCollection start.

    They were written where the item lay by itself, if it says where that was.
    """
    listed = links(feature) if isinstance(feature, Mapping) else []
    urls = (str(link.get("href", "")) for link in listed if link.get("rel") == "self")
    own = next(urls, "")
    return own if "://" in own and "://" in collection else collection


def links(document: Json) -> list[Json]:
    """Return the links of a document, those that are any."""
    listed = document.get("links")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def folder(path: Path) -> Iterator[tuple[Json, str]]:
    """Yield the items of a folder and of those below it, by name."""
    for file in sorted(path.rglob("*.json")):
        document = load(str(file), timeout=0)
        if document.get("type") == "FeatureCollection":
            for feature in document.get("features", ()):
                yield feature, base(feature, str(file))
        elif document.get("type") == "Feature" and "assets" in document:
            yield document, str(file)


def geoparquet(address: str) -> Iterator[tuple[Json, str]]:
    """Yield the items of a stac-geoparquet file.

    Raises:
        CatalogError: it cannot be read as one.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - half a second, for those who need it
    from stac_geoparquet.arrow import stac_table_to_items  # noqa: PLC0415 - the same

    try:
        table = pq.read_table(address)
        items = list(stac_table_to_items(table))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CatalogError(
            f"{address} cannot be read as stac-geoparquet: {error}",
            expected="a Parquet file that stac-geoparquet or rustac has written",
            remedy="check what was given with --catalog",
        ) from None
    for item in items:
        yield _without_nulls(item), base(item, address)


def _without_nulls(item: Json) -> Json:
    """A table gives every item every column: leave out what the item did not have."""
    return {
        **item,
        "properties": _filled(item.get("properties") or {}),
        "assets": {
            key: _filled(asset) for key, asset in (item.get("assets") or {}).items() if asset
        },
    }


def _filled(fields: Json) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def walk(
    document: Json, address: str, enters: Callable[[Json], bool], *, timeout: float
) -> Iterator[tuple[Json, str]]:
    """Yield the items of a static catalogue, each document read once.

    Args:
        document: the root.
        address: its own.
        enters: whether to look into a collection.
        timeout: seconds for each document.

    Raises:
        CatalogError: a document cannot be read, or there are too many.
    """
    seen, allowed = {address}, policy(address)
    waiting = [(document, address)]
    while waiting:
        parent, place = waiting.pop()
        for relation, href in _links(parent, place):
            if href in seen:
                continue
            seen.add(href)
            _refuse_too_many(seen, address)
            child = load(href, timeout=timeout, policy=allowed)
            if relation == "item":
                yield child, href
            elif child.get("type") != "Collection" or enters(child):
                waiting.append((child, href))


def _links(parent: Json, place: str) -> Iterator[tuple[str, str]]:
    for link in links(parent):
        if link.get("rel") in {"child", "item"} and link.get("href"):
            yield link["rel"], urldefrag(resolve(place, link["href"]))[0]


def _refuse_too_many(seen: set[str], address: str) -> None:
    if len(seen) > MOST_DOCUMENTS:
        raise CatalogError(
            f"The catalogue {address} has more than {MOST_DOCUMENTS} documents",
            expected="one that can be read whole",
            remedy="narrow it with --collection, or use its API or stac-geoparquet",
        )
