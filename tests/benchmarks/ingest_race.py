"""What both contestants of the ingest benchmark are given, and how their costs are taken."""

import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """What a contestant is to do, in a process of its own."""

    items: Path
    """Folder of STAC items."""

    corner: int
    """Rows and columns of shards that are wanted, from the north-west."""

    home: Path
    """Where the store is made."""

    options: tuple[str, ...] = ()
    """The contestant's own."""

    def words(self):
        """Return the arguments of the contestant's program."""
        return [str(self.items), str(self.corner), str(self.home), *self.options]

    @classmethod
    def told(cls, words):
        """Return the race that a program's arguments tell of."""
        items, corner, home, *options = words
        return cls(items=Path(items), corner=int(corner), home=Path(home), options=tuple(options))


def processors():
    """Return how many processors there are to race on."""
    return len(os.sched_getaffinity(0))


@contextlib.contextmanager
def taken(costs, name):
    """Note the seconds, of the wall and of CPU in this process and its children, of a block."""
    wall, cpu = time.perf_counter(), _cpu()
    yield
    costs[name] = {"wall": time.perf_counter() - wall, "cpu": _cpu() - cpu}


def _cpu():
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def tell(costs, store):
    """Print what a race took, and where the pixels lie, for the program that started it."""
    print(json.dumps({"costs": costs, "store": str(store)}))
