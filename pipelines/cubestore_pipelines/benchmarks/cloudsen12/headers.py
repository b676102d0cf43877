"""What the GeoTIFFs of a patch hold, by their names, descriptions and headers."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.io import DatasetReader

from cubestore_pipelines.benchmarks.cloudsen12.files import BANDS, L1C, L2A, RADAR, Plane, plane
from cubestore_pipelines.benchmarks.cloudsen12.labels import LABELS
from cubestore_pipelines.errors import AssetError, DatasetError
from cubestore_pipelines.gdal import opened

ENDING = ".tif"
MANY = {"s2l1c": L1C, "s2l2a": L2A, "s1": RADAR}
"""Files of many bands, by name -> the variable."""


@dataclass(frozen=True, slots=True)
class Band:
    """Where a plane is in a patch's folder."""

    file: str
    """Relative to the folder."""

    index: int
    """Counted from 1."""

    dtype: np.dtype[Any]
    """As stored in the set."""

    shape: tuple[int, int]


def bands_of(folder: Path) -> tuple[dict[Plane, Band], list[str]]:
    """Return what a patch's folder holds, in the order of a set, and files that mean nothing.

    Raises:
        DatasetError: a file that cannot be read, or whose bands cannot be told.
    """
    found: dict[Plane, Band] = {}
    ignored = []
    for file in sorted(folder.rglob(f"*{ENDING}")):
        variable, single = MANY.get(file.stem.lower()), plane(file.stem)
        name = file.relative_to(folder).as_posix()
        if variable is None and single is None:
            ignored.append(name)
            continue
        with tif(file) as data:
            planes = {single: 1} if single else _planes(variable or "", data, file)
            for one, index in planes.items():
                found[one] = Band(name, index, _dtype(one, data.dtypes[index - 1]), data.shape)
    order = [Plane(v, band) for v, every in BANDS.items() for band in every]
    ranks = {one: order.index(one) if one in order else len(order) for one in found}
    return {one: found[one] for one in sorted(found, key=lambda one: (ranks[one], one))}, ignored


def _planes(variable: str, data: DatasetReader, file: Path) -> dict[Plane, int]:
    """Return the bands of a file: by their descriptions, or all of them in order."""
    every = BANDS[variable]
    told = [(text or "").lower().replace("_", "") for text in data.descriptions]
    named = {_spelled(band): band for band in every} | {band.lower(): band for band in every}
    known = {Plane(variable, named[t]): k for k, t in enumerate(told, 1) if t in named}
    if known:
        return known
    if any(told) or data.count != len(every):
        raise unlike(file, f"{data.count} bands {', '.join(told)}".rstrip(", "), ", ".join(every))
    return {Plane(variable, band): index for index, band in enumerate(every, 1)}


def _spelled(band: str) -> str:
    """Return ``b4`` for B04, as Earth Engine has it."""
    return f"b{band[1:].lstrip('0')}".lower()


def _dtype(one: Plane, dtype: str) -> np.dtype[Any]:
    kind = np.dtype(dtype)
    if one.variable not in LABELS:
        return kind
    return np.dtype("int16") if one.variable == "qa60" or kind.itemsize == 2 else np.dtype("uint8")  # noqa: PLR2004 - bytes


@contextlib.contextmanager
def tif(file: Path) -> Iterator[DatasetReader]:
    """Open a file.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        with opened(file, str(file)) as data:
            yield data
    except AssetError as error:
        raise DatasetError(
            error.found, expected="a whole GeoTIFF", remedy="fetch the file again"
        ) from None


def unlike(file: Path, found: str, expected: str) -> DatasetError:
    """Return the error that a file is not as it should be."""
    return DatasetError(
        f"{file} has {found}",
        expected=expected,
        remedy="fetch the patch again, leave it out, or name the bands that all have with --bands",
    )
