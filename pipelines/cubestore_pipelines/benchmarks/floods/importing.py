"""A folder of chips -> a patch set, which appears whole or not at all."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from cubestore_pipelines.benchmarks.floods import chips as read_chips
from cubestore_pipelines.benchmarks.floods import clay
from cubestore_pipelines.benchmarks.floods.chips import Chip
from cubestore_pipelines.benchmarks.floods.layouts import Layout, layout_of
from cubestore_pipelines.benchmarks.imported import (
    Batch,
    Imported,
    Planned,
    Progress,
    carried_out,
    fingerprint,
    first,
)
from cubestore_pipelines.errors import DatasetError
from cubestore_pipelines.failures import Refusal

ONLY_HOW = {"allow", "timeout", "checksums"}
"""Options that say how files are reached, and change no pixel."""

UNSAID: tuple[object, ...] = (None, "", ())
"""What options are that nobody gave; an offset of 0 is given."""


def import_floods(
    source: str | Path,
    store: str | Path,
    *,
    layout: str = "",
    incomplete: bool = False,
    compat: Literal["", "clay"] = "",
    limit: int | None = None,
    plan_only: bool = False,
    progress: Progress | None = None,
    **archive: Any,  # noqa: ANN401 - those of choices
) -> list[Imported]:
    """Bring a flood data set into a store; what is there already is left as it is.

    Args:
        source: the folder of its chips, or one above it.
        store: path of the store; made where it is not there.
        layout: ``c2sms`` or ``sen1floods11``; "": as the files tell.
        incomplete: take what is there of a source that lacks files, and list the rest.
        compat: ``clay``: where pixels are read anew, the scene that Clay's own script took: the
            first of the day, whichever granule it is, everything resampled nearest.
        limit: take the first so many chips.
        plan_only: tell what would be written, and write nothing.
        progress: who is told how it goes on.
        archive: where pixels are read anew, Clay's way: ``catalog``, ``profile``, ``collection``,
            ``skip_item``, ``dn_offset``, ``resampling``, ``allow``, ``timeout``, ``checksums`` of
            :func:`cubestore_pipelines.choices`.

    Returns:
        The patch set, and what the source has that the set has not. A chip that the catalogue has
        no scenes of is left out until the set is removed.

    Raises:
        DatasetError: a file is not as it was published; names it. Nothing is stored.
        CubeExistsError: the set is there, made from other files or with other options.
        CatalogError: the catalogue cannot be searched.
        NothingFoundError: the catalogue has no chip's scenes.
    """
    folder = Path(source)
    known = layout_of(folder, layout)
    found, lacking = known.files.chips(folder, incomplete=incomplete)
    if not found:
        raise DatasetError(
            f"{source} has no whole chip",
            expected="at least one with all of its files",
            remedy="complete the source",
        )
    some = found[: first(len(found), limit)]
    if archive.get("catalog") or archive.get("profile"):
        way = clay.Way(some, known, compat, archive, listed=found)
        description, patches = way.description(), way.patches
    else:
        description, patches = known.description(), lambda: _published(known, some)
    planned = Planned(
        description=description,
        patches=len(some),
        of=len(found),
        digest=_digest(folder, some, {"compat": compat, **archive}),
        batches=lambda: map(_batch, patches()),
        left_out=tuple(lacking),
    )
    return carried_out([planned], store, plan_only=plan_only, progress=progress)


def _published(known: Layout, found: Iterable[Chip]) -> Iterator[clay.Patch]:
    """Yield the chips as they were published."""
    for chip in found:
        reading = read_chips.read(chip, known.files.CODES, known.files.MASKS)
        yield reading.pixels, read_chips.columns(chip, reading)


def _batch(patch: clay.Patch | Refusal) -> Batch | Refusal:
    """Return a patch as a writer takes it: several of them, of which it is the one."""
    if isinstance(patch, Refusal):
        return patch
    pixels, columns = patch
    return {n: values[None] for n, values in pixels.items()}, {n: [v] for n, v in columns.items()}


def _digest(folder: Path, found: Iterable[Chip], options: Mapping[str, Any]) -> str:
    """Return what tells the files and options of an import from any others."""
    told = {n: str(o) for n, o in options.items() if n not in ONLY_HOW and o not in UNSAID}
    known = [(chip.id, chip.split, sorted(chip.columns.items())) for chip in found]
    files = [p for chip in found for p in (*chip.optical, *chip.radar, *chip.labels.values())]
    return fingerprint(folder, files, sorted(told.items()), known)
