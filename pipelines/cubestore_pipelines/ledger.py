"""What failed, and why: a line of JSON a failure, beside the cube that it is missing from."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from cubestore import Cube, disk
from cubestore_pipelines.plan import Refusal
from cubestore_pipelines.shard import Failure

NAME = "ledger.jsonl"


def path(cube: Cube) -> Path:
    """Return where a cube's failures are written down."""
    return cube.control.path / NAME


def record(cube: Cube, failures: Iterable[Failure | Refusal]) -> None:
    """Add failures to a cube's ledger.

    Raises:
        NotWritableError: the disk is full or read-only.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    lines = [json.dumps({"time": now, **asdict(failure)}) for failure in failures]
    if lines:
        place = path(cube)
        with disk.writable(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("a", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
