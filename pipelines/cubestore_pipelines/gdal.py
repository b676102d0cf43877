"""GDAL, held on a short leash: which drivers may open a file, and where its bytes come from.

Whatever a file is called, its first bytes say which of two drivers opens it. Bytes of remote files
come from :mod:`cubestore_pipelines.transfer` and from nowhere else, so that GDAL has no network.
"""

import contextlib
import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import rasterio
from rasterio.abc import MultiByteRangeResourceContainer
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from cubestore_pipelines.errors import AssetError, HeaderError
from cubestore_pipelines.transfer import RemoteFile

ENVIRONMENT: Mapping[str, str] = {
    "GDAL_SKIP": "VRT DERIVED WMS WMTS WCS HTTP OGCAPI EEDAI STACIT STACTA PLMOSAIC GTI",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_CACHEMAX": "64",
    "GDAL_NUM_THREADS": "1",
    "PROJ_NETWORK": "OFF",
}
"""For every process that reads: set before GDAL is loaded. The block cache (MB) need not be large,
for windows are read once; the default would take a twentieth of the memory, a process."""

WHILE_OPEN = ("GDAL_DISABLE_READDIR_ON_OPEN", "GDAL_PAM_ENABLED", "GDAL_NUM_THREADS")
"""Those that must hold whoever started the process: threads of GDAL's own do not know a remote
file, and would leave pixels as memory had them."""

MAGIC = {
    b"II*\0": "GTiff",
    b"MM\0*": "GTiff",
    b"II+\0": "GTiff",  # BigTIFF
    b"MM\0+": "GTiff",
    b"\0\0\0\x0cjP  ": "JP2OpenJPEG",
    b"\xff\x4f\xff\x51": "JP2OpenJPEG",  # a bare code stream
}
"""First bytes -> the driver. TIFF 6.0 and BigTIFF; ISO/IEC 15444-1, annexes A and I."""

MOST_PIXELS = 2 * 10**9
"""Of a file: a Sentinel-2 band has 0.12, a WorldCover tile 1.3 thousand million."""

MOST_BLOCK = 64 * 2**20
"""Bytes of a block, which GDAL decodes as a whole."""

LINE, LINES = 2**18, 64
"""Bytes, and how many, of what is kept of a remote file that is read in small pieces."""


@contextlib.contextmanager
def opened(source: Path | RemoteFile, name: str) -> Iterator[DatasetReader]:
    """Open a raster.

    Args:
        source: a path, or a remote file that has been opened.
        name: for errors: the item and its asset.

    Raises:
        HeaderError: it is no GeoTIFF or JPEG 2000, or one that would fill the memory.
        AssetError: it cannot be read.
    """
    driver = _driver(_first_bytes(source), name)
    resource = _Files(source) if isinstance(source, RemoteFile) else None
    options = {name: ENVIRONMENT[name] for name in WHILE_OPEN}
    try:
        with rasterio.Env(**options), _open(source, driver, resource) as dataset:
            _refuse_bomb(dataset, name)
            yield dataset
        if resource is not None and resource.failures:
            raise resource.failures[0]
    except (RasterioError, OSError) as error:
        if resource is not None and resource.failures:
            raise resource.failures[0] from None
        if isinstance(error, AssetError):
            raise
        raise AssetError(
            f"{name} cannot be read: {' '.join(str(error).split())[:300]}",
            expected="a whole file",
            remedy="leave the item out with --skip-item, or report it to the provider",
        ) from None


