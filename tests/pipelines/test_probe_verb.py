"""`cubestore probe`: labels of cubes and of patch sets, vectors of the store or computed now."""

import json
from dataclasses import replace

import numpy as np
import pytest

import cubestore
import cubestore_model
from cubestore.embeddings import Embedding
from cubestore.patches import Embedded
from cubestore_pipelines.cli import main
from tests.cubestore import patch_sets

pytestmark = pytest.mark.usefixtures("one_thread")

TILE, OPTICAL, LAND = "31UDQ", "sentinel-2-l2a", "esa-worldcover"
SIZE, CORNER, SIDE = 64, 10240, 740
"""Pixels of a chip; where the tile's last shard begins, and its side: 11 chips and a half."""

COMMON = ["--model", "rcf", "--block", "1000", "--seeds", "2"]

WATER = ("IoU", "water")


def ground():
    """Return which pixels are water: ponds of 5 chips, about."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIZE
    return (np.sin(y) + np.cos(1.3 * x)) > 0


def arrays(cube, **known):
    with cube.write() as writer:
        every = {n: a for n, a in writer.arrays.items() if a.shards}
    shapes = {n: (*a.shape[1:-2], SIDE, SIDE) for n, a in every.items()}
    return {n: known.get(n, np.zeros(shapes[n])).astype(a.dtype) for n, a in every.items()}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A tile with ponds in both of its cubes, indexed, and embedded."""
    made = cubestore.create_store(tmp_path_factory.mktemp("probe") / "store")
    noise, water = np.random.default_rng(0), ground()
    pixels = np.where(water, [[[400]], [[200]]], [[[900]], [[3000]]])
    pixels = pixels + noise.integers(0, 300, pixels.shape)
    slot = {"time": "2021-06-01", "item_id": "a", "dn_offset": 0}
    optical = made.create_cube(TILE, OPTICAL, bands=["B04", "B08"])
    told = {"reflectance": pixels, "quality": np.where(water, 6, 4)}
    place = {"origin": (CORNER, CORNER)}
    optical.append(cubestore.Slot(**slot), arrays(optical, **told), **place)
    land = made.create_cube(TILE, LAND)
    cover = np.where(water, 80, 30)[None]
    land.append(cubestore.Slot(**slot), arrays(land, land_cover=cover), **place)
    assert main(["index", made.path, "--chip-size", str(SIZE)]) == 0
    options = ["--model", "rcf", "--chip-size", str(SIZE), "--max-nodata", "0", "--dense"]
    assert main(["embed", made.path, *options]) == 0
    return made


def test_land_cover_is_found_in_the_vectors_that_the_cube_holds(program, store):
    options = [*COMMON, "--labels", LAND]
    told = json.loads(program("probe", store.path, *options, "--json").out)
    found = {(row["metric"], row["class"]): row for row in told["measures"]}
    assert found["accuracy", ""]["mean"] > 0.8
    assert found["F1", "water"]["low"] <= found["F1", "water"]["mean"]
    assert told["chips"] == 121
    assert "tree" in told["absent"]
    assert "water" not in told["absent"]
    shown = program("probe", store.path, *options, "--method", "knn")
    assert "macro F1" in shown.out
    assert "varies: which blocks of ground" in shown.err
    assert "tree: absent from training or test with seed 0, 1" in shown.err


def test_a_second_set_under_its_own_name_is_probed_and_searched(program, store):
    embed = ["embed", store.path, "--model", "rcf", "--chip-size", str(SIZE)]
    refused = program(*embed, "--use", "B04", check=1).err
    assert "preprocessing bands ['B04', 'B08']" in refused
    assert "cubestore embed --name" in refused
    program(*embed, "--use", "B04", "--name", "rcf-red")
    probe = ["probe", store.path, "--model", "rcf-red", *COMMON[2:], "--labels", LAND]
    told = json.loads(program(*probe, "--json").out)
    assert told["chips"] == 121
    near = ["nearest", store.path, "--model", "rcf-red", "--at"]
    at = store.cube(TILE, OPTICAL).tile.geobox(gsd=10)[CORNER:, CORNER:].geographic_extent.centroid
    found = json.loads(program(*near, *map(str, at.coords[0]), "--k", "2", "--json").out)
    assert len(found["chips"]) == 2


def test_chips_of_several_classes_are_measured_by_average_precision(program, store):
    options = [*COMMON, "--labels", LAND, "--present", "0.05", "--json"]
    told = json.loads(program("probe", store.path, *options).out)
    found = {(row["metric"], row["class"]): row["mean"] for row in told["measures"]}
    assert found["mAP", ""] > 0.8
    assert found["AP", "tree"] is None


@pytest.mark.parametrize("labels", [LAND, "quality"])
def test_maps_are_found_by_the_patches_vectors_held_or_computed_now(program, store, labels):
    options = [*COMMON, "--labels", labels, "--task", "segmentation", "--method", "knn", "--json"]
    told = json.loads(program("probe", store.path, *options).out)
    assert told["chips"] == 121
    water = next(row for row in told["measures"] if (row["metric"], row["class"]) == WATER)
    assert water["mean"] > 0.5
    encoder = cubestore_model.load_encoder("rcf", config={"features": 32})
    encoder.entry = replace(encoder.entry, chip_size=SIZE)
    now = cubestore_model.probe(
        store.path, model=encoder, labels=labels, task="segmentation", block=1000, seeds=2
    )
    assert now.chips == 121
    assert now.measure(*WATER).mean > 0.4


