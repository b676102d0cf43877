"""What a GPU is kept at: encoders fed from a store and from its memory, and each kernel's GB/s.

Run ``TMPDIR=/dev/shm python -m tests.benchmarks.gpu`` where there are CUDA and CuPy. Encoders have
random weights and compute in bf16. RESIDENT: one scaled batch that lies on the device, again and
again. STREAMED: batches read from a store, sent ahead, scaled there, and the vectors fetched. The
aim is 95 % of the first. READ: the batches alone, which nobody looks at: no encoder is fed sooner.
A kernel's GB/s are the bytes that it must read and write; beside them what the device copies within
its memory. ``--cpu`` runs the same program on tiny shapes and says nothing of speed: it shows that
the program works.
"""

import argparse
import datetime as dt
import shutil
import statistics
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

import cubestore
import cubestore_model
from cubestore.similarity.search import Asked, Block
from cubestore_model import arrays
from cubestore_model.arrays.modules import on_stream
from cubestore_model.arrays.scaling import Room, Scaling
from cubestore_model.prefetch import on_device

TILE = "31UDQ"
ENCODERS = {  # the sensor whose chips it takes, pixels along one, and sizes for --cpu
    "clay-v1.5": ("sentinel-2-l2a", 256, {"dim": 32, "depth": 1, "heads": 2}),
    "ssl4eo-moco-vit-s16": ("sentinel-2-l1c", 224, {"dim": 32, "depth": 1, "heads": 2}),
    "ssl4eo-moco-resnet50": ("sentinel-2-l1c", 224, {"blocks": (1,)}),
}


AHEAD = 2
"""Batches that are begun before one is waited for: else the clock is looked at far too early."""


EPOCHS = 1000
"""How often each chip comes: a loader that begins anew gets new memory, which is pinned anew."""


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    side: int
    batch: int
    seconds: float
    rounds: int
    vectors: int
    tiny: bool


