"""`cubestore embed` on a cluster, a cube a task."""

import json

import numpy as np
import pytest

import cubestore
from cubestore import embeddings
from tests.cubestore.patch_sets import patch_set

MODIS = "modis-09a1"


@pytest.fixture
def store(tmp_path):
    made = cubestore.create_store(tmp_path / "store")
    for tile in ("h18v04", "h18v03"):
        cube = made.create_cube(tile, MODIS)
        with cube.write() as writer:
            arrays = {n: a for n, a in writer.arrays.items() if a.shards}
        noise = np.random.default_rng(len(tile))
        pixels = {
            n: noise.integers(0, 4, (*a.shape[1:-2], 352, 352)).astype(a.dtype)
            for n, a in arrays.items()
        }
        cube.append(cubestore.Slot(time="2024-01-01", item_id="a"), pixels, origin=(2048, 2048))
    return made


def test_cubes_are_embedded_side_by_side_and_as_in_one_process(program, store, scheduler):
    options = ["--chip-size", "88", "--sensor", MODIS, "--json"]
    told = json.loads(program("embed", store.path, *options, "--scheduler", scheduler).out)
    assert {one["tile"] for one in told["slots"]} == {"h18v03", "h18v04"}
    assert json.loads(program("embed", store.path, *options).out)["slots"] == []
    for tile in ("h18v03", "h18v04"):
        (held,) = embeddings.listed(store.cube(tile, MODIS))
        assert held.embedding.model == "rcf"
        assert list(held.slots) == [0]


def test_what_a_cube_refuses_is_one_line_and_the_others_are_done(program, store, scheduler):
    first = ["embed", store.path, "--chip-size", "88"]
    program(*first, "--tile", "h18v04")
    options = ["--chip-size", "64", "--scheduler", scheduler]
    said = program("embed", store.path, *options, check=1).err
    assert "chip_size 64" in said
    assert "one set under one name" in said
    assert len(embeddings.listed(store.cube("h18v03", MODIS))) == 1


def test_patch_sets_are_embedded_by_name_and_on_a_cluster_too(program, store, scheduler):
    for name in ("noise/train", "noise/val"):
        patch_set(store, 2, name=name)
    told = json.loads(program("embed", store.path, "--patches", "noise/train", "--json").out)
    assert [(o["patches"], o["first"], o["end"], o["chips"]) for o in told["patches"]] == [
        ("noise/train", 0, 2, 4)
    ]
    said = program("embed", store.path, "--patches", "all", "--scheduler", scheduler)
    assert "noise/val sentinel-2-l2a: patches 0 to 2, 4 vectors" in said.err
    assert "noise/train" not in said.out  # they have theirs
    both = ["--patches", "noise/val", "--tile", "h18v04"]
    assert "one or the other" in program("embed", store.path, *both, check=1).err
    absent = program("embed", store.path, "--patches", "noise/none", check=1).err
    assert "no patch set noise/none" in absent
