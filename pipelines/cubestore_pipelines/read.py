"""The pixels of others -> arrays on a cube's grid: the one place where archives are read.

Where a file lies on the cube's own grid, or on one whose pixels are whole multiples of it, its
pixels are taken as they are, window by window, whatever its CRS is called: zones 326xx and 327xx
are one, NAD83 lies on WGS 84. Everything else is warped, from a window in memory, with exact
coordinates for every pixel; nodata never enters an interpolation.
"""

import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window

from cubestore_pipelines import gdal, header
from cubestore_pipelines.addresses import Policy
from cubestore_pipelines.clean import Cleaning
from cubestore_pipelines.errors import HeaderError
from cubestore_pipelines.scene import Raster
from cubestore_pipelines.transfer import RemoteFile

ON_EDGE = 1e-3
"""Pixels by which edges may miss one another and still be the same."""

ALIKE = 64
"""Grids of files and shards that are kept: a scene's bands lie alike."""

MOST_WINDOW = 2**28
"""Pixels of a file that are held to warp one shard."""

SMALL = 2**22
"""Bytes of a remote file that is fetched whole, where its item has a checksum."""

COLOURS = 4
"""Bands that a photograph can have: what comes behind them is a mask."""

RESAMPLING = ("nearest", "bilinear", "cubic")

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
    """Pixels of a file's bands on a grid, and where they came from."""

    pixels: Pixels
    """``(band, y, x)``, as in the file or cleaned; :attr:`nodata` where there are none."""

    nodata: float | None
    provenance: dict[str, Any]
    """The file's address, size and ETag, without signature."""


def read(
    rasters: Sequence[Raster],
    grid: GeoBox,
    access: Access,
    *,
    name: str,
    nodata: float | None = None,
    resampling: str = "nearest",
    cleaning: Cleaning | None = None,
) -> Found | None:
    """Return the pixels of some of a file's bands on a grid.

    Args:
        rasters: where the bands lie, and what their item declares; in one file, or in several
            of one grid.
        grid: north-up; a window of a cube.
        access: how files may be reached.
        name: for errors: the item and its asset.
        nodata: the product's, where neither file nor item tell.
        resampling: of pixels that are not the cube's own.
        cleaning: of what the product does not mark as nodata.

    Returns:
        None where the file has no pixel in the grid.

    Raises:
        AssetError: the file cannot be read, may not be, or is not what the item declares.
    """
    if len({raster.href for raster in rasters}) > 1:
        stack = Stack(rasters, access, name, nodata, cleaning)
        pixels, told = _pixels(stack, grid, resampling), stack.provenance(grid, resampling)
        return None if pixels is None else Found(pixels, stack.empty, told)
    with opened(rasters, access, name=name, nodata=nodata, cleaning=cleaning) as file:
        pixels, told = _pixels(file, grid, resampling), file.provenance(grid, resampling)
    return None if pixels is None else Found(pixels, file.empty, told)


def read_document(raster: Raster, access: Access, name: str) -> bytes:
    """Return a file that is no raster, whole.

    Raises:
        AssetError: it cannot be read, may not be, or is not what the item declares.
    """
    source = _source(raster, access, name)
    if isinstance(source, RemoteFile):
        return source.keep()
    with gdal.readable(source), source.open("rb") as file:
        return file.read()


@contextlib.contextmanager
def opened(
    rasters: Sequence[Raster],
    access: Access,
    *,
    name: str,
    nodata: float | None = None,
    cleaning: Cleaning | None = None,
) -> Iterator["File"]:
    """Open some bands of a file that is what its item declares. See :func:`read`."""
    source = _source(rasters[0], access, name)
    with gdal.opened(source, name) as dataset:
        rasters = [r for r in rasters if not r.optional or r.index <= dataset.count]
        for raster in rasters:
            header.check(dataset, raster, name)
        dtype = np.dtype(dataset.dtypes[rasters[0].index - 1])
        _refuse_other_kind(dtype, cleaning, name)
        told = (dataset.nodatavals[rasters[0].index - 1], rasters[0].nodata, nodata)
        known = next((value for value in told if _can_be(value, dtype)), None)
        yield File(dataset, rasters, source, known, cleaning)


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
_KEEPING = threading.Lock()
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
        with _KEEPING:
            while len(_KEPT) >= _MOST_KEPT or sum(f.held for f in _KEPT.values()) > _MOST_HELD:
                _KEPT.pop(next(iter(_KEPT)))
            _KEPT[key] = file
    _OPENING.pop(key, None)
    return file


@cache
def _operation(file: CRS, grid: CRS) -> str:
    """Return PROJ's way between two CRSs, "" where they are one."""
    if file == grid:
        return ""
    from cubestore.warp import operation  # noqa: PLC0415 - numba is for who warps

    return operation(file, grid)


