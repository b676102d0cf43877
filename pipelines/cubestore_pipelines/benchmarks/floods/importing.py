"""A folder of chips -> a patch set, which appears whole or not at all."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import cubestore
from cubestore.errors import CubeExistsError, CubestoreError
from cubestore.patches import PatchDescription, PatchSet
from cubestore_pipelines.benchmarks.floods import chips as read_chips
from cubestore_pipelines.benchmarks.floods import clay
from cubestore_pipelines.benchmarks.floods.chips import Chip, Pixels
from cubestore_pipelines.benchmarks.floods.layouts import Layout, layout_of
from cubestore_pipelines.benchmarks.imported import Imported
from cubestore_pipelines.errors import DatasetError, NothingFoundError
from cubestore_pipelines.failures import Refusal

DIGEST = "source_digest"
"""The attribute that tells from which files a set was made, and with which options."""

ONLY_HOW = {"allow", "timeout", "checksums"}
"""Options that say how files are reached, and change no pixel."""

UNSAID: tuple[object, ...] = (None, "", ())
"""What options are that nobody gave; an offset of 0 is given."""

Patch = tuple[Pixels, Mapping[str, Any]]
"""A patch's variables and columns."""


def import_floods(
    source: str | Path,
    store: str | Path,
    *,
    layout: str = "",
    incomplete: bool = False,
    compat: Literal["", "clay"] = "",
    **archive: Any,  # noqa: ANN401 - those of choices
) -> Imported:
    """Bring a flood data set into a store; what is there already is left as it is.

    Args:
        source: the folder of its chips, or one above it.
        store: path of the store; made where it is not there.
        layout: ``c2sms`` or ``sen1floods11``; "": as the files tell.
        incomplete: take what is there of a source that lacks files, and list the rest.
        compat: ``clay``: where pixels are read anew, the scene that Clay's own script took: the
            first of the day, whichever granule it is, everything resampled nearest.
        archive: where pixels are read anew, Clay's way: ``catalog``, ``profile``, ``collection``,
            ``skip_item``, ``dn_offset``, ``resampling``, ``allow``, ``timeout``, ``checksums`` of
            :func:`cubestore_pipelines.choices`.

    Returns:
        The patch set, and what the source has that the set has not.

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
    digest = _digest(folder, found, {"compat": compat, **archive})
    if archive.get("catalog") or archive.get("profile"):
        way = clay.Way(found, known, compat, archive)
        made = _import(Path(store), way.description(**{DIGEST: digest}), found, way.patches())
    else:
        patches = _published(known, found)
        made = _import(Path(store), known.description(**{DIGEST: digest}), found, patches)
    return Imported(name=made.name, patches=made.patches, left_out=(*lacking, *made.left_out))


def _published(known: Layout, found: Iterable[Chip]) -> Iterator[Patch]:
    """Yield the chips as they were published."""
    for chip in found:
        reading = read_chips.read(chip, known.files.CODES, known.files.MASKS)
        yield reading.pixels, read_chips.columns(chip, reading)


def _import(
    path: Path,
    description: PatchDescription,
    found: Sequence[Chip],
    patches: Iterable[Patch | Refusal],
) -> Imported:
    """Write a set, unless it is there as it would be made."""
    store = cubestore.create_store(path)
    if description.name in store.patch_sets():
        return _there(store.patches(description.name), description, found)
    left_out: list[str] = []
    with store.create_patches(description) as writer:
        for patch in patches:
            if isinstance(patch, Refusal):
                left_out.append(f"{patch.item}: {_said(patch)}")
                continue
            pixels, columns = patch
            writer.append(
                {name: values[None] for name, values in pixels.items()},
                {name: [value] for name, value in columns.items()},
            )
        if not writer.count:
            raise NothingFoundError(f"None of {len(found)} chips has its scenes. {left_out[0]}")
        count = writer.count
    return Imported(name=description.name, patches=count, left_out=tuple(left_out))


def _there(there: PatchSet, description: PatchDescription, found: Sequence[Chip]) -> Imported:
    """Return a set that is there, if it was made from the same files with the same options."""
    if there.root().attributes.get(DIGEST) != description.attributes[DIGEST]:
        raise CubeExistsError(
            f"{there.path} is there, made from other files or with other options",
            expected="a name that is free, or the same files and options",
            remedy="remove it and its record, or choose another store, to import anew",
        )
    names = set(map(str, there.open().patch_id.values))
    missing = [chip.id for chip in found if chip.id not in names]
    why = "was left out when the set was made; remove the set to try again"
    told = tuple(f"{name}: {why}" for name in missing)
    return Imported(name=there.name, patches=len(names), left_out=told)


def _said(refusal: Refusal) -> str:
    return str(CubestoreError(refusal.found, expected=refusal.expected, remedy=refusal.remedy))


def _digest(folder: Path, found: Iterable[Chip], options: Mapping[str, Any]) -> str:
    """Return what tells the files and options of an import from any others: no byte is read."""
    told = {n: str(o) for n, o in options.items() if n not in ONLY_HOW and o not in UNSAID}
    digest = hashlib.sha256(repr(sorted(told.items())).encode())
    for chip in found:
        for path in (*chip.optical, *chip.radar, *chip.labels.values()):
            about = path.stat() if path.exists() else None
            size = (about.st_size, about.st_mtime_ns) if about else ()
            digest.update(repr((str(path.relative_to(folder)), *size)).encode())
        digest.update(repr((chip.id, chip.split, sorted(chip.columns.items()))).encode())
    return digest.hexdigest()
