"""Counting the pixels of cubes, and keeping what they are like in the cubes themselves.

Nodata, NaN and what lies past the tile's edge are left out, and so are slots that another one
supersedes. Chunk after chunk is decoded, compared with its checksum and counted; no more than a
shard is in memory. The statistics of a cube are kept in its root attribute `STATISTICS`, with the
commit that they describe: while no commit since has brought pixels, nothing is read again.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore import layout, reader, sensors
from cubestore.committed import chunks, committed
from cubestore.cube import WAIT, Cube
from cubestore.encoding import Array
from cubestore.errors import MismatchError, UnknownCubeError
from cubestore.records import Root
from cubestore.stats.histogram import Distribution, Histogram
from cubestore.stats.statistics import BandStatistics, Statistics, counted, names, pooled
from cubestore.store import Store

STATISTICS = "cubestore:statistics"
"""The root attribute that keeps a cube's."""

FORMAT = 1
"""Of the attribute; another is computed anew."""

Watch = Callable[[Cube, int, int], None]
"""Told of a cube, how many of its shards were read, and of how many."""

Shard = tuple[int, int, int]
"""Slot, row and column."""


def stats(
    store: Store,
    sensor: str,
    tiles: Sequence[str] | None = None,
    *,
    exact: bool = False,
    keep: bool = True,
    wait: float = WAIT,
    watch: Watch | None = None,
) -> Statistics:
    """Return the statistics of a sensor's pixels, pooled over cubes.

    Args:
        store: where the cubes are.
        sensor: its id.
        tiles: those of these tiles; None: all.
        exact: percentiles of all pixels even of several cubes; reads all of them again.
        keep: keep what was computed in each cube, by a commit. Of a store that is read from
            afar nothing is kept.
        wait: seconds to wait for another writer of a cube, where something is to be kept.
        watch: is told of every shard that is read.

    Raises:
        UnknownSensorError: no such sensor.
        UnknownCubeError: the store has no cube of it, or of one of the tiles.
        MismatchError: classes: the mean of two of them is none.
        LockedError: another writer holds a cube; ``keep=False`` reads all the same.
        NotWritableError: the disk is read-only; the same.
        DamagedError: bytes that are not those that were committed, or are not there.
    """
    cubes = _cubes(store, sensor, tiles)
    every = exact and len(cubes) > 1
    known: list[Statistics] = []
    total: dict[str, Distribution] = {}
    for cube in cubes:
        root = cube.root()
        kept = kept_statistics(cube, root)
        if kept is None or every:
            found = distributions(cube, root, watch)
            made = counted(sensor, ((cube.tile.id, root.number),), found)
            if keep and kept is None and "://" not in cube.path:
                _keep(cube, root, made, wait)
            kept, total = kept or made, _added(total, found) if every else {}
        known.append(kept)
    if every:
        in_order = {name: total[name] for name in names(sensor, set(total))}
        return counted(sensor, tuple(of for one in known for of in one.cubes), in_order)
    return known[0] if len(known) == 1 else pooled(known)


def measured(
    store: Store, named: Sequence[str] = (), tiles: Sequence[str] = ()
) -> dict[str, list[str] | None]:
    """Return the tiles of each sensor: those that were named, or all that measure and are there."""
    if named:
        return {sensor: list(tiles) or None for sensor in named}
    there: dict[str, list[str] | None] = {}
    for tile, sensor in store.cubes():
        if not sensors.sensor(sensor).pixels.flags and (not tiles or tile in tiles):
            there[sensor] = [*(there.get(sensor) or []), tile]
    return there


def kept_statistics(cube: Cube, root: Root | None = None) -> Statistics | None:
    """Return the statistics that a cube keeps; None where it has none, or pixels came since."""
    root = cube.root() if root is None else root
    kept = root.attributes.get(STATISTICS, {})
    if kept.get("format") != FORMAT or _has_new_pixels(cube, root, kept["commit"]["number"]):
        return None
    return Statistics(
        sensor=cube.sensor.id,
        cubes=((cube.tile.id, kept["commit"]["number"]),),
        bands=tuple(map(BandStatistics.from_json, kept["bands"])),
        decibels=tuple(map(BandStatistics.from_json, kept["decibels"])),
        resolution=kept["resolution"],
    )


