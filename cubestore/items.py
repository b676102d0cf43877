"""From a STAC item to its data: the way back from a catalogue, in one line.

An item of a store's catalogue names the cube, the embeddings or the patch set that it is of by the
address of a Zarr group. It is opened as the store itself would open it.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import unquote, urljoin, urlsplit

import xarray as xr

from cubestore import reader
from cubestore.cube import cube_at
from cubestore.encoding import Json
from cubestore.errors import QueryError
from cubestore.patches import PatchSet
from cubestore.records import METADATA, Root

ASSETS = ("data", "embeddings")
"""The keys under which a group stands in an item."""


class StacItem(Protocol):
    """What of ``pystac.Item`` is asked for."""

    def to_dict(self, *, include_self_link: bool = ..., transform_hrefs: bool = ...) -> Json:
        """Return the item's JSON."""

    def get_self_href(self) -> str | None:
        """Return where it came from."""


def open_item(
    item: StacItem | Mapping[str, Any] | str | os.PathLike[str],
    *,
    chunks: Mapping[str, int] | None = None,
    mask_and_scale: bool = True,
) -> xr.Dataset:
    """Open what a STAC item of a store's catalogue is of: a cube, embeddings or a patch set.

    Args:
        item: a path or a URL of an item's JSON, that JSON as a dict, or a ``pystac.Item``.
        chunks: dask chunks along each dim; None: lazy without dask.
        mask_and_scale: physical values with NaN; False: as stored.

    Returns:
        What `Cube.open` or `PatchSet.open` return; of an item of embeddings, only these.

    Raises:
        QueryError: no item, one that names no group of a store, or one whose addresses are
            relative and that does not tell to what.
        UnknownCubeError: the group is not there any more.
        FormatError: the group is none of a store's.
    """
    document, base = _read(item)
    key, href = _asset(document)
    address = _resolved(href, base, document)
    store, group = _split(address)
    data = _opened(store, group, chunks, mask_and_scale=mask_and_scale)
    if key != "embeddings":
        return data
    return data[[name for name in _vectors(document) if name in data]]


def _read(item: Any) -> tuple[Json, str]:  # noqa: ANN401 - three kinds
    """Return an item's JSON, and where it lies ("" for nowhere)."""
    if isinstance(item, str | os.PathLike):
        address = os.fspath(item)
        return _parsed(address), address
    if isinstance(item, Mapping):
        return dict(item), _self_link(item)
    return item.to_dict(include_self_link=False, transform_hrefs=False), item.get_self_href() or ""


def _parsed(address: str) -> Json:
    try:
        document = json.loads(reader.read(address))
    except FileNotFoundError:
        raise _no_item(address, "there is nothing") from None
    except ValueError as error:
        raise _no_item(address, f"it is not JSON: {error}") from None
    return document if isinstance(document, dict) else {}


def _self_link(item: Mapping[str, Any]) -> str:
    links = item.get("links") or ()
    return next((str(one["href"]) for one in links if one.get("rel") == "self"), "")


def _asset(document: Json) -> tuple[str, str]:
    """Return the key and the href of the group."""
    assets = document.get("assets") or {}
    for key in ASSETS:
        if str(assets.get(key, {}).get("type", "")).startswith("application/vnd.zarr"):
            return key, str(assets[key]["href"])
    raise _no_item(str(document.get("id")), f"its assets are {', '.join(assets) or 'none'}")


def _no_item(name: str, why: str) -> QueryError:
    return QueryError(
        f"{name} is no item of a store: {why}",
        expected=f"a STAC item with a Zarr group as its asset {' or '.join(ASSETS)}",
        remedy="take one from a catalogue that `cubestore catalog` wrote",
    )


def _resolved(href: str, base: str, document: Json) -> str:
    """Return the address of an asset; one that is relative is so to the item."""
    if "://" in href or href.startswith("/"):
        return _local(href)
    if not base:
        raise QueryError(
            f"The item {document.get('id')} says that its data lie at {href}, and not from where",
            expected="an item that tells where it came from",
            remedy="give its path or URL, or a pystac.Item that was read from there",
        )
    if "://" in base and not base.startswith("file://"):
        return urljoin(base, href)
    return os.path.normpath(os.path.join(os.path.dirname(_local(base)), href))  # noqa: PTH118, PTH120


def _local(address: str) -> str:
    """Return the path that a ``file`` URL is; all else as it is."""
    return unquote(urlsplit(address).path) if address.startswith("file://") else address


def _split(address: str) -> tuple[str, list[str]]:
    """Return the store, and the three folders in it that lead to the group."""
    path = address.rstrip("/") if "://" in address else os.path.abspath(address)  # noqa: PTH100
    *store, one, two, three = path.split("/")
    return "/".join(store), [one, two, three]


def _opened(
    store: str, group: list[str], chunks: Mapping[str, int] | None, *, mask_and_scale: bool
) -> xr.Dataset:
    path = "/".join([store, *group])
    root = Root.parse(reader.read(f"{path}/{METADATA}"), path)
    if "cubestore:patches" in root.attributes:
        patches = PatchSet(store, "/".join(group[1:]))
        return patches.open(chunks=chunks, mask_and_scale=mask_and_scale)
    cube = cube_at(store, root.attributes["cubestore:tile"], root.attributes["cubestore:sensor"])
    return cube.open(chunks=chunks, mask_and_scale=mask_and_scale)


def _vectors(document: Json) -> list[str]:
    """Return the variables that an item of embeddings is of."""
    return [band["name"] for band in document["assets"]["embeddings"].get("bands", ())]
