"""A store, and scenes to put into its cubes: noise with holes, on one shard."""

import numpy as np
import pytest

import cubestore

LAST = (-1, -1)
"""The shard in the south-east corner: the smallest of its cube."""


@pytest.fixture
def store(tmp_path):
    return cubestore.create_store(tmp_path / "store")


@pytest.fixture(scope="session")
def scene():
    """Make every variable of a cube for one shard; returns the pixels and their origin."""

    def make(cube, shard=LAST, seed=0):
        with cube.write() as writer:
            arrays = {n: a for n, a in writer.arrays.items() if a.shards}
        rng = np.random.default_rng(seed)
        pixels = {}
        for name, array in arrays.items():
            place = [s % n for s, n in zip(shard, array.blocks()[-2:], strict=True)]
            lead = [0] * (len(array.dims) - 2)
            shape = array.sized("time", 1).block_shape((*lead, *place))[1:]
            values = rng.integers(1, 200, shape).astype(array.dtype)
            values[..., :-150, :-100] = array.fill  # chunks without data, and parts of chunks
            pixels[name] = values
        return pixels, (place[0] * 2048, place[1] * 2048)

    return make


@pytest.fixture(scope="session")
def append(scene):
    """Append a slot of noise on one shard; returns its pixels."""

    def do(cube, time, item_id, *, shard=LAST, seed=0, **known):
        pixels, origin = scene(cube, shard, seed)
        cube.append(cubestore.Slot(time=time, item_id=item_id, **known), pixels, origin=origin)
        return pixels

    return do
