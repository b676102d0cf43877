"""From the published files to a patch set."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from cubestore.patches import PatchDescription
from cubestore_pipelines.benchmarks.imported import (
    Batch,
    Imported,
    Planned,
    Progress,
    carried_out,
    fingerprint,
    first,
)
from cubestore_pipelines.benchmarks.ssl4eo.choices import Choices
from cubestore_pipelines.benchmarks.ssl4eo.chunkfiles import ChunkFiles
from cubestore_pipelines.benchmarks.ssl4eo.folders import Folders
from cubestore_pipelines.benchmarks.ssl4eo.parts import Part, parts
from cubestore_pipelines.benchmarks.ssl4eo.patch import Patch
from cubestore_pipelines.benchmarks.ssl4eo.published import (
    ATTRIBUTION,
    DATASET,
    LICENSE,
    SEASONS,
    SPLITS,
    V1,
    V11,
    Modality,
)
from cubestore_pipelines.benchmarks.ssl4eo.stacking import stacked
from cubestore_pipelines.errors import DatasetError

BATCH = 8
"""Patches that are stacked at once: a patch of v1.1 has 15 MB."""


def import_ssl4eo(
    source: str | Path,
    store: str | Path,
    *,
    choices: Choices | None = None,
    limit: int | None = None,
    plan_only: bool = False,
    progress: Progress | None = None,
) -> list[Imported]:
    """Bring SSL4EO-S12 into a store as one patch set, its seasons in the order of time.

    Args:
        source: v1: the folder of s1, s2a, s2c; v1.1: that of train and val.
        store: path of the store; made where there is none.
        choices: what of it, and how.
        limit: take the first so many patches.
        plan_only: tell what would be written, and write nothing.
        progress: who is told how it goes on.

    Returns:
        The set, and what is no part of it.

    Raises:
        DatasetError: a file that is not as it was published; the store stays as it was.
        MismatchError: choices that contradict each other.
        CubeExistsError: the set is there, made from other files or with other options.
    """
    choices, source = choices or Choices(), Path(source)
    modalities = _modalities(source, choices)
    variables = parts(modalities, choices)
    found = (
        Folders(source, modalities, choices)
        if modalities[0].version == "v1"
        else _chunk_files(source, modalities, choices)
    )
    taken = first(found.count, limit)
    planned = Planned(
        description=describe(variables, choices),
        patches=taken,
        of=found.count,
        digest=_digest(source, found, taken, choices),
        batches=lambda: _batches(found.patches(taken), variables),
        notes=found.not_part,
    )
    return carried_out([planned], store, plan_only=plan_only, progress=progress)


def describe(variables: tuple[Part, ...], choices: Choices) -> PatchDescription:
    """Return the set that some variables make, with the statistics that were published of them."""
    version = variables[0].modality.version
    return PatchDescription(
        name=choices.name or _name(version, choices),
        title=f"SSL4EO-S12 {version}",
        pixels=tuple(part.pixels() for part in variables),
        attribution=ATTRIBUTION,
        license=LICENSE,
        attributes={
            "ssl4eo_s12": {
                "version": version,
                "seasons": "in the order of time; one without a time has no acquisition",
                "rules": {part.variable: _rule(part) for part in variables},
                "published_mean": {p.variable: p.statistics()[0].tolist() for p in variables},
                "published_std": {p.variable: p.statistics()[1].tolist() for p in variables},
            }
        },
    )


def _name(version: str, choices: Choices) -> str:
    """Return the set's name, which tells what was chosen."""
    rule = {None: "", "mean-2std": "uint8", "reflectance": "uint8-reflectance"}[choices.uint8]
    told = (
        rule,
        choices.compat or "",
        "264" if choices.resample and version == "v1" else "",
        "no-offset" if choices.remove_offset else "",
    )
    return "-".join([f"{DATASET}/{version}", *filter(None, told)])


def _rule(part: Part) -> str:
    """Return how the stored numbers of a variable came from the published ones."""
    offset = "offset removed" if part.choices.remove_offset and part.modality.optical else ""
    size = "linear (INTER_LINEAR_EXACT) onto 264 x 264" if part.choices.resample else ""
    if part.choices.uint8 is None:
        byte = ""
    elif part.choices.uint8 == "reflectance" and part.modality.optical:
        byte = "x / 10000 * 255 rounded down, " + (part.choices.compat or "cut off at 255")
    else:
        byte = "clip((x - (mean - 2 std)) / (4 std) * 255) rounded down"
    return "; ".join(filter(None, (size, offset, byte))) or "as published"


def _modalities(source: Path, choices: Choices) -> tuple[Modality, ...]:
    """Return the sensors that a source has, or those of them that are wanted."""
    there = [m for m in V1 if (source / m.name).is_dir()]
    there += [m for m in V11 if any((source / split / m.name).is_dir() for split in SPLITS)]
    names = {m.name for m in there}
    wanted = {*choices.modality} or names
    if not (wanted and wanted <= names) or len({m.version for m in there}) > 1:
        raise DatasetError(
            f"{source} has {', '.join(m.name for m in there) or 'no folder of the data set'}",
            expected=f"{', '.join(choices.modality) or 's1, s2a, s2c; or train/S2L1C and so on'}",
            remedy="give the folder that has s1, s2a and s2c in it, or train and val",
        )
    return tuple(m for m in there if m.name in wanted)


def _chunk_files(source: Path, modalities: tuple[Modality, ...], choices: Choices) -> ChunkFiles:
    if choices.ids or choices.void_ids or choices.incomplete:
        raise DatasetError(
            "--ids, --void-ids or --incomplete of v1.1",
            expected=f"v1: v1.1 has no void ids, and {SEASONS} seasons of every patch",
            remedy="leave the option out, and choose with the column patch_id",
        )
    return ChunkFiles(source, modalities)


def _batches(patches: Iterator[Patch], variables: tuple[Part, ...]) -> Iterator[Batch]:
    while some := list(islice(patches, BATCH)):
        yield stacked(some, variables)


def _digest(source: Path, found: Folders | ChunkFiles, taken: int, choices: Choices) -> str:
    """Return what tells files and options from any others: lists of ids are in what was found."""
    how = replace(choices, ids=None, void_ids=None, name="")
    return fingerprint(source, found.files(taken), how, taken)
