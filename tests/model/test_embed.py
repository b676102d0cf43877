"""Vectors of a model in the cubes: which chips get one, what they equal, and what goes on."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

import cubestore
import cubestore_model
from cubestore import embeddings
from cubestore.errors import MismatchError
from cubestore_model import Options
from cubestore_model.encoders import Encoded, Entry, Expected
from cubestore_pipelines.cli import main

TILE, SENSOR = "h18v04", "modis-09a1"
CORNER = (2048, 2048)
BANDS = [f"sur_refl_b0{n}" for n in range(1, 8)]
SIZE = 88
"""Pixels of a chip: four along a shard's side of 352, from 2024, which lies 24 before it."""

SMALL = Options(chip_size=SIZE, batch_size=5)


def append(cube, day, seed, *, empty=0, brightness=1):
    """Append a slot of noise, the first rows of which have no data."""
    rng = np.random.default_rng(seed)
    with cube.write() as writer:
        arrays = {n: a for n, a in writer.arrays.items() if a.shards and a.dims[-1] == "x"}
    pixels = {
        n: rng.integers(0, 4, (*a.shape[1:-2], 352, 352)).astype(a.dtype) for n, a in arrays.items()
    }
    noise = rng.integers(0, 5000, (7, 352, 352)) * brightness
    pixels["reflectance"] = noise.astype("int16")
    pixels["reflectance"][:, :empty] = -28672
    cube.append(cubestore.Slot(time=day, item_id=day, platform="terra"), pixels, origin=CORNER)


@pytest.fixture
def cube(tmp_path):
    made = cubestore.create_store(tmp_path / "store").create_cube(TILE, SENSOR)
    append(made, "2024-01-01", 1)
    append(made, "2024-01-09", 2, empty=150)
    return made


class Means(torch.nn.Module):
    """The means of a chip's bands, and of its quarters."""

    def forward(self, pixels, **_):
        quarters = torch.nn.functional.adaptive_avg_pool2d(pixels, 2)  # (B, C, 2, 2)
        return Encoded(pixels.mean(dim=(2, 3)), quarters.flatten(2).mT)

    def loss(self, pixels, **_):
        return pixels.std(dim=(1, 2, 3))

    def loss_metric(self):
        return "deviation"


def means(**changes):
    """Return an encoder whose vectors numpy can check."""
    told = {"mean": (1000.0,) * 7, "std": (2000.0,) * 7}
    entry = Entry(
        id="means",
        title="Means",
        build=lambda _: Means(),
        inputs=(Expected(sensor=SENSOR, bands=tuple(BANDS), **told),),
        dimensions=7,
        patch_size=SIZE // 2,
        chip_size=SIZE,
        pooling="mean",
        creator="us",
        architecture="Mean",
    )
    return cubestore_model.Encoder(replace(entry, **changes), Means(), weights_sha256="ab" * 32)


