"""odc.stac -> one sharded 4-D array, in the codecs of a cube, the cheapest way there is.

The chunks of dask are the shards, so that every file is written once; the bands are stacked and
their offset is taken out in one pass.
"""

import sys

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
    threads, how = race.options
    items = [pystac.Item.from_file(path) for path in sorted(race.items.glob("*.json"))]
    odc.stac.configure_rio(cloud_defaults=True)
    costs = {}
    with dask.config.set(scheduler="threads", num_workers=int(threads)), taken(costs, "pixels"):
        side = min(race.corner * layout.SHARD, *grid().shape)
        bands = load_apart if how == "apart" else load
        write(assembled(bands(items, grid()[:side, :side])), race.home / "store")
    tell(costs, race.home / "store")


def load(items, box, names=tuple(BANDS), chunk=layout.SHARD):
    """Return bands on a grid, lazily: name -> (time, y, x)."""
    loaded = odc.stac.load(
        items,
        bands=list(names),
        geobox=box,
        dtype="uint16",
        nodata=EMPTY,
        resampling="nearest",
        chunks={"time": 1, "y": chunk, "x": chunk},
    )
    return {name: loaded[name].data for name in names}


def load_apart(items, box):
    """Return each band on its own grid, for whoever replicates the coarse ones by hand."""
    groups = {gsd: [n for n, own in BANDS.items() if own == gsd] for gsd in set(BANDS.values())}
    found = {}
    for gsd, names in groups.items():
        found |= load(items, box.zoom_out(gsd / 10), names, layout.SHARD * 10 // gsd)
    return found


def assembled(bands):
    """Return the pixels as a cube stores them, lazily: (time, band, y, x)."""
    _, *space = bands["B02"].chunks
    return da.blockwise(
        stacked,
        "tbyx",
        *(word for name in BANDS for word in (bands[name], "tyx")),
        new_axes={"b": len(BANDS)},
        adjust_chunks=dict(zip("yx", space, strict=True)),
        align_arrays=False,
        dtype="int16",
    )


def stacked(*bands):
    """Return bands (1, y, x) as one block (1, band, y, x), as a cube stores their numbers."""
    block = np.empty((1, len(bands), *bands[0].shape[1:]), "int16")
    for out, (band,) in zip(block[0], bands, strict=True):
        scale = len(out) // len(band)
        numbers = band if scale == 1 else band.repeat(scale, axis=0).repeat(scale, axis=1)
        np.add(numbers.view("int16"), OFFSET, out=out)  # the scene has no number above 32767
        np.copyto(out, NODATA, where=numbers == EMPTY)
    return block


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
