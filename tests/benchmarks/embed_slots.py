"""What a slot's vectors cost beside the model: commits into a cube of thousands of slots.

    python tests/benchmarks/embed_slots.py /tmp/bench --slots 2000

Every slot is a commit of its own, as builds make them, and gets a small vector for each chip, a
commit a slot, as ``cubestore embed`` does. Said is what a slot costs at the start and at the end:
if records were read again at each commit, the end would cost more.
"""

import argparse
import shutil
import time
from pathlib import Path

import numpy as np

import cubestore
from cubestore import embeddings
from cubestore.embeddings import Embedding

VECTORS = Embedding(
    model="bench", preprocessing="none", pooling="mean", dimensions=8, chip_size=256
)


def build(directory: Path, slots: int) -> cubestore.Cube:
    """Append slots one by one, each asked for one shard, of which nothing is stored."""
    cube = cubestore.create_store(directory).create_cube("h18v04", "modis-09a1")
    with cube.write() as writer:
        for number in range(slots):
            day = np.datetime64("2000-01-01") + number
            told = cubestore.Slot(time=str(day), item_id=f"item-{number}", shards=((0, 0),))
            writer.append([told], [])
    return cube


def main() -> None:
    """Build, fill, and print seconds a slot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--slots", type=int, default=2000)
    asked = parser.parse_args()
    cube = build(asked.directory / "slots", asked.slots)
    values = np.ones((10, 10, 8), "float32")
    started, took = time.perf_counter(), []
    for slot, commit in embeddings.missing(cube, VECTORS).items():
        begun = time.perf_counter()
        with embeddings.write(cube, VECTORS) as writer:
            writer.fill(slot, values, commit=commit)
        took.append(time.perf_counter() - begun)
    tenth = max(1, len(took) // 10)
    print(f"{len(took)} slots in {time.perf_counter() - started:.1f} s")
    first, last = (1e3 * float(np.mean(some)) for some in (took[:tenth], took[-tenth:]))
    print(f"{first:.1f} ms a slot at the start, {last:.1f} ms at the end")
    shutil.rmtree(asked.directory / "slots")


if __name__ == "__main__":
    main()
