"""Bits flip, files vanish, shrink and change places: reading or ``verify`` tells, by name."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from cubestore import CubestoreError
from tests.faults import look, process
from tests.faults.operations import (
    add_variable,
    append,
    create,
    cube,
    fill_variable,
)
from tests.faults.table import Row

Damage = Callable[[random.Random, Path, list[Path]], list[Path]]
"""Does it to a file, with another if need be; returns the files that are not as they were."""


def damages(base: Path, trials: int = 1000) -> Iterator[Row]:
    """Do every kind of damage to random files of a cube, its commit records among them."""
    store = base / "store"
    process.run(_build, store)
    for number, kind in enumerate(KINDS):
        count = trials * (number + 1) // len(KINDS) - trials * number // len(KINDS)
        found: Row = process.ask(_tried, store, kind, count, number)
        yield found.done()


def _build(store: Path) -> None:
    create(store)
    for number in range(3):
        append(store, number)
    append(store, 3, supersedes="slot-00001")
    add_variable(store)
    fill_variable(store, (0, 2))


def _tried(store: Path, kind: str, trials: int, seed: int) -> Row:
    rng, row = random.Random(seed), Row(f"damage: {kind}")
    group, records = Path(cube(store).path), cube(store).control.records
    files = sorted(p for top in (group, records) for p in top.rglob("*") if p.is_file())
    whole = look.plainly(store)
    by_reading = by_verify = 0
    for trial in range(trials):
        one = rng.choice(files)
        before = {path: path.read_bytes() for path in files}
        hurt = KINDS[kind](rng, one, files)
        read, named = _refused(store, whole), _named(store, group, hurt)
        by_reading += read
        by_verify += named
        row.see("old", [] if read or named else ["not found"], f"{trial}: {hurt[0].name}")
        if not named:
            row.lose(f"{trial}: verify does not name {', '.join(map(str, hurt))}")
        for path, data in before.items():
            if not path.exists() or path.read_bytes() != data:
                path.write_bytes(data)
    row.note = f"by plain xarray {by_reading}, by verify with the key's name {by_verify}"
    return row


def _refused(store: Path, whole: look.Seen) -> bool:
    """Whether plain xarray refuses to read; whatever else it reads is for ``verify`` to find."""
    try:
        return look.plainly(store).keys() < whole.keys()
    except Exception:  # noqa: BLE001 - any error is loud
        return True


def _named(store: Path, group: Path, hurt: list[Path]) -> bool:
    """Whether ``verify`` names every file that was hurt."""
    try:
        findings = cube(store).verify().findings
    except CubestoreError as error:
        return all(str(path) in str(error) for path in hurt)
    keys = {finding.key for finding in findings if finding.state != "unfinished"}
    root = group / "zarr.json"
    if root in hurt:
        hurt = [root]  # what it alone vouches for cannot be told until it is restored
    names = [p.relative_to(group).as_posix() if p.is_relative_to(group) else str(p) for p in hurt]
    return keys.issuperset(names)


def _flip(rng: random.Random, one: Path, _: list[Path]) -> list[Path]:
    data = bytearray(one.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    one.write_bytes(data)
    return [one]


def _delete(_rng: random.Random, one: Path, _: list[Path]) -> list[Path]:
    one.unlink()
    return [one]


def _truncate(rng: random.Random, one: Path, _: list[Path]) -> list[Path]:
    data = one.read_bytes()
    one.write_bytes(data[: rng.randrange(len(data))])
    return [one]


def _empty(_rng: random.Random, one: Path, _: list[Path]) -> list[Path]:
    one.write_bytes(b"")
    return [one]


def _swap(rng: random.Random, one: Path, files: list[Path]) -> list[Path]:
    """Exchange two files, of one array if it has two: each is whole, but not in its place."""
    data = one.read_bytes()
    others = [f for f in files if f.read_bytes() != data]
    other = rng.choice([f for f in others if _array(f) == _array(one)] or others)
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    return [one, other]


def _array(path: Path) -> str:
    return str(path).partition("/c/")[0]


KINDS: dict[str, Damage] = {
    "one bit flipped": _flip,
    "deleted": _delete,
    "truncated": _truncate,
    "emptied": _empty,
    "two files swapped": _swap,
}
