"""The appending process is killed at random moments, while another reads."""

import os
import random
import select
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from tests.faults import look, process
from tests.faults.operations import (
    CORNER,
    DTYPES,
    USED,
    append,
    append_with,
    create,
    cube,
    pixels,
    slot,
)
from tests.faults.table import Row

BATCH = 50
"""Kills that one cube sees."""

LONGEST = 0.25
"""Seconds until the kill, at most: a few appends."""


def kills(base: Path, count: int = 1000) -> Iterator[Row]:
    """Kill a process that appends, again and again; each run goes on where the cube ends."""
    rng, row = random.Random(4), Row("kill at a random moment of an append")
    acknowledged = reads = 0
    for batch in range(0, count, BATCH):
        store, undisturbed = base / f"{batch}", base / f"{batch}-undisturbed"
        process.run(create, store)
        stop, reader = _start_reader(store)
        slots = 0
        for trial in range(min(BATCH, count - batch)):
            slots, done = _trial(store, slots, row, rng, f"kill {batch + trial}")
            acknowledged += done
        reads += _stop_reader(stop, reader, row)
        process.run(_recover, store)
        slots, wrong = process.ask(look_at, store, 0)
        if wrong:
            row.failures.append(f"at the end: {'; '.join(wrong[:4])}")
        process.run(_undisturbed, undisturbed, slots)
        row.compare(look.differing(look.tree(store), look.tree(undisturbed)), f"batch {batch}")
        shutil.rmtree(store)
        shutil.rmtree(undisturbed)
    row.note = f"{acknowledged} acknowledged, {reads} reads meanwhile"
    yield row.done()


def _trial(store: Path, before: int, row: Row, rng: random.Random, where: str) -> tuple[int, int]:
    """Kill one run; return how many slots there are after it, and how many it acknowledged."""
    reading, writing = os.pipe()
    child = process.fork(_append_on, store, before, writing, rng.random() < 0.5)
    os.close(writing)
    select.select([], [], [], rng.uniform(0, LONGEST))
    os.kill(child, signal.SIGKILL)
    process.wait(child)
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a handle
        acknowledged = len(pipe.read())
    after, wrong = process.ask(look_at, store, 3)
    row.see("new" if after > before + acknowledged else "old", wrong, where)
    if not before + acknowledged <= after <= before + acknowledged + 1:
        row.lose(f"{where}: {before} slots, {acknowledged} acknowledged, then {after}")
    return after, acknowledged


def _append_on(store: Path, number: int, acknowledge: int, one_session: bool) -> None:  # noqa: FBT001
    """Append without end, each slot in a session of its own or all in one."""
    if one_session:
        with cube(store).write() as writer:
            while True:
                append_with(writer, [(number, "")], filled=True)
                os.write(acknowledge, b".")
                number += 1
    while True:
        append(store, number)
        os.write(acknowledge, b".")
        number += 1


def look_at(store: Path, newest: int) -> tuple[int, list[str]]:
    """Return how many slots there are, and what is wrong with the newest, 0 for all, of them."""
    data = xr.open_zarr(cube(store).path, chunks=None, mask_and_scale=False)
    slots = data.sizes["time"]
    wrong = [] if _numbers(data) == list(range(slots)) else [f"slots {_numbers(data)}"]
    for index in range(slots - newest if newest else 0, slots):
        wrong += different(data, index, index) if index >= 0 else []
    report = cube(store).verify()
    if report.damaged:
        wrong += [f"verify: {f.key} {f.state} {f.problem}" for f in report.findings]
    return slots, wrong


def different(data: xr.Dataset, index: int, number: int) -> list[str]:
    """Return what of slot ``index`` is not as slot ``number`` was made."""
    window = {axis: slice(at, at + USED) for axis, at in zip("yx", CORNER, strict=True)}
    one, made = data.isel(time=index, **window), pixels(number)
    wrong = [
        f"slot {number}: {name}"
        for name in DTYPES
        if not np.array_equal(one[name].values, made[name][..., :USED, :USED])
    ]
    if (str(one.item_id.values), int(one.relative_orbit)) != (slot(number).item_id, number):
        wrong.append(f"slot {number}: {one.item_id.values} {one.relative_orbit.values}")
    return wrong


def _numbers(data: xr.Dataset) -> list[int]:
    return [int(str(item).rpartition("-")[2]) for item in data.item_id.values]


def _start_reader(store: Path) -> tuple[int, tuple[int, int]]:
    stopping, stop = os.pipe()
    reading, writing = os.pipe()
    child = process.fork(_read_on, store, stopping, writing)
    os.close(stopping)
    os.close(writing)
    return stop, (child, reading)


def _read_on(store: Path, stopping: int, telling: int) -> None:
    """Read until told to stop: every look is a whole cube, and none is shorter than the last."""
    rng, slots = random.Random(5), 0
    while not select.select([stopping], [], [], 0)[0]:
        data = xr.open_zarr(cube(store).path, chunks=None, mask_and_scale=False)
        wrong = [] if data.sizes["time"] >= slots else [f"{slots} slots, then fewer"]
        slots = data.sizes["time"]
        wrong += [] if _numbers(data) == list(range(slots)) else [f"slots {_numbers(data)}"]
        if slots:
            index = rng.choice([slots - 1, rng.randrange(slots)])
            wrong += different(data, index, index)
        os.write(telling, f"{'; '.join(wrong)}\n".encode())


def _stop_reader(stop: int, reader: tuple[int, int], row: Row) -> int:
    """End the reader; return how often it looked."""
    child, reading = reader
    os.write(stop, b".")
    os.close(stop)
    with open(reading) as pipe:  # noqa: PTH123 - a handle
        looks = pipe.read().splitlines()
    process.wait(child)
    torn = [look for look in looks if look]
    row.torn += len(torn)
    row.failures += [f"meanwhile: {look}" for look in torn]
    return len(looks)


def _undisturbed(store: Path, slots: int) -> None:
    create(store)
    for number in range(slots):
        append(store, number)


def _recover(store: Path) -> None:
    cube(store).recover()
