"""What a reader sees of a cube, and what lies on its disk, so that two can be compared."""

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import dask.array  # noqa: F401 - xarray would import it in every child
import numpy as np
import xarray as xr
from zarr.errors import ZarrUserWarning

from cubestore import CubestoreError, Report
from cubestore.errors import UnknownCubeError
from tests.faults.operations import CORNER, USED, Operation, cube

Seen = dict[str, object]
"""Variable -> what its values are; "" -> the attributes. Empty: there is no cube."""

Tree = dict[str, bytes | None]
"""Path -> the file's bytes; None: a directory."""

LOCK = "/lock"


def dataset(data: xr.Dataset) -> Seen:
    """Return what a dataset holds, the pixels of the corner that is used."""
    window = {axis: slice(at, at + USED) for axis, at in zip("yx", CORNER, strict=True)}
    data = data.isel(window)
    return {"": data.attrs} | {str(n): _values(v) for n, v in data.variables.items()}


def _values(variable: xr.Variable) -> object:
    values = np.asarray(variable.values)
    if values.dtype.kind in "OTU":
        return (variable.dims, *map(str, values.ravel().tolist()))
    parts = values if variable.dims[:1] == ("time",) else values[None]
    return (variable.dims, values.shape, str(values.dtype), *map(_digest, parts))


def _digest(values: np.ndarray) -> str:
    data = np.ascontiguousarray(values).tobytes()
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def plainly(store: Path) -> Seen:
    """Return what plain xarray sees, with its defaults."""
    try:
        return dataset(xr.open_zarr(cube(store).path, chunks=None))
    except FileNotFoundError:
        return {}


def directly(store: Path) -> Seen:
    """Return what a reader without consolidated metadata sees, which may lag or be refused."""
    try:
        return dataset(xr.open_zarr(cube(store).path, chunks=None, consolidated=False))
    except FileNotFoundError:
        return {}


def ours(store: Path) -> Seen:
    """Return what :meth:`cubestore.Cube.open` shows."""
    try:
        return dataset(cube(store).open(superseded=True))
    except UnknownCubeError:
        return {}


def tree(store: Path) -> Tree:
    """Return every file and directory of a store; what a lock tells is left out."""
    return {
        name: None if path.is_dir() else b"" if name.endswith(LOCK) else path.read_bytes()
        for path in sorted(store.rglob("*"))
        for name in [path.relative_to(store).as_posix()]
    }


def differing(one: Tree, other: Tree) -> list[str]:
    """Return the paths that are not the same in both."""
    return sorted(n for n in one.keys() | other.keys() if one.get(n, "") != other.get(n, ""))


@dataclass(frozen=True, slots=True)
class Sight:
    """A store as three readers and ``verify`` see it."""

    plain: Seen
    ours: Seen
    direct: Seen | str
    """As text: why it was refused."""

    report: Report | None


def sight(store: Path) -> Sight:
    """Look at a store in every way."""
    warnings.simplefilter("ignore", ZarrUserWarning)  # of arrays without metadata yet
    try:
        direct: Seen | str = directly(store)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is loud
        direct = f"{type(error).__name__}: {error}"
    plain = plainly(store)
    try:
        report = cube(store).verify() if plain else None
    except CubestoreError as error:
        raise AssertionError(f"verify: {error}") from error
    return Sight(plain, ours(store), direct, report)


def judge(seen: Sight, old: Sight, new: Sight, operation: Operation) -> tuple[str, list[str]]:
    """Return what a default reader sees, ``old`` or ``new``, and whatever is wrong.

    Who reads without consolidated metadata may lag behind, or be refused; what it sees is true.
    """
    state = "new" if seen.plain.get("") == new.plain.get("") else "old"
    expected = new if state == "new" else old
    wrong = []
    for reader, one, whole, both in (
        ("plain", seen.plain, expected.plain, (old.plain, new.plain)),
        ("ours", seen.ours, expected.ours, (old.ours, new.ours)),
    ):
        early = both if operation.by_shard else (whole,)
        wrong += [f"{reader}: {name}" for name in one.keys() ^ whole.keys()]
        wrong += [f"{reader}: {n or 'attributes'}" for n in one if not _in(one, n, early)]
    if isinstance(seen.direct, dict):
        both = (old.plain, new.plain)
        wrong += [f"direct: {n}" for n in seen.direct if n and not _in(seen.direct, n, both)]
    if seen.report and seen.report.damaged:
        wrong += [f"verify: {f.key} {f.state}" for f in seen.report.findings]
    return state, wrong


def _in(seen: Seen, name: str, allowed: tuple[Seen, ...]) -> bool:
    """Whether every slot of a variable is as in one of those that are allowed."""
    values = [a[name] for a in allowed if name in a]
    if seen[name] in values:
        return True
    slots = [v for v in values if isinstance(v, tuple) and len(v) == len(seen[name])]
    return bool(slots) and all(
        part in parts for part, *parts in zip(seen[name], *slots, strict=True)
    )
