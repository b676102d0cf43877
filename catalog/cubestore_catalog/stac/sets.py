"""A patch set as a STAC item: its outline is that of all patches together."""

from typing import Any

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray

from cubestore.encoding import Array
from cubestore.patches import PatchSet
from cubestore.records import Root
from cubestore_catalog.stac import described, items, outline, records
from cubestore_catalog.stac.records import Json, declared, link
from cubestore_catalog.stac.snapshot import moment

PATCHES = "patches"
"""The collection of all sets."""

MARGIN = 0.01
"""Degrees around the patches' centres: a kilometre, so that one patch too has an area."""

EARTH = shapely.box(-180, -90, 180, 90)


def item_id(name: str) -> str:
    """Return the id of a set's item: ``cloudsen12-high-train``."""
    return name.replace("/", "-")


def set_item(found: PatchSet, root: Root, checksum: str) -> Json:
    """Return the item of a patch set.

    Args:
        found: the set.
        root: its state.
        checksum: of its ``zarr.json``.

    Raises:
        DamagedError: a coordinate or the commit record is not the one that was committed.
    """
    record = found.control.record(root.number, root.digest)
    data = found.open()
    held = [str(name) for name in data.data_vars]  # what is known of the patches are coordinates
    arrays = {name: Array.from_document(name, root.arrays[name]) for name in held}
    item = {
        "type": "Feature",
        "stac_version": records.STAC_VERSION,
        "id": item_id(found.name),
        "collection": PATCHES,
        **_placed(data.longitude.values, data.latitude.values),
        "properties": {
            "title": root.attributes["title"],
            **_span(data, record.created),
            "created": record.created,
            "license": records.license_of(root.attributes["license"]),
            "sci:citation": root.attributes["attribution"],
            "version": str(root.number),
            "cube:dimensions": described.counted(arrays, ()),
            "cube:variables": described.variables(arrays.values()),
            items.PATH: f"{PATCHES}/{found.name}",
            "cubestore:patches": int(data.sizes["patch"]),
            "cubestore:commit": root.number,
            **items.as_made(checksum),
        },
        "assets": records.group_assets(
            f"{PATCHES}/{found.name}",
            items.ASSET,
            record.total_bytes,
            checksum,
            title="The patches",
            bands=described.arrays(arrays.values()),
        ),
        "links": records.item_links(link("store", records.ROOT, records.ZARR, title="The store")),
    }
    return declared(item)


def _placed(longitude: NDArray[Any], latitude: NDArray[Any]) -> Json:
    """Return the outline around the centres of all patches."""
    hull = shapely.MultiPoint(np.column_stack([longitude, latitude])).convex_hull
    return outline.placed(hull.buffer(MARGIN, quad_segs=1).intersection(EARTH))


def _span(data: xr.Dataset, created: str) -> Json:
    """Return the time of all acquisitions, or when the set was written where none is known."""
    axes = [axis.values.ravel() for axis in data.coords.values() if axis.dtype.kind == "M"]
    times = np.concatenate([np.empty(0, "M8[us]"), *(axis.astype("M8[us]") for axis in axes)])
    known = times[~np.isnat(times)].astype("int64")
    if not known.size:
        return {"datetime": created}
    told = {"start_datetime": moment(int(known.min())), "end_datetime": moment(int(known.max()))}
    return {"datetime": None, **told}
