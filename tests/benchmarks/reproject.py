"""What a warp costs: a Sentinel-2 scene of UTM zone 32 on the grid of zone 33, by shards of 2048.

Run ``python -m tests.benchmarks.reproject``. Every contestant has a process of its own in every
round, one thread, the scene in memory; imports, compilation and the scene's opening do not count.
Rounds take turns. What is found is compared: nearest with PROJ's coordinates of every pixel in one
row of sixteen, bilinear and cubic with GDAL's at exact coordinates. A contestant that is not
installed fails the run, and so does an output that differs.

GDAL takes scales that differ by a ten-thousandth for a reason to blur, and to take thrice the time
(github.com/OSGeo/gdal/issues/7750): with XSCALE=1 and YSCALE=1, as odc.geo sets them, it does not.
That is what is raced against; what GDAL does by itself is shown beside.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pyproj
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.overlap import compute_reproject_roi
from odc.geo.warp import rio_reproject
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.warp import reproject
from rasterio.windows import Window

from cubestore import lattice, layout
from cubestore.warp import warp
from tests.benchmarks.ingest_race import taken

ROUNDS = 5
SIDE, NODATA = 10980, 0
SOURCE = GeoBox((SIDE, SIDE), Affine(10, 0, 600000, 0, -10, 5700000), "EPSG:32632")
TARGET = GeoBox((SIDE, SIDE), Affine(10, 0, 177000, 0, -10, 5705000), "EPSG:32633")
BANDS = 6
"""Of the contestant that shows what bands share."""

SAMPLE = 16
"""Rows of the target of which one is checked."""

PROMISED = 3
"""Times GDAL's bilinear, by CPU time."""

RIGHT = 0.9999
"""Least share of pixels that nearest must take from the right place."""

EXACT = 1e-5
"""Pixels, GDAL's tolerance; its own is an eighth."""

APART = 1e-4
"""Greatest share of pixels that may be more than 1 apart, where holes are near."""

