"""Sheets of land cover in WorldCover's shape, fifteen times as coarse, and what rasterio reads."""

import json

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.windows import from_bounds

CODES = np.array([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100], "uint8")
SIDE, DEGREES = 2400, 3
FACTOR = 16


def name(south, west, version="2021_v200"):
    corner = f"{'SN'[south >= 0]}{abs(south):02}{'WE'[west >= 0]}{abs(west):03}"
    return f"ESA_WorldCover_10m_{version}_{corner}"


def landscape(seed):
    """Return blobs of all classes, in which every overview has other pixels."""
    rng = np.random.default_rng(seed)
    blobs = rng.choice(CODES, (SIDE // 20, SIDE // 20)).repeat(20, 0).repeat(20, 1)
    return np.where(rng.random(blobs.shape) < 0.05, rng.choice(CODES), blobs).astype("uint8")


def plain(code):
    """Return one class everywhere."""
    return np.full((SIDE, SIDE), code, "uint8")


def write(folder, south, west, pixels=None, *, version="2021_v200", levels=4, **profile):
    """Write a sheet whose south-west corner is given, and return its path."""
    pixels = landscape((south + 90) * 1000 + west + 180) if pixels is None else pixels
    path = folder / f"{name(south, west, version)}_Map.tif"
    told = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "dtype": pixels.dtype}
    told |= {"crs": "EPSG:4326", "nodata": 0, "tiled": True, "compress": "deflate"} | profile
    step = DEGREES / SIDE
    told["transform"] = Affine(step, 0, west, 0, -step, south + DEGREES)
    with rasterio.open(path, "w", **told) as dataset:
        dataset.write(pixels, 1)
    if levels:
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews([2**n for n in range(1, levels + 1)], Resampling.nearest)
    return path


def item(path, version):
    """Return a sheet's STAC item as the Planetary Computer has it."""
    with rasterio.open(path) as dataset:
        west, south, east, north = dataset.bounds
        proj = {"proj:epsg": 4326, "proj:shape": list(dataset.shape)}
        proj["proj:transform"] = list(dataset.transform)[:6]
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    year = path.name.split("_")[3]
    times = {"start_datetime": f"{year}-01-01T00:00:00Z", "end_datetime": f"{year}-12-31T23:59:59Z"}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": path.name.removesuffix("_Map.tif"),
        "collection": "esa-worldcover",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "properties": {
            "datetime": None,
            **times,
            "esa_worldcover:product_version": version,
            **proj,
        },
        "links": [],
        "assets": {"map": {"href": str(path), "roles": ["data"]}},
    }


def catalogue(path, items):
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return path


def read_by_rasterio(paths, boxes):
    """Return the pixels of each code in some boxes, as Clay's script reads them off its mosaic."""
    files, total = list(paths), np.zeros(256, int)
    for box in boxes:
        profile, pixels = _mosaic(files, box)
        with MemoryFile() as file:
            with file.open(**profile) as dataset:
                dataset.write(pixels, 1)
            with file.open() as dataset:
                found = dataset.read(1, window=from_bounds(*box, dataset.transform))
        total += np.bincount(found.ravel(), minlength=256)
    return total


def _mosaic(paths, box):
    """Return the fourth overviews of the sheets within a few degrees of a box, side by side."""
    west, north = (DEGREES * (edge // DEGREES + step) for edge, step in ((box[0], -1), (box[3], 2)))
    side = SIDE // FACTOR
    pixels = np.zeros((4 * side, 4 * side), "uint8")
    for path in paths:
        with rasterio.open(path, overview_level=3) as dataset:
            left, _, _, top = dataset.bounds
            row, column = round((north - top) / DEGREES), round((left - west) / DEGREES)
            if 0 <= row < 4 and 0 <= column < 4:
                whole = (slice(n * side, (n + 1) * side) for n in (row, column))
                pixels[tuple(whole)] = dataset.read(1)
            step = dataset.transform.a
    told = {"driver": "GTiff", "count": 1, "dtype": "uint8", "crs": "EPSG:4326"}
    told |= {"width": 4 * side, "height": 4 * side}
    return told | {"transform": Affine(step, 0, west, 0, -step, north)}, pixels
