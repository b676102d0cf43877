"""A small store of simulated ground, of which the land cover is known, and a small model."""

from datetime import datetime

import numpy as np

import cubestore
from cubestore_pipelines.simulate import ground
from cubestore_pipelines.simulate.landscape import Scene

TILE, SENSOR, RADAR = "31UDQ", "sentinel-2-l2a", "sentinel-1-rtc"
SIZES = {
    "dim": 64,
    "depth": 2,
    "heads": 2,
    "dim_head": 32,
    "mlp_ratio": 2,
    "decoder_dim": 32,
    "decoder_depth": 1,
    "decoder_heads": 2,
    "decoder_dim_head": 16,
    "decoder_mlp_ratio": 2,
}
EDGE = 10240
"""Where the last shard of a tile begins, which is smaller than others."""


def grid(column=EDGE):
    """Return the pixels of the last shard of a column of shards."""
    return cubestore.tile(TILE).geobox(gsd=10)[EDGE:, column : min(column + 2048, 10980)]


def kinds(column=EDGE):
    """Return the land cover of those pixels."""
    return ground.kinds(grid(column)) // ground.VARIETIES


def store(path, *, column=EDGE, months=(4, 7), radar=False):
    """Make a store with cloudless scenes of some months."""
    made = cubestore.create_store(path)
    cube = made.create_cube(TILE, SENSOR)
    for month in months:
        time = datetime(2023, month, 10, 10, 50)  # noqa: DTZ001 - as the scenes have it
        scene = Scene(item_id=f"m{month}", time=time, cloudiness=0.0)
        slot = cubestore.Slot(time=time.isoformat(), item_id=scene.item_id)
        cube.append(slot, scene.pixels(grid(column)), origin=(EDGE, column))
    if radar:
        speckle = np.random.default_rng(0).gamma(4, 0.02, (2, *grid(column).shape))
        slot = cubestore.Slot(time="2023-04-10", item_id="radar")
        pixels = {"backscatter": speckle.astype("float32")}
        made.create_cube(TILE, RADAR).append(slot, pixels, origin=(EDGE, column))
    return made
