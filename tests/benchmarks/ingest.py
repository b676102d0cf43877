"""What ingest costs, beside odc.stac: a Sentinel-2 scene from its own grid into one sharded array.

Run ``python -m tests.benchmarks.ingest``; with ``TMPDIR=/dev/shm`` the disk has no part in it.
Every contestant has a process of its own in every round; imports and the making of processes do
not count. Rounds take turns, all on the same number of processors, in the same codecs, synced by
none; what was written is read with zarr-python and must be what plain rasterio reads, every time.
A contestant that is not installed fails the run.
"""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import psutil
import zarr

from cubestore import layout
from tests.benchmarks import ingest_scene
from tests.benchmarks.ingest_race import Race, processors

ROUNDS = 5
WHOLE, PART = 6, 2
"""Rows and columns of shards: all of the tile; what is read over HTTP."""

DATES = 2
"""Of the race over HTTP."""

THREADS = (2, 8, 16)
"""Of the other contestant over HTTP: its best counts."""

MOST_CPU, MOST_MEMORY, MOST_WALL = 0.6, 0.5, 0.5
"""What is promised, as parts of the other's."""

SAMPLES = 0.01
"""Seconds between looks at the memory."""

THEIRS, OURS, MASKS = "odc.stac", "cubestore", "cubestore, with masks"
APART = "odc.stac, 20 m by hand"
"""Bands of 20 m loaded on their own grid and replicated by NumPy: what it costs whoever knows that
odc.stac warps them. It is shown beside; the promise is about ``odc.stac.load`` on the cube's grid.
"""


@dataclass(frozen=True)
class Contestant:
    """A program, and what came of its rounds."""

    module: str
    options: tuple[str, ...]

    @cached_property
    def rounds(self):
        return []

    def median(self, cost, of="pixels"):
        return statistics.median(self.figures(cost, of))

    def figures(self, cost, of="pixels"):
        if cost == "memory":
            return [one["memory"] for one in self.rounds]
        return [one["costs"][of][cost] for one in self.rounds]


def theirs(threads, how="together"):
    return Contestant("tests.benchmarks.ingest_odc", (str(threads), how))


def ours(what):
    return Contestant("tests.benchmarks.ingest_cubestore", (str(processors()), what))


def main():
    asked = arguments()
    refuse_missing()
    home = Path(tempfile.mkdtemp(prefix="cubestore-benchmark-", dir=os.environ.get("TMPDIR")))
    try:
        scene = asked.scene or home / "scene"
        ingest_scene.make(scene)
        kept = [*disk(home, scene, asked.rounds), *http(home, scene, asked.rounds)]
    finally:
        shutil.rmtree(home)
    print()
    for what, ratio, most in kept:
        print(f"{what}: {ratio:.2f} of {THEIRS}'s, at most {most}: {judged(ratio, most)}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_const", const=1, dest="rounds", help="one round")
    parser.add_argument("--scene", type=Path, help="where to keep the scene, for the next run")
    return parser.parse_args()


def refuse_missing():
    for module in ("odc.stac", "cubestore_pipelines"):
        if not find_spec(module):
            sys.exit(f"{module} is not installed: there is no race without it")


def judged(ratio, most):
    return "met" if ratio <= most else "NOT met"


# The races.


def disk(home, scene, rounds):
    """A whole tile of one date, from a disk."""
    files = ingest_scene.link(home / "disk", scene, 1)
    items = ingest_scene.catalogue(home / "disk-items", files, 1)
    contestants = {
        THEIRS: theirs(processors()),
        APART: theirs(processors(), "apart"),
        OURS: ours("pixels"),
        MASKS: ours("masks"),
    }
    run(contestants, items, WHOLE, rounds, home, digests(scene, WHOLE))
    table("A tile of one date on its own grid, from disk", contestants, contestants[THEIRS])
    apart(contestants)
    yield "CPU seconds of a scene on its own grid", *ratio(contestants, "cpu"), MOST_CPU
    yield "Memory for it", *ratio(contestants, "memory"), MOST_MEMORY


