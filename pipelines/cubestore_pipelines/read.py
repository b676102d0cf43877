"""The pixels of others -> arrays on a cube's grid: the one place where archives are read.

Where a file lies on the cube's own grid, or on one whose pixels are whole multiples of it, its
pixels are taken as they are, window by window. Everything else is warped, from a window in memory,
with exact coordinates for every pixel; nodata never enters an interpolation.
"""

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.overlap import compute_reproject_roi
from odc.geo.types import NormalizedSlice
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.io import DatasetReader, MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from cubestore_pipelines import gdal, header
from cubestore_pipelines.addresses import Policy
from cubestore_pipelines.errors import HeaderError
from cubestore_pipelines.scene import Raster
from cubestore_pipelines.transfer import RemoteFile

ON_EDGE = 1e-3
"""Pixels by which edges may miss one another and still be the same."""

EXACT = 1e-5
"""Pixels by which coordinates of a warp may be off. GDAL's own default, an eighth, takes the wrong
source pixel for one in forty."""

PADDING = 8
"""Pixels of the source read around what a warp needs: cubic looks two further, times its scale."""

MOST_WINDOW = 2**28
"""Pixels of a file that are held to warp one shard."""

SMALL = 2**22
"""Bytes of a remote file that is fetched whole, where its item has a checksum."""

RESAMPLING = ("nearest", "bilinear", "cubic", "average")

Pixels = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How files may be reached."""

    policy: Policy
    sign: Callable[[str], str] = field(default=str)
    timeout: float = 30.0
    checksums: bool = True
    """Whether files are held against their item's checksum: those on this machine's disk, and
    small ones."""

    build: str = ""
    """What tells a build from others in the same process."""


@dataclass(frozen=True, slots=True)
class Found:
    """Pixels of a band on a grid, and where they came from."""

    pixels: Pixels
    """``(y, x)``, as in the file; :attr:`nodata` where the file has none."""

    nodata: float | None
    provenance: dict[str, Any]
    """The file's address, size and ETag, without signature."""


def read(
    raster: Raster,
    grid: GeoBox,
    access: Access,
    *,
    name: str,
    nodata: float | None = None,
    resampling: str = "nearest",
) -> Found | None:
    """Return a band's pixels on a grid.

    Args:
        raster: where the band lies, and what its item declares.
        grid: north-up; a window of a cube.
        access: how files may be reached.
        name: for errors: the item and its asset.
        nodata: the product's, where neither file nor item tell.
        resampling: of pixels that are not the cube's own.

    Returns:
        None where the file has no pixel in the grid.

    Raises:
        AssetError: the file cannot be read, may not be, or is not what the item declares.
    """
    source = _source(raster, access, name)
    with gdal.opened(source, name) as dataset:
        header.check(dataset, raster, name)
        told = (dataset.nodatavals[raster.index - 1], raster.nodata, nodata)
        known = next((value for value in told if value is not None), None)
        pixels = _pixels(dataset, raster.index, grid, known, resampling)
    return None if pixels is None else Found(pixels, known, _provenance(source, raster))


def _source(raster: Raster, access: Access, name: str) -> Path | RemoteFile:
    path = access.policy.path(raster.href)
    if path is None:
        remote = _remote(raster.href, access)
        header.check_size(remote, raster, name)
        if access.checksums and raster.checksum and remote.size <= SMALL:
            header.check_checksum(remote, raster, name)
        return remote
    header.check_size(path, raster, name) if path.exists() else None
    if access.checksums and raster.checksum:
        _checked(str(path), raster, name)
    return path


@cache
def _checked(path: str, raster: Raster, name: str) -> None:
    """Compute the checksum of a file once in a process."""
    header.check_checksum(Path(path), raster, name)


_KEPT: dict[tuple[str, str], RemoteFile] = {}
_OPENING: dict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
_MOST_KEPT, _MOST_HELD = 256, 2**26
"""Files whose first bytes stay in a process: the next shard of a band asks for no header."""


def _remote(url: str, access: Access) -> RemoteFile:
    """Open a remote file once a build and process; it is one version of the file throughout."""
    key = (access.build, url)
    with _OPENING[key]:
        if known := _KEPT.get(key):
            return known
        file = RemoteFile(url, access.sign, access.policy, access.timeout).open()
        while len(_KEPT) >= _MOST_KEPT or sum(f.held for f in _KEPT.values()) > _MOST_HELD:
            _KEPT.pop(next(iter(_KEPT)), None)
        _KEPT[key] = file
    _OPENING.pop(key, None)
    return file


def _provenance(source: Path | RemoteFile, raster: Raster) -> dict[str, Any]:
    told: dict[str, Any] = {"href": raster.href.partition("?")[0]}
    if isinstance(source, RemoteFile):
        told |= {"size": source.size} | ({"etag": source.etag} if source.etag else {})
    else:
        told["size"] = source.stat().st_size
    return told | ({"checksum": raster.checksum} if raster.checksum else {})


def _pixels(
    dataset: DatasetReader, index: int, grid: GeoBox, nodata: float | None, resampling: str
) -> Pixels | None:
    factor = _aligned(dataset, grid)
    if factor == 1 or (factor and resampling == "nearest"):
        return _replicated(dataset, index, grid, factor, nodata)
    return _warped(dataset, index, grid, nodata, resampling)


