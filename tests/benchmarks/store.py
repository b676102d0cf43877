"""What the store costs: encoding a shard, opening, appending, listing.

Run ``python -m tests.benchmarks.store``. Contestants take turns in one process, a round each;
the median of the rounds is reported, and what they made is compared before a figure is printed.
A contestant that is not installed fails the run.
"""

import os
import shutil
import statistics
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np
import xarray as xr
import zarr
from numcodecs import Blosc

import cubestore
from cubestore import layout
from cubestore.encoding import crc32c
from cubestore.grids import mgrs_tiles
from cubestore.records import dump

ROUNDS = 7
CUBES = 2_000
SLOTS = 10_000
APPENDS = 30


def main():
    home = Path(tempfile.mkdtemp(prefix="cubestore-benchmark-", dir=os.environ.get("TMPDIR")))
    try:
        encoding(home)
        slots(home)
        listing(home)
    finally:
        shutil.rmtree(home)


# Encoding a shard.


def encoding(home):
    """One shard of ten bands, from an array in memory to a file that is not synced."""
    cube = cubestore.create_store(home / "e").create_cube("31UDQ", "sentinel-2-l2a")
    with cube.write() as writer:
        array = writer.arrays["reflectance"].sized("time", 1)
    shard = quilt(array.block)
    contestants = {
        "cubestore": lambda: ours(array, shard, home / "ours"),
        "zarr-python": lambda: zarr_python(array, shard, home / "theirs"),
        "chunks by hand, no shard": lambda: by_hand(shard),
    }
    cpu = turns(contestants, time.process_time)
    mine, theirs = (zarr.open_array(home / name)[0] for name in ("ours", "theirs"))
    np.testing.assert_array_equal(mine, theirs)
    for (y, x), chunk in by_hand(shard).items():
        values = np.frombuffer(Blosc().decode(chunk), array.dtype).reshape(array.chunks[1:])
        np.testing.assert_array_equal(
            values, mine[..., y:, x:][..., : layout.CHUNK, : layout.CHUNK]
        )
    print(f"\nEncode one shard {array.block} {array.dtype}, {shard.nbytes / 1e6:.0f} MB")
    for name, seconds in cpu.items():
        rate = shard.nbytes / 1e6 / seconds
        print(f"  {name:<28}{rate:8.0f} MB per CPU-s {cpu['zarr-python'] / seconds:7.2f} x")


