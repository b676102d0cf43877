"""The scene that both contestants read: a Sentinel-2 tile, with the entropy of real reflectance.

Smooth parcels under sensor noise: DEFLATE with a horizontal predictor leaves 1.4 bytes of a pixel,
as it does of real scenes. A corner lies outside the swath.
"""

import json
from itertools import product
from pathlib import Path

import numpy as np
import rasterio
import shapely
from rasterio.windows import Window

import cubestore
from cubestore import grids, layout

TILE, SENSOR = "31UDQ", "sentinel-2-l2a"
BANDS = {"B02": 10, "B03": 10, "B04": 10, "B08": 10, "B8A": 20, "B11": 20}
"""Name -> ground sample distance, metres."""

MASK = "SCL"
BLOCK = 1024
"""As Earth Search's files are tiled."""

OFFSET, NODATA, EMPTY = -1000, -32768, 0
"""Of baseline 04.00 and later; the cube's nodata; the product's."""

PARCEL = 64
NOISE = 60
"""Digital numbers."""


def grid():
    """Return the cube's pixels."""
    return layout.geobox(cubestore.sensor(SENSOR), grids.tile(TILE))


def make(home):
    """Write the files of a scene, those that are not there yet."""
    home.mkdir(parents=True, exist_ok=True)
    for seed, (band, gsd) in enumerate(BANDS.items()):
        _write(home / f"{band}.tif", gsd, "uint16", 2, _reflectance(gsd, seed))
    _write(home / f"{MASK}.tif", 20, "uint8", 1, _classes())


def catalogue(folder, files, dates):
    """Write a scene's items, one a date: each with addresses of its own, ``files`` / date."""
    folder.mkdir(exist_ok=True)
    for day in range(1, dates + 1):
        item = _item(files, day)
        (folder / f"{item['id']}.json").write_text(json.dumps(item))
    return folder


def expected(home, corner):
    """Yield what a cube must hold in each of its shards, band by band, by plain rasterio.

    Args:
        home: of the files.
        corner: how many rows and columns of shards, from the north-west.
    """
    rows, columns = grid().shape
    for top, left in product(range(0, corner * layout.SHARD, layout.SHARD), repeat=2):
        height, width = min(layout.SHARD, rows - top), min(layout.SHARD, columns - left)
        window = Window(left, top, width, height)
        yield np.stack([_stored(home / f"{band}.tif", window, BANDS[band]) for band in BANDS])


def _stored(path, window, gsd):
    scale = gsd // 10
    with rasterio.open(path) as file:
        numbers = file.read(1, window=Window(*(n // scale for n in window.flatten())))
    numbers = numbers.repeat(scale, axis=0).repeat(scale, axis=1)
    return np.where(numbers == EMPTY, NODATA, numbers.astype("int32") + OFFSET).astype("int16")


def _write(path, gsd, dtype, predictor, rows):
    if path.exists():
        return
    place = grid().zoom_out(gsd / 10)
    profile = {
        "driver": "GTiff",
        "count": 1,
        "dtype": dtype,
        "nodata": EMPTY,
        "height": place.shape[0],
        "width": place.shape[1],
        "crs": str(place.crs),
        "transform": place.affine,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "compress": "deflate",
        "predictor": predictor,
        "num_threads": "all_cpus",
    }
    aside = path.with_suffix(".part")
    with rasterio.open(aside, "w", **profile) as file:
        for start in range(0, file.height, BLOCK):
            count = min(BLOCK, file.height - start)
            file.write(
                rows(start, count, file.width), 1, window=Window(0, start, file.width, count)
            )
    aside.rename(path)


def _reflectance(gsd, seed):
    """Return what makes rows of a band."""
    random = np.random.default_rng(seed)
    side = PARCEL * 10 // gsd

    def rows(start, count, width):
        means = np.random.default_rng((seed, start)).integers(
            1300, 3800, (-(-count // side), -(-width // side)), dtype="uint16"
        )
        parcels = means.repeat(side, axis=0).repeat(side, axis=1)[:count, :width]
        noise = random.standard_normal((count, width), dtype="float32")
        return _in_swath(np.clip(parcels + NOISE * noise, 1, None).astype("uint16"), start)

    return rows


def _classes():
    """Return what makes rows of the scene classification: patches."""

    def rows(start, count, width):
        drawn = np.random.default_rng((99, start)).integers(
            3, 11, (-(-count // PARCEL), -(-width // PARCEL)), dtype="uint8"
        )
        return _in_swath(drawn.repeat(PARCEL, 0).repeat(PARCEL, 1)[:count, :width], start)

    return rows


def _in_swath(pixels, start):
    """Empty a corner in the north-east: the edge of the swath leaves the tile."""
    rows, columns = np.ogrid[start : start + pixels.shape[0], : pixels.shape[1]]
    return np.where(columns + rows // 16 < pixels.shape[1], pixels, pixels.dtype.type(EMPTY))


def _item(files, day):
    tile, time = grids.tile(TILE), f"2023-06-{day:02d}T10:50:31Z"
    name = f"S2A_MSIL2A_202306{day:02d}T105031_N0509_R051_T{TILE}_202306{day:02d}T164502"
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
        ],
        "id": name,
        "collection": "sentinel-2-l2a",
        "geometry": json.loads(shapely.to_geojson(tile.footprint)),
        "bbox": list(tile.footprint.bounds),
        "properties": {
            "datetime": time,
            "platform": "sentinel-2a",
            "proj:epsg": tile.crs.epsg,
            "s2:processing_baseline": "05.09",
            "s2:mgrs_tile": TILE,
            "eo:cloud_cover": 3.0,
        },
        "links": [],
        "assets": {
            **{band: _asset(f"{files}/{day}/{band}.tif", gsd) for band, gsd in BANDS.items()},
            MASK: _asset(f"{files}/{day}/{MASK}.tif", 20, "uint8"),
        },
    }


def _asset(href, gsd, dtype="uint16"):
    place = grid().zoom_out(gsd / 10)
    return {
        "href": href,
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": ["data"],
        "gsd": gsd,
        "proj:shape": list(place.shape),
        "proj:transform": list(place.affine)[:6],
        "raster:bands": [{"data_type": dtype, "nodata": EMPTY, "spatial_resolution": gsd}],
    }


def link(home, scene, dates):
    """Give the scene's files an address for each date; return the folder above them."""
    for day in range(1, dates + 1):
        folder = Path(home, str(day))
        folder.mkdir(parents=True)
        for file in scene.glob("*.tif"):
            (folder / file.name).symlink_to(file.resolve())
    return home
