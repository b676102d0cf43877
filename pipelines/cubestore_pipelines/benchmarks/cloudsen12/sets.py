"""One set: its sources together, checked before the first byte is written, and then written."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cubestore import Store
from cubestore.patches import PatchDescription
from cubestore_pipelines.benchmarks.cloudsen12 import metadata
from cubestore_pipelines.benchmarks.cloudsen12.columns import Resplit, columns
from cubestore_pipelines.benchmarks.cloudsen12.describe import description
from cubestore_pipelines.benchmarks.cloudsen12.files import Plane
from cubestore_pipelines.benchmarks.cloudsen12.labels import LABELS
from cubestore_pipelines.benchmarks.cloudsen12.source import Source
from cubestore_pipelines.benchmarks.imported import Imported
from cubestore_pipelines.errors import DatasetError

DATASET = "cloudsen12"
"""The folder of the sets, and the group's attribute that tells of the files."""

AT_ONCE = 2
"""Patches that are read at once: 20 MB each, with every file there is. More are no faster."""

Progress = Callable[[str, int, int], None]
"""Told the set, the patches that were taken, and how many there are."""

Values = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One set, checked but for its pixels."""

    description: PatchDescription
    sources: list[Source]
    columns: dict[str, Values]
    """Of all patches of all sources."""

    @classmethod
    def of(cls, name: str, together: list[Source], drawn: Resplit | None) -> "Plan":
        """Return the plan of a set.

        Raises:
            DatasetError: sources that hold different things, or rows that are odd.
        """
        first = together[0]
        _refuse_unlike(together)
        variables = {one.variable for one in first.dtypes}
        rows = [row for source in together for row in source.rows]
        table = metadata.published(rows, variables)
        published = {
            "image": first.size,
            "sources": [source.published() for source in together],
            "columns": {column: held for column, (held, _) in table.items()},
            "resplit": drawn and drawn.published(),
        }
        about = {DATASET: published}
        told = description(name, first.dtypes, size=first.size, attributes=about)
        held = {**columns(together, drawn), **dict(table.values())}
        return cls(description=told, sources=together, columns=held)

    @property
    def patches(self) -> int:
        """How many there are."""
        return len(self.columns["patch_id"])

    def write(self, store: Store, progress: Progress) -> Imported:
        """Write the set, unless it is there already.

        Raises:
            DatasetError: pixels or codes that are not as published.
            CubeExistsError: a set of that name was written from other files.
        """
        name = self.description.name
        if not self._is_there(store):
            with store.create_patches(self.description) as writer:
                done = 0
                for pixels in self._pixels():
                    count = len(next(iter(pixels.values())))
                    mine = {n: values[done : done + count] for n, values in self.columns.items()}
                    writer.append(pixels, mine)
                    done += count
                    progress(name, done, self.patches)
        return Imported(name=name, patches=self.patches, left_out=tuple(self._left_out()))

    def _is_there(self, store: Store) -> bool:
        name = self.description.name
        if name not in store.patch_sets():
            return False
        there = store.patches(name)
        if there.root().attributes.get(DATASET) != self.description.attributes[DATASET]:
            return False
        return bool(np.array_equal(there.open().patch_id.values, self.columns["patch_id"]))

    def _pixels(self) -> Iterator[dict[str, Values]]:
        """Yield the variables of the next patches, in arrays that are filled again."""
        arrays = self.description.arrays()
        room = {n: np.empty((AT_ONCE, *a.shape[1:]), a.dtype) for n, a in arrays.items()}
        for source in self.sources:
            for first in range(0, len(source.rows), AT_ONCE):
                count = min(AT_ONCE, len(source.rows) - first)
                pixels = {name: values[:count] for name, values in room.items()}
                for one, images in source.read(first, count):
                    _take(pixels[one.variable], one, images, source)
                    _refuse_unknown(one, images, source, first)
                yield pixels

    def _left_out(self) -> Iterator[str]:
        for source in self.sources:
            for file in source.ignored:
                yield f"{source.path / file}: not asked for, or nothing that is known"
            for one, dtype in source.dtypes.items():
                if one.variable in LABELS and not LABELS[one.variable].fits(dtype):
                    yield (
                        f"{source.where(one.variable, 0)}: the clouds of {one}, which are 1024 "
                        "and 2048 and became 0 in a byte; stored as it is"
                    )


def _take(into: Values, one: Plane, images: Values, source: Source) -> None:
    if not one.band:
        into[:] = images
        return
    bands = [held.band for held in source.dtypes if held.variable == one.variable]
    into[:, bands.index(one.band)] = images


def _refuse_unknown(one: Plane, images: Values, source: Source, first: int) -> None:
    odd = LABELS[one.variable].unknown(images) if one.variable in LABELS else None
    if odd is not None:
        patch, code = odd
        known = LABELS[one.variable].meanings or "0 to 100 percent"
        raise DatasetError(
            f"{source.where(one.variable, first + patch)}: the label {code}",
            expected=f"{known}, or 255",
            remedy="fetch the file again; if it is as published, leave it out of the folder",
        )


def _refuse_unlike(together: Sequence[Source]) -> None:
    first = together[0]
    for source in together[1:]:
        odd = {*first.dtypes.items()} ^ {*source.dtypes.items()}
        if odd or first.size != source.size:
            what = ", ".join(sorted({str(one) for one, _ in odd})) or f"{source.size} pixels"
            raise DatasetError(
                f"{first.path} and {source.path} differ in {what}",
                expected="the same files in all folders that become one set",
                remedy="fetch what is missing, or name the bands that all have with --bands",
            )
