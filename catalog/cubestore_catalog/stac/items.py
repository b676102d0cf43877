"""A cube as a STAC item, which lies in the catalogue and, without its slots, in the cube itself."""

from collections.abc import Iterable
from typing import Any

import shapely

from cubestore import layout
from cubestore.encoding import Array
from cubestore.records import software
from cubestore.sensors.sentinel1 import CARRIER
from cubestore_catalog.stac import coverage, described, outline, records, renders, terms
from cubestore_catalog.stac.records import Json, declared, link
from cubestore_catalog.stac.snapshot import Slot, Snapshot, moment

ASSET = "data"

RADAR: Json = {
    "sar:instrument_mode": "IW",
    "sar:frequency_band": "C",
    "sar:center_frequency": CARRIER / 1e9,
}
"""Of Sentinel-1 over land; the frequency in gigahertz."""

SLOTS = "cubestore:slots"
CHECKSUM = "cubestore:checksum"
"""SHA-256 of the group's ``zarr.json``: by it a run sees that nothing has changed."""

EDITION, NEWEST = "cubestore:edition", 5
"""Which edition of the records this is, counted up whenever they say more, or other things, of what
has not changed: those of an earlier one are written anew. The first gave whole tiles as outlines,
the second no items to the vectors of patch sets, the third a wavelength of light to radars, the
fourth no DOI, no level of processing, no legend, and the name of a model for its architecture.
"""

PATH = "cubestore:path"
PLATFORMS = "cubestore:platforms"


def cube_item(seen: Snapshot, *, models: list[str], checksum: str) -> Json:
    """Return the item of a cube that has slots.

    Args:
        seen: its state.
        models: the ids of those whose embeddings it holds.
        checksum: of its ``zarr.json``.
    """
    sensor, tile = seen.cube.sensor, seen.cube.tile
    grid = layout.geobox(sensor, tile)
    held = covered(seen, seen.seen)
    dois = terms.OF[sensor.id].dois_of(name for slot in seen.seen for name in slot.item_id.split())
    return records.item(
        item_id(seen),
        sensor.id,
        place=outline.placed(coverage.on_earth(held, tile, grid)),
        properties={
            "title": title_of(seen),
            **span(seen.seen),
            "created": moment(seen.created),
            "updated": seen.updated,
            "license": records.license_of(sensor.license),
            "sci:citation": sensor.attribution,
            **terms.doi_told(dois),
            "gsd": sensor.gsd,
            **_instrument(seen),
            "version": str(seen.root.number),
            "grid:code": tile.grid_code,
            **described.projection(grid, tile, held),
            **_physics(seen),
            **_clouds(seen),
            **cube_of(
                seen,
                [array for array in seen.arrays.values() if not _is_vectors(array)],
                described.space(grid, tile),
            ),
            **renders.renders(seen, ASSET),
            **of_cube(seen, checksum),
            "cubestore:models": models,
            SLOTS: [slot.told() for slot in seen.slots],
        },
        assets=records.group_assets(
            seen.path,
            ASSET,
            seen.size,
            checksum,
            title="The cube",
            bands=described.arrays(seen.arrays.values(), sensor.gsd),
        ),
        links=[records.store_link(), *terms.doi_links(dois), *_sources(seen)],
    )


def covered(seen: Snapshot, slots: Iterable[Slot]) -> shapely.Geometry:
    """Return what the pixels of some slots cover, in the cube's CRS."""
    shards = (shard for slot in slots for shard in seen.shards.get(slot.number, ()))
    return coverage.covered(shards, layout.geobox(seen.cube.sensor, seen.cube.tile))


def item_id(seen: Snapshot) -> str:
    """Return the id of a cube's item: ``31UDQ-sentinel-2-l2a``."""
    return f"{seen.cube.tile.id}-{seen.cube.sensor.id}"


def title_of(seen: Snapshot) -> str:
    """Return the title of a cube's item."""
    return f"{seen.cube.sensor.title} on tile {seen.cube.tile.id}"


def of_cube(seen: Snapshot, checksum: str) -> Json:
    """Return which cube an item is of, and which state of it."""
    return {
        PATH: seen.path,
        "cubestore:sensor": seen.cube.sensor.id,
        "cubestore:tile": seen.cube.tile.id,
        "cubestore:commit": seen.root.number,
        **as_made(checksum),
    }


def as_made(checksum: str) -> Json:
    """Return by what a run sees that an item need not be made again."""
    return {CHECKSUM: checksum, EDITION: NEWEST, "processing:software": software_used()}


