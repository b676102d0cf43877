"""Training batches: ours and what people use, over the same pixels, side by side.

Run ``TMPDIR=/dev/shm python -m tests.benchmarks.batches``. Each contestant is a process of its own;
they take turns, a round each, and medians are reported. Before it is timed each goes through an
epoch whose pixels are compared: all read the same chips. litdata and torchgeo need a torchvision
that matches their torch: ``make contestants`` puts them into ``.contestants``. One that is not
installed fails the run. ``--minutes 30`` loops ours for that long, and reports its memory.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

import cubestore
from tests.benchmarks import batches_contestants as here
from tests.benchmarks import batches_scene as scene

ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    "litdata, raw": True,  # whether it has only chips of the grid
    "torchgeo GridGeoSampler + DataLoader": False,
}
BASES = ("xbatcher + DataLoader, dask", "memmap + DataLoader, views")
EPOCHS = {"xbatcher": 1, "zarr-python": 1, "torchgeo": 1}
OTHERS = 4
"""Epochs that are timed: of slow ones one."""


def main():
    options = _options()
    home = Path(tempfile.gettempdir()) / "cubestore-batches"
    scene.make(home)
    if options.minutes:
        looping(home, options.minutes)
        return
    for size, title in ((256, "on the chunk grid"), (240, "off it")):
        names = [n for n in here.CONTESTANTS if size == scene.CHIP or n not in here.ON_THE_GRID]
        names += [n for n, grid in ELSEWHERE.items() if size == scene.CHIP or not grid]
        wanted = [n for n in names if options.only in n]
        rounds = [{n: run(n, home, size, options) for n in wanted} for _ in range(options.rounds)]
        report(rounds, f"Chips of {size} x {size} x 10, {title}")


def _options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="contestants whose names have this in them")
    parser.add_argument("--minutes", type=float, default=0, help="loop ours, and watch its memory")
    parser.add_argument("--contestants", default=str(ROOT / ".contestants/bin/python"))
    return parser.parse_args()


def run(name, home, size, options):
    """Return what a contestant reports: count, digest, chips per CPU-s and per s, peak MB."""
    epochs = next((n for slow, n in EPOCHS.items() if name.startswith(slow)), OTHERS)
    python, script = sys.executable, "batches_contestants"
    if name in ELSEWHERE:
        python, script = options.contestants, "batches_elsewhere"
    path = Path(__file__).with_name(f"{script}.py")
    told = [name, str(home), str(size), str(epochs)]
    done = subprocess.run([python, path, *told], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} failed, or is not installed:\n{done.stderr[-2000:]}")
    count, digest, *rates = done.stdout.split()[-5:]
    return (int(count), int(digest)), [float(rate) for rate in rates]


def report(rounds, title):
    """Print the medians, once all have read the same pixels."""
    read = {name: told for one in rounds for name, (told, _) in one.items()}
    if len(set(read.values())) > 1:
        sys.exit(f"The contestants did not read the same pixels: {read}")
    print(f"\n{title}: {next(iter(read.values()))[0]} chips, the same pixels\n")
    head = " ".join(f"{'x ' + base.split()[0]:>10}" for base in BASES)
    print(f"{'':<42}{'chips/CPU-s':>12}{'chips/s':>10}{'peak MB':>9} {head}")
    rates = {
        name: [statistics.median(one[name][1][k] for one in rounds) for k in range(3)]
        for name in rounds[0]
    }
    for name, (cpu, wall, peak) in sorted(rates.items(), key=lambda item: -item[1][0]):
        against = [cpu / rates[base][0] if base in rates else float("nan") for base in BASES]
        ratios = " ".join(f"{ratio:>10.2f}" for ratio in against)
        print(f"{name:<42}{cpu:>12.0f}{wall:>10.0f}{peak:>9.0f} {ratios}")


def looping(home, minutes):
    """Loop over the store, and print how much memory this process has of its own."""
    batches = cubestore.batches(home / "store", sensor=scene.SENSOR)
    me, until, chips, shown = psutil.Process(), time.monotonic() + 60 * minutes, 0, 0.0
    while time.monotonic() < until:
        chips += sum(len(batch["pixels"]) for batch in batches)
        if time.monotonic() - shown >= min(60, 6 * minutes):
            shown = time.monotonic()
            own = me.memory_full_info().uss / 2**20
            print(f"{(until - shown) / 60:6.1f} min left, {chips:>9} chips, {own:7.1f} MB")


if __name__ == "__main__":
    main()
