"""Whether a cube is what was committed: every byte of it, and what its coordinates claim.

The root names the newest record, each record its parent, each record every key it wrote. What
differs from them is damage; what a record ahead of the root accounts for is an unfinished
commit, which the next writer undoes; what nobody accounts for, something else has written.
"""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cubestore import disk, layout
from cubestore.encoding import Array, crc32c
from cubestore.errors import DamagedError, FormatError, UnknownCubeError
from cubestore.grids import Tile
from cubestore.records import METADATA, Control, Record, Root, dump
from cubestore.sensors import Sensor

READERS = 4
"""Threads that read files."""

TRIES = 5
"""Passes over a cube that is being written to before its findings are believed."""

Keys = dict[str, tuple[int, int]]
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

    Raises:
        UnknownCubeError: nothing was committed here.
    """
    for _ in range(TRIES):
        report = _pass(control, sensor, tile)
        if not report.findings or _number(control) == report.commit:
            break
    return report


def _number(control: Control) -> int:
    try:
        root = Root.read(control.group)
    except FormatError:
        return -1
    return root.number if root else -1


def _pass(control: Control, sensor: Sensor, tile: Tile) -> Report:
    try:
        root = Root.read(control.group)
    except FormatError as error:
        return Report(str(control.group), -1, 0, 0, (Finding(METADATA, "damaged", str(error)),))
    if root is None:
        raise UnknownCubeError(
            f"{control.group} is no cube",
            expected="a committed cube",
            remedy="see `cubestore info`",
        )
    findings: list[Finding] = []
    keys: Keys = {}
    for record in _records(control, root, findings):
        for key, value in record.keys.items():
            keys.setdefault(key, value)
    ahead = _ahead(control, root.number)
    findings += _metadata(control.group, root, ahead)
    findings += _blocks(control.group, keys, ahead)
    findings += _strangers(control.group, root, keys, ahead)
    if not any(finding.state in {"damaged", "missing"} for finding in findings):
        findings += _contents(control.group, root, sensor, tile)
    size = sum(size for size, _ in keys.values())
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
            digest = None
            continue
        if number == root.number and record.metadata != root.metadata_digest():
            findings.append(Finding(METADATA, "damaged", "not the metadata that was committed"))
        digest = record.parent
        yield record


def _ahead(control: Control, number: int) -> Keys:
    """Return the keys of a commit that has begun and is not in the root."""
    try:
        return dict(control.record(number + 1).keys)
    except DamagedError:
        return {}


def _metadata(group: Path, root: Root, ahead: Keys) -> Iterator[Finding]:
    if (group / METADATA).read_bytes() != root.to_bytes():
        yield Finding(METADATA, "damaged", "not the bytes that were committed")
    for name, document in root.arrays.items():
        path, key = group / name / METADATA, f"{name}/{METADATA}"
        try:
            there = path.read_bytes()
        except FileNotFoundError:
            yield Finding(key, "missing", "the next write puts it back from the root")
            continue
        if there != dump(document):
            state: State = "unfinished" if ahead or _lags(there, document) else "damaged"
            yield Finding(key, state, "differs from the group's consolidated metadata")


def _lags(there: bytes, document: Mapping[str, Any]) -> bool:
    """Whether an array's metadata is that of an earlier length: the root was replaced first."""
    try:
        shape = json.loads(there)["shape"]
    except (ValueError, KeyError, TypeError):
        return False
    return shape[:1] < document["shape"][:1] and there == dump({**document, "shape": shape})


def _blocks(group: Path, keys: Keys, ahead: Keys) -> Iterator[Finding]:
    with ThreadPoolExecutor(READERS) as readers:
        for key, there in zip(keys, readers.map(lambda k: _measure(group / k), keys), strict=True):
            if there == keys[key]:
                continue
            if there is None:
                yield Finding(key, "missing", "reads as nodata")
            elif there == ahead.get(key):
                yield Finding(key, "unfinished", "the next write undoes it")
            else:
                expected = "{} bytes, CRC-32C {:08x}".format(*keys[key])
                found = "{} bytes, CRC-32C {:08x}".format(*there)
                yield Finding(key, "damaged", f"found {found}, expected {expected}")


def _measure(path: Path) -> tuple[int, int] | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return len(data), crc32c(data)


def _strangers(group: Path, root: Root, keys: Keys, ahead: Keys) -> Iterator[Finding]:
    ours = {METADATA, *(f"{name}/{METADATA}" for name in root.arrays), *keys}
    for path in group.rglob("*"):
        key = path.relative_to(group).as_posix()
        if path.is_dir() or key in ours or path.name.endswith(disk.PARTIAL):
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
        fill = arrays[layer.name].attributes.get("_FillValue", arrays[layer.name].fill)
        if layer.masked and fill != arrays[layer.name].fill:
            yield Finding(layer.name, "damaged", "its _FillValue is not what absent shards read as")
    items, replaced = (_values(group, arrays[n]).tolist() for n in ("item_id", "supersedes"))
    for name in sorted({item for item in items if items.count(item) > 1}):
        yield Finding("item_id", "damaged", f"{name} stands there twice")
    for name in sorted(set(replaced) - {""} - set(items)):
        yield Finding("supersedes", "damaged", f"{name} is no slot of the cube")
    if sensor.id.startswith("sentinel-2"):
        offsets = set(_values(group, arrays["dn_offset"]).tolist())
        if not offsets <= {0, -1000}:
            yield Finding("dn_offset", "damaged", f"{sorted(offsets)}: Sentinel-2 has 0 and -1000")


def _values(group: Path, array: Array) -> np.ndarray[Any, Any]:
    """Return a coordinate, whole."""
    if array.dims == ():
        return array.decode_chunk((group / array.key(())).read_bytes(), array.name)
    chunks = []
    for index in range(array.blocks()[0]):
        path = group / array.key((index,))
        if path.exists():
            chunks.append(array.decode_chunk(path.read_bytes(), str(path)))
        else:
            chunks.append(np.full(array.chunks, array.fill, array.numpy_dtype))
    return np.concatenate(chunks)[: array.shape[0]] if chunks else np.empty(0, array.numpy_dtype)
