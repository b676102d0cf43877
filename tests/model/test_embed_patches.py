"""Vectors of patch sets, and of pixels by hand: one pixel, one vector, wherever it comes from."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyproj
import pytest
import torch
import xarray as xr

import cubestore
import cubestore_model
from cubestore import embeddings
from cubestore.embeddings import patch_sets
from cubestore.errors import MismatchError, SlotError, UnknownPatchSetError
from cubestore.patches import PatchDescription, Pixels
from cubestore_model import Options
from tests.cubestore.patch_sets import NAME, SEASONS, patch_set

S2 = "sentinel-2-l2a"
SIZE = 20
SMALL = Options(batch_size=3, device="cpu")


@pytest.fixture
def store(tmp_path):
    return cubestore.create_store(tmp_path / "store")


@pytest.fixture
def few(monkeypatch):
    """Two patches a block, where a set of real size has hundreds."""
    monkeypatch.setattr("cubestore.embeddings.definition.PATCH_BYTES", 2 * 2 * 512 * 4)


def rcf():
    return cubestore_model.load_encoder("rcf")


def by_hand(patches, number, season):
    pixels = patches.open(mask_and_scale=False).reflectance[number, season]
    return cubestore_model.embed_array(rcf(), pixels, sensor=S2).embedding[0].numpy()


@pytest.mark.usefixtures("few")
def test_every_acquisition_of_every_patch_has_the_vector_of_its_pixels(store):
    made = patch_set(store, 5)
    done = list(cubestore_model.embed_patches(store.path, "rcf", patches=[NAME], options=SMALL))
    assert [(one.first, one.end, one.chips, one.left_out) for one in done] == [
        (0, 2, 4, 0),
        (2, 4, 4, 0),
        (4, 5, 2, 0),
    ]
    opened = xr.open_zarr(made.path, chunks=None)
    held = opened.embedding_rcf
    assert held.dims == ("patch", "season", "feature_rcf")
    assert held.season.values.tolist() == list(SEASONS)
    assert held.longitude.dims == ("patch",)
    assert held.attrs["source_model"] == "rcf"
    assert held.attrs["geoemb:source_data"] == "sentinel-2-l2a"
    assert held.attrs["chip_size"] == SIZE
    for number, season in ((0, 0), (2, 1), (4, 1)):
        expected = by_hand(made, number, season)
        np.testing.assert_allclose(held[number, season].values, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(patch_sets.read(made, "rcf").values, held.values)
    assert not made.verify().findings
    commit = made.root().number
    assert not list(cubestore_model.embed_patches(store.path, "rcf", options=SMALL))
    assert made.root().number == commit


@pytest.mark.usefixtures("few")
def test_vectors_of_parts_lie_beside(store):
    made = patch_set(store, 3, size=40)
    options = replace(SMALL, dense=True, chip_size=32)
    (first, _) = cubestore_model.embed_patches(store.path, "rcf", options=options)
    opened = xr.open_zarr(made.path, chunks=None)
    side = 32 // rcf().patch_size
    assert opened.embedding_rcf_dense.shape == (3, 2, side, side, 512)
    pixels = made.open(mask_and_scale=False).reflectance[1, 0].values[:, 4:36, 4:36]  # the middle
    out = cubestore_model.embed_array(rcf(), pixels, sensor="sentinel-2-l2a", bands=["B04", "B08"])
    parts = out.patches[0].reshape(side, side, -1).numpy()
    np.testing.assert_allclose(opened.embedding_rcf_dense[1, 0].values, parts, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        opened.embedding_rcf[1, 0].values, out.embedding[0].numpy(), rtol=1e-5, atol=1e-6
    )
    assert first.chips == 4
    assert not made.verify().findings


@pytest.mark.usefixtures("few")
def test_integers_have_one_scale_for_the_whole_set(store):
    made = patch_set(
        store, 10
    )  # integers are a quarter as long, and blocks hold four times as many
    options = replace(SMALL, quantize="int8")
    generator = cubestore_model.embed_patches(store.path, "rcf", options=options)
    first = next(generator)
    generator.close()  # and goes on another day
    rest = list(cubestore_model.embed_patches(store.path, "rcf", options=options))
    assert [first.first, *(one.first for one in rest)] == [0, 8]
    held = xr.open_zarr(made.path, chunks=None).embedding_rcf
    step = float(held.encoding["scale_factor"])
    cut_off = first.saturated + sum(one.saturated for one in rest)
    assert first.saturated == 0
    expected = np.stack([[by_hand(made, n, s) for s in range(2)] for n in range(10)])
    inside = np.abs(expected) <= 127.5 * step
    assert (np.abs(held.values - expected)[inside] <= 0.51 * step).all()
    assert cut_off == (~inside).any(axis=-1).sum()


KILLED = """
import os, signal, sys
import cubestore.embeddings.definition as definition
import cubestore_model
definition.PATCH_BYTES = 2 * 2 * 512 * 4
for one in cubestore_model.embed_patches(sys.argv[1], "rcf"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.usefixtures("few")
def test_what_is_killed_goes_on_and_readers_see_whole_blocks(store):
    made = patch_set(store, 5)
    done = subprocess.run([sys.executable, "-c", KILLED, store.path], check=False)
    assert done.returncode == -9
    held = xr.open_zarr(made.path, chunks=None).embedding_rcf.values
    assert np.isfinite(held[:2]).all()
    assert np.isnan(held[2:]).all()
    assert not made.verify().damaged
    rest = cubestore_model.embed_patches(store.path, "rcf", options=SMALL)
    assert [one.first for one in rest] == [2, 4]
    after = xr.open_zarr(made.path, chunks=None).embedding_rcf.values
    np.testing.assert_array_equal(after[:2], held[:2])
    assert np.isfinite(after).all()
    assert not made.verify().findings


@pytest.mark.usefixtures("few")
def test_a_block_that_lies_there_uncommitted_is_not_seen_and_is_swept(store):
    made = patch_set(store, 3)
    next(cubestore_model.embed_patches(store.path, "rcf", options=SMALL))
    key = Path(made.path, "embedding_rcf/c/1/0/0")
    key.parent.mkdir(parents=True)
    key.write_bytes(Path(made.path, "embedding_rcf/c/0/0/0").read_bytes())
    assert np.isnan(made.open().embedding_rcf.values[2]).all()
    findings = made.verify().findings
    assert [(one.key, one.state) for one in findings] == [("embedding_rcf/c/1/0/0", "foreign")]


def test_a_set_with_vectors_that_is_gone_can_be_written_and_embedded_anew(store):
    made = patch_set(store, 2)
    list(cubestore_model.embed_patches(store.path, "rcf", options=SMALL))
    before = made.open().embedding_rcf.values
    shutil.rmtree(made.path)
    patch_set(store, 3)
    assert made.root().number == 0
    list(cubestore_model.embed_patches(store.path, "rcf", options=SMALL))
    np.testing.assert_allclose(made.open().embedding_rcf.values[:2], before, rtol=1e-5, atol=1e-6)
    assert not made.verify().findings


def test_the_sets_that_a_model_takes_are_found_and_others_named(store):
    patch_set(store, 2)
    patch_set(store, 2, name="noise/test")
    with pytest.raises(UnknownPatchSetError):
        list(cubestore_model.embed_patches(store.path, "rcf", patches=["noise/none"]))
    with pytest.raises(MismatchError, match="no pixels of naip"):
        list(cubestore_model.embed_patches(store.path, "rcf", patches=[NAME], sensor=["naip"]))
    radar = cubestore_model.embed_patches(
        store.path, "rcf", patches=[NAME], sensor=["sentinel-1-rtc"], options=SMALL
    )
    assert [(one.sensor, one.chips) for one in radar] == [("sentinel-1-rtc", 2)]
    with pytest.raises(MismatchError, match="one set under one name"):
        list(cubestore_model.embed_patches(store.path, "rcf", patches=[NAME], options=SMALL))
    rest = list(
        cubestore_model.embed_patches(
            store.path,
            "rcf",
            options=SMALL,
            sensor=["naip", "sentinel-2-l2a"],
            patches=["noise/test"],
        )
    )
    assert {one.patches for one in rest} == {"noise/test"}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"use": ("B09",)}, "needs B09"),
        ({"dense": True, "chip_size": 17}, "chip_size and patch_size"),
        ({"zeros": ("B04",)}, "as zeros"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(store, options, problem):
    made = patch_set(store, 2)
    before = made.root()
    with pytest.raises(MismatchError, match=problem):
        list(cubestore_model.embed_patches(store.path, "rcf", options=replace(SMALL, **options)))
    assert made.root() == before


def test_patches_without_data_get_no_vector(store):
    told = PatchDescription(
        name="dark/set",
        title="Dark",
        pixels=(Pixels.of("sentinel-2-l2a", size=SIZE, bands=("B04",)),),
        attribution="nobody",
        license="CC0-1.0",
    )
    pixels = np.full((3, 1, SIZE, SIZE), 900, "int16")
    pixels[1, :, :6] = -32768  # 30 %
    pixels[2, :, :2] = -32768  # 10 %
    with store.create_patches(told) as writer:
        known = {"patch_id": list("abc"), "longitude": [0, 0, 0], "latitude": [0, 0, 0]}
        writer.append({"reflectance": pixels}, known)
    (one,) = cubestore_model.embed_patches(store.path, "rcf", options=SMALL)
    assert (one.chips, one.left_out) == (2, 1)
    held = xr.open_zarr(store.patches("dark/set").path, chunks=None).embedding_rcf
    assert np.isnan(held.values).all(axis=1).tolist() == [False, True, False]


def test_a_loss_lies_beside_and_the_precision_is_what_was_asked_for(store):
    made = patch_set(store, 2)
    sizes = {"dim": 64, "depth": 1, "heads": 2, "decoder_depth": 1}
    encoder = cubestore_model.untrained("clay-tiny", config=sizes)
    options = replace(SMALL, chip_size=16, loss=True, use=("B04", "B08"))
    told = {"patches": [NAME], "options": options}
    (done,) = cubestore_model.embed_patches(store.path, encoder, **told)
    opened = xr.open_zarr(made.path, chunks=None)
    loss = opened.loss_clay_tiny
    assert loss.dims == ("patch", "season")
    assert np.isfinite(loss).all()
    assert loss.attrs["loss_metric"] == encoder.loss_metric
    assert done.chips == loss.size
    told["options"] = replace(options, precision="bf16")
    with pytest.raises(MismatchError, match="precision 'bf16'"):
        list(cubestore_model.embed_patches(store.path, encoder, **told))
    with pytest.raises(MismatchError, match=r"reconstructs pixels"):
        list(
            cubestore_model.embed_patches(
                store.path, "rcf", patches=[NAME], options=replace(SMALL, loss=True)
            )
        )


def test_vectors_without_a_loss_get_none_later(store):
    patch_set(store, 2)
    encoder = cubestore_model.untrained("clay-tiny", config={"depth": 1, "decoder_depth": 1})
    told = {"patches": [NAME], "options": replace(SMALL, chip_size=16, use=("B04", "B08"))}
    list(cubestore_model.embed_patches(store.path, encoder, **told))
    told["options"] = replace(told["options"], loss=True)
    with pytest.raises(MismatchError, match=r"lies there without loss_clay_tiny.*embed --name"):
        list(cubestore_model.embed_patches(store.path, encoder, **told))


@pytest.mark.usefixtures("few")
def test_blocks_are_filled_once_and_whole(store):
    made = patch_set(store, 5)
    next(cubestore_model.embed_patches(store.path, "rcf", options=SMALL))
    wanted = patch_sets.PatchEmbedding(
        embedding=patch_sets.listed(made)["embedding_rcf"],
        sensor="sentinel-2-l2a",
        gsd=10,
        count=5,
        seasons=(("season", 2),),
    )
    vectors = np.zeros((2, 2, 512), "float32")
    before = made.root()
    with patch_sets.write(made, wanted) as writer:
        with pytest.raises(SlotError, match="already"):
            writer.fill(range(2), vectors)
        with pytest.raises(SlotError, match="whole blocks of 2"):
            writer.fill(range(3, 5), vectors)
        with pytest.raises(MismatchError, match="of shape"):
            writer.fill(range(2, 4), vectors[:, 0])
        with pytest.raises(MismatchError, match="neither finite"):
            writer.fill(range(2, 4), vectors + np.inf)
    assert made.root() == before


# One pixel, one vector.

CORNER = 10_240
"""Where the last shards of a Sentinel-2 tile begin; 740 pixels are left."""

CHIP = 64
MSI = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
L1C = ("B01", *MSI[:8], "B09", "B10", "B11", "B12")
TIME = "2024-07-12T10:50:31"

MODELS = {
    "rcf": ("sentinel-2-l2a", lambda: cubestore_model.load_encoder("rcf")),
    "clay-tiny": ("sentinel-2-l2a", lambda: cubestore_model.load_encoder("clay-tiny")),
    "ssl4eo-moco-resnet18": (
        "sentinel-2-l1c",
        lambda: cubestore_model.untrained("ssl4eo-moco-resnet18", config={"blocks": (1,)}),
    ),
}


def cube_of(store, sensor, bands):
    """A cube of one slot of noise in the tile's south-east corner."""
    cube = store.create_cube("31UDQ", sensor, bands=bands)
    with cube.write() as writer:
        arrays = {n: a for n, a in writer.arrays.items() if a.shards}
    rng = np.random.default_rng(3)
    pixels = {n: np.zeros((*a.shape[1:-2], 740, 740), a.dtype) for n, a in arrays.items()}
    noise = rng.integers(0, 6000, (len(bands), 740, 740))
    pixels[cube.sensor.pixels.name] = noise.astype("int16")
    told = cubestore.Slot(time=TIME, item_id="a", platform="sentinel-2a")
    cube.append(told, pixels, origin=(CORNER, CORNER))
    return cube, pixels[cube.sensor.pixels.name]


@pytest.mark.parametrize("model", MODELS)
def test_the_same_pixels_have_the_same_vector_in_a_cube_a_patch_set_and_an_array(store, model):
    """Bit by bit, where a batch is the same; batches of another size add up in another order."""
    sensor, load = MODELS[model]
    encoder = load()
    bands = MSI if sensor == "sentinel-2-l2a" else L1C
    cube, noise = cube_of(store, sensor, bands)
    options = Options(chip_size=CHIP, batch_size=1, device="cpu", dense=False)
    list(cubestore_model.embed(store.path, encoder, sensor=[sensor], options=options))
    chips = [(161, 161), (165, 170)]  # whole ones: row and column
    windows = [
        noise[:, y * CHIP - CORNER :, x * CHIP - CORNER :][:, :CHIP, :CHIP] for y, x in chips
    ]
    middles = [middle(*chip) for chip in chips]
    place_patches(store, sensor, bands, windows, chips, middles)
    list(cubestore_model.embed_patches(store.path, encoder, sensor=[sensor], options=options))
    of_cube = embeddings.read(cube, model).values[0]
    of_patches = patch_sets.read(store.patches("same/pixels"), model).values
    for number, (row, column) in enumerate(chips):
        by_hand = cubestore_model.embed_array(
            encoder,
            windows[number],
            sensor=sensor,
            bands=bands,
            time=TIME,
            lonlat=middles[number],
        ).embedding[0]
        np.testing.assert_array_equal(of_patches[number], of_cube[row, column])
        np.testing.assert_array_equal(by_hand.numpy(), of_cube[row, column])
    together = cubestore_model.embed_array(
        encoder, np.stack(windows), sensor=sensor, bands=bands, time=TIME, lonlat=middles
    )
    torch.testing.assert_close(
        together.embedding, torch.from_numpy(of_patches), rtol=1e-5, atol=1e-6
    )


def middle(row, column):
    """Return longitude and latitude of a chip's middle."""
    tile = cubestore.tile("31UDQ")
    to_lonlat = pyproj.Transformer.from_crs("EPSG:32631", "EPSG:4326", always_xy=True)
    east, south = ((n + 0.5) * CHIP * 10 for n in (column, row))
    return to_lonlat.transform(tile.bounds.left + east, tile.bounds.top - south)


def place_patches(store, sensor, bands, windows, chips, middles):
    """Write the windows as patches, with the grid that they have in the tile."""
    tile = cubestore.tile("31UDQ")
    transforms = [
        [10.0, 0.0, tile.bounds.left + x * CHIP * 10, 0.0, -10.0, tile.bounds.top - y * CHIP * 10]
        for y, x in chips
    ]
    told = PatchDescription(
        name="same/pixels",
        title="The same pixels",
        pixels=(Pixels.of(sensor, size=CHIP, bands=bands),),
        attribution="nobody",
        license="CC0-1.0",
    )
    columns = {
        "patch_id": [f"{y}-{x}" for y, x in chips],
        "longitude": [lon for lon, _ in middles],
        "latitude": [lat for _, lat in middles],
        "crs": ["EPSG:32631"] * len(chips),
        "transform": transforms,
        "time": [TIME] * len(chips),
    }
    with store.create_patches(told) as writer:
        writer.append({"reflectance": np.stack(windows)}, columns)


@pytest.mark.parametrize(
    ("pixels", "told", "problem"),
    [
        (np.zeros((2, 8, 8), "int16"), {}, r"of 10 bands"),  # not as many as the sensor has
        (np.zeros((8, 8), "int16"), {}, r"Pixels of shape \(8, 8\)"),
        (np.zeros((10, 8, 8), "int16"), {"use": ("B01",)}, "needs B01"),
    ],
)
def test_arrays_that_a_model_does_not_take_are_named(pixels, told, problem):
    with pytest.raises(MismatchError, match=problem):
        cubestore_model.embed_array(rcf(), pixels, sensor="sentinel-2-l2a", **told)


def test_an_array_of_xarray_tells_its_bands():
    values = np.random.default_rng(0).integers(0, 5000, (2, 16, 16)).astype("int16")
    array = xr.DataArray(values, dims=("band", "y", "x"), coords={"band": ["B08", "B04"]})
    told = cubestore_model.embed_array(rcf(), array, sensor="sentinel-2-l2a")
    named = cubestore_model.embed_array(
        rcf(), values, sensor="sentinel-2-l2a", bands=["B08", "B04"]
    )
    assert torch.equal(told.embedding, named.embedding)
