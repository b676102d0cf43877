"""What an import of CloudSEN12's memmaps costs: memory beside the page cache, and how fast.

Run ``TMPDIR=/somewhere/large python -m tests.benchmarks.importing --patches 460``. A folder of the
published layout is written, of real texture (simulated images, over and over, each with noise of
its own), and imported in a process of its own; its memory is what no file can give back (RssAnon).
The disk is measured beside it: the same bytes copied file by file and synced, before and after.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import cubestore
from cubestore_pipelines.benchmarks.cloudsen12 import export_cloudsen12, import_cloudsen12
from cubestore_pipelines.simulate.cloudsen12 import IN_REGION, make_folder
from tests.pipelines.benchmarks.memmaps import row, write_table

CANVAS = 512
INTERVAL = 0.02
"""Seconds between looks at the memory."""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=int, default=100)
    parser.add_argument("--files", default="*", help="only these: L1C_*")
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(*asked.child)
        return
    home = Path(tempfile.mkdtemp(prefix="cubestore-benchmark-", dir=os.environ.get("TMPDIR")))
    try:
        measure(home, asked.patches, asked.files)
    finally:
        shutil.rmtree(home)


def measure(home, patches, files):
    source = published(home, patches, files)
    size = sum(file.stat().st_size for file in source.iterdir())
    print(f"{len(list(source.glob('*.dat')))} files, {patches} patches, {size / 1e9:.2f} GB")
    before = copied(source, home / "copy")
    command = [sys.executable, "-m", "tests.benchmarks.importing", "--child"]
    subprocess.run([*command, source, home / "store"], check=True)
    after = copied(source, home / "copy")
    print(f"copied and synced: {size / before / 1e6:.0f}, {size / after / 1e6:.0f} MB/s")
    stored = sum(f.stat().st_size for f in (home / "store").rglob("*") if f.is_file())
    print(f"stored: {stored / 1e9:.2f} GB")
    (set_of,) = cubestore.open_store(home / "store").patch_sets()
    start = time.perf_counter()
    export_cloudsen12(str(home / "store"), set_of, home / "out")
    print(f"exported: {size / (time.perf_counter() - start) / 1e6:.0f} MB/s")
    for file in source.glob("*.dat"):
        command = ["cmp", file, home / "out" / source.name / file.name]
        subprocess.run(command, check=True)


def published(home, patches, files):
    """Return a folder of so many patches, each of another noise."""
    few = make_folder(home / "few", [0])
    source = home / "train"
    source.mkdir()
    rng = np.random.default_rng(0)
    for file in few.glob(f"{files}.dat"):
        dtype = "float32" if file.name.startswith("S1") else None
        dtype = dtype or ("int16" if file.stat().st_size == IN_REGION * CANVAS**2 * 2 else "int8")
        canvases = np.fromfile(file, dtype).reshape(IN_REGION, CANVAS, CANVAS)
        with (source / file.name).open("wb") as out:
            for number in range(patches):
                canvas = canvases[number % IN_REGION].copy()
                if file.name.startswith(("L1C", "L2A_B", "S1")):
                    image = canvas[1:510, 1:510]
                    image += rng.integers(-12, 12, image.shape).astype(dtype)
                out.write(canvas.tobytes())
    write_table(source / "metadata.csv", [row(n, roi_id=f"ROI_{n:05d}") for n in range(patches)])
    return source


def copied(source, target):
    """Return the seconds that a copy takes, synced."""
    start = time.perf_counter()
    shutil.copytree(source, target)
    for file in target.iterdir():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
    took = time.perf_counter() - start
    shutil.rmtree(target)
    return took


def child(source, store):
    """Import in this process, and print what it cost."""
    size = sum(file.stat().st_size for file in source.iterdir())
    peak, done = [0], threading.Event()
    watcher = threading.Thread(target=watch, args=(peak, done))
    watcher.start()
    idle, start, used = anonymous(), time.perf_counter(), time.process_time()
    import_cloudsen12(source, store)
    took, used = time.perf_counter() - start, time.process_time() - used
    done.set()
    watcher.join()
    print(f"imported: {size / took / 1e6:.0f} MB/s, {took:.1f} s, {used:.1f} CPU s")
    print(f"memory: {peak[0] / 1e6:.0f} MB at most, {idle / 1e6:.0f} before")


def watch(peak, done):
    while not done.wait(INTERVAL):
        peak[0] = max(peak[0], anonymous())


def anonymous():
    """Return the bytes of this process that no file can give back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


if __name__ == "__main__":
    main()