def _aligned(dataset: DatasetReader, grid: GeoBox) -> int:
    """Return how many of the grid's pixels make up the side of one of the file's, 0 for none."""
    file, mine = dataset.transform, grid.affine
    if file.b or file.d or file.a <= 0 or file.e >= 0 or dataset.crs != _rasterio(grid):
        return 0
    factor = round(file.a / mine.a)
    whole = (
        file.a / mine.a,
        file.e / mine.e,
        (file.c - mine.c) / mine.a,
        (file.f - mine.f) / mine.e,
    )
    reach = max(dataset.shape) * factor
    same = abs(whole[0] - factor) * reach < ON_EDGE and abs(whole[1] - factor) * reach < ON_EDGE
    edges = all(abs(value - round(value)) < ON_EDGE for value in whole[2:])
    return factor if factor >= 1 and same and edges else 0


def _rasterio(grid: GeoBox) -> CRS:
    return _crs(str(grid.crs))


@cache
def _crs(wkt: str) -> CRS:
    return CRS.from_user_input(wkt)


def _replicated(
    dataset: DatasetReader, index: int, grid: GeoBox, factor: int, nodata: float | None
) -> Pixels | None:
    """Read a window as it is; each pixel stands for ``factor`` x ``factor`` of the grid's."""
    row = round((dataset.transform.f - grid.affine.f) / grid.affine.e)
    column = round((dataset.transform.c - grid.affine.c) / grid.affine.a)
    spans = [
        (max(0, start), min(length, start + size * factor), start)
        for start, length, size in zip((row, column), grid.shape, dataset.shape, strict=True)
    ]
    (top, bottom, y0), (left, right, x0) = spans
    if top >= bottom or left >= right:
        return None
    first_row, last_row = (top - y0) // factor, -((y0 - bottom) // factor)
    first_column, last_column = (left - x0) // factor, -((x0 - right) // factor)
    window = Window(first_column, first_row, last_column - first_column, last_row - first_row)
    pixels: Pixels = dataset.read(index, window=window)
    if factor > 1:
        pixels = _repeated(pixels, factor)
        y, x = y0 + first_row * factor, x0 + first_column * factor
        pixels = pixels[top - y : bottom - y, left - x : right - x]
    if pixels.shape == grid.shape:
        return pixels
    whole = np.full(grid.shape, 0 if nodata is None else nodata, pixels.dtype)
    whole[top:bottom, left:right] = pixels
    return whole


def _repeated(pixels: Pixels, factor: int) -> Pixels:
    """Return each pixel ``factor`` x ``factor`` times, in a third of the time of two repeats."""
    rows, columns = pixels.shape
    whole = np.empty((rows, factor, columns, factor), pixels.dtype)
    for column in range(factor):
        whole[:, 0, :, column] = pixels
    whole[:, 1:] = whole[:, :1]
    return whole.reshape(rows * factor, columns * factor)


def _warped(
    dataset: DatasetReader, index: int, grid: GeoBox, nodata: float | None, resampling: str
) -> Pixels | None:
    """Read the window that the grid needs, and warp it in memory."""
    file = GeoBox(dataset.shape, dataset.transform, dataset.crs.to_wkt())
    overlap = compute_reproject_roi(file, grid, padding=PADDING)
    rows, columns = overlap.roi_src
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    down, right = (
        _grown(span, size) for span, size in zip(overlap.roi_dst, grid.shape, strict=True)
    )
    window = Window.from_slices(rows, columns)
    if window.width * window.height > MOST_WINDOW:
        raise HeaderError(
            f"A shard needs {window.width} x {window.height} pixels of {dataset.name}",
            expected=f"up to {MOST_WINDOW}: the file is far finer than the cube",
            remedy="map a coarser asset with --profile",
        )
    pixels = dataset.read(index, window=window)
    profile = {
        "count": 1,
        "dtype": pixels.dtype,
        "height": pixels.shape[0],
        "width": pixels.shape[1],
    }
    place = {"crs": dataset.crs, "transform": dataset.window_transform(window)}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", **profile, **place) as writer:
            writer.write(pixels, 1)
        with memory.open() as reader:
            part = _on(reader, grid[down, right], nodata, resampling)
    whole = np.full(grid.shape, 0 if nodata is None else nodata, part.dtype)
    whole[down, right] = part
    return whole


def _grown(span: NormalizedSlice, size: int) -> slice:
    """Return a span with a little around it: where a file ends is an estimate."""
    return slice(max(0, span.start - PADDING), min(size, span.stop + PADDING))


def _on(reader: DatasetReader, grid: GeoBox, nodata: float | None, resampling: str) -> Pixels:
    """Warp with GDAL's virtual raster, the one way to tell rasterio 1.4 how exact to be."""
    height, width = grid.shape
    with WarpedVRT(
        reader,
        crs=_rasterio(grid),
        transform=grid.affine,
        height=height,
        width=width,
        resampling=Resampling[resampling],
        src_nodata=nodata,
        nodata=nodata,
        tolerance=EXACT,
    ) as warped:
        pixels: Pixels = warped.read(1)
    return pixels
