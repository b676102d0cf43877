"""The ways to read chips that are compared, each a function that yields batches of pixels.

Run by `tests.benchmarks.batches`, a process each. What is not in this environment (litdata and
torchgeo need a torchvision) stands in `batches_elsewhere`.
"""

import resource
import sys
import time
import warnings
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import psutil

BATCH = 32


# Ours.


def cubestore_threads(home, size, threads=0, **options):
    import cubestore

    batches = cubestore.batches(
        home / "store",
        sensor="sentinel-2-l2a",
        chip_size=size,
        batch_size=BATCH,
        valid=False,
        threads=threads,
        **options,
    )
    while True:
        yield from _inside(batches, size)
        yield None


def _inside(batches, size):
    """Leave out the chips that reach past the pixels that all have."""
    whole = 4096 // size
    for batch in batches:
        places = (name.rsplit("-", 2)[1:] for name in batch["chipid"])
        kept = [k for k, (x, y) in enumerate(places) if int(x) < whole and int(y) < whole]
        pixels = batch["pixels"]
        yield pixels if len(kept) == len(pixels) else pixels[kept]


def cubestore_loader(home, size, workers=0):
    import cubestore_model

    loader = cubestore_model.loader(
        home / "store",
        sensor="sentinel-2-l2a",
        chip_size=size,
        batch_size=BATCH,
        valid=False,
        num_workers=workers,
        threads=1 if workers else 0,
    )
    while True:
        yield from _inside(loader, size)
        yield None


# Through xarray.


def xbatcher_loader(home, size, *, dask, workers=0):
    import xarray as xr
    import xbatcher
    import xbatcher.loaders.torch

    path = home / "store/mgrs/31UDQ/sentinel-2-l2a"
    chunks = {"time": 1, "band": -1, "y": size, "x": size} if dask else None
    data = xr.open_zarr(path, chunks=chunks, mask_and_scale=False)
    part = data.reflectance.isel(y=slice(4096), x=slice(4096)).drop_vars(list(data.coords))
    inputs = {"band": part.sizes["band"], "y": size, "x": size}
    generator = xbatcher.BatchGenerator(part, inputs, batch_dims={"time": 1})
    chips = xbatcher.loaders.torch.MapDataset(generator)
    yield from _loaded(chips, workers)


def slices(home, size, *, codecs=None, workers=0):
    import zarr

    if codecs:
        import zarrs  # noqa: F401 - registers its codecs

        zarr.config.set({"codec_pipeline.path": codecs})
    yield from _loaded(_Slices(home, size), workers)


class _Slices:
    """Chips by plain slices of a Zarr array."""

    def __init__(self, home, size):
        import zarr

        self.size, self.across = size, 4096 // size
        self.array = zarr.open_array(home / "store/mgrs/31UDQ/sentinel-2-l2a/reflectance")

    def __len__(self):
        return 3 * self.across**2

    def __getitem__(self, index):
        slot, place = divmod(index, self.across**2)
        y, x = (n * self.size for n in divmod(place, self.across))
        return self.read(slot, slice(y, y + self.size), slice(x, x + self.size))

    def read(self, slot, y, x):
        return self.array[slot, :, y, x]


class _Tensorstore(_Slices):
    def __init__(self, home, size):
        import tensorstore as ts

        self.size, self.across = size, 4096 // size
        path = str(home / "store/mgrs/31UDQ/sentinel-2-l2a/reflectance")
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": path}}
        self.array = ts.open(spec, open=True, read=True).result()

    def read(self, slot, y, x):
        return self.array[slot, :, y, x].read().result()


def tensorstore_slices(home, size):
    yield from _loaded(_Tensorstore(home, size), 0)


def tensorstore_batches(home, size):
    """A batch's reads begun together, into one array."""
    import tensorstore as ts

    chips = _Tensorstore(home, size)
    out = np.empty((BATCH, 10, size, size), "int16")
    while True:
        for rows in _shuffled(len(chips)):
            begun = []
            for place, index in enumerate(rows):
                slot, at = divmod(int(index), chips.across**2)
                y, x = (n * size for n in divmod(at, chips.across))
                window = chips.array[slot, :, y : y + size, x : x + size]
                begun.append(ts.array(out[place]).write(window))
            for future in begun:
                future.result()
            yield out[: len(rows)]
        yield None


# Pixels as they lie in memory.


