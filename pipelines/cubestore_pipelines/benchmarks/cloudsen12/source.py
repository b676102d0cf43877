"""What a set is made from: a folder of memmaps, or folders of patches."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from cubestore_pipelines.benchmarks.cloudsen12.files import Plane
from cubestore_pipelines.benchmarks.cloudsen12.metadata import Row

Part = Literal["high", "scribble", "nolabel"]
PARTS: dict[str, Part] = {"manual_hq": "high", "manual_sc": "scribble"}
"""Label -> the part of the data set that has it; what has neither is ``nolabel``."""

Values = np.ndarray[Any, np.dtype[Any]]


class Source(Protocol):
    """Patches that come in order, each with a row of what is known of it."""

    @property
    def path(self) -> Path:
        """The folder."""

    @property
    def name(self) -> str:
        """What the folder is called; "" where that tells nothing."""

    @property
    def names(self) -> list[str]:
        """What patches are called that have no id."""

    @property
    def rows(self) -> list[Row]:
        """What the table tells of each patch."""

    @property
    def size(self) -> int:
        """Pixels along a patch's side."""

    @property
    def dtypes(self) -> dict[Plane, np.dtype[Any]]:
        """What there is, in order, and as what it is stored."""

    @property
    def ignored(self) -> tuple[str, ...]:
        """Files that the set does not take."""

    def files(self) -> Iterable[Path]:
        """Return the files that are read."""

    def places(self) -> dict[str, Values]:
        """Return longitude, latitude, crs and transform of each patch."""

    def where(self, variable: str, patch: int) -> str:
        """Return the file of a variable and the patch, for people."""

    def read(self, first: int, count: int) -> Iterator[tuple[Plane, Values]]:
        """Yield the images of each plane, ``(patch, y, x)``."""

    def published(self) -> dict[str, Any]:
        """Return what the files were, as JSON."""


def part_of(planes: Iterable[Plane]) -> Part:
    """Return the part of the data set that files with these planes are of."""
    held = {one.variable for one in planes}
    return next((part for label, part in PARTS.items() if label in held), "nolabel")


def folder_split(source: Source) -> str:
    """Return what a folder's name says of its split, or of its clouds: ``high_train`` is train."""
    name = source.name.lower()
    for part in (*PARTS.values(), "nolabel"):
        name = name.removeprefix(part).lstrip("_-")
    return {"validation": "val"}.get(name, "".join(c if c.isalnum() else "-" for c in name))
