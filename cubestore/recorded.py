"""Which keys commits wrote, read wherever a store lies: what is lost is told from nodata by it."""

import logging
from collections.abc import Iterable, Iterator

from cubestore import reader
from cubestore.errors import DamagedError
from cubestore.records import Record, Root, digest

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
    wanted = root.digest
    for number in range(root.number, -1, -1):
        address = f"{commits}/{number:07d}.json"
        data = reader.read(address)
        if digest(data) != wanted:
            raise DamagedError(
                f"The commit record {address} is not the one that was committed",
                expected=f"the record of commit {number}",
                remedy="copy the store again; run `cubestore verify` where it was written",
            )
        record = Record.from_bytes(data)
        yield record
        wanted = record.parent
