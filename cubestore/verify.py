"""Whether a cube is what was committed: every byte of it, and what its coordinates claim.

The root names the newest record, each record its parent, each record every key it wrote. What
differs from them is damage; what a record ahead of the root accounts for is an unfinished
commit, which the next writer undoes; what nobody accounts for, something else has written.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cubestore import disk, layout
from cubestore.encoding import Array, Measure
from cubestore.errors import DamagedError, FormatError, UnknownCubeError
from cubestore.grids import Tile
from cubestore.records import METADATA, Control, Record, Root, own_metadata
from cubestore.sensors import Sensor

READERS = 4
"""Threads that read files."""

TRIES = 20
"""Looks at what seemed wrong in a cube that is being written to, before it is believed."""

BATCH = 1000
"""Keys that wait for the readers at a time."""

Keys = dict[str, Measure]
State = Literal["damaged", "missing", "foreign", "unfinished"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One key that is not as it was committed."""

    key: str
    """Relative to the cube, or the path of a commit record."""

    state: State
    problem: str


@dataclass(frozen=True, slots=True)
class Report:
    """What :func:`verify` found."""

    path: str
    commit: int
    keys: int
    size: int
    findings: tuple[Finding, ...]

    @property
    def damaged(self) -> bool:
        """Whether anything is wrong; a commit that did not finish is not."""
        return any(finding.state != "unfinished" for finding in self.findings)


def verify(control: Control, sensor: Sensor, tile: Tile) -> Report:
    """Compare every byte of a cube with its commit records, without a lock.

    Of a cube that is being written to, what looked wrong is looked at again until it rests or
    nothing is left: what is damaged stays as it is, what is being written does not.

    Raises:
        UnknownCubeError: nothing was committed here.
    """
    return settled(control, lambda only: _pass(control, sensor, tile, only))


def settled(control: Control, look: Callable[[AbstractSet[str] | None], Report]) -> Report:
    """Return what is found once nothing is written meanwhile, or what is found at every look.

    Args:
        control: of what is looked at.
        look: looks, at these keys at least; None: at all.
    """
    before = _newest(control)
    report = look(None)
    for _ in range(TRIES):
        if not report.findings or _newest(control) == before:
            break
        before = _newest(control)
        suspects = {finding.key for finding in report.findings}
        again = look(suspects)
        lasting = set(report.findings) & set(again.findings)
        report = replace(report, findings=tuple(sorted(lasting)))
    return report


def _newest(control: Control) -> tuple[int, bool]:
    """Return the number of the root, and whether a record is ahead of it."""
    try:
        root = Root.read(control.group)
    except FormatError:
        return -1, False
    number = root.number if root else -1
    return number, control.record_path(number + 1).exists()


def _pass(
    control: Control, sensor: Sensor, tile: Tile, only: AbstractSet[str] | None = None
) -> Report:
    try:
        root = Root.read(control.group)
    except FormatError as error:
        return Report(str(control.group), -1, 0, 0, (Finding(METADATA, "damaged", str(error)),))
    if root is None and control.record_path(0).exists():
        lost = Finding(METADATA, "missing", "commits were made, and their root is gone")
        begun = Finding(METADATA, "unfinished", "its creation was cut short; create it again")
        finding = begun if _ahead(control, None, []) else lost
        return Report(str(control.group), -1, 0, 0, (finding,))
    if root is None:
        raise UnknownCubeError(
            f"{control.group} is no cube",
            expected="a committed cube",
            remedy="see `cubestore info`",
        )
    findings: list[Finding] = []
    records = list(_records(control, root, findings))
    keys: Keys = {}
    for record in records:
        for key, value in record.keys.items():
            keys.setdefault(key, value)
    looked_at = keys if only is None else {key: keys[key] for key in keys.keys() & only}
    ahead = _ahead(control, root, findings)
    findings += _metadata(control, root, under_way=bool(ahead))
    findings += _blocks(control.group, looked_at, ahead)
    findings += _strangers(control.group, root, keys, ahead)
    if not any(finding.state in {"damaged", "missing"} for finding in findings):
        findings += _contents(control.group, root, sensor, tile)
    size = sum(size for size, *_ in keys.values())
    return Report(str(control.group), root.number, len(keys), size, tuple(sorted(findings)))


def _records(control: Control, root: Root, findings: list[Finding]) -> Iterator[Record]:
    """Yield every record that can be read, the newest first; note those that are not right."""
    digest: str | None = root.digest
    for number in range(root.number, -1, -1):
        try:
            record = control.record(number, digest)
        except DamagedError as error:
            missing = not control.record_path(number).exists()
            path = str(control.record_path(number))
            findings.append(Finding(path, "missing" if missing else "damaged", str(error)))
            if number == root.number:
                findings.append(Finding(METADATA, "damaged", f"or it names another than {path}"))
            digest = None
            with contextlib.suppress(DamagedError):  # what can be read of it explains its keys
                yield control.record(number)
            continue
        if number == root.number and record.metadata != root.metadata_digest():
            findings.append(Finding(METADATA, "damaged", "not the metadata that was committed"))
        digest = record.parent
        yield record


