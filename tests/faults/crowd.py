"""Many processes at once: some append to one cube, some read it, one verifies it."""

import multiprocessing
import random
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import xarray as xr

from tests.faults import process
from tests.faults.moments import different
from tests.faults.operations import append, create, cube
from tests.faults.table import Row

PATIENCE = 600.0
"""Seconds that a process waits for the lock."""

SPAWN = multiprocessing.get_context("spawn")


def crowd(base: Path, slots: int = 100, writers: int = 4, readers: int = 8) -> Iterator[Row]:
    """Append from some processes, read in others and verify in one more."""
    store = base / "store"
    process.run(create, store)
    row = Row(f"{writers} processes append {slots} slots each, {readers} read")
    over, answers = SPAWN.Event(), SPAWN.Queue()
    writing = [SPAWN.Process(target=_write, args=(store, w, slots)) for w in range(writers)]
    reading = [SPAWN.Process(target=_read, args=(store, over, answers, r)) for r in range(readers)]
    verifying = SPAWN.Process(target=_verify, args=(store, over, answers))
    for one in (*reading, verifying, *writing):
        one.start()
    for one in writing:
        one.join()
    over.set()
    told = [answers.get() for _ in (*reading, verifying)]
    for one in (*reading, verifying):
        one.join()
    for count, wrong in told:
        row.trials += count
        row.torn += len(wrong)
        row.failures += wrong
    row.new, lost, wrong = process.ask(_landed, store, writers * slots)
    row.failures += wrong
    if lost:
        row.lose(lost)
    row.note = "new: slots that landed; trials: looks at the cube meanwhile"
    yield row.done()


def _landed(store: Path, slots: int) -> tuple[int, str, list[str]]:
    """Return how many slots there are, whether that is not all, and what is wrong with them."""
    data = xr.open_zarr(cube(store).path, chunks=None, mask_and_scale=False)
    there = [int(str(item).rpartition("-")[2]) for item in data.item_id.values]
    wrong = [w for index, number in enumerate(there) for w in different(data, index, number)]
    wrong += [f"verify: {finding}" for finding in cube(store).verify().findings]
    whole = sorted(there) == list(range(slots))
    return len(there), "" if whole else f"{len(set(there))} of {slots} slots", wrong


def _write(store: Path, writer: int, slots: int) -> None:
    for number in range(writer * slots, (writer + 1) * slots):
        append(store, number, wait=PATIENCE)


def _read(store: Path, over: Event, answers: Any, seed: int) -> None:
    """Look, until it is over, at a slot of the cube: what its id says must be in its pixels."""
    rng, count, wrong = random.Random(seed), 0, []
    while not over.is_set() or not count:
        if seed % 2:
            data = cube(store).open(mask_and_scale=False, superseded=True)
        else:
            data = xr.open_zarr(cube(store).path, chunks=None, mask_and_scale=False)
        count += 1
        if data.sizes["time"]:
            index = rng.choice([-1, rng.randrange(data.sizes["time"])])
            number = int(str(data.item_id.values[index]).rpartition("-")[2])
            wrong += different(data, index, number)
    answers.put((count, wrong))


def _verify(store: Path, over: Event, answers: Any) -> None:
    count, wrong = 0, []
    while not over.is_set() or not count:
        report = cube(store).verify()
        count += 1
        if report.damaged:
            wrong.append(f"verify, though nothing is wrong: {report.findings[0]}")
    answers.put((count, wrong))
