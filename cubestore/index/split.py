"""The index's ``split`` column: given by a rule that is kept, and applied to whatever comes later.

The rule lies beside the files (``STORE/index/split.json``), and each file names the one that it was
split by, so that a run that was killed is completed by the next.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cubestore import disk, splits
from cubestore.errors import DamagedError
from cubestore.index import file as indexfile
from cubestore.index.file import GEO, KEY, ROWS, Name
from cubestore.records import dump

KEPT = "split.json"
MARK = b"cubestore:split"
"""Key of a file's metadata: the rule that it was split by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRule:
    """How the chips of an index are split; see `cubestore.splits.parse`."""

    rule: str
    """``block:100km,buffer=2km``, ``hash``, ``time:…`` or ``file:PATH``."""

    shares: str = ""
    """``train=0.8,val=0.1,test=0.1``."""

    seed: int = 0

    def __post_init__(self) -> None:
        splits.parse(self.rule, shares=self.shares, seed=self.seed)  # or refuse it now

    @property
    def mark(self) -> bytes:
        """The rule as a file names it."""
        return dump(asdict(self))


def kept(folder: Path) -> SplitRule | None:
    """Return the rule that an index is split by."""
    try:
        return SplitRule(**json.loads((folder.parent / KEPT).read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise DamagedError(
            f"{folder.parent / KEPT} cannot be read: {error}",
            expected="the rule that the index is split by",
            remedy="delete it, and give the rule again: cubestore index --split",
        ) from error


def keep(folder: Path, rule: SplitRule) -> None:
    """Write down the rule that an index is to be split by."""
    disk.replace(folder.parent / KEPT, rule.mark)
    disk.sync([folder.parent])


def split_files(folder: Path, rule: SplitRule) -> bool:
    """Split all files of an index together, unless all of them are; return whether it was done.

    Raises:
        LeakError: a file's splits share ground.
    """
    names = indexfile.names(str(folder.parent.parent))
    marks = [pq.read_metadata(folder / name.file).metadata.get(MARK) for name in names]
    if all(mark == rule.mark for mark in marks):
        return False
    tables = [pq.read_table(folder / name.file, schema=indexfile.SCHEMA) for name in names]
    every = pa.concat_tables(tables)
    parsed = splits.parse(rule.rule, shares=rule.shares, seed=rule.seed)
    split = splits.assign(every, parsed)["split"].combine_chunks()
    ends = np.cumsum([len(table) for table in tables]).tolist()
    for name, table, end in zip(names, tables, ends, strict=True):
        _rewrite(folder, name, table, split.slice(end - len(table), len(table)), rule)
    return True


def _rewrite(folder: Path, name: Name, table: pa.Table, split: pa.Array, rule: SplitRule) -> None:
    told = pq.read_metadata(folder / name.file).metadata
    column = table.column_names.index("split")
    table = table.set_column(column, indexfile.SCHEMA.field("split"), split)
    metadata = {KEY: told[KEY], GEO: told[GEO], MARK: rule.mark}
    indexfile.write(folder, name, _groups(table), metadata)


def _groups(table: pa.Table) -> Iterator[pa.Table]:
    for first in range(0, len(table), ROWS):
        yield table.slice(first, ROWS)