def as_of(item: Json, commit: int, updated: str, checksum: str) -> Json:
    """Return an item of a cube as of a later commit, which changed none of its slots."""
    told = {
        "updated": updated,
        "version": str(commit),
        "cubestore:commit": commit,
        CHECKSUM: checksum,
    }
    known = item["properties"]
    properties = {**known, **{name: value for name, value in told.items() if name in known}}
    metadata = {**item["assets"]["metadata"], **records.checksum_told(checksum)}
    assets = {**item["assets"], "metadata": metadata}
    return {**item, "properties": properties, "assets": assets}


def software_used() -> Json:
    """Return this software and its version; items that another wrote are written anew."""
    name, _, version = software().partition(" ")
    return {name: version}


def span(slots: list[Any]) -> Json:
    """Return the time of an item that has many."""
    return {
        "datetime": None,
        "start_datetime": moment(min(slot.start for slot in slots)),
        "end_datetime": moment(max(slot.end for slot in slots)),
    }


def interval(members: Iterable[Json]) -> list[str]:
    """Return when the first of some items begins and the last of them ends."""
    told = [item["properties"] for item in members]
    starts = [one.get("start_datetime") or one["datetime"] for one in told]
    ends = [one.get("end_datetime") or one["datetime"] for one in told]
    return [min(starts), max(ends)]


def within(item: Json) -> Json:
    """Return a cube's item as it stands in the cube's own attributes.

    What the cube's coordinates say beside it (its slots and where they came from) is left out, for
    the attributes are read whenever the cube is opened; and what the item cannot know of the commit
    that holds it: when it is made, and its checksum.
    """
    lost = {SLOTS, CHECKSUM, EDITION, "updated"}
    properties = {name: value for name, value in item["properties"].items() if name not in lost}
    dimensions = dict(properties["cube:dimensions"])
    dimensions["time"] = {n: v for n, v in dimensions["time"].items() if n != "values"}
    asset = {**item["assets"][ASSET], "href": "."}
    kept = {name: value for name, value in item.items() if name != "collection"}
    made = {
        **kept,
        "properties": {**properties, "cube:dimensions": dimensions},
        "assets": {ASSET: asset},
        "links": [],
    }
    return declared(made)


def platforms(properties: Json) -> list[str]:
    """Return the platforms that an item of a cube tells of."""
    told = properties.get("platform")
    return [told] if told else properties.get(PLATFORMS, [])


def _instrument(seen: Snapshot) -> Json:
    """Return what took the pictures, and what was made of them.

    STAC has a word for one platform, and none for several.
    """
    names = sorted({slot.platform for slot in seen.seen} - {""})
    told: Json = {"platform": names[0]} if len(names) == 1 else {}
    if len(names) > 1:
        told[PLATFORMS] = names
    sensor = seen.cube.sensor
    known = {
        "constellation": sensor.constellation,
        "instruments": [*sensor.instruments],
        "processing:level": sensor.level,
    }
    return {**told, **{name: value for name, value in known.items() if value}}


def _physics(seen: Snapshot) -> Json:
    """Return the bands of the instrument, and what is told of a radar."""
    bands = [seen.cube.sensor.band(name) for name in seen.bands]
    told: Json = {"bands": described.spectral(bands)}
    if seen.cube.sensor.constellation == "sentinel-1":
        told |= {**RADAR, "sar:polarizations": [band.name.upper() for band in bands]}
    return told


def _clouds(seen: Snapshot) -> Json:
    """Return how cloudy the provider calls the slots, on average."""
    known = [slot.cloud_cover for slot in seen.seen if slot.cloud_cover is not None]
    return {"eo:cloud_cover": round(sum(known) / len(known), 2)} if known else {}


def cube_of(seen: Snapshot, arrays: list[Array], space: Json) -> Json:
    """Return the dims and variables of some arrays of a cube.

    Args:
        seen: the cube's state.
        arrays: which.
        space: their dims on the ground.
    """
    times = [moment(slot.start) for slot in seen.seen]
    known = {
        "time": {"type": "temporal", "extent": [times[0], times[-1]], "values": times},
        "band": described.listed("bands", seen.bands),
        **space,
    }
    used = {dim for array in arrays if not array.is_coordinate for dim in array.dims}
    dims = {name: told for name, told in known.items() if name in used}
    counted = described.counted({array.name: array for array in arrays}, known)
    return {
        "cube:dimensions": {**dims, **counted},
        "cube:variables": described.variables(arrays),
    }


def _is_vectors(array: Array) -> bool:
    return "source_model" in array.attributes


def _sources(seen: Snapshot) -> list[Json]:
    """Return links to the scenes, each once."""
    found: dict[str, str] = {}
    for slot in seen.slots:
        addresses, ids = slot.source_url.split(), slot.item_id.split()
        titles = ids if len(ids) == len(addresses) else [slot.item_id] * len(addresses)
        for address, title in zip(addresses, titles, strict=True):
            found.setdefault(address, title)
    return [
        link("derived_from", href, records.GEOJSON, title=title) for href, title in found.items()
    ]
