"""A slot that was written as a COG, as a STAC item beside the file: where other loaders begin.

The item of a cube leads them nowhere, for it is of Zarr. This one is of a single acquisition, and
says of each band of the file what its numbers are.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import xarray as xr
from odc.geo.geobox import GeoBox

from cubestore import disk, layout
from cubestore.committed import Shard
from cubestore.cube import Cube
from cubestore.encoding import Array
from cubestore_catalog.stac import coverage, described, items, outline, records
from cubestore_catalog.stac.records import Json
from cubestore_catalog.stac.snapshot import moment

COG = "image/tiff; application=geotiff; profile=cloud-optimized"
EO = "https://stac-extensions.github.io/eo/v{}/schema.json"
OLDER = {EO.format("2.0.0"): EO.format("1.1.0")}
"""The last version of the extension that has ``eo:bands``, in the place of the one that has not."""

TOLD = {"platform": "platform", "item_id": "cubestore:item_id"}
"""Coordinates of a slot -> the properties that they are."""


def write_item(
    cube: Cube, pixels: xr.DataArray, shards: Sequence[Shard], box: GeoBox, path: Path
) -> Path:
    """Put the item of a file beside it, in one step, and return where it lies: see `cog_item`."""
    beside = path.with_suffix(".json")
    item = cog_item(cube, pixels, shards, box, path)
    disk.replace(beside, orjson.dumps(item, option=orjson.OPT_INDENT_2), synced=False)
    return beside


def cog_item(
    cube: Cube, pixels: xr.DataArray, shards: Sequence[Shard], box: GeoBox, path: Path
) -> Json:
    """Return the item of a file that holds a slot, or a part of one.

    Args:
        cube: whose slot.
        pixels: the slot, ``(band, y, x)``, with what is known of it.
        shards: those that are in the file.
        box: the file's pixels.
        path: of the file.
    """
    sensor, tile = cube.sensor, cube.tile
    grid = layout.geobox(sensor, tile)
    held = coverage.covered(shards, grid)
    item = {
        "type": "Feature",
        "stac_version": records.STAC_VERSION,
        "id": path.stem,
        **outline.placed(coverage.on_earth(held, tile, grid)),
        "properties": {
            **_span(pixels),
            **{name: told for key, name in TOLD.items() if (told := str(pixels[key].values))},
            **_clouds(pixels),
            "license": records.license_of(sensor.license),
            "sci:citation": sensor.attribution,
            "gsd": sensor.gsd,
            "processing:software": items.software_used(),
            "grid:code": tile.grid_code,
            **described.projection(box, tile, held),
            "cubestore:sensor": sensor.id,
            "cubestore:tile": tile.id,
            "cubestore:slot": int(pixels.slot),
        },
        "assets": {
            items.ASSET: {
                "href": f"./{path.name}",
                "type": COG,
                "title": sensor.title,
                "roles": ["data"],
                "file:size": path.stat().st_size,
                **_bands(cube, pixels),
            }
        },
        "links": [
            {"rel": "derived_from", "href": href} for href in str(pixels.source_url.values).split()
        ],
    }
    made = records.declared(item)
    return {**made, "stac_extensions": [OLDER.get(uri, uri) for uri in made["stac_extensions"]]}


def _bands(cube: Cube, pixels: xr.DataArray) -> Json:
    """Return the bands of the file: what the instrument saw in each, and what its numbers are.

    What it saw is told as odc-stac reads it, which finds bands by the names in ``eo:bands``.
    """
    name = str(pixels.name)
    array = Array.from_document(name, cube.root().arrays[name])
    (numbers,) = described.arrays([array], cube.sensor.gsd)
    seen = described.spectral(cube.sensor.band(str(band)) for band in pixels.band.values)
    return {
        "bands": [{**numbers, "name": band["name"]} for band in seen],
        "eo:bands": [_before(band) for band in seen],
    }


def _before(band: Json) -> Json:
    """Return a band as the older version has it, which knows one red edge for the later three."""
    told = {name.removeprefix("eo:"): value for name, value in band.items()}
    common = {"common_name": "rededge"} if told.get("common_name", "").startswith("rededge") else {}
    return {**told, **common}


def _span(pixels: xr.DataArray) -> Json:
    """Return when a slot was acquired; of a composite its first moment, and its last too."""
    start = moment(_microseconds(pixels.time))
    if "time_end" not in pixels.coords:
        return {"datetime": start}
    end = moment(_microseconds(pixels.time_end))
    return {"datetime": start, "start_datetime": start, "end_datetime": end}


def _microseconds(time: Any) -> int:  # noqa: ANN401 - xarray's
    return int(time.values.astype("M8[us]").astype("int64"))


def _clouds(pixels: xr.DataArray) -> Json:
    known = float(pixels.cloud_cover)
    return {} if np.isnan(known) else {"eo:cloud_cover": round(known, 2)}
