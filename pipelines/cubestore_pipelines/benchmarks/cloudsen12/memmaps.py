"""A folder of the memmap layout: a ``.dat`` a band, ``(N, 512, 512)``, and nothing that says N.

N is how many rows ``metadata.csv`` has; a file of another size is refused, by the patch that it
breaks off in. Files are read a few patches at a time, by plain reads: a set of any length needs
the memory of those patches.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cubestore_pipelines.benchmarks.cloudsen12 import metadata, padding
from cubestore_pipelines.benchmarks.cloudsen12.files import (
    ANGLE,
    BANDS,
    FLOAT32,
    INT16,
    RADAR,
    Plane,
    plane,
)
from cubestore_pipelines.benchmarks.cloudsen12.labels import LABELS
from cubestore_pipelines.benchmarks.cloudsen12.padding import CANVAS, Padding
from cubestore_pipelines.errors import DatasetError

ENDING = ".dat"
SAMPLE = 64
"""Patches of a file, spread over it, in which the padding is looked for."""

Values = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Memmap:
    """One file."""

    path: Path
    plane: Plane
    dtype: np.dtype[Any]
    """As stored in the set; the bytes are the file's, so that -1 in a signed byte is 255."""

    def canvases(self, first: int, count: int) -> Values:
        """Return canvases ``(patch, 512, 512)``."""
        start = first * CANVAS**2 * self.dtype.itemsize
        size = count * CANVAS**2
        return np.fromfile(self.path, self.dtype, size, offset=start).reshape(-1, CANVAS, CANVAS)

    def sample(self, patches: int) -> Values:
        """Return canvases from all over the file."""
        chosen = np.unique(np.linspace(0, patches - 1, min(patches, SAMPLE)).astype(int))
        return np.concatenate([self.canvases(one, 1) for one in chosen.tolist()])


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """The files of one folder that a set takes."""

    path: Path
    memmaps: tuple[Memmap, ...]
    rows: list[metadata.Row]
    padding: Padding
    fills: Mapping[Plane, "np.generic | None"]
    """What is outside of the images of a file."""

    ignored: tuple[str, ...]
    """Files that the set does not take."""

    size: int

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def names(self) -> list[str]:
        """What patches are called that have no id: by the folder, counted from 0."""
        return [f"{self.name}-{number:05d}" for number in range(len(self.rows))]

    def files(self) -> list[Path]:
        """Return the files that are read, and the table."""
        return [*(file.path for file in self.memmaps), self.path / metadata.FILE]

    def places(self) -> dict[str, Values]:
        """Return where each patch lies; see `metadata.places`."""
        return metadata.places(self.rows)

    @property
    def dtypes(self) -> dict[Plane, np.dtype[Any]]:
        """What there is, and as what."""
        return {file.plane: file.dtype for file in self.memmaps}

    def where(self, variable: str, patch: int) -> str:
        """Return the file and the patch, for people."""
        file = next(file for file in self.memmaps if file.plane.variable == variable)
        return f"{file.path}, patch {patch} ({self.rows[patch]})"

    def read(self, first: int, count: int) -> Iterator[tuple[Plane, Values]]:
        """Yield the images of each file, ``(patch, y, x)``.

        Raises:
            DatasetError: something else than padding outside of an image.
        """
        for file in self.memmaps:
            canvases = file.canvases(first, count)
            odd = self.padding.odd(canvases, self.fills[file.plane])
            if odd is not None:
                raise DatasetError(
                    f"{self.where(file.plane.variable, first + odd)}: pixels outside of the image "
                    f"({self.padding}) that are not {self.fills[file.plane]}",
                    expected="one value around the images, in all patches of a file",
                    remedy="state another --padding; none keeps all pixels",
                )
            yield file.plane, self.padding.cut(canvases)

    def published(self) -> dict[str, Any]:
        """Return what the files were, so that they can be written again."""
        return {
            "folder": self.name,
            "patches": len(self.rows),
            "padding": [self.padding.top, self.padding.left],
            "files": {
                file.path.name: {
                    "variable": file.plane.variable,
                    "band": file.plane.band,
                    "around": "" if fill is None else fill.tobytes().hex(),
                }
                for file in self.memmaps
                for fill in [self.fills[file.plane]]
            },
        }