def http(home, scene, rounds):
    """A part of a tile, of two dates, from a server that is far away."""
    files = ingest_scene.link(home / "http", scene, DATES)
    names = {f"{THEIRS}, {threads} threads": threads for threads in THREADS}
    with served(files) as address:
        items = ingest_scene.catalogue(home / "http-items", address, DATES)
        contestants = {name: theirs(threads) for name, threads in names.items()}
        contestants[OURS] = ours("pixels")
        run(contestants, items, PART, rounds, home, digests(scene, PART) * DATES)
    best = min(names, key=lambda name: contestants[name].median("wall"))
    title = f"{PART} x {PART} shards of {DATES} dates, over HTTP with 30 ms of latency"
    table(title, contestants, contestants[best])
    yield f"Wall time over HTTP, beside {best}", *ratio(contestants, "wall", best), MOST_WALL


def run(contestants, items, corner, rounds, home, wanted):
    """Let the contestants take turns; each makes the same store."""
    for _ in range(rounds):
        for one in contestants.values():
            made = home / "made"
            made.mkdir()
            race = Race(items=items, corner=corner, home=made, options=one.options)
            one.rounds.append(outcome := raced(one.module, race))
            assert digests_of(outcome["store"], corner) == wanted, f"{one.module} differs"
            shutil.rmtree(made)


def raced(module, race):
    """Run a contestant; return what it tells, and its greatest memory in MB."""
    words = [sys.executable, "-W", "ignore", "-m", module, *race.words()]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        memory = greatest_memory(process)
        told = process.stdout.read()
    assert process.returncode == 0, f"{module} ended with {process.returncode}"
    return json.loads(told) | {"memory": memory}


def greatest_memory(process):
    """Watch a process and its children until it ends."""
    most, root = 0, psutil.Process(process.pid)
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            most = max(most, memory([root, *root.children(recursive=True)]))
        time.sleep(SAMPLES)
    return most / 1e6


def memory(processes):
    """Resident bytes; pages of files, which processes share, count once."""
    infos = [process.memory_info() for process in processes]
    return sum(one.rss - one.shared for one in infos) + max(one.shared for one in infos)


@contextlib.contextmanager
def served(folder):
    """Serve a folder late; yield its address."""
    words = [sys.executable, "-m", "tests.benchmarks.ingest_server", str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


# What was written.


def digests(scene, corner):
    """Return what the shards of a date must be."""
    return [digest(block) for block in ingest_scene.expected(scene, corner)]


def digests_of(store, corner):
    """Return what a store's shards are, as zarr-python reads them."""
    array = zarr.open_array(f"{store}/reflectance", mode="r")
    edges = [slice(k * layout.SHARD, (k + 1) * layout.SHARD) for k in range(corner)]
    places = product(range(array.shape[0]), edges, edges)
    return [digest(array[slot, :, rows, columns]) for slot, rows, columns in places]


def digest(block):
    told = f"{block.dtype} {block.shape}".encode()
    return hashlib.sha256(told + block.tobytes()).hexdigest()


# Figures.


def table(title, contestants, base):
    print(f"\n{title}: median (least .. most) of {len(base.rounds)} rounds, and part of {THEIRS}'s")
    print(f"  {'':<24}{'CPU s':>27}{'wall s':>27}{'memory MB':>27}")
    for name, one in contestants.items():
        cells = (cell(one, base, cost) for cost in ("cpu", "wall", "memory"))
        print(f"  {name:<24}{''.join(cells)}")


def cell(one, base, cost):
    digits = 0 if cost == "memory" else 1
    least, middle, most = (f(one.figures(cost)) for f in (min, statistics.median, max))
    part = middle / base.median(cost)
    return f"{f'{middle:.{digits}f} ({least:.{digits}f} .. {most:.{digits}f})':>21}{part:6.2f}"


def apart(contestants):
    """Print what the comparison leaves out."""
    mine, masked = contestants[OURS], contestants[MASKS]
    added = masked.median("cpu") - mine.median("cpu")
    print(f"  masks (quality, cloud class) add {added:.2f} CPU-s", end="; ")
    for what in ("plan", "commit"):
        print(f"{what} {mine.median('cpu', what):.2f} CPU-s", end=" " if what == "commit" else ", ")
    print("(unsynced)")


def ratio(contestants, cost, base=THEIRS):
    return (contestants[OURS].median(cost) / contestants[base].median(cost),)


if __name__ == "__main__":
    main()
