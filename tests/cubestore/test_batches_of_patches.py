"""Batches of patch sets: whole patches, windows of them, seasons, labels; real ones too."""

from pathlib import Path

import numpy as np
import pytest

import cubestore
from cubestore.errors import DamagedError, MismatchError, UnknownCubeError
from cubestore.patches import Pixels
from tests.cubestore import patch_sets, worldcereal

OPTIONS = {"patches": patch_sets.NAME, "sensor": "reflectance", "batch_size": 4}


@pytest.fixture(scope="module", params=[20, 264])
def made(request, tmp_path_factory):
    """A patch set, of patches of that many pixels, and the noise that is in it."""
    store = cubestore.create_store(tmp_path_factory.mktemp("patches") / "store")
    patch_sets.patch_set(store, 10, size=request.param)
    return store, request.param, patch_sets.patches(10, size=request.param)


def test_every_season_of_every_patch_comes_once_with_its_label(made):
    store, size, (pixels, columns) = made
    seen = set()
    options = {**OPTIONS, "chip_size": size, "variables": ["quality"]}
    for batch in cubestore.batches(store, **options):
        for k, name in enumerate(batch["chipid"]):
            patch, season = int(name.split("-")[1]), int(name.split("-")[2])
            seen.add((patch, season))
            expected = pixels["reflectance"][patch, season]
            np.testing.assert_array_equal(batch["pixels"][k], expected)
            np.testing.assert_array_equal(batch["quality"][k], pixels["quality"][patch, season])
            assert batch["datetime"][k] == columns["time"][patch, season]
    assert seen == {(patch, season) for patch in range(10) for season in range(2)}


def test_seasons_come_together_as_dates(made):
    store, size, (pixels, _) = made
    for batch in cubestore.batches(store, **OPTIONS, chip_size=size, dates=2):
        for k, name in enumerate(batch["chipid"]):
            expected = pixels["reflectance"][int(name.split("-")[1])]
            np.testing.assert_array_equal(batch["pixels"][k], expected)


def test_windows_smaller_than_a_patch_cover_it(made):
    store, size, (pixels, _) = made
    side = size // 2 + 3
    found = np.zeros((10, 2, 2, size, size), "int16")
    for batch in cubestore.batches(store, **OPTIONS, chip_size=side):
        for k, name in enumerate(batch["chipid"]):
            patch, season, x, y = map(int, name.split("-")[1:])
            inside = min(side, size - y), min(side, size - x)
            part = batch["pixels"][k][:, : inside[0], : inside[1]]
            found[patch, season, :, y : y + side, x : x + side] = part
    np.testing.assert_array_equal(found, pixels["reflectance"])


