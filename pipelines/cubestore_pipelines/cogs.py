"""Slots of a cube as Cloud Optimized GeoTIFFs, for programs that cannot read sharded Zarr.

A slot is copied shard by shard into a sparse file, of which GDAL's own driver then makes the COG
with its overviews: whatever the size of the tile, a shard is in memory. Only the shards that hold
something are in the file, so that an area of interest costs what it covers; and what lies apart is
a file of its own, for GDAL goes through all that is between, 12 gigapixels on a tile of NAIP.
"""

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
import rasterio.shutil
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from cubestore import disk, layout, reader
from cubestore.committed import Shard, chunks, committed
from cubestore.cube import Cube
from cubestore.encoding import Array
from cubestore.errors import QueryError
from cubestore.index.interval import interval
from cubestore.records import Root
from cubestore.sensors import Layer
from cubestore.store import open_store
from cubestore_pipelines.cog_items import write_item
from cubestore_pipelines.gdal import ENVIRONMENT

Compression = Literal["deflate", "zstd"]

BLOCK = 512
"""Pixels along a tile of the file; a shard is a whole number of them."""

ASIDE = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "sparse_ok": True}
"""The file that is copied into: what no shard covers takes no room in it."""


TAGS = ("item_id", "source_url", "platform", "processing_baseline")
"""What of the slot stands in the file's metadata, beside its bands."""

CLASSES = frozenset({"land_cover"})
"""Variables of which an overview shows the class that is there most."""


@dataclass(frozen=True, slots=True)
class Cog:
    """A file that was written."""

    path: str
    slot: int
    time: str
    width: int
    height: int
    bytes: int
    item: str
    """Path of its STAC item."""


def export_cogs(
    store: str | os.PathLike[str],
    directory: str | os.PathLike[str],
    *,
    tile: str,
    sensor: str,
    time: str = "",
    bands: Sequence[str] | None = None,
    compression: Compression = "deflate",
) -> list[Cog]:
    """Write the slots of a cube as COGs, all bands in a file, and a file for each part of a slot.

    Parts are what shards make up that touch one another: most slots are one.

    Numbers are those that are stored; scale, offset, nodata and the names of the bands stand in the
    file. Superseded slots are left out, and slots without a pixel.

    Args:
        store: path of the store.
        directory: where to write ``TILE_SENSOR_TIME_SLOT.tif``, or of a slot in parts
            ``TILE_SENSOR_TIME_SLOT_ROW-COLUMN.tif``, with the place of a part's first shard, and
            beside each its STAC item as ``.json``; made where it is not there. A file that is there
            is replaced, in one step.
        tile: whose cube.
        sensor: whose cube.
        time: A/B in UTC, each a year, month, day, moment or .. for open; "" for all.
        bands: names, in the order wanted; None: the cube's.
        compression: deflate, which everything reads, or zstd.

    Returns:
        What was written, by time.

    Raises:
        UnknownCubeError: the store has no such cube.
        QueryError: bands that the cube lacks, or a time that cannot be understood.
        NotWritableError: the store is not on a file system, or the disk is read-only or full.
    """
    span = interval(time)
    cube = open_store(store).cube(tile, sensor)
    disk.path_of(cube.path)
    root = cube.root()
    pixels = _pixels(cube, root, bands)
    shards = committed(cube, root).shards
    target = Path(directory)
    with disk.writable(target), rasterio.Env(GDAL_CACHEMAX=int(ENVIRONMENT["GDAL_CACHEMAX"])):
        disk.make_directory(target)
        return [
            _export(cube, pixels[slot], part, target, mark, compression)
            for slot in _slots(pixels, span)
            for mark, part in _parts(shards.get(slot, {}).get(str(pixels.name), ()))
        ]


def _pixels(cube: Cube, root: Root, bands: Sequence[str] | None) -> xr.DataArray:
    """Return the cube's pixels, slots as they arrived; they and the bands with their numbers."""
    data = reader.dataset(cube.path, root, mask_and_scale=False)
    held = [str(name) for name in data.band.values]
    wanted = held if bands is None else list(bands)
    if not wanted or not set(wanted) <= set(held):
        raise QueryError(
            f"Bands {', '.join(wanted) or 'none'} of {cube.tile.id} {cube.sensor.id}",
            expected=f"some of {', '.join(held)}",
            remedy="leave out what the cube lacks",
        )
    numbered = data.assign_coords(
        slot=("time", np.arange(data.sizes["time"])), position=("band", np.arange(len(held)))
    )
    return numbered[cube.sensor.pixels.name].isel(band=[held.index(name) for name in wanted])


def _slots(pixels: xr.DataArray, span: tuple[int | None, int | None]) -> list[int]:
    """Return the slots of a span of time that no other replaced, by time."""
    times = pixels.time.values.astype("datetime64[us]").astype("int64")
    first, last = (times if end is None else end for end in span)
    named = pixels.supersedes.values
    replaced = pixels.item_id.isin(named[named != ""]).values
    wanted = (times >= first) & (times <= last) & ~replaced
    return [slot for slot in np.argsort(times, kind="stable").tolist() if wanted[slot]]


def _parts(shards: Sequence[Shard]) -> list[tuple[str, list[Shard]]]:
    """Return the shards that touch one another, with the end of the name of their file."""
    left, parts = set(shards), []
    while left:
        first = min(left)
        parts.append((first, sorted(_touching(first, left))))
    return [(f"_{y}-{x}" if len(parts) > 1 else "", part) for (y, x), part in parts]