def expected(cube, slot, size=SIZE):
    """Return what numpy computes of every chip: the means of scaled pixels, 0 where no data."""
    data = xr.open_zarr(cube.path, chunks=None, mask_and_scale=False).reflectance[slot].values
    side = -(-2400 // size) * size
    whole = np.full((7, side, side), -28672, "int16")
    whole[:, :2400, :2400] = data
    scaled = np.where(whole == -28672, 0, (whole.astype("float32") - 1000) / 2000)
    blocks = scaled.reshape(7, side // size, size, side // size, size)
    there = (whole != -28672).any(axis=0).reshape(side // size, size, -1, size).mean(axis=(1, 3))
    return blocks.mean(axis=(2, 4)).transpose(1, 2, 0), there


def test_vectors_lie_beside_the_pixels_where_there_is_enough_data(cube):
    done = list(cubestore_model.embed(cube.store, means(), options=SMALL))
    assert [one.slot for one in done] == [0, 1]
    assert {one.variable for one in done} == {"embedding_means"}
    opened = xr.open_zarr(cube.path, chunks=None)
    for one in done:
        vectors, there = expected(cube, one.slot)
        enough = there >= 1 - 0.2
        held = opened["embedding_means"].isel(time=one.slot).values
        np.testing.assert_allclose(held[enough], vectors[enough], rtol=1e-4, atol=1e-5)
        assert np.isnan(held[~enough]).all()
        assert one.chips == enough.sum()
        assert one.chips + one.left_out == 5 * 5  # that touch the shard
    told = opened["embedding_means"].attrs
    assert (told["source_creator"], told["source_architecture"]) == ("us", "Mean")
    assert told["weights_sha256"] == "ab" * 32
    assert '"mean": [1000.0' in told["preprocessing"]
    assert not cube.verify().findings


def test_only_what_is_missing_is_computed(cube):
    first = list(cubestore_model.embed(cube.store, means(), options=SMALL))
    assert len(first) == 2
    commit = cube.root().number
    assert list(cubestore_model.embed(cube.store, means(), options=SMALL)) == []
    assert cube.root().number == commit
    append(cube, "2024-01-17", 3)
    assert [one.slot for one in cubestore_model.embed(cube.store, means(), options=SMALL)] == [2]


def test_patches_and_losses_are_kept_beside(cube):
    options = replace(SMALL, dense=True, loss=True, max_nodata=0.9)
    list(cubestore_model.embed(cube.store, means(), options=options))
    opened = xr.open_zarr(cube.path, chunks=None)
    vectors, _ = expected(cube, 0, SIZE // 2)
    dense = opened["embedding_means_dense"].isel(time=0).values
    chips = ~np.isnan(opened["embedding_means"].isel(time=0).values[..., 0])
    known = chips.repeat(2, axis=0).repeat(2, axis=1)[: len(dense), : len(dense)]
    assert known.any()
    np.testing.assert_allclose(
        dense[known], vectors[: len(dense), : len(dense)][known], rtol=1e-4, atol=1e-5
    )
    assert np.isnan(dense[~known]).all()
    loss = opened["loss_means"]
    assert loss.attrs["loss_metric"] == "deviation"
    np.testing.assert_array_equal(np.isnan(loss.isel(time=0).values), ~chips)
    assert not cube.verify().findings


def test_integers_keep_the_scale_of_the_first_slot(cube):
    options = replace(SMALL, quantize="int8")
    list(cubestore_model.embed(cube.store, means(), options=options))
    append(cube, "2024-01-17", 3)
    list(cubestore_model.embed(cube.store, means(), options=options))
    held = xr.open_zarr(cube.path, chunks=None)["embedding_means"]
    scale = held.encoding["scale_factor"]
    for slot in (0, 2):
        vectors, there = expected(cube, slot)
        enough = there >= 0.8
        got = held.isel(time=slot).values[enough]
        assert np.abs(got - vectors[enough]).max() <= scale * 0.51
    with pytest.raises(MismatchError, match="one set under one name"):
        list(cubestore_model.embed(cube.store, means(), options=SMALL))


def test_vectors_that_the_first_slots_scale_cuts_off_are_counted(cube):
    options = replace(SMALL, quantize="int8", dense=True)
    done = list(cubestore_model.embed(cube.store, means(), options=options))
    assert [one.saturated for one in done][:1] == [0]  # patches included, whose numbers are larger
    append(cube, "2024-01-17", 3, brightness=3)
    (one,) = cubestore_model.embed(cube.store, means(), options=options)
    assert one.saturated == one.chips + 4 * one.chips
    held = xr.open_zarr(cube.path, chunks=None)["embedding_means"]
    largest = held.encoding["scale_factor"] * 127
    assert np.nanmax(held.isel(time=2).values) == pytest.approx(largest)


@pytest.mark.parametrize(
    ("encoder", "options", "message"),
    [
        (means(inputs=()), SMALL, "no cube of"),
        (means(id="other"), replace(SMALL, use=("B04",)), "Bands B04"),
        (means(), replace(SMALL, chip_size=44, dense=True), "patches"),
        (means(), replace(SMALL, zeros=("sur_refl_b01",)), "as zeros"),
        (means(), replace(SMALL, device="graphics"), r"device 'graphics' .* one of cpu"),
        (means(), replace(SMALL, device="cuda:99"), r"device 'cuda:99' .* leave the device out"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(cube, encoder, options, message):
    before = cube.root()
    with pytest.raises(MismatchError, match=message):
        list(cubestore_model.embed(cube.store, encoder, options=options))
    assert cube.root() == before


def test_another_set_of_the_name_is_refused_before_it_is_computed(cube):
    list(cubestore_model.embed(cube.store, means(), options=SMALL))
    append(cube, "2024-01-17", 3)
    other = means()
    other.weights_sha256 = "cd" * 32
    other.network.forward = None  # would fail if it were asked
    with pytest.raises(MismatchError, match="weights_sha256"):
        list(cubestore_model.embed(cube.store, other, options=SMALL))


def test_others_append_while_a_cube_is_embedded(cube):
    for number, _ in enumerate(cubestore_model.embed(cube.store, means(), options=SMALL)):
        append(cube, f"2024-02-0{1 + number}", 5 + number)
    rest = list(cubestore_model.embed(cube.store, means(), options=SMALL))
    assert [one.slot for one in rest] == [2, 3]
    assert not cube.verify().findings


KILLED = """
import os, signal, sys
import cubestore_model
for one in cubestore_model.embed(sys.argv[1], "rcf", tile=["h18v04"],
                                 options=cubestore_model.Options(chip_size=88)):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_is_killed_goes_on_by_the_command_line(cube):
    done = subprocess.run([sys.executable, "-c", KILLED, cube.store], check=False)
    assert done.returncode == -9
    assert list(embeddings.listed(cube)[0].slots) == [0]
    before = embeddings.read(cube, "rcf", [0]).values
    assert main(["embed", str(cube.store), "--chip-size", "88"]) == 0
    np.testing.assert_array_equal(embeddings.read(cube, "rcf", [0]).values, before)
    assert list(embeddings.listed(cube)[0].slots) == [0, 1]
    assert not cube.verify().findings


def test_vectors_are_those_of_the_pixels_wherever_they_come_from(cube):
    """From the cube, or from an array of its pixels that the encoder is given by hand."""
    encoder = cubestore_model.load_encoder("rcf")
    list(cubestore_model.embed(cube.store, encoder, options=SMALL))
    prepared = cubestore_model.preparation(encoder, SENSOR, BANDS)
    data = xr.open_zarr(cube.path, chunks=None, mask_and_scale=False).reflectance[0].values
    row = column = 25
    window = data[:, row * SIZE : (row + 1) * SIZE, column * SIZE : (column + 1) * SIZE]
    pixels = prepared.pixels(torch.from_numpy(window.copy())[None])
    vector = encoder(pixels).embedding[0].numpy()
    held = embeddings.read(cube, "rcf", [0]).values[0, row, column]
    np.testing.assert_allclose(held, vector, rtol=1e-5, atol=1e-6)


def test_bf16_is_another_set_whose_vectors_are_close(cube):
    config = {"dim": 32, "depth": 2, "heads": 2, "decoder_dim": 16, "decoder_depth": 1}
    encoder = cubestore_model.untrained("clay-v1.5", config=config)
    options = Options(chip_size=SIZE, batch_size=16)
    list(cubestore_model.embed(cube.store, encoder, options=options))
    half = replace(options, precision="bf16")
    with pytest.raises(MismatchError, match=r"preprocessing.*bf16"):
        list(cubestore_model.embed(cube.store, encoder, options=half))
    encoder.entry = replace(encoder.entry, id="clay-v1.5-bf16")
    list(cubestore_model.embed(cube.store, encoder, options=half))
    opened = xr.open_zarr(cube.path, chunks=None)
    whole, made = (opened[f"embedding_clay_v1_5{n}"].values for n in ("", "_bf16"))
    assert made.dtype == np.float32
    assert '"precision": "bf16"' in opened["embedding_clay_v1_5_bf16"].attrs["preprocessing"]
    known = ~np.isnan(whole).any(axis=-1)
    np.testing.assert_array_equal(known, ~np.isnan(made).any(axis=-1))
    assert np.abs(made - whole)[known].max() > 0  # it was computed otherwise
    cosine = (made * whole).sum(-1) / np.linalg.norm(made, axis=-1) / np.linalg.norm(whole, axis=-1)
    assert cosine[known].min() > 0.999


def test_another_precision_is_refused():
    with pytest.raises(MismatchError, match=r"precision 'half'.*float32 or bf16"):
        Options(precision="half")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_gpu_gives_every_chip_its_own_vector(cube):
    options = replace(SMALL, device="cuda", batch_size=3, dense=True, loss=True)
    for one in cubestore_model.embed(cube.store, means(), options=options):
        vectors, there = expected(cube, one.slot)
        held = embeddings.read(cube, "means", [one.slot]).values[0]
        enough = there >= 1 - 0.2
        np.testing.assert_allclose(held[enough], vectors[enough], rtol=1e-4, atol=1e-5)
        assert np.isnan(held[~enough]).all()
