"""The whole campaign of faults, a row a fault: ``python -m tests.faults``."""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from pkgutil import resolve_name

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy starts no threads: children are forked

from tests.faults import table
from tests.faults.operations import operation

CAMPAIGN = {
    "kills": ("kills.each", {"every": 97}),
    "recover": ("kills.recovery", {"every": 29, "appends": [150]}),
    "twice": ("kills.twice", {"trials": 5}),
    "moments": ("moments.kills", {"count": 12}),
    "power": ("power.losses", {"states": 4, "every": 9}),
    "damage": ("damage.damages", {"trials": 25}),
    "crowd": ("crowd.crowd", {"slots": 5, "writers": 2, "readers": 2}),
    "zombies": ("zombies.zombies", {"trials": 2}),
    "disks": ("space.disks", {"step": 1 << 18, "operations": [operation("append")]}),
    # What follows serves archives from threads, after which nothing may be forked.
    "ingest": ("ingest.faults", {}),
    "addresses": ("addresses.addresses", {}),
    "searches": ("searches.searches", {}),
    "builds": ("builds.kills", {"trials": 3}),
    "interruptions": ("builds.interruptions", {"only": ["reading"]}),
    "workers": ("builds.workers", {}),
    "beside": ("builds.beside", {}),
    "schedulers": ("builds.schedulers", {}),
    "full": ("builds.full", {"rooms": [0, 1 << 18]}),
    "limited": ("builds.limited", {}),
}
"""Name -> the fault, of a module that is loaded when it is tried, and how a part of it is tried."""

COUNTS = {
    "moments": "count",
    "power": "states",
    "damage": "trials",
    "twice": "trials",
    "builds": "trials",
}
"""What ``--trials`` is called there."""


def main() -> int:
    """Run what was asked for, and print a table; 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--only", action="append", choices=CAMPAIGN, help="some of the faults")
    parser.add_argument("--quick", action="store_true", help="a part of each")
    parser.add_argument("--trials", type=int, help=f"how many, of {', '.join(COUNTS)}")
    asked = parser.parse_args()
    rows = []
    print(table.header())
    with tempfile.TemporaryDirectory(dir=_memory()) as directory:
        for name in asked.only or CAMPAIGN:
            base = Path(directory, name)
            base.mkdir()
            place, part = CAMPAIGN[name]
            fault = resolve_name(f"tests.faults.{place}")
            options = part if asked.quick else {}
            if asked.trials and name in COUNTS:
                options = {**options, COUNTS[name]: asked.trials}
            rows += list(fault(base, **options))
    failed = [row.fault for row in rows if not row.good]
    print(f"FAILED: {', '.join(failed)}" if failed else "all held")
    return bool(failed)


def _memory() -> str | None:
    """Return a disk in memory: a power cut is simulated, so nothing needs a real one."""
    memory = "/dev/shm"  # noqa: S108 - a directory of its own is made in it
    return memory if os.access(memory, os.W_OK) else None


if __name__ == "__main__":
    sys.exit(main())
