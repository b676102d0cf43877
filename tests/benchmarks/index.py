"""What the chip index costs: counting a slot, writing ten million rows, asking for some of them.

Run ``python -m tests.benchmarks.index``. Rows are written by the index's own code from made-up
counts, a file a tile. Contestants take turns in one process, a round each; the median of the
rounds is reported, and all find as many rows. One that is not installed fails the run.
"""

import os
import shutil
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.dataset as ds
import xarray as xr

import cubestore
from cubestore import grids, layout
from cubestore.chips import ChipGrid
from cubestore.cube import cube_at
from cubestore.index import file as indexfile
from cubestore.index.file import VERSION, Described, Name
from cubestore.index.footprints import footprints
from cubestore.index.fractions import FIELDS
from cubestore.index.query import scan
from cubestore.index.rows import Counted, Shown, arrange

ROUNDS = 9
TILES, SLOTS = 55, 100
SENSOR = "sentinel-2-l2a"

WEST, SOUTH, EAST, NORTH = BOX = (2.2, 48.8, 2.5, 49.0)
FIRST, LAST, CLOUD = "2023-03-01", "2023-08-31", 0.125


def main():
    home = Path(tempfile.mkdtemp(prefix="cubestore-benchmark-", dir=os.environ.get("TMPDIR")))
    try:
        counting(home)
        store = writing(home)
        outlines()
        asking(store)
    finally:
        shutil.rmtree(home)


