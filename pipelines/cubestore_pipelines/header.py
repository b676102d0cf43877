"""What a file's header says, held against what its item declares. No pixel is believed before."""

import hashlib
import io
import math
from functools import cache
from pathlib import Path

import numpy as np
import pyproj
from affine import Affine
from rasterio.io import DatasetReader

from cubestore_pipelines.errors import AssetError, HeaderError
from cubestore_pipelines.scene import Raster
from cubestore_pipelines.transfer import RemoteFile

TOLERANCE = 0.05
"""Pixels by which the corners of a declared grid may lie off the file's: items round."""

HASHES = {
    "12": "sha256",
    "13": "sha512",
    "11": "sha1",
    "d5": "md5",
    "16": "sha3_256",
    "14": "sha3_512",
}
"""Codes of the multihash table, those that Python can compute."""

REMEDY = (
    "the catalogue record is wrong: leave it out with --skip-item, or report it to the provider"
)


def check(dataset: DatasetReader, raster: Raster, name: str) -> None:
    """Refuse a file that is not what its item declares.

    Args:
        dataset: the file, open.
        raster: what the item declares.
        name: for errors: the item and its asset.

    Raises:
        HeaderError: CRS, shape, transform, dtype, nodata or the number of bands differ.
    """
    if not 1 <= raster.index <= dataset.count:
        raise _contradiction(name, f"{dataset.count} bands", f"band {raster.index}")
    if dataset.crs is None or dataset.transform == Affine.identity():
        raise HeaderError(
            f"{name} has no georeference", expected="a CRS and a transform", remedy=REMEDY
        )
    dtype = dataset.dtypes[raster.index - 1]
    if raster.dtype not in {"", "other", dtype}:
        raise _contradiction(name, f"of {dtype}", raster.dtype)
    nodata = dataset.nodatavals[raster.index - 1]
    if nodata is not None and raster.nodata is not None and not _same(nodata, raster.nodata):
        raise _contradiction(name, f"with nodata {nodata:g}", f"{raster.nodata:g}")
    _check_crs(dataset, raster, name)
    _check_grid(dataset, raster, name)


def _check_crs(dataset: DatasetReader, raster: Raster, name: str) -> None:
    if not raster.crs:
        return
    found = dataset.crs.to_wkt()
    far = _apart(found, raster.crs, tuple(dataset.bounds))
    if not far <= abs(dataset.transform.a) * TOLERANCE:
        code = dataset.crs.to_epsg()
        shown = f"in EPSG:{code}" if code else f"in {found[:60]}"
        raise _contradiction(name, shown, raster.crs[:60])


@cache
def _apart(one: str, other: str, bounds: tuple[float, ...]) -> float:
    """Return how far apart two CRSs put a place, in units of the first."""
    first, second = pyproj.CRS.from_user_input(one), pyproj.CRS.from_user_input(other)
    if first.equals(second, ignore_axis_order=True):
        return 0.0
    left, bottom, right, top = bounds
    x, y = np.meshgrid(np.linspace(left, right, 3), np.linspace(bottom, top, 3))
    there = pyproj.Transformer.from_crs(first, "EPSG:4326", always_xy=True).transform(x, y)
    back = pyproj.Transformer.from_crs("EPSG:4326", second, always_xy=True).transform(*there)
    apart = np.hypot(back[0] - x, back[1] - y).max()
    return float(apart) if np.isfinite(apart) else math.inf


def _check_grid(dataset: DatasetReader, raster: Raster, name: str) -> None:
    """Compare shape and transform; those of the whole item may be of another of its grids."""
    shape, corners = dataset.shape, _corners(dataset.transform, dataset.shape)
    declared = Affine(*raster.transform[:6]) if raster.transform else dataset.transform
    there = _corners(declared, raster.shape or shape)
    pixel = max(abs(dataset.transform.a), abs(dataset.transform.e))
    moved = np.abs(there - corners).max() > TOLERANCE * pixel
    other = bool(raster.shape) and raster.shape != shape and raster.own_grid
    if moved and not raster.own_grid and not (raster.shape and raster.transform):
        return
    if other:
        raise _contradiction(name, f"of {shape[0]} x {shape[1]} pixels", f"{raster.shape}")
    if moved:
        found, told = tuple(dataset.transform)[:6], raster.transform or raster.shape
        raise _contradiction(name, f"on the grid {found}", f"{told}")


def _corners(
    transform: Affine, shape: tuple[int, ...]
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rows, columns = shape
    return np.array([transform * corner for corner in ((0, 0), (columns, rows))])


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _contradiction(name: str, found: str, declared: str) -> HeaderError:
    return HeaderError(
        f"{name} is {found}", expected=f"{declared}, as the item declares", remedy=REMEDY
    )


def check_size(source: Path | RemoteFile, raster: Raster, name: str) -> None:
    """Refuse a file of another size than its item declares.

    Raises:
        HeaderError: it is.
    """
    found = source.size if isinstance(source, RemoteFile) else source.stat().st_size
    if raster.size is not None and found != raster.size:
        raise _contradiction(name, f"a file of {found} bytes", f"{raster.size}")


def check_checksum(source: Path | RemoteFile, raster: Raster, name: str) -> None:
    """Refuse a file of another checksum than its item declares; it is read whole.

    Raises:
        HeaderError: it is.
        AssetError: it cannot be read.
    """
    code, digest = raster.checksum[:2].lower(), raster.checksum[4:].lower()
    if code not in HASHES:
        return
    try:
        with _opened(source) as file:
            found = hashlib.file_digest(file, HASHES[code]).hexdigest()
    except FileNotFoundError as error:
        raise AssetError(
            f"{name} cannot be read: {error.strerror}", expected="a file", remedy=REMEDY
        ) from None
    if found != digest:
        raise _contradiction(name, f"a file whose {HASHES[code]} is {found}", digest)


def _opened(source: Path | RemoteFile) -> io.BytesIO | io.BufferedReader:
    if isinstance(source, RemoteFile):
        return io.BytesIO(source.keep())
    return source.open("rb")