def _touching(first: Shard, left: set[Shard]) -> list[Shard]:
    """Return a shard and all that touch it or one another, and take them out of ``left``."""
    found = [first]
    left.remove(first)
    for y, x in found:  # it grows meanwhile
        near = {(y + down, x + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & left
        left -= near
        found += near
    return found


def _export(
    cube: Cube,
    pixels: xr.DataArray,
    shards: Sequence[Shard],
    target: Path,
    mark: str,
    how: Compression,
) -> Cog:
    """Write a part of one slot, of ``(band, y, x)``."""
    box = layout.geobox(cube.sensor, cube.tile)
    window = _around(shards, box)
    moment = np.datetime_as_string(pixels.time.values, unit="s")
    stamp = moment.replace("-", "").replace(":", "")
    slot = int(pixels.slot)
    path = target / f"{cube.tile.id}_{cube.sensor.id}_{stamp}_{slot}{mark}.tif"
    aside, made = (path.with_name(f".{uuid.uuid4().hex}.{path.name}") for _ in range(2))
    try:
        _copy(cube, pixels, shards, window, box[window], aside)
        rasterio.shutil.copy(aside, made, driver="COG", **_options(cube.sensor.pixels, how))
        made.replace(path)
    finally:
        aside.unlink(missing_ok=True)
        made.unlink(missing_ok=True)
    height, width = box[window].shape
    item = write_item(cube, pixels, shards, box[window], path)
    return Cog(str(path), slot, f"{moment}Z", width, height, path.stat().st_size, str(item))


def _around(shards: Sequence[Shard], box: GeoBox) -> tuple[slice, slice]:
    """Return the rows and columns from the first shard to the last, within the cube."""
    places = np.array(shards)
    starts, ends = places.min(axis=0) * layout.SHARD, (places.max(axis=0) + 1) * layout.SHARD
    (top, left), (bottom, right) = starts.tolist(), np.minimum(ends, box.shape).tolist()
    return slice(top, bottom), slice(left, right)


def _copy(
    cube: Cube,
    pixels: xr.DataArray,
    shards: Sequence[Shard],
    window: tuple[slice, slice],
    box: GeoBox,
    path: Path,
) -> None:
    """Copy the shards of a slot into a file that is made for them."""
    rows, columns = window
    layer = cube.sensor.pixels
    with rasterio.open(path, "w", **_profile(pixels, box, layer)) as file:
        _describe(file, pixels, layer)
        for shard in shards:
            y, x = (place * layout.SHARD for place in shard)
            values = _values(cube, pixels, shard)
            height, width = values.shape[1:]
            file.write(values, window=Window(x - columns.start, y - rows.start, width, height))


def _values(cube: Cube, pixels: xr.DataArray, shard: Shard) -> NDArray[Any]:
    """Return the pixels of a shard, ``(band, y, x)``: chunks as they lie on the disk, each once."""
    array = Array.from_document(str(pixels.name), cube.root().arrays[str(pixels.name)])
    y, x = (place * layout.SHARD for place in shard)
    height, width = (
        min(layout.SHARD, n - k) for n, k in zip(array.shape[-2:], (y, x), strict=True)
    )
    values = np.full((pixels.sizes["band"], height, width), array.fill, array.numpy_dtype)
    bands = pixels.position.values
    for top, left, chunk in chunks(Path(cube.path), array, int(pixels.slot), shard):
        part = values[:, top - y : top - y + layout.CHUNK, left - x : left - x + layout.CHUNK]
        part[...] = chunk[bands, : part.shape[1], : part.shape[2]]
    return values


def _profile(pixels: xr.DataArray, box: GeoBox, layer: Layer) -> dict[str, Any]:
    height, width = box.shape
    return {
        **ASIDE,
        "driver": "GTiff",
        "count": pixels.sizes["band"],
        "height": height,
        "width": width,
        "dtype": pixels.dtype.name,
        "crs": box.crs.to_wkt() if box.crs else None,
        "transform": box.affine,
        "nodata": layer.nodata,
        "interleave": "pixel",
        "compress": "zstd",
        "zstd_level": 1,
        "bigtiff": "if_safer",
    }


def _describe(file: Any, pixels: xr.DataArray, layer: Layer) -> None:  # noqa: ANN401 - rasterio's
    """Say in the file what its numbers are, and where they came from."""
    count = file.count
    file.descriptions = tuple(str(name) for name in pixels.band.values)
    if layer.scale_factor is not None:
        file.scales = (layer.scale_factor,) * count
        file.offsets = (layer.add_offset or 0.0,) * count
    if layer.units:
        file.units = (layer.units,) * count
    told = {name: str(pixels[name].values) for name in TAGS}
    file.update_tags(**{name: value for name, value in told.items() if value})


def _options(layer: Layer, how: Compression) -> dict[str, str]:
    """Return the options of GDAL's COG driver; the mean of classes would be another class."""
    return {
        "COMPRESS": how.upper(),
        "PREDICTOR": "YES",
        "BLOCKSIZE": str(BLOCK),
        "BIGTIFF": "IF_SAFER",
        "OVERVIEW_RESAMPLING": "MODE" if layer.name in CLASSES else "AVERAGE",
        "SPARSE_OK": "YES",
    }
