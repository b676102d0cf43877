"""The very tasks of a build, on processes of this machine, then its commits; nothing is synced."""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import product

import cubestore
from cubestore_pipelines.build import CubeBuild, Report, _commit, _Nobody, _Slot, reading_of
from cubestore_pipelines.choices import Choices
from cubestore_pipelines.cluster import CONFIG
from cubestore_pipelines.plan import plan
from cubestore_pipelines.shard import carry_out
from tests.benchmarks.ingest_race import Race, taken, tell
from tests.benchmarks.ingest_scene import BANDS, SENSOR, TILE


def main():
    race = Race.told(sys.argv[1:])
    workers, what = race.options
    unsynced()
    store = cubestore.create_store(race.home / "store")
    costs = {}
    with pool(int(workers)) as running:
        with taken(costs, "plan"):
            one = building(store, race)
        with one.cube.write(wait=0) as writer:
            slots = [_Slot(job, set()) for job in one._jobs([])]
            with taken(costs, "pixels"):
                read(running, list(one._tasks(writer, slots)), masks=what == "masks")
            with taken(costs, "commit"):
                for slot in slots:
                    _commit(writer, slot)
    tell(costs, one.cube.path)


def building(store, race):
    """Return the build of the shards that are wanted."""
    choices = Choices(catalog=str(race.items), sensors=(SENSOR,), tiles=(TILE,), bands=tuple(BANDS))
    planned = plan(store.path, choices)
    one = replace(planned.cubes[0], shards=tuple(product(range(race.corner), repeat=2)))
    report = Report(store=store.path)
    reading = reading_of(planned)
    return CubeBuild(store, choices, one, reading, report, _Nobody(), lambda: None)


def read(running, tasks, *, masks):
    """Carry out the tasks of the slots."""
    todo = [task if masks else replace(task, layers=()) for _, task in tasks]
    for (slot, _), outcome in zip(tasks, running.map(carry_out, todo), strict=True):
        assert outcome.failure is None, outcome.failure
        slot.outcomes.append(outcome)


@contextmanager
def pool(workers):
    """Start processes as a build does, and wait until all of them have imported all they need."""
    os.environ.update(CONFIG["distributed.nanny.pre-spawn-environ"])
    spawned = multiprocessing.get_context("spawn")
    ready = spawned.Barrier(workers + 1)
    with ProcessPoolExecutor(
        workers, mp_context=spawned, initializer=begin, initargs=(ready,)
    ) as running:
        for _ in range(workers):
            running.submit(os.getpid)
        ready.wait()
        yield running


def begin(ready):
    unsynced()
    ready.wait()


def unsynced():
    """Leave out what the other contestant does not do."""
    os.fsync = lambda _handle: None


if __name__ == "__main__":
    main()