def _memmap(home):
    return np.memmap(home / "chips.dat", "int16", "r").reshape(-1, 10, 256, 256)


class _Memmap:
    """Chips of a memmap, as views or, as PyTorch asks for arrays that may be written, as copies."""

    def __init__(self, home, *, copied):
        self.chips, self.copied = _memmap(home), copied

    def __len__(self):
        return len(self.chips)

    def __getitem__(self, index):
        return self.chips[index].copy() if self.copied else self.chips[index]


def memmap_loader(home, size, *, copied, workers=0):
    assert size == 256
    warnings.filterwarnings("ignore", "The given NumPy array is not writable")
    yield from _loaded(_Memmap(home, copied=copied), workers)


def memmap_batches(home, size):
    """Whole batches by one indexing, into one array."""
    assert size == 256
    chips, out = _memmap(home), np.empty((BATCH, 10, 256, 256), "int16")
    while True:
        for rows in _shuffled(len(chips)):
            np.take(chips, rows, axis=0, out=out[: len(rows)])
            yield out[: len(rows)]
        yield None


def _shuffled(count):
    order = np.random.default_rng(0).permutation(count)
    return np.split(order, range(BATCH, count, BATCH))


def _loaded(chips, workers):
    """Yield a DataLoader's batches, ``None`` behind each epoch."""
    import torch

    torch.set_num_threads(1)
    spawned = {"multiprocessing_context": "spawn", "persistent_workers": True} if workers else {}
    loader = torch.utils.data.DataLoader(
        chips, batch_size=BATCH, shuffle=True, num_workers=workers, **spawned
    )
    while True:
        for batch in loader:
            yield batch.numpy().reshape(-1, *batch.shape[-3:])
        yield None


ZARRS = "zarrs.ZarrsCodecPipeline"
CONTESTANTS = {
    "cubestore.batches": cubestore_threads,
    "cubestore.batches, verify always": partial(cubestore_threads, verify="always"),
    "cubestore.batches, verify never": partial(cubestore_threads, verify="never"),
    "cubestore.batches, one thread": partial(cubestore_threads, threads=1),
    "cubestore_model.loader": cubestore_loader,
    "cubestore_model.loader, 2 workers": partial(cubestore_loader, workers=2),
    "xbatcher + DataLoader, dask": partial(xbatcher_loader, dask=True),
    "xbatcher + DataLoader, lazy": partial(xbatcher_loader, dask=False),
    "xbatcher + DataLoader, lazy, 2 workers": partial(xbatcher_loader, dask=False, workers=2),
    "zarr-python slices + DataLoader": slices,
    "zarrs slices + DataLoader": partial(slices, codecs=ZARRS),
    "tensorstore slices + DataLoader": tensorstore_slices,
    "tensorstore, batched": tensorstore_batches,
    "memmap + DataLoader, copies": partial(memmap_loader, copied=True),
    "memmap + DataLoader, views": partial(memmap_loader, copied=False),
    "memmap + DataLoader, copies, 2 workers": partial(memmap_loader, copied=True, workers=2),
    "memmap, batched": memmap_batches,
}
ON_THE_GRID = tuple(name for name in CONTESTANTS if name.startswith("memmap"))
"""Those that have the chips of one size and no other."""


def main(contestants):
    """Run one contestant; print chips per CPU second and per second, and what it read."""
    name, home, size, epochs = sys.argv[1:]
    batches = contestants[name](Path(home), int(size))
    digest, count = _digest(batches)
    started, spent = time.perf_counter(), _cpu()
    chips = sum(len(batch) for _ in range(int(epochs)) for batch in _epoch(batches))
    wall, cpu = time.perf_counter() - started, _cpu() - spent
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(count, digest, chips / cpu, chips / wall, peak)


def _epoch(batches):
    for batch in batches:
        if batch is None:
            return
        yield batch


def _digest(batches):
    """Return a number for the pixels of an epoch, whatever their order; it is read warm, too."""
    total = count = 0
    for batch in _epoch(batches):
        for chip in np.asarray(batch):
            total += zlib.crc32(np.ascontiguousarray(chip))
            count += 1
    return total, count


def _cpu():
    """CPU seconds of this process and those that work for it."""
    me = psutil.Process()
    return sum(sum(p.cpu_times()[:2]) for p in (me, *me.children(recursive=True)))


if __name__ == "__main__":
    main(CONTESTANTS)