def test_a_mask_of_the_cube_is_a_label_too(program, store):
    told = json.loads(program("probe", store.path, *COMMON, "--labels", "quality", "--json").out)
    found = {(row["metric"], row["class"]): row["mean"] for row in told["measures"]}
    assert found["F1", "water"] > 0.7


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    """A patch set of noise, whose label is where the noise is dark."""
    path = tmp_path_factory.mktemp("patches") / "store"
    made = cubestore.create_store(path)
    with made.create_patches(patch_sets.description(size=32)) as writer:
        pixels, columns = patch_sets.patches(24, size=32)
        dark = np.arange(32) < np.arange(24)[:, None] + 4
        label = (~dark)[:, None].repeat(32, axis=1).astype("uint8")
        pixels["label"] = label
        pixels["reflectance"] //= np.where(label, 1, 20)[:, None, None].astype("int16")
        columns["longitude"] = 3 + 0.1 * np.arange(24)
        columns["crs"] = ["EPSG:32631"] * 24
        writer.append(pixels, columns)
    return made


def test_maps_of_a_patch_set_are_found_by_vectors_that_are_computed_now(program, patches):
    options = ["--model", "rcf", "--labels", "label", "--task", "segmentation", "--seeds", "2"]
    options += ["--patches", patch_sets.NAME, "--json"]
    told = json.loads(program("probe", patches.path, *options).out)
    found = {(row["metric"], row["class"]): row["mean"] for row in told["measures"]}
    assert found["mean IoU", ""] > 0.5
    assert {("IoU", "water"), ("IoU", "land")} <= set(found)
    assert told["chips"] == 48  # both seasons, in the same part


def test_vectors_that_a_patch_set_holds_are_taken(program, tmp_path):
    """They tell the label, which the pixels do not."""
    embedding = Embedding(
        model="rcf", preprocessing="none", pooling="mean", dimensions=2, chip_size=32
    )
    held = Embedded(embedding=embedding, sensor=OPTICAL, gsd=10.0)
    made = cubestore.create_store(tmp_path / "store")
    pixels, columns = patch_sets.patches(24, size=32)
    label = np.arange(24) % 2
    columns |= {"longitude": 3 + 0.1 * np.arange(24), "cover": ["land", "water"] * 12}
    with made.create_patches(patch_sets.description(size=32, embeddings=(held,))) as writer:
        vectors = np.stack([label, 1 - label], axis=1).astype("float32")
        writer.append({**pixels, "embedding_rcf": vectors}, columns)
    options = ["--model", "rcf", "--labels", "cover", "--patches", patch_sets.NAME, "--json"]
    told = json.loads(program("probe", made.path, *options).out)
    assert told["chips"] == 24
    assert told["classes"] == ["land", "water"]
    assert {row["mean"] for row in told["measures"]} == {1.0}


def test_an_encoder_is_tuned_and_kept(program, patches, tmp_path):
    options = ["--model", "clay-tiny", "--use", "B04", "--use", "B08", "--labels", "label"]
    options += ["--weights", tmp_path / "tiny.safetensors", "--patches", patch_sets.NAME]
    small = {"dim": 16, "depth": 1, "heads": 1, "dim_head": 16}
    encoder = cubestore_model.untrained("clay-tiny", config=small)
    cubestore_model.save(encoder.network, tmp_path / "tiny.safetensors")
    options += ["--method", "finetune", "--epochs", "2", "--seeds", "1", "--keep", tmp_path / "k"]
    options += ["--task", "segmentation", "--json"]
    told = json.loads(program("probe", patches.path, *options).out)
    assert told["method"] == "finetune"
    assert told["runs"][0]["train"] > 0
    tuned = cubestore_model.load_tuned(tmp_path / "k" / "seed-0.safetensors")
    assert tuned.config.classes == ("water", "land")


def test_a_column_of_the_patches_is_a_label(program, patches):
    options = ["--model", "rcf", "--labels", "split", "--patches", patch_sets.NAME, "--json"]
    told = json.loads(program("probe", patches.path, *options, "--method", "knn").out)
    assert told["classes"] == ["train", "val"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--labels", "nothing"], "Labels 'nothing'"),
        (["--labels", LAND, "--block", "1000000"], "smaller blocks"),
        (["--labels", LAND, "--present", "5"], "for 5 % give 0.05"),
        (["--labels", LAND, "--tile", "31UDP"], "no cube of"),
        (["--labels", LAND, "--seeds", "0"], "A probe with 0 seeds"),
        (["--labels", LAND, "--sensor", "sentinel-1-rtc"], "no cube of sentinel-1-rtc"),
        (["--labels", "label", "--patches", "noise/none"], "no patch set noise/none"),
    ],
)
def test_what_cannot_be_probed_is_one_line_with_a_remedy(program, store, options, message):
    error = program("probe", store.path, "--model", "rcf", *options, check=1).err
    assert message in error
    assert "Remedy" in error
