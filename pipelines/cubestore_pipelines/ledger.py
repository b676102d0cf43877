"""What failed or was left out, and why: a line of JSON each, beside the cube that lacks it."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from cubestore import Cube, disk
from cubestore_pipelines.failures import Failure, LeftOut, Refusal

NAME = "ledger.jsonl"


def path(cube: Cube) -> Path:
    """Return where a cube's failures are written down."""
    return cube.control.path / NAME


def record(cube: Cube, entries: Iterable[Failure | Refusal | LeftOut]) -> None:
    """Add entries to a cube's ledger.

    Raises:
        NotWritableError: the disk is full or read-only.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    lines = [json.dumps({"time": now, **asdict(entry)}) for entry in entries]
    if lines:
        place = path(cube)
        with disk.writable(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("a", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")


def left_out(cube: Cube) -> list[LeftOut]:
    """Return what was measured of acquisitions that were left out."""
    try:
        lines = path(cube).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    told = (json.loads(line) for line in lines if '"nodata"' in line)
    return [
        LeftOut(
            item=one["item"],
            shards=tuple((row, column) for row, column in one["shards"]),
            cloud=one["cloud"],
            nodata=one["nodata"],
        )
        for one in told
    ]
