"""2,000 cubes described: for the first time, again when nothing has changed, and when one has.

A part of ``tests.benchmarks.catalog``; alone: ``python -m tests.benchmarks.catalog_cubes``.
"""

import itertools
import resource
import tempfile
import time
from pathlib import Path

import cubestore
from cubestore.errors import CubestoreError
from cubestore_catalog import publish

CUBES = 2000
SENSOR = "sentinel-2-l2a"
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def report(home):
    """Make a store below a folder, and print what its catalogue takes."""
    store = cubestore.create_store(home / "cubes")
    for tile in itertools.islice(tiles(), CUBES):
        grow(store.create_cube(tile, SENSOR), 1)
    costs(f"catalogue of {CUBES:,} cubes", lambda: publish(store.path))
    costs("again, nothing has changed", lambda: publish(store.path))
    grow(store.cube(*store.cubes()[0]), 2)
    costs("again, one has changed", lambda: publish(store.path))


def tiles():
    """Yield the ids of tiles that there are."""
    for zone, band, *square in itertools.product(range(30, 60), "TUV", LETTERS, LETTERS):
        try:
            yield cubestore.tile(f"{zone}{band}{''.join(square)}").id
        except CubestoreError:
            continue


def grow(cube, day):
    slot = cubestore.Slot(
        time=f"2024-01-{day:02}T10:30:00Z", item_id=f"scene-{day}", platform="sentinel-2a"
    )
    with cube.write() as writer:
        writer.append([slot], [])


def costs(what, work):
    """Print what some work takes, and return what it returns."""
    clock, before = time.perf_counter(), processor()
    result = work()
    taken, clock = processor() - before, time.perf_counter() - clock
    print(f"{what}: {clock:.1f} s, {taken:.1f} CPU s", flush=True)
    return result


def processor():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="cubestore-benchmark-") as folder:
        report(Path(folder))