def _open(source: Path | RemoteFile, driver: str, files: "_Files | None") -> Any:  # noqa: ANN401 - rasterio's
    with _quiet():
        if files is None:
            return rasterio.open(source, driver=driver, sharing=False)
        return rasterio.open(f"remote-{id(files)}", driver=driver, sharing=False, opener=files)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what rasterio logs of errors to itself: they are raised."""
    logger = logging.getLogger("rasterio")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _first_bytes(source: Path | RemoteFile) -> bytes:
    if isinstance(source, RemoteFile):
        return source.head[:64]
    with readable(source), source.open("rb") as file:
        return file.read(64)


@contextlib.contextmanager
def readable(source: Path) -> Iterator[None]:
    """Say in the user's terms that a file on this machine cannot be read.

    Raises:
        AssetError: it cannot.
    """
    try:
        yield
    except OSError as error:
        raise AssetError(
            f"{source} cannot be read: {error.strerror}",
            expected="a file",
            remedy="leave the item out with --skip-item, or mend its address",
        ) from None


def _driver(start: bytes, name: str) -> str:
    for magic, driver in MAGIC.items():
        if start.startswith(magic):
            return driver
    words = {b"<": "a page or a document of markup", b"{": "JSON", b"": "empty"}
    kind = words.get(start.strip()[:1], f"a file that begins with {start[:12]!r}")
    raise HeaderError(
        f"{name} is {kind}",
        expected="GeoTIFF or JPEG 2000",
        remedy="leave the item out with --skip-item, or report it to the provider",
    )


def _refuse_bomb(dataset: DatasetReader, name: str) -> None:
    rows, columns = dataset.block_shapes[0]
    block = rows * columns * max(_itemsize(kind) for kind in dataset.dtypes)
    if dataset.interleaving and dataset.interleaving.name == "pixel":
        block *= dataset.count
    if dataset.width * dataset.height > MOST_PIXELS or block > MOST_BLOCK:
        raise HeaderError(
            f"{name} claims {dataset.width} x {dataset.height} pixels in blocks of {block} bytes",
            expected=f"up to {MOST_PIXELS} pixels, and blocks of up to {MOST_BLOCK} bytes",
            remedy="leave the item out with --skip-item, or report it to the provider",
        )


def _itemsize(dtype: str) -> int:
    return np.dtype("complex128" if dtype.startswith("complex") else dtype).itemsize


class _Reader:
    """A remote file as GDAL reads it: a cursor over ranges, and many ranges at once."""

    def __init__(self, files: "_Files") -> None:
        self._files, self._at = files, 0

    def read(self, count: int = -1) -> bytes:
        size = self._files.file.size
        end = size if count < 0 else min(self._at + count, size)
        data = self._files.cached(self._at, max(0, end - self._at))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + {0: 0, 1: self._at, 2: self._files.file.size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        """Nothing is held open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get_byte_ranges(self, offsets: Sequence[int], sizes: Sequence[int]) -> list[bytes]:
        return self._files.ranges(list(zip(offsets, sizes, strict=True)))


class _Files(MultiByteRangeResourceContainer):  # type: ignore[misc]
    """A file system of one remote file. What goes wrong is kept: GDAL forgets why it failed."""

    def __init__(self, file: RemoteFile) -> None:
        self.file = file
        self.failures: list[Exception] = []
        self._lines: OrderedDict[int, bytes] = OrderedDict()

    def ranges(self, wanted: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return bytes; zeros after a failure, for nothing may be raised through GDAL."""
        try:
            if not self.failures:
                found = self.file.read(wanted)
                self._refuse_short(wanted, found)
                return found
        except Exception as error:  # noqa: BLE001 - it is raised once GDAL has returned
            self.failures.append(error)
        return [bytes(length) for _, length in wanted]

    def _refuse_short(self, wanted: Sequence[tuple[int, int]], found: Sequence[bytes]) -> None:
        for (offset, length), data in zip(wanted, found, strict=True):
            if len(data) < length:
                raise AssetError(
                    f"{self.file.url} ends at byte {self.file.size}, where its header tells of"
                    f" {offset + length}",
                    expected="a whole file: it is truncated",
                    remedy="leave the item out with --skip-item, or report it to the provider",
                )

    def cached(self, offset: int, count: int) -> bytes:
        """Return bytes by lines that are kept for a while, for reads in small pieces."""
        if offset + count <= len(self.file.head):
            return self.file.head[offset : offset + count]
        first, last = offset // LINE, (offset + max(count, 1) - 1) // LINE
        missing = [line for line in range(first, last + 1) if line not in self._lines]
        wanted = [(n * LINE, min(LINE, self.file.size - n * LINE)) for n in missing]
        for line, data in zip(missing, self.ranges(wanted) if wanted else [], strict=True):
            self._lines[line] = data
        joined = b"".join(self._lines[line] for line in range(first, last + 1))
        while len(self._lines) > LINES:
            self._lines.popitem(last=False)
        return joined[offset - first * LINE :][:count]

    # The file system, as rasterio asks for it.

    def open(self, _path: str, _mode: str = "r", **_: object) -> _Reader:
        return _Reader(self)

    def isfile(self, _path: str) -> bool:
        return True

    def isdir(self, _path: str) -> bool:
        return False

    def ls(self, _path: str) -> list[str]:
        return []

    def mtime(self, _path: str) -> int:
        return 0

    def size(self, _path: str) -> int:
        return self.file.size

    def rm(self, path: str) -> None:
        raise PermissionError(path)