def open_folder(path: Path, *, bands: Sequence[str] | None, stated: Padding | None) -> Folder:
    """Check a folder's table and the sizes of its files, and find the padding.

    Args:
        path: the folder.
        bands: of Sentinel-2, those that are taken; None: all.
        stated: what the user says of the padding; None: it is found.

    Raises:
        DatasetError: a file that is short, missing, or twice; rows that have no patch.
    """
    rows = metadata.read(path / metadata.FILE)
    known, ignored = _known(path)
    chosen = _chosen(path, known, bands)
    ignored += [file.name for one, file in known.items() if one not in chosen]
    files = tuple(Memmap(known[one], one, _dtype(known[one], one, rows)) for one in chosen)
    place = stated or padding.find((str(file.path), file.sample(len(rows))) for file in files)
    fills = {file.plane: place.fill(file.canvases(0, 1)) for file in files}
    return Folder(
        path=path,
        memmaps=files,
        rows=rows,
        padding=place,
        fills=fills,
        ignored=tuple(sorted(ignored)),
        size=place.size,
    )


def planes(path: Path) -> list[Plane]:
    """Return what the names of a folder's files say that there is."""
    return list(_known(path)[0])


def _known(path: Path) -> tuple[dict[Plane, Path], list[str]]:
    known: dict[Plane, Path] = {}
    ignored = []
    for file in sorted(path.glob(f"*{ENDING}")):
        one = plane(file.stem)
        if one is None:
            ignored.append(file.name)
        elif one in known:
            raise DatasetError(
                f"{known[one]} and {file.name} are both {one}",
                expected="a file of each",
                remedy="keep one of them",
            )
        else:
            known[one] = file
    return known, ignored


def _chosen(path: Path, known: Mapping[Plane, Path], bands: Sequence[str] | None) -> list[Plane]:
    chosen = []
    for variable, every in BANDS.items():
        if any(one.variable == variable for one in known):
            optical = bands if bands is not None and variable != RADAR else every
            chosen += [Plane(variable, band) for band in every if band in optical]
    missing = [one for one in chosen if one not in known]
    if missing:
        raise DatasetError(
            f"{path} has no {missing[0]}{ENDING}",
            expected=f"{', '.join(map(str, chosen))}",
            remedy="fetch the file, or name the bands that there are with --bands",
        )
    if not chosen:
        raise DatasetError(
            f"{path} has no pixels, only {', '.join(f.name for f in known.values()) or 'none'}",
            expected=f"L1C_B4{ENDING}, LABEL_manual_hq{ENDING} and the like",
            remedy="give the folder that the files lie in, and bands that they have",
        )
    return chosen + [one for one in sorted(known) if one.variable not in BANDS]


def _dtype(path: Path, one: Plane, rows: Sequence[metadata.Row]) -> np.dtype[Any]:
    """Return what a file is stored as, by its size and the number of patches."""
    possible = _possible(one)
    held = {dtype: path.stat().st_size / (CANVAS**2 * dtype.itemsize) for dtype in possible}
    for dtype, patches in held.items():
        if patches == len(rows):
            return dtype
    dtype, patches = min(held.items(), key=lambda item: abs(item[1] - len(rows)))
    whole = int(patches)
    table = rows[0].file
    found = f"{path} has {path.stat().st_size} bytes, {whole} patches of {dtype}"
    if whole < len(rows):
        found += (
            f" and {'a part of' if patches % 1 else 'nothing of'} patch {whole} ({rows[whole]})"
        )
    else:
        found += f", but {table} has {len(rows)} rows: patch {len(rows)} has none"
    raise DatasetError(
        found,
        expected=f"{len(rows)} x {CANVAS} x {CANVAS} x {dtype.itemsize} bytes, a patch a row",
        remedy="fetch the file again, or the table that was published with it",
    )


def _possible(one: Plane) -> list[np.dtype[Any]]:
    """Return what a file may be: labels are of one byte or two, whatever the card says."""
    if one.variable in LABELS:
        return [np.dtype("uint8"), INT16]
    return [FLOAT32] if one.variable in {RADAR, ANGLE} else [INT16]
