"""What was counted of each tile: a file that grows by a line a tile, so that a run can go on.

A line names the sheets that the tile's pixels came from. Where they are others now, or were
published anew, the tile is counted again; a line that a killed run left in two counts for none.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from cubestore.disk import writable
from cubestore_pipelines.sampling.worldcover import CLASSES, LEVEL, Sheet

ENDING = ".counted"
"""Behind the table's own name."""


def source(sheets: Sequence[Sheet]) -> str:
    """Return what stands for some sheets in a line."""
    told = json.dumps([LEVEL, *(one.name for one in sheets)])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


class Ledger:
    """Tiles that were counted, in a file beside the table that they make."""

    def __init__(self, table: Path) -> None:
        self.path = table.with_name(table.name + ENDING)
        self._known = dict(_lines(self.path))
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        """Open it for more."""
        with writable(self.path):
            torn = self.path.exists() and not self.path.read_bytes().endswith(b"\n")
            self._file = self.path.open("a", encoding="utf-8")
            if torn:
                self._file.write("\n")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        if self._file is not None:
            self._file.close()

    def known(self, tile: str, source: str) -> tuple[int, ...] | None:
        """Return the pixels of each class of a tile, None where they are not known."""
        there, counts = self._known.get(tile, ("", ()))
        return counts if there == source else None

    def add(self, tile: str, source: str, counts: Sequence[int]) -> None:
        """Keep the pixels of each class of a tile.

        Raises:
            NotWritableError: the disk takes no more; what was kept stays.
        """
        line = {"name": tile, "source": source, "counts": [int(count) for count in counts]}
        with writable(self.path):
            assert self._file is not None  # noqa: S101 - entered
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()


def _lines(path: Path) -> list[tuple[str, tuple[str, tuple[int, ...]]]]:
    try:
        texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return [line for text in texts for line in _line(text)]


def _line(text: str) -> list[tuple[str, tuple[str, tuple[int, ...]]]]:
    try:
        told = json.loads(text)
        counts = tuple(int(count) for count in told["counts"])
        line = str(told["name"]), (str(told["source"]), counts)
    except (ValueError, KeyError, TypeError):
        return []
    return [line] if len(counts) == len(CLASSES) else []
