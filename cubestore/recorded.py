"""What commit records tell of a cube's pixels, read wherever a store lies.

Which keys were ever written: what is lost is told from nodata by it. And slot by slot the newest
commit that wrote pixels of it: what is computed from a slot names that one.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from cubestore import reader
from cubestore.errors import DamagedError
from cubestore.records import Record, Root, digest, linked

log = logging.getLogger(__name__)


def keys_of(history: Iterable[Record]) -> frozenset[str] | None:
    """Return every key that was ever stored; None where a copy of a store lacks its records."""
    try:
        return frozenset(key for record in history for key in record.keys)
    except FileNotFoundError as missing:
        log.warning("Without commit records a lost shard reads as nodata: %s", missing)
        return None


def history_afar(commits: str, root: Root) -> Iterator[Record]:
    """Yield the records from a root back to the first, each vouched for by the one after.

    Args:
        commits: address of the folder of commit records.
        root: the committed state.

    Raises:
        DamagedError: a record is not the one that was committed.
        FileNotFoundError: there is none.
    """

    def record(number: int, wanted: str) -> Record:
        address = f"{commits}/{number:07d}.json"
        data = reader.read(address)
        if digest(data) != wanted:
            raise DamagedError(
                f"The commit record {address} is not the one that was committed",
                expected=f"the record of commit {number}",
                remedy="copy the store again; run `cubestore verify` where it was written",
            )
        return Record.from_bytes(data)

    return linked(root, record)


@dataclass(slots=True)
class SlotCommits:
    """For each slot the newest commit that wrote pixels of it; no record is read twice."""

    _state: tuple[int, str] = (-1, "")
    """Number and digest of the commit up to which records were read."""

    _commits: dict[int, int] = field(default_factory=dict)

    def at(self, root: Root, history: Iterable[Record]) -> dict[int, int]:
        """Return slot -> commit.

        Args:
            root: the committed state.
            history: its records, the newest first, of which those are read that are new here.
        """
        if self._state != (root.number, root.digest):
            self._commits = self._followed(history)
            self._state = (root.number, root.digest)
        return dict(self._commits)

    def _followed(self, history: Iterable[Record]) -> dict[int, int]:
        newer: dict[int, int] = {}
        for record in history:
            if record.operation in {"append", "fill"}:
                for told in record.details["slots"]:
                    newer.setdefault(told["slot"], record.number)
            if (record.number - 1, record.parent) == self._state:
                return {**self._commits, **newer}
        return newer