def _refuse_other_kind(dtype: np.dtype[Any], cleaning: Cleaning | None, name: str) -> None:
    if cleaning is not None and dtype.kind != cleaning.kind:
        raise HeaderError(
            f"{name} holds {dtype.name}",
            expected=f"numbers of the kind {cleaning.kind!r}, as the product has them",
            remedy="leave the item out with --skip-item, or map another asset with --profile",
        )


def _can_be(nodata: float | None, dtype: np.dtype[Any]) -> bool:
    """Whether a number can stand for nodata: -9999 is none of a byte's, NaN no integer's."""
    if nodata is None or dtype.kind not in "iu":
        return nodata is not None
    limits = np.iinfo(dtype)
    return float(nodata).is_integer() and limits.min <= nodata <= limits.max


class File:
    """Some bands of a file that is open, and what cleans them."""

    def __init__(
        self,
        dataset: DatasetReader,
        rasters: Sequence[Raster],
        source: Path | RemoteFile,
        nodata: float | None,
        cleaning: Cleaning | None,
    ) -> None:
        self.dataset, self.grid = dataset, _grid(dataset)
        self.indexes = [raster.index for raster in rasters]
        self._raster, self._source = rasters[0], source
        self.nodata, self._cleaning = nodata, cleaning

    @property
    def empty(self) -> float | None:
        """What has no data in what is read."""
        return self.nodata if self._cleaning is None else self._cleaning.nodata

    def provenance(self, grid: GeoBox, resampling: str) -> dict[str, Any]:
        """Return where pixels came from that were brought onto a grid, and how."""
        told: dict[str, Any] = {"href": self._raster.href.partition("?")[0]}
        if isinstance(self._source, RemoteFile):
            etag = {"etag": self._source.etag} if self._source.etag else {}
            told |= {"size": self._source.size} | etag
        else:
            told["size"] = self._source.stat().st_size
        told |= {"operation": way} if (way := _operation(self.grid.crs, grid.crs)) else {}
        told |= {} if _aligned(self.grid, grid) else {"resampling": resampling}
        return told | ({"checksum": self._raster.checksum} if self._raster.checksum else {})

    def read(self, rows: slice, columns: slice) -> Pixels:
        """Return a window, ``(band, y, x)``.

        Raises:
            HeaderError: it is larger than what is held in memory.
        """
        window = Window.from_slices(rows, columns)
        if window.width * window.height * len(self.indexes) > MOST_WINDOW:
            raise HeaderError(
                f"A shard needs {window.width} x {window.height} pixels of {self.dataset.name}",
                expected=f"up to {MOST_WINDOW}: the file is far finer than the cube",
                remedy="map a coarser asset with --profile",
            )
        pixels: Pixels = self.dataset.read(self.indexes, window=window)
        if self._cleaning is None:
            return pixels
        mask = self.mask(rows, columns) if self._cleaning.masked else None
        return self._cleaning.clean(pixels, self.nodata, mask)

    def mask(self, rows: slice, columns: slice) -> NDArray[np.bool_] | None:
        """Return where the file says that there is data; None where it does not say.

        A file may have a mask of its own. Else a band that is none of those that are read tells:
        one that is called alpha, or any behind the colours. What is called alpha and is read is a
        colour: NAIP's near infrared.
        """
        window = Window.from_slices(rows, columns)
        flags = self.dataset.mask_flag_enums[self.indexes[0] - 1]
        if MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:
            masked: NDArray[Any] = self.dataset.read_masks(self.indexes[0], window=window)
            return masked > 0
        kinds = enumerate(self.dataset.colorinterp, 1)
        rest = [(n, kind) for n, kind in kinds if n not in self.indexes]
        spare = [n for n, kind in rest if kind == ColorInterp.alpha or n > COLOURS]
        return self.dataset.read(spare[0], window=window) > 0 if spare else None


class Stack:
    """Bands in files of their own on one grid, that have data together or not at all."""

    def __init__(
        self,
        rasters: Sequence[Raster],
        access: Access,
        name: str,
        nodata: float | None,
        cleaning: Cleaning | None,
    ) -> None:
        self._open = partial(opened, access=access, name=name, nodata=nodata)
        self._rasters, self._cleaning = rasters, cleaning
        files = []
        for raster in rasters:
            with self._open([raster]) as file:
                files.append(file)
        self._first = files[0]
        self.grid, self._nodata = self._first.grid, self._first.nodata
        for file in files:
            self._refuse_other_grid(file, name)

    @property
    def empty(self) -> float | None:
        """What has no data in what is read."""
        return self._nodata if self._cleaning is None else self._cleaning.nodata

    def provenance(self, grid: GeoBox, resampling: str) -> dict[str, Any]:
        """Return where pixels of the first file came from."""
        return self._first.provenance(grid, resampling)

    def read(self, rows: slice, columns: slice) -> Pixels:
        """Return a window, ``(band, y, x)``."""
        bands: list[Pixels] = []
        masks: list[NDArray[np.bool_]] = []
        for raster in self._rasters:
            with self._open([raster]) as file:
                bands.append(file.read(rows, columns))
                mask = file.mask(rows, columns)
                masks += [] if mask is None else [mask]
        pixels = np.concatenate(bands)
        if self._cleaning is None:
            return pixels
        whole = np.logical_and.reduce(masks) if masks and self._cleaning.masked else None
        return self._cleaning.clean(pixels, self._nodata, whole)

    def _refuse_other_grid(self, file: File, name: str) -> None:
        if file.grid != self.grid:
            raise HeaderError(
                f"{name} has bands on several grids",
                expected="one grid for all bands of a photograph",
                remedy="leave the item out with --skip-item, or report it to the provider",
            )


