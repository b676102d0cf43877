"""All files are gone through once, and every row is checked, before anything is written."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cubestore import Store
from cubestore_pipelines.benchmarks.clay_embeddings.homes import homes, where
from cubestore_pipelines.benchmarks.clay_embeddings.published import File, Rows, read
from cubestore_pipelines.benchmarks.clay_embeddings.squares import GSD
from cubestore_pipelines.benchmarks.imported import first
from cubestore_pipelines.errors import DatasetError


@dataclass(slots=True)
class Survey:
    """What files hold. Made, it has read them all."""

    store: Store
    files: Sequence[File]
    limit: int | None = None
    """Take the first so many rows; all are checked."""

    chip_size: int = 0
    """Pixels along the side of every chip."""

    count: int = 0
    """Rows of all files."""

    taken: dict[Path, int] = field(default_factory=dict)
    """File -> how many of its rows are taken."""

    homed: Counter[tuple[Path, str]] = field(default_factory=Counter)
    """File and cube -> rows that belong to the cube."""

    homeless: int = 0
    """Rows that belong to no cube."""

    digest: str = ""
    """Of the names of the files and their bytes, and of how many rows are taken."""

    def __post_init__(self) -> None:
        whole = hashlib.sha256()
        for file in self.files:
            whole.update(f"{file.path.name} {file.digest}\n".encode())
            places: set[tuple[int, ...]] = set()
            for rows in read(file):
                self._check(rows)
                self._count(self._first(rows), places)
                self.count += len(rows)
        if self.part < self.count:
            whole.update(f"{self.part}\n".encode())
        self.digest = whole.hexdigest()

    @property
    def part(self) -> int:
        """How many rows are taken."""
        return first(self.count, self.limit)

    def rows(self, file: File) -> Iterator[Rows]:
        """Yield the rows of a file that are taken, some at a time."""
        left = self.taken.get(file.path, 0)
        for rows in read(file) if left else ():
            yield rows.only(np.arange(len(rows)) < left)
            left -= len(rows)
            if left <= 0:
                return

    def _first(self, rows: Rows) -> Rows:
        """Return what is taken of the next rows, and count it."""
        left = first(self.count + len(rows), self.limit) - self.count
        some = rows.only(np.arange(len(rows)) < left)
        self.taken[rows.file.path] = self.taken.get(rows.file.path, 0) + len(some)
        return some

    def _check(self, rows: Rows) -> None:
        """Refuse chips of several sizes, and addresses with a signature."""
        sizes = rows.squares.side / GSD
        self.chip_size = self.chip_size or int(sizes[0])
        odd = f"a chip that is not {self.chip_size} pixels wide, as those before it"
        _refuse(rows, sizes != self.chip_size, odd)
        signed = np.array([any(sign in url for sign in "? @") for url in rows.url], bool)
        _refuse(rows, signed, "a source_url with a query, a blank or who asks")

    def _count(self, rows: Rows, places: set[tuple[int, ...]]) -> None:
        """Count whose rows are; a chip of a cube's slot is there once."""
        cubes = homes(self.store, rows.file.tile.id, self.chip_size)
        number, slot = where(cubes, rows)
        for at in np.flatnonzero(number >= 0).tolist():
            only, home = rows.only(np.arange(len(rows)) == at), cubes[number[at]]
            row, column = home.place(only)
            key = (int(number[at]), int(slot[at]), int(row[0]), int(column[0]))
            _refuse(only, np.array([key in places]), "a chip that stands there before")
            places.add(key)
            self.homed[rows.file.path, home.name] += 1
        self.homeless += int((number < 0).sum())


def _refuse(rows: Rows, bad: npt.NDArray[np.bool_], found: str) -> None:
    if bad.any():
        raise DatasetError(
            f"{rows.file.path}, index {rows.index[np.argmax(bad)]}: {found}",
            expected="chips of one size, each once, and addresses without signature",
            remedy="mend the file, or import others by themselves; nothing was taken",
        )
