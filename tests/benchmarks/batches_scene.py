"""What the contestants read: the same pixels as a cube, a memmap, GeoTIFF and litdata's chunks.

Reflectance with the entropy of a real scene: smooth parcels under sensor noise.
"""

import numpy as np
import rasterio
from rasterio.transform import from_origin

import cubestore

TILE, SENSOR = "31UDQ", "sentinel-2-l2a"
SLOTS, SIDE, BANDS = 3, 4096, 10
CHIP = 256


def make(home):
    """Write the store, the memmap and the rasters, where they are not there yet."""
    if (home / "made").exists():
        return
    home.mkdir(parents=True, exist_ok=True)
    cube = cubestore.create_store(home / "store").create_cube(TILE, SENSOR)
    chips = SLOTS * (SIDE // CHIP) ** 2
    flat = np.memmap(home / "chips.dat", "int16", "w+", shape=(chips, BANDS, CHIP, CHIP))
    for slot in range(SLOTS):
        pixels = reflectance(slot)
        masks = {"quality": np.full((SIDE, SIDE), 4, "uint8")}
        masks["cloud_class"] = np.zeros((SIDE, SIDE), "uint8")
        told = cubestore.Slot(time=f"2024-07-0{1 + slot}T10:50", item_id=f"S-{slot}")
        cube.append(told, {"reflectance": pixels, **masks})
        side = SIDE // CHIP
        cut = pixels.reshape(BANDS, side, CHIP, side, CHIP).transpose(1, 3, 0, 2, 4)
        flat[slot * side**2 : (slot + 1) * side**2] = cut.reshape(-1, BANDS, CHIP, CHIP)
        _raster(home / f"2024070{1 + slot}.tif", pixels)
    flat.flush()
    (home / "made").touch()


def reflectance(seed):
    """Return ``(band, y, x)`` of int16."""
    random = np.random.default_rng(seed)
    parcels = random.integers(300, 3000, (BANDS, SIDE // 16, SIDE // 16)).astype("int16")
    smooth = parcels.repeat(16, axis=1).repeat(16, axis=2)
    return smooth + random.normal(0, 20, smooth.shape).astype("int16")


def _raster(path, pixels):
    profile = {"driver": "GTiff", "dtype": "int16", "count": BANDS, "height": SIDE, "width": SIDE}
    place = {"crs": "EPSG:32631", "transform": from_origin(399960, 5500020, 10, 10)}
    tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256, "interleave": "band"}
    with rasterio.open(path, "w", **profile, **place, **tiles, compress="deflate") as file:
        file.write(pixels)