def _grid(dataset: DatasetReader) -> GeoBox:
    return GeoBox(dataset.shape, dataset.transform, _crs(dataset.crs.to_wkt()))


@cache
def _crs(wkt: str) -> CRS:
    return CRS(wkt)


def _pixels(file: File | Stack, grid: GeoBox, resampling: str) -> Pixels | None:
    aligned = _aligned(file.grid, grid)
    if aligned and (aligned.factor == 1 or resampling == "nearest"):
        return _replicated(file, grid, aligned)
    return _warped(file, grid, resampling)


class _Alignment(NamedTuple):
    """How a file lies on a grid's pixels."""

    factor: int
    """How many of the grid's pixels make up the side of one of the file's."""

    row: int
    column: int
    """Of the grid, where the file begins."""


@lru_cache(ALIKE)
def _aligned(file: GeoBox, grid: GeoBox) -> _Alignment | None:
    """Return how a file lies on a grid's pixels; None where it does not."""
    down, along = (np.array([0, size / 2, size]) for size in file.shape)
    columns, rows = np.meshgrid(along, down)
    x, y = (np.asarray(values) for values in file.affine * (columns, rows))
    if file.crs != grid.crs:
        x, y = _reprojected(x, y, file.crs, grid.crs)
    found = ~grid.affine * (x, y)
    if not np.isfinite(found).all():
        return None
    column, row = (float(values[0, 0]) for values in found)
    factor = round((found[0][0, -1] - column) / file.shape[1])
    told = (round(column) + factor * columns, round(row) + factor * rows)
    if factor < 1 or np.abs(np.subtract(found, told)).max() > ON_EDGE:
        return None
    return _Alignment(factor, round(row), round(column))


def _reprojected(x: Pixels, y: Pixels, file: CRS | None, grid: CRS | None) -> tuple[Pixels, Pixels]:
    """Return places in another CRS; what has no place there is infinite."""
    from cubestore.lattice import transformer  # noqa: PLC0415 - numba is for who warps

    found = transformer(grid, file).transform(x, y)
    return np.asarray(found[0]), np.asarray(found[1])


def _replicated(file: File | Stack, grid: GeoBox, aligned: _Alignment) -> Pixels | None:
    """Read a window as it is; each pixel stands for ``factor`` x ``factor`` of the grid's."""
    factor, *starts = aligned
    spans = [
        (max(0, start), min(length, start + size * factor), start)
        for start, length, size in zip(starts, grid.shape, file.grid.shape, strict=True)
    ]
    (top, bottom, y0), (left, right, x0) = spans
    if top >= bottom or left >= right:
        return None
    first_row, last_row = (top - y0) // factor, -((y0 - bottom) // factor)
    first_column, last_column = (left - x0) // factor, -((x0 - right) // factor)
    pixels = file.read(slice(first_row, last_row), slice(first_column, last_column))
    if factor > 1:
        pixels = _repeated(pixels, factor)
        y, x = y0 + first_row * factor, x0 + first_column * factor
        pixels = pixels[:, top - y : bottom - y, left - x : right - x]
    if pixels.shape[1:] == grid.shape:
        return pixels
    whole = np.full((len(pixels), *grid.shape), file.empty or 0, pixels.dtype)
    whole[:, top:bottom, left:right] = pixels
    return whole


def _repeated(pixels: Pixels, factor: int) -> Pixels:
    """Return each pixel ``factor`` x ``factor`` times, in a third of the time of two repeats."""
    bands, rows, columns = pixels.shape
    whole = np.empty((bands, rows, factor, columns, factor), pixels.dtype)
    for column in range(factor):
        whole[:, :, 0, :, column] = pixels
    whole[:, :, 1:] = whole[:, :, :1]
    return whole.reshape(bands, rows * factor, columns * factor)


def _warped(file: File | Stack, grid: GeoBox, resampling: str) -> Pixels | None:
    """Read the window that the grid needs, and warp it in memory."""
    from cubestore.warp import source_window, warp  # noqa: PLC0415 - numba is for who warps

    method = cast("Literal['nearest', 'bilinear', 'cubic']", resampling)
    window = source_window(file.grid, grid, resampling=method)
    if window is None:
        return None
    pixels = file.read(*window)
    return warp(pixels, file.grid[window], grid, resampling=method, nodata=file.empty)
