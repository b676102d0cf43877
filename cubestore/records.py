"""What a commit leaves on disk: the root that names it, and the record that it names.

The root is the group's ``zarr.json``. It names the newest record by number and digest, each
record its parent, and each record vouches for the metadata of its root: from the root on,
every byte of a cube is accounted for.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from cubestore.encoding import Json, Measure
from cubestore.errors import DamagedError, FormatError

METADATA = "zarr.json"
COMMIT = "cubestore:commit"
"""The root attribute that names the commit: number and digest of its record."""


@dataclass(frozen=True, slots=True)
class Root:
    """A group's ``zarr.json``: the state of a cube at one commit."""

    arrays: Mapping[str, Json]
    """Name -> that array's ``zarr.json``."""

    attributes: Json
    """The group's, without the one that names the commit."""

    number: int
    digest: str
    """Of the commit record, with the name of the hash in front."""

    @classmethod
    def parse(cls, data: bytes, path: object) -> "Root":
        """Return the state that a ``zarr.json`` describes.

        Raises:
            FormatError: it is no cube's.
        """
        try:
            document = json.loads(data)
            attributes = dict(document["attributes"])
            commit = attributes.pop(COMMIT)
            arrays = document["consolidated_metadata"]["metadata"]
            return cls(arrays, attributes, int(commit["number"]), str(commit["digest"]))
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(
                f"{path} is not the metadata of a cube",
                expected="a Zarr v3 group that names its commit",
                remedy="run `cubestore verify`; if other software wrote it, restore it from a copy",
            ) from error

    @classmethod
    def read(cls, group: Path) -> "Root | None":
        """Return the committed state of a group, or None where nothing was committed."""
        try:
            return cls.parse((group / METADATA).read_bytes(), group / METADATA)
        except FileNotFoundError:
            return None

    def to_bytes(self) -> bytes:
        """Return the ``zarr.json``."""
        commit = {COMMIT: {"number": self.number, "digest": self.digest}}
        return dump(group_document(self.arrays, {**self.attributes, **commit}))

    def metadata_digest(self) -> str:
        """Return the digest of all but the name of the commit: what the record vouches for."""
        return digest(dump(group_document(self.arrays, self.attributes)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one commit did."""

    number: int
    parent: str
    """Digest of the record before; "" for the first."""

    operation: str
    created: str
    software: str
    details: Json
    """What the operation says of itself: slots with their items and shards, a variable …"""

    metadata: str
    """Digest of the root, without the name of the commit."""

    keys: Mapping[str, Measure]
    """Key -> size and checksums of every block that the commit wrote: see `encoding.measure`."""

    replaced: tuple[str, ...]
    """Those keys that were there before."""

    tails: Mapping[str, Measure]
    """The chunks of the time coordinates as they are after this one: a later may replace them."""

    total_keys: int
    total_bytes: int

    def to_bytes(self) -> bytes:
        """Return the record as it lies on disk."""
        return dump({name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def from_bytes(cls, data: bytes) -> "Record":
        """Return the record that :meth:`to_bytes` wrote."""
        fields = json.loads(data)
        for name in ("keys", "tails"):
            fields[name] = {key: tuple(value) for key, value in fields[name].items()}
        fields["replaced"] = tuple(fields["replaced"])
        return cls(**fields)


_SHORT = 16
"""Digits of a digest that make a name."""


@dataclass(frozen=True, slots=True)
class Control:
    """Where a cube's lock, staging and records lie: beside the group, never in it."""

    group: Path
    path: Path

    @property
    def lock(self) -> Path:
        """The file that a writer locks; it tells who."""
        return self.path / "lock"

    @property
    def staging(self) -> Path:
        """The directory of attempts."""
        return self.path / "staging"

    @property
    def kept(self) -> Path:
        """The directory of second names, one directory a commit."""
        return self.path / "kept"

    @property
    def records(self) -> Path:
        """The directory of commit records."""
        return self.path / "commits"

    def kept_by(self, digest_: str) -> Path:
        """Return where the commit of that record keeps what it replaces, as long as it lasts."""
        return self.kept / digest_.partition(":")[2][:_SHORT]

    def under_way(self, number: int) -> Record | None:
        """Return the record of a commit that was begun and is not in the root.

        Raises:
            DamagedError: it was completed: the root is older than the cube.
        """
        path = self.record_path(number)
        if not path.exists():
            return None
        if self.kept_by(digest(path.read_bytes())).is_dir():
            return self.record(number)
        raise DamagedError(
            f"{self.group / METADATA} is older than the cube: it lacks commit {number}",
            expected="the newest; the record of that commit is there, and it is not under way",
            remedy="restore the newest from a copy; nothing was undone",
        )

    def record_path(self, number: int) -> Path:
        """Return where the record of a commit lies."""
        return self.records / f"{number:07d}.json"

    def history(self, root: Root) -> Iterator[Record]:
        """Yield the records from a root back to the first, each vouched for by the one after.

        Raises:
            DamagedError: one is missing or not the one that was committed.
        """
        return linked(root, self.record)

    def record(self, number: int, digest_: str | None = None) -> Record:
        """Return the record of a commit.

        Raises:
            DamagedError: it is missing, unreadable, or not the one of that digest.
        """
        path = self.record_path(number)
        try:
            data = path.read_bytes()
            if digest_ is None or digest(data) == digest_:
                return Record.from_bytes(data)
        except FileNotFoundError:
            found = f"The commit record {path} is missing"
        except (ValueError, KeyError, TypeError):
            found = f"The commit record {path} cannot be read"
        else:
            found = f"The commit record {path} is not the one that was committed"
        raise DamagedError(
            found,
            expected=f"the record of commit {number}",
            remedy="restore it from a copy of the store; run `cubestore verify` for the extent",
        )


def linked(root: Root, record: Callable[[int, str], Record]) -> Iterator[Record]:
    """Yield the records from a root back to the first, each vouched for by the one after.

    Args:
        root: the committed state.
        record: returns the one of a number and a digest, or refuses what lies there.
    """
    digest_ = root.digest
    for number in range(root.number, -1, -1):
        found = record(number, digest_)
        yield found
        digest_ = found.parent


def group_document(arrays: Mapping[str, Json], attributes: Mapping[str, Any]) -> Json:
    """Return the ``zarr.json`` of a group with consolidated metadata."""
    return {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": dict(attributes),
        "consolidated_metadata": {
            "kind": "inline",
            "must_understand": False,
            "metadata": dict(arrays),
        },
    }


def own_metadata(
    directory: Path, committed: Json
) -> Literal["committed", "older", "missing", "unreadable", "foreign"]:
    """Return what an array's own ``zarr.json`` is, beside the root's word for it."""
    try:
        data = (directory / METADATA).read_bytes()
        if data == dump(committed):  # so it is nearly always, and a look at the shape costs as much
            return "committed"
        shape = json.loads(data)["shape"]
    except FileNotFoundError:
        return "missing"
    except ValueError:
        return "unreadable"
    except (KeyError, TypeError):
        return "foreign"
    if data != dump({**committed, "shape": shape}):
        return "foreign"
    return "older" if shape[:1] < committed["shape"][:1] else "foreign"


@cache
def software() -> str:
    """Return this software's name and version."""
    return f"cubestore {version('cubestore')}"


def dump(document: object) -> bytes:
    """Return JSON as it always is on disk, so that equal documents are equal bytes."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(data: bytes) -> str:
    """Return the SHA-256 of ``data``, with the name of the hash."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