def test_a_published_split_is_kept_and_another_sensor_is_read_on_its_own_grid(made):
    store, size, (pixels, columns) = made
    train = {k for k, split in enumerate(columns["split"]) if split == "train"}
    options = {**OPTIONS, "sensor": "backscatter_s1", "chip_size": size // 2, "split": "train"}
    seen = set()
    for batch in cubestore.batches(store, **options):
        assert batch["bands"] == ("vv", "vh")
        for k, name in enumerate(batch["chipid"]):
            patch = int(name.split("-")[1])
            seen.add(patch)
            np.testing.assert_array_equal(batch["pixels"][k], pixels["backscatter_s1"][patch])
    assert seen == train


@pytest.mark.parametrize(
    ("options", "error", "problem"),
    [
        ({"split": "nope"}, UnknownCubeError, "no chips"),
        ({"dates": 3}, UnknownCubeError, "no chips"),
        ({"sensor": "label"}, MismatchError, "no pixels label"),
        ({"sensor": "sentinel-2-l2a"}, MismatchError, "no pixels sentinel-2-l2a"),
        ({"beside": "sentinel-1-rtc"}, MismatchError, "beside a patch set"),
        ({"max_cloud": 0.1}, MismatchError, "no max_cloud"),
        ({"variables": "embedding_x"}, MismatchError, "no embedding_x"),
    ],
)
def test_what_a_patch_set_does_not_have_is_refused(made, options, error, problem):
    store, size, _ = made
    with pytest.raises(error, match=problem):
        cubestore.batches(store, **{**OPTIONS, "chip_size": size, **options})


def test_a_file_of_a_patch_set_that_is_gone_is_named(tmp_path):
    store = cubestore.create_store(tmp_path / "store")
    patches = patch_sets.patch_set(store, 4)
    for path in Path(patches.path, "reflectance", "c").rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(DamagedError, match="is missing"):
        list(cubestore.batches(store, **OPTIONS, chip_size=20))


def test_patches_are_placed_where_they_lie(made):
    store, size, (_, columns) = made
    for batch in cubestore.batches(store, **OPTIONS, chip_size=size):
        for name, latlon in zip(batch["chipid"], batch["latlon"], strict=True):
            patch = int(name.split("-")[1])
            zone = {0: 3.0, 1: 9.0}[patch % 2]  # the noise lies near a central meridian, 45.15 N
            assert np.degrees(np.arctan2(latlon[2], latlon[3])) == pytest.approx(zone, abs=0.1)
            assert np.degrees(np.arctan2(latlon[0], latlon[1])) == pytest.approx(45.15, abs=0.1)
    assert len(columns["crs"]) == 10


@pytest.fixture
def on_degrees(tmp_path):
    """A set on degrees of two sensors that lie on one grid, and what is in it."""
    pixels = Pixels.of("sentinel-2-l2a", size=8), Pixels.of("sentinel-1-rtc", size=8, suffix="s1")
    description = patch_sets.description(pixels=pixels, labels=())
    rng = np.random.default_rng(0)
    arrays = {
        "reflectance": rng.integers(0, 9000, (3, 10, 8, 8)).astype("int16"),
        "backscatter_s1": rng.gamma(2, 0.1, (3, 2, 8, 8)).astype("float32"),
    }
    place = {"patch_id": ["a", "b", "c"], "longitude": [3.0] * 3, "latitude": [50.0] * 3}
    grid = {"crs": ["EPSG:4326"] * 3, "transform": [[9e-5, 0, 3.0, 0, -9e-5, 50.0]] * 3}
    store = cubestore.create_store(tmp_path / "store")
    with store.create_patches(description) as writer:
        writer.append(arrays, {**place, **grid})
    return store, arrays


def test_another_sensor_on_the_same_grid_comes_with_all_of_its_bands(on_degrees):
    store, arrays = on_degrees
    options = {**OPTIONS, "chip_size": 8, "variables": ["backscatter_s1"], "shuffle": False}
    (batch,) = cubestore.batches(store, **options)
    np.testing.assert_array_equal(batch["pixels"], arrays["reflectance"])
    np.testing.assert_array_equal(batch["backscatter_s1"], arrays["backscatter_s1"])


def test_patches_on_degrees_have_the_pixel_size_of_their_product_in_metres(on_degrees):
    (batch,) = cubestore.batches(on_degrees[0], **OPTIONS, chip_size=8)
    assert batch["gsd"] == 10


def test_real_patches_stream_with_their_labels(shared_data, tmp_path):
    store = cubestore.create_store(tmp_path / "store")
    patches = worldcereal.patch_set(store, shared_data / worldcereal.SAMPLE)
    truth = patches.open(mask_and_scale=False)
    options = {"patches": patches.name, "chip_size": worldcereal.SIZE, "batch_size": 16}
    seen = 0
    for batch in cubestore.batches(store, sensor="reflectance", variables=["LC"], **options):
        for k, name in enumerate(batch["chipid"]):
            season = int(name.rsplit("-", 1)[1])
            np.testing.assert_array_equal(batch["pixels"][k], truth.reflectance[0, season])
            np.testing.assert_array_equal(batch["LC"][k], truth.LC[0])
            seen += 1
    assert seen == truth.sizes["season"]
    radar = {**options, "chip_size": worldcereal.SIZE // 2}
    (first, *_) = cubestore.batches(store, sensor="backscatter_s1", **radar)
    assert first["pixels"].dtype == "int32"
    assert first["gsd"] == 20
