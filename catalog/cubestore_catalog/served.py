"""A store's records as the service has them: what lay beside them on disk is at an address now."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from cubestore import Store
from cubestore.errors import LockedError, NotWritableError
from cubestore_catalog.errors import ItemError
from cubestore_catalog.publish import publish, records
from cubestore_catalog.search.parquet import load
from cubestore_catalog.stac.items import ASSET, PATH, SLOTS
from cubestore_catalog.stac.parquet import FILE
from cubestore_catalog.stac.records import CATALOG, ROOT
from cubestore_catalog.web.documents import Address, Link

log = logging.getLogger(__name__)

ZARR, QUICKLOOK = "zarr", "quicklook"
"""What a store's files are served below, and pictures of its cubes' slots."""

Record = Mapping[str, Any]
"""An item or a collection."""

_ITEM = re.compile(r"(?:\.\./){1,2}(?P<collection>[^/]+)/(?P<item>[^/]+)/(?P=item)\.json")
_COLLECTION = re.compile(r"\.\./(?P<collection>[^/]+)/collection\.json")


def contents(store: Store) -> tuple[Sequence[Record], Sequence[Record]]:
    """Return a store's items and collections, its catalogue brought up to date first.

    No cube is written to. Where no catalogue can be written either, it is made in memory.
    """
    try:
        publish(store.path, attributes=False)
    except (NotWritableError, LockedError) as error:
        log.warning("The catalogue is served and not written: %s", error)
        return records(store.path)
    return load(store.path)


def standing(store: Store) -> tuple[Sequence[Record], Sequence[Record]]:
    """Return a store's items and collections as they were last published; none where it was not."""
    try:
        return load(store.path)
    except ItemError:
        return [], []


def at(address: Address, record: Record) -> Record:
    """Return an item or a collection with its links and assets where the service has them.

    What is neither in the catalogue nor in a cube keeps its address, or is left out if it had none.
    """
    home = record.get("properties", {}).get(PATH) or f"{CATALOG}/{record['id']}"
    assets = {
        name: {**asset, "href": href}
        for name, asset in record.get("assets", {}).items()
        if (href := _href(address, home, asset["href"]))
    }
    if ASSET in assets:
        assets |= _pictures(address, record)
    links = [
        {**link, "href": href}
        for link in record.get("links", ())
        if (href := _linked(address, home, link))
    ]
    return {**record, "links": links, **({"assets": assets} if "assets" in record else {})}


def _pictures(address: Address, item: Record) -> Mapping[str, Any]:
    """Return the picture of a cube's clearest slot as an asset, as browsers of catalogues show it.

    None of what is no cube: a patch set has no slots.
    """
    slots = item["properties"].get(SLOTS, ())
    replaced = {one["supersedes"] for one in slots if "supersedes" in one}
    shown = [one for one in slots if one["item_id"] not in replaced]
    if not shown:
        return {}
    clearest = max(shown, key=lambda one: (one.get("clear_fraction", 0), one["datetime"]))
    place = f"{QUICKLOOK}/{item['properties'][PATH]}/{clearest['slot']}.png"
    picture = {
        "href": f"{address.base}/{place}",
        "type": "image/png",
        "title": f"As it was seen on {clearest['datetime'][:10]}",
        "roles": ["thumbnail"],
    }
    return {"thumbnail": picture}


def _linked(address: Address, home: str, link: Link) -> str:
    if other := _ITEM.fullmatch(link["href"]):
        return address.of("collections", other["collection"], "items", other["item"])
    if other := _COLLECTION.fullmatch(link["href"]):
        return address.of("collections", other["collection"])
    return _href(address, home, link["href"])


def _href(address: Address, home: str, href: str) -> str:
    """Return where something is served; "" where it is not."""
    if urlsplit(href).scheme:
        return href
    if href == ROOT:
        return f"{address.base}/{ZARR}/"
    _, inside, below = href.partition(home)
    if inside:
        return f"{address.base}/{ZARR}/{home}{below}"
    return f"{address.base}/{ZARR}/{home}/{FILE}" if href == f"./{FILE}" else ""
