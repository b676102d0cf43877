"""One file of a flood data set, whole, and its numbers as a patch set keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from cubestore_pipelines import gdal
from cubestore_pipelines.errors import AssetError, DatasetError

SIDE = 512
"""Pixels along a chip's side, in both data sets."""

ON_EDGE = 0.05
"""Pixels by which the corners of a chip's files may miss one another: what was resampled onto
degrees was written with as many digits as there were, and is off by less than a millionth."""

NODATA = -32768
"""Of reflectance, as cubes have it."""

UNLABELLED = 255
"""Of labels, as the store has it."""

_WHOLE = "the whole file, as it was published"

Pixels = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Raster:
    """The bands of a file."""

    name: str
    """For errors: the file, and the patch it belongs to."""

    pixels: Pixels
    """``(band, y, x)``, as in the file."""

    grid: GeoBox
    nodata: float | None


def read(path: Path, patch: str, bands: int = 1) -> Raster:
    """Return a file.

    Args:
        path: of a GeoTIFF of 512 x 512 pixels, north up.
        patch: for errors: whose file it is.
        bands: how many it must have.

    Raises:
        DatasetError: it is not there, not whole, or of another shape.
    """
    name = f"{path} of patch {patch}"
    if not path.is_file():
        raise DatasetError(
            f"{name} is not there", expected=_WHOLE, remedy="complete the source, or copy it again"
        )
    try:
        with gdal.opened(path, name) as file:
            shape = (file.count, *file.shape)
            _refuse_other_shape(name, shape, (bands, SIDE, SIDE))
            if file.crs is None or file.transform.e >= 0 or file.transform.b or file.transform.d:
                raise _unfit(f"{name} is on no map", "a CRS, and a grid that is north up")
            grid = GeoBox(file.shape, file.transform, CRS(file.crs.to_epsg() or file.crs.to_wkt()))
            return Raster(name, file.read(), grid, file.nodata)
    except AssetError as error:
        raise _unfit(error.found, error.expected or _WHOLE) from None


def bands(paths: Sequence[Path], patch: str, count: int) -> list[Raster]:
    """Return the files that hold the bands of a sensor: one with all of them, or one for each.

    Raises:
        DatasetError: a file is not as it was published.
    """
    each = count if len(paths) == 1 else 1
    return [read(path, patch, each) for path in paths]


def refuse_other_grid(file: Raster, grid: GeoBox) -> None:
    """Refuse a file that lies elsewhere than the chip's others.

    Raises:
        DatasetError: it does.
    """
    corners = np.array([[0, 0], [SIDE, SIDE]], float).T
    x, y = (~grid.affine * file.grid.affine) * (corners[0], corners[1])
    off = np.abs(np.stack([x, y]) - corners).max()
    if file.grid.crs != grid.crs or off > ON_EDGE:
        raise _unfit(
            f"{file.name} lies on {file.grid.crs} {tuple(file.grid.affine)[:6]}",
            f"{grid.crs} {tuple(grid.affine)[:6]}, as the chip's other files",
        )


def reflectance(file: Raster, dn_offset: int = 0) -> NDArray[np.int16]:
    """Return digital numbers of Sentinel-2 as cubes have them; 0 is nodata in every product.

    Args:
        file: whose numbers are whole, whatever their dtype.
        dn_offset: what is added to them.

    Raises:
        DatasetError: they are none.
    """
    found = file.pixels
    if not np.array_equal(found, np.rint(found)) or found.min() < 0 or found.max() >= 2**16:
        raise _unfit(
            f"{file.name} holds numbers from {found.min()} to {found.max()}",
            "digital numbers of 16 bits, reflectance times 10000",
        )
    limits = np.iinfo("int16")
    numbers = found.astype("int32")
    shifted = np.clip(numbers + dn_offset, limits.min + 1, limits.max)
    stored: NDArray[np.int16] = shifted.astype("int16")
    stored[(numbers == 0) | (numbers == (file.nodata or 0))] = NODATA
    return stored


def decibels(file: Raster) -> NDArray[np.float32]:
    """Return backscatter in decibels, NaN where there is none.

    Raises:
        DatasetError: it is mostly above zero, as linear power is.
    """
    found = file.pixels.astype("float32")
    empty = ~np.isfinite(found)
    if file.nodata is not None:
        empty |= found == np.float32(file.nodata)
    told = found[~empty]
    if np.count_nonzero(told > 0) > told.size / 2:
        raise _unfit(f"{file.name} is mostly above zero, as linear power is", "decibels")
    return np.where(empty, np.float32(np.nan), found)


def labels(file: Raster, codes: Mapping[int, int]) -> NDArray[np.uint8]:
    """Return classes ``(y, x)`` as the set has them.

    Args:
        file: of one band.
        codes: of the data set -> of the patch set.

    Raises:
        DatasetError: a code that the data set does not have.
    """
    (found,) = file.pixels
    strange = ~np.isin(found, list(codes))
    if strange.any():
        row, column = np.argwhere(strange)[0]
        raise _unfit(
            f"{file.name} has the class {found[row, column]} in row {row}, column {column}",
            f"one of {', '.join(map(str, codes))}",
        )
    stored = np.full(found.shape, UNLABELLED, "uint8")
    for code, meaning in codes.items():
        stored[found == code] = meaning
    return stored


def _refuse_other_shape(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise _unfit(
            f"{name} has {found[0]} bands of {found[1]} x {found[2]} pixels",
            f"{expected[0]} of {expected[1]} x {expected[2]}",
        )


def _unfit(found: str, expected: str) -> DatasetError:
    return DatasetError(
        found,
        expected=expected,
        remedy="get this file again, or leave its chip out of the source; nothing was stored",
    )