def counting(home):
    """Index a slot of a whole tile, ten bands and both masks; again; and one slot more."""
    store = cubestore.create_store(home / "counting")
    cube = store.create_cube("31UDQ", SENSOR)
    side = layout.geobox(cube.sensor, cube.tile).shape[0]
    random = np.random.default_rng(0)
    coarse = random.integers(300, 3000, (10, side // 20, side // 20)).astype("int16")
    pixels = np.repeat(np.repeat(coarse, 20, 1), 20, 2)
    pixels += random.integers(-12, 12, pixels.shape, "int16")
    classes = np.repeat(np.repeat((coarse[0] % 11).astype("uint8"), 20, 0), 20, 1)
    masks = {"quality": classes, "cloud_class": classes % 4}
    took = {}
    for slot in range(2):
        item = cubestore.Slot(time=f"2023-06-1{slot}", item_id=f"item {slot}")
        cube.append(item, {"reflectance": pixels, **masks})
        cubestore.index_store(store, chip_size=2048)  # the code is compiled, the pixels are read
        took[f"slot {slot + 1}, counted"] = timed(lambda: cubestore.index_store(store))
    took["again"] = timed(lambda: cubestore.index_store(store))
    print(f"\nA Sentinel-2 slot of a whole tile, {pixels.nbytes / 1e9:.1f} GB of pixels")
    for name, (wall, cpu) in took.items():
        print(f"  {name:<28}{wall:8.3f} s {cpu:8.3f} CPU-s")


def timed(work):
    start = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def writing(home):
    """Write the index of many tiles, each chip of each slot a row."""
    store = cubestore.create_store(home / "writing")
    folder = home / "writing" / indexfile.FOLDER
    folder.mkdir(parents=True)
    near = [tile.id for tile in grids.tiles_in(-3, 46, 8, 51)][:TILES]
    tiles = ["31UDQ", *(tile for tile in near if tile != "31UDQ")][:TILES]
    what = Described(version=VERSION, commit=(1, "sha256:0"), land_cover=None, compat="")
    rows = sum(len(counted(tile).rows) for tile in tiles[:1]) * len(tiles)
    wall = cpu = 0.0
    for tile in tiles:
        cube, made = cube_at(store.path, tile, SENSOR), counted(tile)
        chips = ChipGrid(shape=(10980, 10980))

        def write(cube=cube, made=made, chips=chips, tile=tile):
            content = arrange(cube, chips, made, None, None)
            name = Name("mgrs", tile, SENSOR, 256)
            indexfile.write(folder, name, content.tables(), content.metadata(name, what))

        seconds = timed(write)
        wall, cpu = wall + seconds[0], cpu + seconds[1]
    size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    print(f"\n{rows:,} rows in {len(tiles)} files")
    print(f"  written in {wall:.1f} s, {cpu:.1f} CPU-s; {size / 1e6:.0f} MB")
    return store


def counted(tile):
    """Return made-up counts: a hundred slots over two years, all chips of each."""
    random = np.random.default_rng(abs(hash(tile)) % 2**32)
    y, x = (axis.ravel() for axis in np.mgrid[:43, :43])
    rows = np.zeros((SLOTS, y.size), np.dtype([*FIELDS, ("bands", "f4", (0,))]))
    rows["slot"], rows["y"], rows["x"] = np.arange(SLOTS)[:, None], y, x
    whole = random.integers(0, 3, rows.shape)  # a third each is clear, in part cloudy, all cloud
    part = random.integers(0, 65537, rows.shape) / 65536
    rows["cloud"] = np.where(whole == 1, part, whole / 2)
    rows["nodata"] = random.permuted(part, axis=1) * (random.random(rows.shape) < 0.2)
    times = np.datetime64("2022-06-01T10:50", "ns") + np.arange(SLOTS) * np.timedelta64(7, "D")
    known = xr.Dataset(
        coords={
            "time": times,
            "item_id": ("time", [f"S2A_MSIL2A_{tile}_{k:04}" for k in range(SLOTS)]),
            "platform": ("time", ["sentinel-2a", "sentinel-2b"] * (SLOTS // 2)),
        }
    )
    slots = Shown(tuple(range(SLOTS)), known)
    return Counted(rows.reshape(-1), slots, dict.fromkeys(range(SLOTS), 1), SLOTS, 0)


def outlines():
    """The outlines of a tile's chips, once for each place and once for each row."""
    tile = grids.tile("31UDQ")
    grid = layout.geobox(cubestore.sensor(SENSOR), tile)
    y, x = (axis.ravel() for axis in np.mgrid[:43, :43])
    once, _ = timed(lambda: footprints(tile, grid, 256, y, x))
    each, _ = timed(lambda: footprints(tile, grid, 256, np.tile(y, SLOTS), np.tile(x, SLOTS)))
    print(f"  outlines of a tile, of {SLOTS} slots: {once * 1e3:.0f} ms each place once,")
    print(f"  {each * 1e3:.0f} ms each row")


def asking(store):
    """A box of some chips, half a year, little cloud."""
    folder = Path(store.path, indexfile.FOLDER)
    some = ["chipid", "time", "cloud_cover_percentage", "geometry"]
    question = {"bbox": BOX, "datetime": f"{FIRST}/{LAST}", "max_cloud": CLOUD}
    contestants = {
        "scan, four columns": lambda: len(scan(store, **question, columns=some)),
        "scan, all columns": lambda: len(scan(store, **question)),
        "chips, a GeoDataFrame": lambda: len(cubestore.chips(store, **question)),
        "duckdb, four columns": lambda: len(by_duckdb(folder, ", ".join(some))),
        "duckdb, all columns": lambda: len(by_duckdb(folder, "*")),
        "pyarrow.dataset, four columns": lambda: len(by_arrow(folder, some)),
        "pyarrow.dataset, all columns": lambda: len(by_arrow(folder, None)),
    }
    found = {name: contestant() for name, contestant in contestants.items()}
    assert len(set(found.values())) == 1, found
    print(f"\nA box, half a year, at most {CLOUD:.1%} cloud: {found['scan, all columns']} rows")
    for name, seconds in turns(contestants).items():
        print(f"  {name:<32}{seconds * 1e3:8.1f} ms")


def by_duckdb(folder, columns):
    return duckdb.sql(
        f"""select {columns} from '{folder}/*.parquet'
        where bbox.xmin <= {EAST} and bbox.xmax >= {WEST} and bbox.ymin <= {NORTH}
        and bbox.ymax >= {SOUTH} and date >= '{FIRST}' and date <= '{LAST}'
        and cloud_cover_percentage <= {CLOUD}"""  # noqa: S608 - our own numbers
    ).to_arrow_table()


def by_arrow(folder, columns):
    day = ds.field("date")
    side = {name: ds.field("bbox", name) for name in ("xmin", "ymin", "xmax", "ymax")}
    return ds.dataset(folder, format="parquet").to_table(
        columns=columns,
        filter=(side["xmin"] <= EAST)
        & (side["xmax"] >= WEST)
        & (side["ymin"] <= NORTH)
        & (side["ymax"] >= SOUTH)
        & (day >= date.fromisoformat(FIRST))
        & (day <= date.fromisoformat(LAST))
        & (ds.field("cloud_cover_percentage") <= CLOUD),
    )


def turns(contestants):
    """Return each contestant's median seconds."""
    taken = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, contestant in contestants.items():
            start = time.perf_counter()
            contestant()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


if __name__ == "__main__":
    main()