def distributions(
    cube: Cube, root: Root | None = None, watch: Watch | None = None
) -> dict[str, Distribution]:
    """Count every value of every band of a cube, shard by shard.

    Raises:
        DamagedError: bytes that are not those that were committed, or are not there.
    """
    root = cube.root() if root is None else root
    name = cube.sensor.pixels.name
    array = Array.from_document(name, root.arrays[name])
    opened = reader.dataset(cube.path, root, mask_and_scale=False)
    bands = [str(band) for band in opened.band.values]
    histograms = [Histogram(array.numpy_dtype, float(array.fill)) for _ in bands]
    replaced = set(opened.supersedes.values.tolist()) - {""}
    slots = [k for k, item in enumerate(opened.item_id.values.tolist()) if item not in replaced]
    shards = _stored(cube, root, array, slots)
    for done, shard in enumerate(shards, 1):
        for block in _blocks(cube, array, opened[name].variable, shard):
            for histogram, values in zip(histograms, block, strict=True):
                histogram.add(values)
        if watch is not None:
            watch(cube, done, len(shards))
    return {n: one.distribution() for n, one in zip(bands, histograms, strict=True)}


def _cubes(store: Store, sensor: str, tiles: Sequence[str] | None) -> list[Cube]:
    pixels = sensors.sensor(sensor).pixels
    if pixels.flags:
        raise MismatchError(
            f"The pixels of {sensor} are classes",
            expected="a sensor that measures",
            remedy="count classes per chip with `cubestore index`",
        )
    found = [tile for tile, one in store.cubes() if one == sensor] if tiles is None else tiles
    if not found:
        raise UnknownCubeError(
            f"{store.path} has no cube of {sensor}",
            expected="a sensor that `cubestore info` lists",
            remedy="build one",
        )
    return [store.cube(tile, sensor) for tile in dict.fromkeys(found)]


def _has_new_pixels(cube: Cube, root: Root, number: int) -> bool:
    """Whether a commit after ``number`` brought pixels; records are only beside a cube on disk."""
    if number > root.number:
        return True
    if "://" in cube.path:
        return root.number > number + 1  # the one that kept the statistics
    for record in cube.control.history(root):
        if record.number <= number:
            break
        if record.operation in {"append", "fill"}:
            return True
    return False


def _stored(cube: Cube, root: Root, array: Array, slots: Sequence[int]) -> list[Shard]:
    """Return the shards that were committed; from afar, where there are no records, all."""
    if "://" in cube.path:
        rows, columns = array.blocks()[-2:]
        return list(product(slots, range(rows), range(columns)))
    there = committed(cube, root).shards
    return [(k, *shard) for k in slots for shard in sorted(there.get(k, {}).get(array.name, []))]


def _blocks(cube: Cube, array: Array, pixels: Any, shard: Shard) -> Iterator[NDArray[Any]]:  # noqa: ANN401 - lazy
    """Yield the pixels of a shard, ``(band, y, x)``, in chunks or whole."""
    slot, row, column = shard
    if "://" in cube.path:
        y, x = (slice(n * layout.SHARD, (n + 1) * layout.SHARD) for n in (row, column))
        yield pixels[slot, :, y, x].values
        return
    for _, _, block in chunks(Path(cube.path), array, slot, (row, column)):
        yield np.asarray(block)


def _keep(cube: Cube, root: Root, made: Statistics, wait: float) -> None:
    told = made.to_json()
    document = {
        "format": FORMAT,
        "commit": {"number": root.number, "digest": root.digest},
        **{name: told[name] for name in ("percents", "bands", "decibels", "resolution")},
    }
    with cube.write(wait=wait) as writer:
        writer.describe({STATISTICS: document})


def _added(
    total: dict[str, Distribution], found: dict[str, Distribution]
) -> dict[str, Distribution]:
    """Return what was counted so far with another cube's; only this much of it is in memory."""
    both = {n: [some[n] for some in (total, found) if n in some] for n in {**total, **found}}
    return {name: Distribution.merged(parts) for name, parts in both.items()}
