"""One set: its sources together, checked before the first byte is written."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cubestore.patches import PatchDescription
from cubestore_pipelines.benchmarks.cloudsen12 import metadata
from cubestore_pipelines.benchmarks.cloudsen12.columns import Resplit, columns
from cubestore_pipelines.benchmarks.cloudsen12.describe import description
from cubestore_pipelines.benchmarks.cloudsen12.files import Plane
from cubestore_pipelines.benchmarks.cloudsen12.labels import LABELS
from cubestore_pipelines.benchmarks.cloudsen12.source import Source
from cubestore_pipelines.benchmarks.imported import Batch, Planned, fingerprint, first
from cubestore_pipelines.errors import DatasetError

DATASET = "cloudsen12"
"""The folder of the sets, and the group's attribute that tells of the files."""

AT_ONCE = 2
"""Patches that are read at once: 20 MB each, with every file there is. More are no faster."""

Values = np.ndarray[Any, np.dtype[Any]]


def planned(
    name: str, together: list[Source], drawn: Resplit | None, limit: int | None = None
) -> Planned:
    """Return the plan of a set, checked but for its pixels.

    Args:
        name: of the set.
        together: its sources, in order.
        drawn: splits drawn anew, over all patches.
        limit: take the first so many patches.

    Raises:
        DatasetError: sources that hold different things, or rows that are odd.
    """
    head = together[0]
    _refuse_unlike(together)
    variables = {one.variable for one in head.dtypes}
    rows = [row for source in together for row in source.rows]
    table = metadata.published(rows, variables)
    published = {
        "image": head.size,
        "sources": [source.published() for source in together],
        "columns": {column: held for column, (held, _) in table.items()},
        "resplit": drawn and drawn.published(),
    }
    about = description(name, head.dtypes, size=head.size, attributes={DATASET: published})
    held = {**columns(together, drawn), **dict(table.values())}
    digests = [fingerprint(s.path, s.files()) for s in together]
    taken = first(len(rows), limit)
    return Planned(
        description=about,
        patches=taken,
        of=len(rows),
        digest=fingerprint(head.path, (), published, held["patch_id"][:taken].tolist(), digests),
        batches=lambda: _batches(about, together, {n: v[:taken] for n, v in held.items()}),
        notes=tuple(_notes(together)),
    )


def _batches(
    about: PatchDescription, together: Sequence[Source], held: Mapping[str, Values]
) -> Iterator[Batch]:
    """Yield the next patches, with the columns that are held of them, as long as there are any."""
    done, of = 0, len(held["patch_id"])
    for pixels in _pixels(about, together):
        count = min(len(next(iter(pixels.values()))), of - done)
        mine = {name: values[done : done + count] for name, values in held.items()}
        yield {name: values[:count] for name, values in pixels.items()}, mine
        done += count
        if done == of:
            return


def _pixels(about: PatchDescription, together: Sequence[Source]) -> Iterator[dict[str, Values]]:
    """Yield the variables of the next patches, in arrays that are filled again."""
    arrays = about.arrays()
    room = {n: np.empty((AT_ONCE, *a.shape[1:]), a.dtype) for n, a in arrays.items()}
    for source in together:
        for start in range(0, len(source.rows), AT_ONCE):
            count = min(AT_ONCE, len(source.rows) - start)
            pixels = {name: values[:count] for name, values in room.items()}
            for one, images in source.read(start, count):
                _take(pixels[one.variable], one, images, source)
                _refuse_unknown(one, images, source, start)
            yield pixels


def _notes(together: Sequence[Source]) -> Iterator[str]:
    for source in together:
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
