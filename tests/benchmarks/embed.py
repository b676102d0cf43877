"""What embedding costs beside the encoder: ours and a plain loop over xarray, the same vectors.

Run ``TMPDIR=/dev/shm python -m tests.benchmarks.embed``; it needs 2 GB there, and 6 GB of memory.
The encoder computes nothing but the means of a few pixels, so that all that is timed is the way to
it and from it: a slot of a whole tile, 1849 chips of 256 x 256 x 10, normalised for Clay, vectors
of 768 numbers into the cube. CPU time of all threads, in microseconds a chip; the median of the
rounds. Both write the same numbers, which is asserted.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import xarray as xr
import zarr

import cubestore
import cubestore_model
from cubestore_model.encoders import Encoded
from tests.benchmarks.batches_scene import CHIP, SENSOR, SIDE, TILE, reflectance

WHOLE = 10_980
BANDS, DIMENSIONS, BATCH = 10, 768, 32
MODEL = "clay-tiny"
"""Whose normalisation is used: Clay's."""

embedding = sys.modules["cubestore_model.embed"]
preparing = sys.modules["cubestore_model.inputs"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=WHOLE, help="pixels along the slot")
    options = parser.parse_args()
    torch.set_num_threads(1)
    home = Path(tempfile.mkdtemp(prefix="cubestore-benchmark-"))
    try:
        cube = scene(home, options.side)
        compete(cube, home, options)
    finally:
        shutil.rmtree(home)


def scene(home, side):
    """Return a cube with one slot, of parcels under noise."""
    cube = cubestore.create_store(home / "store").create_cube(TILE, SENSOR)
    times = -(-side // SIDE)
    pixels = np.tile(reflectance(0), (1, times, times))[:, :side, :side]
    masks = {"quality": np.full((side, side), 4, "uint8")}
    masks["cloud_class"] = np.zeros((side, side), "uint8")
    cube.append(
        cubestore.Slot(time="2024-07-01T10:50", item_id="S"), {"reflectance": pixels, **masks}
    )
    return cube


def compete(cube, home, options):
    prepared = network(0)
    bands = [str(name) for name in cube.open().band.values]
    made = cubestore_model.preparation(prepared, SENSOR, bands)
    ours, theirs, vectors = [], [], None
    for number in range(options.rounds + 1):  # the first of which compiles, and does not count
        variable, told = embedded(cube, number)
        side = -(-options.side // CHIP)
        plain, spent = looped(cube, made.expected, side, home / f"plain-{number}")
        vectors = xr.open_zarr(cube.path, chunks=None)[variable][0, :side, :side].values
        np.testing.assert_allclose(plain, vectors, rtol=1e-5, atol=1e-5)
        ours, theirs = [*ours, told], [*theirs, spent]
    count = int((~np.isnan(vectors).any(axis=-1)).sum())
    report(ours[1:], theirs[1:], count)


class Null(torch.nn.Module):
    """Vectors of a few of the pixels."""

    def forward(self, pixels, **_):
        few = pixels[:, :, ::64, ::64].flatten(1)  # (B, 160)
        made = few.repeat(1, -(-DIMENSIONS // few.shape[1]))[:, :DIMENSIONS]
        return Encoded(made, made[:, None])


def network(number):
    """Return the encoder that does nothing, as a model of its own."""
    entry = cubestore_model.load_encoder(MODEL).entry
    entry = replace(entry, id=f"null-{number}", dimensions=DIMENSIONS, config=None, chip_size=CHIP)
    return cubestore_model.Encoder(entry, Null(), weights_sha256="00" * 32)


def embedded(cube, number):
    """Return the name of the variable, and the seconds of each part."""
    spent = {}
    encoder = network(number)
    parts = {
        "scale": (preparing.Preparation, "pixels"),
        "encode": (cubestore_model.Encoder, "forward"),
        "collect": (embedding.Vectors, "put"),
        "commit": (embedding.CubeEmbedding, "_committed"),
    }
    kept = {where: getattr(*where) for where in parts.values()}
    for name, where in parts.items():
        setattr(*where, _timed(kept[where], name, spent))
    try:
        began = time.process_time()
        options = cubestore_model.Options(chip_size=CHIP, batch_size=BATCH, device="cpu")
        done = list(cubestore_model.embed(cube.store, encoder, options=options))
        whole = time.process_time() - began
    finally:
        for where, method in kept.items():
            setattr(*where, method)
    return done[0].variable, {**spent, "read": whole - sum(spent.values()), "whole": whole}


def _timed(method, name, spent):
    def run(*args, **named):
        began = time.thread_time()
        try:
            return method(*args, **named)
        finally:
            spent[name] = spent.get(name, 0) + time.thread_time() - began

    return run


def looped(cube, expected, side, path):
    """Return what a loop over xarray writes, a batch at a time, and the seconds of each part."""
    spent = dict.fromkeys(("read", "scale", "encode", "collect", "commit", "whole"), 0.0)
    encoder, began = network(0), time.process_time()
    data = xr.open_zarr(cube.path, chunks=None, mask_and_scale=False).reflectance[0]
    data = data.sel(band=list(expected.bands))
    mean, std = (np.float32(part)[:, None, None] for part in (expected.mean, expected.std))
    kept = zarr.create_array(
        path, shape=(side, side, DIMENSIONS), chunks=(1, BATCH, DIMENSIONS), dtype="f4",
        fill_value=np.nan,
    )  # fmt: skip
    fill = cube.sensor.pixels.nodata

    def note(name, since):
        now = time.process_time()
        spent[name] += now - since
        return now

    for row in range(side):
        for first in range(0, side, BATCH):
            at = time.process_time()
            chips = [
                _chip(data, row, column, fill) for column in range(first, min(first + BATCH, side))
            ]
            at = note("read", at)
            there = np.stack(chips)
            scaled = np.where(there == fill, np.float32(0), (there - mean) / std)
            at = note("scale", at)
            out = encoder(torch.from_numpy(scaled)).embedding
            at = note("encode", at)
            vectors = out.numpy()
            vectors[[(chip[0] == fill).mean() > 0.2 for chip in chips]] = np.nan
            at = note("collect", at)
            kept[row, first : first + len(chips)] = vectors
            note("commit", at)
    spent["whole"] = time.process_time() - began
    return kept[:], spent


def _chip(data, row, column, fill):
    there = data[:, row * CHIP : (row + 1) * CHIP, column * CHIP : (column + 1) * CHIP].values
    missing = [(0, 0), *((0, CHIP - n) for n in there.shape[1:])]
    return np.pad(there, missing, constant_values=fill)


def report(ours, theirs, count):
    parts = ("read", "scale", "encode", "collect", "commit", "whole")
    print(f"{count} chips, the same vectors; microseconds of CPU a chip\n")
    print(f"{'':<24}" + "".join(f"{part:>9}" for part in parts))
    for name, rounds in (("cubestore.embed", ours), ("a loop over xarray", theirs)):
        each = [statistics.median(one[part] for one in rounds) * 1e6 / count for part in parts]
        print(f"{name:<24}" + "".join(f"{one:>9.1f}" for one in each))
    beside = [statistics.median(one["collect"] + one["commit"] for one in ours) * 1e6 / count]
    print(f"\nvectors collected, written and committed: {beside[0]:.1f} microseconds a chip")


if __name__ == "__main__":
    main()
