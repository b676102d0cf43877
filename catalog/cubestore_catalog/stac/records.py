"""The parts that all records of a catalogue have: links, the extensions, the asset of a group.

A record lies in ``catalog/COLLECTION/ITEM/ITEM.json``, and every link is relative, so that the
store can be moved, copied and served with its catalogue.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from cubestore.records import METADATA

Json = dict[str, Any]

STAC_VERSION = "1.1.0"
CATALOG = "catalog"
"""The catalogue's folder in the store."""

CATALOG_FILE = "catalog.json"
"""In that folder the file that lists the collections; it is written last."""

ROOT = "../../.."
"""The store, from an item."""

ZARR = "application/vnd.zarr; version=3"
GEOJSON = "application/geo+json"
JSON = "application/json"
PARQUET = "application/vnd.apache.parquet"


EXTENSIONS: Mapping[str, str] = {
    "cube:": "datacube/v2.3.0",
    "emb:": "embeddings/v0.0.1",
    "eo:": "eo/v2.0.0",
    "file:": "file/v2.1.0",
    "grid:": "grid/v1.1.0",
    "mlm:": "mlm/v1.5.2",
    "processing:": "processing/v1.2.0",
    "proj:": "projection/v2.0.0",
    "raster:": "raster/v2.0.0",
    "renders": "render/v2.0.0",
    "sar:": "sar/v1.3.0",
    "sci:": "scientific/v1.0.0",
    "version": "version/v1.2.0",
    "xarray:": "xarray-assets/v1.0.0",
    "zarr:": "zarr/v1.1.0",
}
"""What a field begins with -> the extension that defines it."""

LICENSES = frozenset({"CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "Apache-2.0", "MIT"})
"""Those terms that have an identifier of SPDX; STAC calls all else ``other``."""


def link(rel: str, href: str, media: str = JSON, **more: Any) -> Json:  # noqa: ANN401 - a link's
    """Return a link."""
    return {"rel": rel, "href": href, "type": media, **more}


def item(
    name: str,
    collection: str,
    *,
    place: Json,
    properties: Json,
    assets: Json,
    links: Iterable[Json] = (),
) -> Json:
    """Return an item.

    Args:
        name: its id.
        collection: that it belongs to.
        place: its geometry and bbox.
        properties: what it tells.
        assets: what it leads to.
        links: beside those to its catalogue and its collection.
    """
    home = [link(rel, "../collection.json") for rel in ("parent", "collection")]
    made = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "id": name,
        "collection": collection,
        **place,
        "properties": properties,
        "assets": assets,
        "links": [link("root", "../../catalog.json"), *home, *links],
    }
    return declared(made)


def store_link() -> Json:
    """Return the link from an item to the store."""
    return link("store", ROOT, ZARR, title="The store")


def href_of(collection: str, item: str) -> str:
    """Return the address of an item, from another item."""
    return f"../../{collection}/{item}/{item}.json"


def group_assets(path: str, key: str, size: int, checksum: str, **told: Any) -> Json:  # noqa: ANN401
    """Return the assets of a Zarr group: all of it, and its metadata.

    Args:
        path: in the store.
        key: the name of the asset.
        size: bytes of its chunks.
        checksum: SHA-256 of its ``zarr.json``, hexadecimal.
        told: what else the asset says.
    """
    return {
        key: {
            "href": f"{ROOT}/{path}",
            "type": ZARR,
            "roles": ["data"],
            "file:size": size,
            "zarr:zarr_format": 3,
            "zarr:node_type": "group",
            "zarr:consolidated": True,
            "xarray:open_kwargs": {"engine": "zarr", "consolidated": True},
            **told,
        },
        "metadata": {
            "href": f"{ROOT}/{path}/{METADATA}",
            "type": JSON,
            "title": "The group's metadata: its bytes name the committed state",
            "roles": ["metadata"],
            **checksum_told(checksum),
        },
    }


SHA256 = "1220"
"""What a multihash of SHA-256 begins with: its code, and how many bytes follow."""


def checksum_told(digest: str) -> Json:
    """Return the SHA-256 of an asset's bytes as the file extension has it."""
    return {"file:checksum": f"{SHA256}{digest}"}


def license_of(terms: str) -> str:
    """Return terms as STAC's field has them."""
    return terms if terms in LICENSES else "other"


def declared(record: Json) -> Json:
    """Return a record that declares the extensions of whose fields it has any."""
    starts = {"".join(name.partition(":")[:2]) for name in _names(record)}
    used = [
        f"https://stac-extensions.github.io/{path}/schema.json"
        for start, path in EXTENSIONS.items()
        if start in starts
    ]
    return {**record, "stac_extensions": used}


def _names(record: Json) -> Iterable[str]:
    """Yield the names of all fields: of the record, its properties, assets and their bands."""
    yield from record
    for part in ("properties", "summaries"):
        yield from _with_bands(record.get(part, {}))
    for part in ("assets", "item_assets"):
        for asset in record.get(part, {}).values():
            yield from _with_bands(asset)


def _with_bands(fields: Json) -> Iterable[str]:
    yield from fields
    for band in fields.get("bands", ()):
        yield from band
