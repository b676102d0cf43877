"""odc.stac -> one sharded 4-D array, in the codecs of a cube, the cheapest way there is.

The chunks of dask are the shards, so that every file is written once; the bands are stacked and
their offset taken out in one pass, by the lookup table that a cube's ingest uses too.
"""

import sys
from functools import partial

import dask
import dask.array as da
import numpy as np
import odc.stac
import pystac
import xarray as xr
from zarr.codecs import BloscCodec, Crc32cCodec

from cubestore import layout
from tests.benchmarks.ingest_race import Race, taken, tell
from tests.benchmarks.ingest_scene import BANDS, EMPTY, NODATA, OFFSET, grid


def main():
    race = Race.told(sys.argv[1:])
    threads, *_ = race.options
    items = [pystac.Item.from_file(path) for path in sorted(race.items.glob("*.json"))]
    odc.stac.configure_rio(cloud_defaults=True)
    costs = {}
    with dask.config.set(scheduler="threads", num_workers=int(threads)), taken(costs, "pixels"):
        write(load(items, race.corner), race.home / "store")
    tell(costs, race.home / "store")


def load(items, corner):
    """Return the pixels as a cube stores them, lazily: (time, band, y, x)."""
    side = corner * layout.SHARD
    loaded = odc.stac.load(
        items,
        bands=list(BANDS),
        geobox=grid()[:side, :side],
        dtype="uint16",
        nodata=EMPTY,
        resampling="nearest",
        chunks={"time": 1, "y": layout.SHARD, "x": layout.SHARD},
    )
    bands = [loaded[name].data for name in BANDS]
    times, *space = bands[0].chunks
    return da.map_blocks(
        partial(stacked, table=table()),
        *bands,
        dtype="int16",
        new_axis=1,
        chunks=(times, (len(bands),), *space),
    )


def stacked(*bands, table):
    """Return bands (1, y, x) as one block (1, band, y, x)."""
    block = np.empty((1, len(bands), *bands[0].shape[1:]), "int16")
    for out, band in zip(block[0], bands, strict=True):
        np.take(table, band[0], out=out, mode="clip")
    return block


def table():
    """Return what each digital number becomes."""
    numbers = np.arange(2**16, dtype="int32")
    made = np.clip(numbers + OFFSET, NODATA + 1, -NODATA - 1).astype("int16")
    made[EMPTY] = NODATA
    return made


def write(pixels, path):
    """Write the array with zarr-python, as xarray does."""
    encoding = {
        "shards": (1, len(BANDS), layout.SHARD, layout.SHARD),
        "chunks": (1, len(BANDS), layout.CHUNK, layout.CHUNK),
        "compressors": [
            BloscCodec(typesize=2, cname="lz4", clevel=5, shuffle="bitshuffle"),
            Crc32cCodec(),
        ],
        "fill_value": NODATA,
    }
    dataset = xr.Dataset({"reflectance": (("time", "band", "y", "x"), pixels)})
    dataset.to_zarr(path, zarr_format=3, consolidated=False, encoding={"reflectance": encoding})


if __name__ == "__main__":
    main()
