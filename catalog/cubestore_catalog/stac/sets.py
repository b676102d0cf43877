"""A patch set as a STAC item: its outline is that of all patches together."""

from dataclasses import dataclass

import numpy as np
import shapely
import xarray as xr

from cubestore.encoding import Array
from cubestore.patches import PatchSet
from cubestore.records import Record, Root
from cubestore_catalog.stac import described, items, outline, records
from cubestore_catalog.stac.records import Json
from cubestore_catalog.stac.snapshot import moment

PATCHES = "patches"
"""The collection of all sets."""

MARGIN = 0.01
"""Degrees around the patches' centres: a kilometre, so that one patch too has an area."""

EARTH = shapely.box(-180, -90, 180, 90)


@dataclass(frozen=True, slots=True)
class SeenSet:
    """One committed state of a patch set, and what is known of its patches."""

    name: str
    root: Root
    record: Record
    data: xr.Dataset
    checksum: str
    """Of its ``zarr.json``."""

    @property
    def path(self) -> str:
        """Where it lies in the store."""
        return f"{PATCHES}/{self.name}"

    @property
    def item_id(self) -> str:
        """The id of its item: ``cloudsen12-high-train``."""
        return self.name.replace("/", "-")

    @property
    def arrays(self) -> dict[str, Array]:
        """All but what is known of the patches, which are coordinates."""
        held = (str(name) for name in self.data.data_vars)
        return {name: Array.from_document(name, self.root.arrays[name]) for name in held}

    @property
    def state(self) -> Json:
        """Which set and which state of it an item is of."""
        return {
            items.PATH: self.path,
            "cubestore:commit": self.root.number,
            **items.as_made(self.checksum),
        }


def seen(found: PatchSet, checksum: str) -> SeenSet:
    """Read what items tell of a patch set.

    Args:
        found: the set.
        checksum: of its ``zarr.json``.

    Raises:
        DamagedError: a coordinate or the commit record is not the one that was committed.
    """
    root = found.root()
    record = found.control.record(root.number, root.digest)
    return SeenSet(found.name, root, record, found.open(), checksum)


def set_item(seen: SeenSet) -> Json:
    """Return the item of a patch set."""
    attributes, arrays, updated = seen.root.attributes, seen.arrays, seen.record.created
    bands = _bands(seen.data)
    return records.item(
        seen.item_id,
        PATCHES,
        place=placed(seen.data),
        properties={
            "title": attributes["title"],
            **span(seen.data, updated),
            "updated": updated,
            "license": records.license_of(attributes["license"]),
            "sci:citation": attributes["attribution"],
            "version": str(seen.root.number),
            "cube:dimensions": {**bands, **described.counted(arrays, bands)},
            "cube:variables": described.variables(arrays.values()),
            **seen.state,
            "cubestore:patches": int(seen.data.sizes["patch"]),
        },
        assets=records.group_assets(
            seen.path,
            items.ASSET,
            seen.record.total_bytes,
            seen.checksum,
            title="The patches",
            bands=described.arrays(arrays.values()),
        ),
        links=[records.store_link()],
    )


def _bands(data: xr.Dataset) -> Json:
    """Return the dims along which bands lie: one for each sensor of a set."""
    axes = sorted(str(name) for name in data.indexes if str(name).startswith("band"))
    return {dim: described.listed("bands", [*map(str, data[dim].values)]) for dim in axes}


def placed(data: xr.Dataset) -> Json:
    """Return the outline around the centres of patches."""
    centres = np.column_stack([data.longitude.values, data.latitude.values])
    hull = shapely.MultiPoint(centres).convex_hull
    return outline.placed(hull.buffer(MARGIN, quad_segs=1).intersection(EARTH))


def span(data: xr.Dataset, updated: str) -> Json:
    """Return the time of all acquisitions, or when the set was written where none is known."""
    axes = [axis.values.ravel() for axis in data.coords.values() if axis.dtype.kind == "M"]
    times = np.concatenate([np.empty(0, "M8[us]"), *(axis.astype("M8[us]") for axis in axes)])
    known = times[~np.isnat(times)].astype("int64")
    if not known.size:
        return {"datetime": updated}
    told = {"start_datetime": moment(int(known.min())), "end_datetime": moment(int(known.max()))}
    return {"datetime": None, **told}