def ours(array, shard, home):
    path = home / array.key((0, 0, 0, 0)).removeprefix(f"{array.name}/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(array.encode(shard))
    (home / "zarr.json").write_bytes(dump(array.document()))


def zarr_python(array, shard, home):
    made = zarr.create_array(
        home,
        shape=array.shape,
        dtype=array.dtype,
        chunks=array.chunks,
        shards=array.shards,
        fill_value=array.fill,
        compressors=[
            zarr.codecs.BloscCodec(typesize=2, cname="lz4", clevel=5, shuffle="bitshuffle"),
            zarr.codecs.Crc32cCodec(),
        ],
        overwrite=True,
    )
    made[:, :, : layout.SHARD, : layout.SHARD] = shard


def by_hand(shard):
    """The same chunks one by one, in memory: the bound."""
    codec = Blosc(cname="lz4", clevel=5, shuffle=Blosc.BITSHUFFLE)
    chunks = {}
    for y, x in product(range(0, layout.SHARD, layout.CHUNK), repeat=2):
        chunk = shard[..., y : y + layout.CHUNK, x : x + layout.CHUNK]
        chunks[y, x] = codec.encode(np.ascontiguousarray(chunk))
        crc32c(chunks[y, x])
    return chunks


def quilt(shape):
    """Reflectance with the entropy of a real scene: smooth fields under sensor noise."""
    random = np.random.default_rng(0)
    coarse = random.integers(300, 3000, (*shape[:-2], shape[-2] // 16, shape[-1] // 16))
    smooth = np.kron(coarse, np.ones((16, 16), "int16"))
    return (smooth + random.normal(0, 12, shape)).astype("int16")


# Slots.


def slots(home):
    """Open and append at few and at many slots, with all coordinates."""
    print(f"\nOne cube, {len(layout.TIME_COORDINATES) - 1} coordinates on time")
    for count in (10, SLOTS):
        store = cubestore.create_store(home / f"s{count}")
        cube = store.create_cube("31UDQ", "sentinel-2-l2a")
        with cube.write() as writer:
            writer.append([slot(index) for index in range(count)], [])
        figures = {
            "cube.open": lambda cube=cube: cube.open(),
            "xarray.open_zarr": lambda cube=cube: xr.open_zarr(cube.path, chunks=None),
        }
        xr.testing.assert_equal(
            figures["cube.open"]().drop_vars(["reflectance", "quality", "cloud_class"]),
            figures["xarray.open_zarr"]().drop_vars(["reflectance", "quality", "cloud_class"]),
        )
        for name, seconds in turns(figures, time.perf_counter).items():
            print(f"  {count:>6} slots  {name:<36}{seconds * 1e3:8.1f} ms")
        alone = committing(cube, count)
        print(f"  {count:>6} slots  {'writer.append, synced':<36}{alone * 1e3:8.1f} ms")
        wall, cpu = appending(cube, count + APPENDS)
        print(
            f"  {count:>6} slots  {'cube.append: lock, 11 MB, commit':<36}{wall * 1e3:8.1f} ms",
            end="",
        )
        print(f", {cpu * 1e3:.1f} of them CPU")


def slot(index):
    day = np.datetime64("2015-06-23T10:50:31", "us") + np.timedelta64(index, "h")
    return cubestore.Slot(
        time=day,
        item_id=f"S2A_MSIL2A_{index:07d}_N0510_R051_T31UDQ",
        source_url=f"https://example.org/sentinel-2/31/U/DQ/{index:07d}/S2A_31UDQ.json",
        platform="sentinel-2a",
        processing_baseline="05.10",
        dn_offset=-1000,
        dn_offset_source="processing baseline",
        relative_orbit=51,
        shards=((0, 0),),
    )


def committing(cube, count):
    """The median seconds of the commit of a slot alone: lock held, its shard encoded."""
    pixels = np.full((1, 10, layout.SHARD, layout.SHARD), -32768, "int16")
    pixels[..., :64, :64] = 1200
    wall = []
    with cube.write() as writer:
        for index in range(count, count + APPENDS):
            staged = [writer.staging.write("reflectance", (index, 0, 0, 0), pixels)]
            start = time.perf_counter()
            writer.append([slot(index)], staged)
            wall.append(time.perf_counter() - start)
    return statistics.median(wall)


def appending(cube, count):
    """The median seconds and CPU seconds of an append with its pixels, locking included."""
    edge = cube.tile.geobox(cube.sensor.gsd).shape[0]
    origin = (edge // layout.SHARD * layout.SHARD,) * 2
    pixels = {
        "reflectance": np.full((10, edge - origin[0], edge - origin[1]), 1200, "int16"),
        "quality": np.full((edge - origin[0], edge - origin[1]), 4, "uint8"),
        "cloud_class": np.zeros((edge - origin[0], edge - origin[1]), "uint8"),
    }
    wall, cpu = [], []
    for index in range(count, count + APPENDS):
        start = time.perf_counter(), time.process_time()
        cube.append(slot(index), pixels, origin=origin)
        wall.append(time.perf_counter() - start[0])
        cpu.append(time.process_time() - start[1])
    return statistics.median(wall), statistics.median(cpu)


# Many cubes.


def listing(home):
    """A store of many cubes: names of one, since only their number counts here."""
    store = cubestore.create_store(home / "many")
    tiles = [tile.id for _, tile in zip(range(CUBES), mgrs_tiles(), strict=False)]
    one = store.create_cube(tiles[0], "sentinel-2-l2a")
    with one.write() as writer:
        writer.append([slot(index) for index in range(20)], [])
    for tile in tiles[1:]:
        directory = home / "many" / "mgrs" / tile
        shutil.copytree(Path(one.path).parent, directory, copy_function=os.link)
    figures = turns({"list": store.cubes}, time.perf_counter)
    cubes = store.cubes()
    assert len(cubes) == CUBES
    seconds = []
    for tile, sensor in cubes:
        start = time.perf_counter()
        store.cube(tile, sensor).open()
        seconds.append(time.perf_counter() - start)
    print(f"\nA store of {CUBES} cubes")
    print(f"  list them all {figures['list'] * 1e3:24.1f} ms")
    slowest = statistics.quantiles(seconds, n=100)[-1]
    print(f"  find and open each, median {statistics.median(seconds) * 1e3:11.1f} ms")
    print(f"  find and open each, 99 of 100 {slowest * 1e3:8.1f} ms")


def turns(contestants, clock):
    """Return each contestant's median seconds on ``clock``, after a round that does not count."""
    taken = {name: [] for name in contestants}
    for _ in range(ROUNDS + 1):
        for name, contestant in contestants.items():
            start = clock()
            contestant()
            taken[name].append(clock() - start)
    return {name: statistics.median(seconds[1:]) for name, seconds in taken.items()}


if __name__ == "__main__":
    main()