def _ahead(control: Control, root: Root | None, findings: list[Finding]) -> Keys:
    """Return the keys of a commit that was begun and is not in the root."""
    try:
        record = control.under_way(root.number + 1 if root else 0)
    except DamagedError as error:
        findings.append(Finding(METADATA, "damaged", str(error)))
        return {}
    return dict(record.keys) if record else {}


def _metadata(control: Control, root: Root, *, under_way: bool) -> Iterator[Finding]:
    group, unfinished = control.group, under_way or control.kept_by(root.digest).is_dir()
    if (group / METADATA).read_bytes() != root.to_bytes():
        yield Finding(METADATA, "damaged", "not the bytes that were committed")
    for name, document in root.arrays.items():
        found = own_metadata(group / name, document)
        if found == "committed":
            continue
        key = f"{name}/{METADATA}"
        if unfinished or found == "older":
            yield Finding(key, "unfinished", "the next write brings it up to date")
        elif found == "missing":
            yield Finding(key, "missing", "the next write puts it back from the root")
        else:
            yield Finding(key, "damaged", "differs from the group's consolidated metadata")


def _blocks(group: Path, keys: Keys, ahead: Keys) -> Iterator[Finding]:
    with ThreadPoolExecutor(READERS) as readers:
        for some in _batched(keys):
            measured = readers.map(lambda key: _measure(group / key), some)
            for key, there in zip(some, measured, strict=True):
                if there != keys[key]:
                    yield _differing(key, keys[key], there, ahead.get(key))


def _differing(
    key: str, expected: Measure, there: Measure | OSError | None, ahead: Measure | None
) -> Finding:
    if there is None:
        return Finding(key, "missing", "it was committed, and is not there")
    if isinstance(there, OSError):
        return Finding(key, "damaged", f"cannot be read: {there.strerror}")
    if there == ahead:
        return Finding(key, "unfinished", "the next write undoes it")
    texts = ["{} bytes, CRC-32C {:08x} {:08x}".format(*size) for size in (there, expected)]
    return Finding(key, "damaged", "found {}, expected {}".format(*texts))


def _measure(path: Path) -> Measure | OSError | None:
    try:
        return disk.measure(path)
    except OSError as error:  # an unreadable sector, or no right to read
        return error


def _strangers(group: Path, root: Root, keys: Keys, ahead: Keys) -> Iterator[Finding]:
    ours = {METADATA, *(f"{name}/{METADATA}" for name in root.arrays), *keys}
    for path in group.rglob("*"):
        key = path.relative_to(group).as_posix()
        if path.name.startswith(".") or path.is_dir() or key in ours:
            continue
        if key in ahead:
            yield Finding(key, "unfinished", "the next write undoes it")
        else:
            yield Finding(key, "foreign", "no commit wrote it")


def _contents(group: Path, root: Root, sensor: Sensor, tile: Tile) -> Iterator[Finding]:
    """What the coordinates and attributes claim, where their bytes are right."""
    arrays = {name: Array.from_document(name, document) for name, document in root.arrays.items()}
    grid = layout.geobox(sensor, tile)
    for name, expected in layout.space_values(grid).items():
        if not np.array_equal(_values(group, arrays[name]), expected):
            yield Finding(name, "damaged", f"not the pixel centres of {sensor.id} on {tile.id}")
    for layer in (sensor.pixels, *sensor.layers):
        if layer.name not in arrays:
            continue  # the sensor had no such layer when the cube was created
        fill = arrays[layer.name].attributes.get("_FillValue", arrays[layer.name].fill)
        if layer.masked and fill != arrays[layer.name].fill:
            yield Finding(layer.name, "damaged", "its _FillValue is not what absent shards read as")
    items, replaced = (_values(group, arrays[n]).tolist() for n in ("item_id", "supersedes"))
    for name in sorted(item for item, times in Counter(items).items() if times > 1):
        yield Finding("item_id", "damaged", f"{name} stands there twice")
    for name in sorted(set(replaced) - {""} - set(items)):
        yield Finding("supersedes", "damaged", f"{name} is no slot of the cube")
    if sensor.id.startswith("sentinel-2"):
        offsets = set(_values(group, arrays["dn_offset"]).tolist())
        if not offsets <= {0, -1000}:
            yield Finding("dn_offset", "damaged", f"{sorted(offsets)}: Sentinel-2 has 0 and -1000")


def _values(group: Path, array: Array) -> np.ndarray[Any, Any]:
    """Return a coordinate, whole."""
    return array.assemble(lambda key: (group / key).read_bytes())


def _batched(keys: Keys) -> Iterator[list[str]]:
    """Yield keys in lists that bound what waits for the readers."""
    left = iter(keys)
    while some := list(islice(left, BATCH)):
        yield some
