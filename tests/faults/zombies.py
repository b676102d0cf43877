"""A build is killed, and a task that worked for it wakes up late: nothing may change."""

import os
import pickle
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cubestore import Staging
from cubestore.errors import AbandonedError
from tests.faults import look, process
from tests.faults.operations import SHARD, append, create, cube, stage
from tests.faults.table import Row


def zombies(base: Path, trials: int = 20) -> Iterator[Row]:
    """Kill builds; their tasks wake up alone, beside a new build, and after it."""
    row = Row("a task of a killed build wakes up late")
    for trial in range(trials):
        store = base / f"{trial}"
        process.run(_begin, store)
        staging = _killed_build(store, blocks=trial % 3)
        before = process.ask(look.sight, store)
        for wake in (_alone, _beside_a_new_build, _after_it):
            told = process.ask(wake, store, staging)
            changed = process.ask(look.sight, store) != before
            wrong = ["something changed"] * changed + ["it was not told"] * (not told)
            row.see("old", wrong, wake.__name__)
    yield row.done()


def _begin(store: Path) -> None:
    create(store)
    append(store, 0)


def _killed_build(store: Path, blocks: int) -> Staging:
    """Return what the tasks of a build were sent, which was killed with some blocks staged."""
    reading, writing = os.pipe()

    def build() -> None:
        with cube(store).write() as writer:
            for _ in range(blocks):
                stage(writer, 1, 1)
            os.write(writing, pickle.dumps(writer.staging))
            os.close(writing)
            signal.pause()

    child = process.fork(build)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a handle
        staging: Staging = pickle.loads(pipe.read())  # noqa: S301 - our own child's
    os.kill(child, signal.SIGKILL)
    process.wait(child)
    return staging


def _alone(_store: Path, staging: Staging) -> bool:
    """Nobody has noticed yet: the block is left, and nobody will move it."""
    _leave(staging)
    return True


def _beside_a_new_build(store: Path, staging: Staging) -> bool:
    with cube(store).write() as writer:
        first = _is_told(staging)
        stage(writer, 1, 9)
        return first and _is_told(staging)


def _after_it(_store: Path, staging: Staging) -> bool:
    return _is_told(staging)


def _is_told(staging: Staging) -> bool:
    try:
        _leave(staging)
    except AbandonedError:
        return True
    return False


def _leave(staging: Staging) -> None:
    shape = staging.arrays["cloud_class"].block_shape((1, *SHARD))
    staging.write("cloud_class", (1, *SHARD), np.ones(shape, "uint8"))