QUILT = Path(
    os.environ.get("CUBESTORE_DATA", Path(__file__).parents[3] / "shared" / "data"),
    "sentinel2/majortom_199U_1099R",
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--run", nargs=2, metavar=("CONTESTANT", "HOME"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        run(asked.run[0], Path(asked.run[1]))
        return
    home = Path(tempfile.mkdtemp(prefix="cubestore-benchmark-", dir=os.environ.get("TMPDIR")))
    try:
        np.save(home / "scene.npy", scene())
        costs = {name: [] for name in CONTESTANTS}
        for turn in range(asked.rounds):
            for name in CONTESTANTS if turn == 0 else RACED:
                costs[name].append(raced(name, home))
        kept = [*table(costs), *compared(home)]
    finally:
        shutil.rmtree(home)
    print()
    for what, met in kept:
        print(f"{what}: {'met' if met else 'NOT met'}")
    sys.exit(not all(met for _, met in kept))


def scene():
    """Quilt a scene from real reflectance; one corner lies outside the swath, and it has holes."""
    rng = np.random.default_rng(0)
    patches = [patch for path in sorted(QUILT.rglob("B0[248].tif")) for patch in read(path)]
    if not patches:
        print("generated, for want of real reflectance: set CUBESTORE_DATA")
        patches = [rng.normal(2000, 400, (600, 600)).clip(1).astype("uint16")]
    side = len(patches[0])
    count = -(-SIDE // side)
    pixels = np.empty((count * side, count * side), "uint16")
    for row, column in product(range(count), repeat=2):
        patch = np.rot90(patches[rng.integers(len(patches))], rng.integers(4))
        pixels[row * side :, column * side :][:side, :side] = patch
    pixels = pixels[:SIDE, :SIDE]
    rows, columns = np.ogrid[:SIDE, :SIDE]
    pixels[columns + rows // 4 > 1.15 * SIDE] = NODATA
    for row, column in rng.integers(0, SIDE, (200, 2)):
        pixels[row : row + 40, column : column + 40] = NODATA
    return pixels


def read(path):
    with rasterio.open(path) as file:
        yield np.maximum(file.read(1), 1)


def raced(name, home):
    """Run a contestant; return its CPU seconds."""
    words = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.reproject"]
    words += ["--run", name, str(home)]
    threads = {"GDAL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        words, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | threads
    )
    return json.loads(done.stdout)["warp"]["cpu"]


def run(name, home):
    """Be a contestant: warp all shards, tell what it cost, and keep what was found."""
    pixels = np.load(home / "scene.npy")
    prepare, shard = CONTESTANTS[name]
    opened = prepare(pixels)
    found = np.full((SIDE, SIDE), NODATA, "uint16")
    costs = {}
    with taken(costs, "warp"):
        for rows, columns in shards():
            shard(opened, rows, columns, found[rows, columns])
    np.save(home / f"{name}.npy", found)
    print(json.dumps(costs))


def shards():
    edges = range(0, SIDE, layout.SHARD)
    for top, left in product(edges, edges):
        bottom, right = min(SIDE, top + layout.SHARD), min(SIDE, left + layout.SHARD)
        yield slice(top, bottom), slice(left, right)


# The contestants: what is made ready, and what is timed.


def held(pixels):
    return pixels


SHARP = {"XSCALE": 1, "YSCALE": 1}


def warped(resampling, tolerance=0.125, **scale):
    """A virtual raster over the scene in GDAL's memory."""

    def prepare(pixels):
        memory = MemoryFile()
        profile = {"driver": "GTiff", "count": 1, "dtype": "uint16", "height": SIDE, "width": SIDE}
        place = {"crs": str(SOURCE.crs), "transform": SOURCE.affine, "nodata": NODATA}
        with memory.open(**profile, **place, tiled=True, blockxsize=512, blockysize=512) as file:
            file.write(pixels, 1)
        options = {
            "crs": str(TARGET.crs),
            "transform": TARGET.affine,
            "height": SIDE,
            "width": SIDE,
            "resampling": Resampling[resampling],
            "src_nodata": NODATA,
            "nodata": NODATA,
            "tolerance": tolerance,
            **scale,
        }
        return WarpedVRT(memory.open(), **options), memory

    return prepare, lambda opened, rows, columns, out: opened[0].read(
        1, window=Window.from_slices(rows, columns), out=out
    )


def reprojected(resampling):
    """``rasterio.warp.reproject`` from array to array."""

    def shard(pixels, rows, columns, out):
        reproject(
            pixels,
            out,
            src_transform=SOURCE.affine,
            src_crs=str(SOURCE.crs),
            src_nodata=NODATA,
            dst_transform=TARGET[rows, columns].affine,
            dst_crs=str(TARGET.crs),
            dst_nodata=NODATA,
            resampling=Resampling[resampling],
            num_threads=1,
            **SHARP,
        )

    return held, shard


def by_odc(resampling):
    """What odc.stac does with a chunk: the window that is needed, then GDAL."""

    def shard(pixels, rows, columns, out):
        target = TARGET[rows, columns]
        window = compute_reproject_roi(SOURCE, target).roi_src
        kind = {"src_nodata": NODATA, "dst_nodata": NODATA}
        rio_reproject(pixels[window], out, SOURCE[window], target, resampling, **kind)

    return held, shard


def ours(resampling, bands=1):
    def prepare(pixels):
        compile_for(resampling)
        return np.broadcast_to(pixels, (bands, *pixels.shape)) if bands > 1 else pixels

    def shard(pixels, rows, columns, out):
        target = TARGET[rows, columns]
        for band in [pixels] if bands == 1 else pixels:
            out[:] = warp(band, SOURCE, target, resampling=resampling, nodata=NODATA)

    return prepare, shard


def compile_for(resampling):
    """Let the loops be compiled, and forget what is known of the grids."""
    small = TARGET[:8, :8]
    warp(np.ones((8, 8), "uint16"), small, small, resampling=resampling, nodata=NODATA)
    lattice._in_crs.cache_clear()
    lattice.transformer.cache_clear()


def the_map():
    """Nothing but where the pixels lie."""

    def prepare(pixels):
        compile_for("nearest")
        return pixels

    return prepare, lambda _, rows, columns, __: lattice.lattice(SOURCE, TARGET[rows, columns])


BASE, OURS = "gdal-bilinear", "ours-bilinear"
CONTESTANTS = {
    "gdal-nearest": warped("nearest"),
    BASE: warped("bilinear", **SHARP),
    "gdal-cubic": warped("cubic", **SHARP),
    "gdal-bilinear-exact": warped("bilinear", EXACT, **SHARP),
    "gdal-cubic-exact": warped("cubic", EXACT, **SHARP),
    "gdal-bilinear-as-is": warped("bilinear"),
    "reproject-nearest": reprojected("nearest"),
    "reproject-bilinear": reprojected("bilinear"),
    "odc-nearest": by_odc("nearest"),
    "odc-bilinear": by_odc("bilinear"),
    "ours-nearest": ours("nearest"),
    OURS: ours("bilinear"),
    "ours-cubic": ours("cubic"),
    "ours-bilinear-6": ours("bilinear", BANDS),
    "ours-map-alone": the_map(),
}

RACED = [name for name in CONTESTANTS if not name.endswith(("-exact", "-as-is"))]
"""The others are there to be compared with, and run once."""


# Figures.


def table(costs):
    def middle(name):
        return statistics.median(costs[name])

    rounds = len(costs[BASE])
    print(f"\nA scene of {SIDE} x {SIDE} on its neighbour's grid: {rounds} rounds, CPU seconds")
    print(f"  {'':<24}{'median (least .. most)':>26}{'Mpx per s':>12}{'x ' + BASE:>18}")
    for name in CONTESTANTS:
        times, bands = costs[name], BANDS if name.endswith("-6") else 1
        each = middle(name) / bands
        spread = f"{middle(name):.2f} ({min(times):.2f} .. {max(times):.2f})"
        print(f"  {name:<24}{spread:>26}{SIDE**2 / each / 1e6:12.1f}{middle(BASE) / each:18.2f}")
    for base in (BASE, "reproject-bilinear", "odc-bilinear"):
        ratio = middle(base) / middle(OURS)
        yield f"{ratio:.2f} times {base} by CPU time, at least {PROMISED}", ratio >= PROMISED


def compared(home):
    """Compare what was found, and yield what must be so."""
    load = partial(np.load, mmap_mode="r")
    wanted = by_proj(load(home / "scene.npy"))
    print(f"\nNearest, of {wanted.size / 1e6:.1f} million pixels, from the right place:")
    for name in (name for name in CONTESTANTS if name.endswith("-nearest")):
        share = (load(home / f"{name}.npy")[SAMPLE // 2 :: SAMPLE][: len(wanted)] == wanted).mean()
        print(f"  {name:<24}{share:10.5%}")
        if name == "ours-nearest":
            yield (
                f"{share:.5%} of nearest from the right place, at least {RIGHT:.2%}",
                share >= RIGHT,
            )
    print("\nMore than 1 apart from GDAL at exact coordinates, of pixels with data in both:")
    for kind, name in product(("bilinear", "cubic"), ("ours", "gdal")):
        found, exact = (
            load(home / f"{n}.npy").astype("int32")
            for n in (f"{name}-{kind}", f"gdal-{kind}-exact")
        )
        both = (found != NODATA) & (exact != NODATA)
        far = both & (np.abs(found - exact) > 1)
        alone = ((found != NODATA) != (exact != NODATA)).sum()
        print(f"  {name}-{kind:<19}{far.sum():10d} of {both.sum()}; {alone} with data in one only")
        if (name, kind) == ("ours", "bilinear"):
            share = far.sum() / both.sum()
            yield f"{share:.5%} of bilinear apart, at most {APART:.2%}", share <= APART


def by_proj(pixels):
    """Take the nearest pixels at PROJ's coordinates of each, in one row of `SAMPLE`."""
    way = pyproj.Transformer.from_crs(str(TARGET.crs), str(SOURCE.crs), always_xy=True)
    columns, rows = np.meshgrid(np.arange(SIDE), np.arange(SAMPLE // 2, SIDE, SAMPLE))
    x, y = way.transform(
        TARGET.affine.c + 10 * (columns + 0.5), TARGET.affine.f - 10 * (rows + 0.5)
    )
    column = np.floor((x - SOURCE.affine.c) / 10).astype(int)
    row = np.floor((SOURCE.affine.f - y) / 10).astype(int)
    there = (row >= 0) & (column >= 0) & (row < SIDE) & (column < SIDE)
    wanted = np.full(there.shape, NODATA, pixels.dtype)
    wanted[there] = pixels[row[there], column[there]]
    return wanted


if __name__ == "__main__":
    main()