LARGE = Sizes(side=4096, batch=128, seconds=8, rounds=3, vectors=1_000_000, tiny=False)
TINY = Sizes(side=2048, batch=2, seconds=0.1, rounds=1, vectors=1000, tiny=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cpu", action="store_true", help="tiny shapes, to try the program")
    parser.add_argument("--threads", type=int, default=0, help="that read; 0: one for each core")
    parser.add_argument("--only", default="", help="encoders and kernels whose names have this")
    options = parser.parse_args()
    device, sizes = torch.device("cpu" if options.cpu else "cuda"), TINY if options.cpu else LARGE
    if not options.cpu and not (torch.cuda.is_available() and arrays.has_cupy()):
        sys.exit("No CUDA here, or no CuPy (pip install 'cubestore[gpu]'). Try it with --cpu.")
    card = "no GPU" if options.cpu else torch.cuda.get_device_name(device)
    print(f"{card}, torch {torch.__version__}, {dt.datetime.now(dt.UTC):%Y-%m-%d}\n")
    kernels(device, sizes, options.only)
    home = Path(tempfile.mkdtemp(prefix="cubestore-gpu-"))
    try:
        encoders(device, sizes, options, scenes(home, sizes.side))
    finally:
        shutil.rmtree(home)


def scenes(home, side):
    """Return a store with a slot of noise of each sensor."""
    store, random = cubestore.create_store(home / "store"), np.random.default_rng(0)
    for sensor in sorted({one[0] for one in ENCODERS.values()}):
        cube = store.create_cube(TILE, sensor)
        with cube.write() as writer:
            held = {n: a for n, a in writer.arrays.items() if a.shards and a.dims[-1] == "x"}
        pixels = {
            n: random.integers(1, 4, (*a.shape[1:-2], side, side)).astype(a.dtype)
            for n, a in held.items()
        }
        shape = pixels["reflectance"].shape
        pixels["reflectance"] = random.integers(300, 3000, shape).astype("int16")
        cube.append(cubestore.Slot(time="2024-07-01T10:50", item_id="S"), pixels)
    return store.path


def encoders(device, sizes, options, store):
    """Print chips a second of each encoder, both ways."""
    print(f"\n{'chips/s':<28}{'resident':>10}{'streamed':>10}{'of it':>8}{'read':>10}")
    for name in ENCODERS:
        if options.only in name:
            ways = (resident, streamed, read)
            here, fed, alone = (rate(name, w, device, sizes, store, options.threads) for w in ways)
            print(f"{name:<28}{here:>10.1f}{fed:>10.1f}{fed / here:>8.1%}{alone:>10.1f}")


def rate(name, way, device, sizes, store, threads):
    """Return the median of chips a second."""
    sensor, chip, tiny = ENCODERS[name]
    encoder = cubestore_model.untrained(name, config=tiny if sizes.tiny else None).to(device)
    bands = [str(one) for one in cubestore.open_store(store).cube(TILE, sensor).open().band.values]
    prepared = cubestore_model.preparation(encoder, sensor, bands)
    told = {"sensor": sensor, "chip_size": chip, "batch_size": sizes.batch, "shuffle": False}
    told["threads"] = threads
    told["chips"] = again_and_again(sensor, chip, sizes)
    rounds = [way(encoder, prepared, device, sizes, store, told) for _ in range(sizes.rounds + 1)]
    return statistics.median(rounds[1:])  # the first compiles, and chooses algorithms


def again_and_again(sensor, chip, sizes):
    """Return the chips of the slot, each so often that one epoch is longer than the clock runs."""
    rows, columns = map(np.ravel, np.indices((sizes.side // chip,) * 2))
    alike = {"tile": TILE, "sensor": sensor, "slot": 0, "chip_size": chip, "repeats": EPOCHS}
    told = {name: pa.repeat(value, len(rows)) for name, value in alike.items()}
    return pa.table({**told, "chip_index_y": rows, "chip_index_x": columns})


def resident(encoder, prepared, device, sizes, store, told):
    """Return the rate with one batch, scaled and on the device."""
    batch = next(iter(on_device(cubestore_model.loader(store, **told), device)))
    ready = prepared(batch)
    return timed(lambda one: encode(encoder, one), repeat(ready), device, sizes.seconds)


def streamed(encoder, prepared, device, sizes, store, told):
    """Return the rate of batches that come from the store, epoch after epoch."""
    room, loader = Room(), cubestore_model.loader(store, drop_last=True, **told)
    batches = on_device(loader, device)

    def step(batch):
        return encode(encoder, prepared(batch, room)).to("cpu", non_blocking=True)

    try:
        return timed(step, batches, device, sizes.seconds)
    finally:
        batches.close()


def read(_, __, device, sizes, store, told):
    """Return the rate of the batches, on the way to nowhere."""
    loader = cubestore_model.loader(store, drop_last=True, **told)
    return timed(lambda batch: batch["pixels"], loader, device, sizes.seconds)


def encode(encoder, told):
    autocast = torch.autocast(told["pixels"].device.type, torch.bfloat16)
    with torch.inference_mode(), autocast:
        return encoder(**told, finite=True).embedding.float()


def timed(step, batches, device, seconds):
    """Return chips a second; the device is idle at both ends, and the first two do not count."""
    chips, began, before = 0, None, deque()
    for number, batch in enumerate(batches):
        made = step(batch)
        if number < 2:
            synchronize(device)
            began = time.perf_counter()
            continue
        chips += len(made)
        before.append(mark(device))
        if len(before) > AHEAD:
            before.popleft().synchronize()
        if time.perf_counter() - began > seconds:
            break
    synchronize(device)
    return chips / (time.perf_counter() - began)


def mark(device):
    """Return an event at the end of all that was begun."""
    event = torch.get_device_module(device).Event()
    event.record()
    return event


def synchronize(device):
    torch.get_device_module(device).synchronize()


def kernels(device, sizes, only):
    """Print GB/s of each kernel, beside a copy within the device's memory."""
    side, bands, batch = 256, 10, sizes.batch
    shape = (batch, bands, side, side)
    stored = torch.randint(0, 5000, shape, dtype=torch.int16, device=device)
    power = torch.rand(shape, device=device)
    valid = torch.ones((batch, side, side), dtype=torch.bool, device=device)
    vectors = torch.randn((sizes.vectors, 768), device=device)
    scaling = Scaling(
        picked=range(bands), mean=[1] * bands, std=[2] * bands, empty=[0] * bands, fill=-32768
    )
    room, count = Room(), stored.numel()
    ours = {
        "scale int16": (lambda: scaling(stored, valid, room), 6 * count + valid.numel()),
        "decibels": (by_arrays(arrays.decibels, power), 8 * count),
        "uint8, 2 std": (by_arrays(arrays.mean_two_std, stored, [1e3] * 10, [500] * 10), 3 * count),
        "uint8, 1/10000": (by_arrays(arrays.ten_thousandths, stored), 3 * count),
        "int8 of vectors": (by_arrays(arrays.steps_of, vectors, 0.02), 5 * vectors.numel()),
        "ndvi": (lambda: arrays.spectral_index("ndvi", nir=power, red=power), 12 * count),
        "nearest of vectors": (scan(device, vectors), 4 * vectors.numel()),
    }
    copied = torch.empty_like(power)
    plain = gigabytes(lambda: copied.copy_(power), 8 * count, device, sizes)
    print(f"{'GB/s':<28}{'':>10}{'of a copy':>12}\n{'a copy in its memory':<28}{plain:>10.0f}")
    for name, (run, moved) in ours.items():
        if only in name:
            found = gigabytes(run, moved, device, sizes)
            print(f"{name:<28}{found:>10.1f}{found / plain:>12.0%}")


def by_arrays(function, tensor, *told):
    """Return a call of a function of arrays, on torch's stream."""
    array = arrays.of_tensor(tensor)

    def run():
        with on_stream(tensor.device):
            return function(array, *told)

    return run


def scan(device, vectors):
    """Return a question to vectors that lie on the device."""
    finder, block = cubestore_model.Scan(str(device)), Block(vectors=vectors.cpu().numpy())
    return lambda: finder(block, Asked(np.ones(vectors.shape[1])), 500)


def gigabytes(run, moved, device, sizes, times=20):
    """Return what a call moves, in 10^9 bytes a second, by the clock around many of them."""
    for _ in range(2):
        run()
    synchronize(device)
    began = time.perf_counter()
    for _ in range(2 if sizes.tiny else times):
        run()
    synchronize(device)
    return moved * (2 if sizes.tiny else times) / (time.perf_counter() - began) / 1e9


if __name__ == "__main__":
    main()
