"""All files are gone through once, and every row is checked, before anything is written."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cubestore import Store
from cubestore_pipelines.benchmarks.clay_embeddings.homes import homes, where
from cubestore_pipelines.benchmarks.clay_embeddings.published import File, Rows, read
from cubestore_pipelines.benchmarks.clay_embeddings.squares import GSD
from cubestore_pipelines.errors import DatasetError


@dataclass(slots=True)
class Survey:
    """What files hold. Made, it has read them all."""

    store: Store
    files: Sequence[File]
    chip_size: int = 0
    """Pixels along the side of every chip."""

    homeless: int = 0
    """Rows that belong to no cube."""

    digest: str = ""
    """Of the names of the files and their bytes."""

    def __post_init__(self) -> None:
        whole = hashlib.sha256()
        for file in self.files:
            whole.update(f"{file.path.name} {file.digest}\n".encode())
            taken: set[tuple[int, ...]] = set()
            for rows in read(file):
                self._check(rows)
                self.homeless += self._count(rows, taken)
        self.digest = whole.hexdigest()

    def _check(self, rows: Rows) -> None:
        """Refuse chips of several sizes, and addresses with a signature."""
        sizes = rows.squares.side / GSD
        self.chip_size = self.chip_size or int(sizes[0])
        odd = f"a chip that is not {self.chip_size} pixels wide, as those before it"
        _refuse(rows, sizes != self.chip_size, odd)
        signed = np.array([any(sign in url for sign in "? @") for url in rows.url], bool)
        _refuse(rows, signed, "a source_url with a query, a blank or who asks")

    def _count(self, rows: Rows, taken: set[tuple[int, ...]]) -> int:
        """Return how many rows belong to no cube; a chip of a cube's slot is there once."""
        cubes = homes(self.store, rows.file.tile.id, self.chip_size)
        number, slot = where(cubes, rows)
        for at in np.flatnonzero(number >= 0).tolist():
            only = rows.only(np.arange(len(rows)) == at)
            row, column = cubes[number[at]].place(only)
            key = (int(number[at]), int(slot[at]), int(row[0]), int(column[0]))
            _refuse(only, np.array([key in taken]), "a chip that stands there before")
            taken.add(key)
        return int((number < 0).sum())


def _refuse(rows: Rows, bad: npt.NDArray[np.bool_], found: str) -> None:
    if bad.any():
        raise DatasetError(
            f"{rows.file.path}, index {rows.index[np.argmax(bad)]}: {found}",
            expected="chips of one size, each once, and addresses without signature",
            remedy="mend the file, or import others by themselves; nothing was taken",
        )
