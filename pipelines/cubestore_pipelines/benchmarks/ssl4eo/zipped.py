"""Opening a Zarr v2 group in a zip that comes from elsewhere: no code in it, and no hole.

Before anything is decoded, every array's metadata are read: numbers and texts of fixed length,
without filters (a pickle is one), compressed by a codec that only decompresses. A chunk that is
not there would be read as fill; that the pixels' are all there is checked too.
"""

import contextlib
import json
import math
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from zarr.errors import BaseZarrError
from zarr.storage import ZipStore

from cubestore_pipelines.errors import DatasetError

COMPRESSORS = ("blosc", "zlib", "gzip", "zstd", "lz4", "bz2", "lzma")
"""What may have compressed a chunk: numcodecs' plain ones."""

KINDS = "iufbU"
"""NumPy's letters of numbers and of texts of fixed length."""

MOST_CHUNK = 2**30
"""Bytes of a chunk: the largest that was published, 64 samples of 13 bands, has 116 million."""

UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    BaseZarrError,
)
"""What reading broken bytes raises, from the zip down to the codecs."""

REMEDY = "fetch the file again"


@contextlib.contextmanager
def opened(path: Path, whole: Collection[str]) -> Iterator[xr.Dataset]:
    """Open a group; its variables are read when they are looked at, times decoded and no more.

    Args:
        path: of the zip.
        whole: arrays of which every chunk has to be there.

    Raises:
        DatasetError: it is no such zip, or broken, or holds what may not be decoded.
    """
    with contextlib.ExitStack() as stack:
        with readable(path):
            _refuse_odd(path, whole)
            store = stack.enter_context(contextlib.closing(ZipStore(path, mode="r")))
            data = stack.enter_context(
                xr.open_zarr(
                    store, zarr_format=2, consolidated=False, chunks=None, mask_and_scale=False
                )
            )
        yield data


def _refuse_odd(path: Path, whole: Collection[str]) -> None:
    """Refuse a zip by its names and the metadata of its arrays alone."""
    with zipfile.ZipFile(path) as archive:
        names = frozenset(archive.namelist())
        documents = {n: json.loads(archive.read(n)) for n in names if n.endswith("/.zarray")}
    for name, document in documents.items():
        _refuse_code(document, f"{path}, {name.removesuffix('/.zarray')}")
    for name in whole:
        _refuse_holes(documents, name, names, path)


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say of which file it is that bytes are broken.

    Raises:
        DatasetError: they are.
    """
    try:
        yield
    except DatasetError:
        raise
    except UNREADABLE as error:
        raise DatasetError(
            f"{path} cannot be read: {' '.join(str(error).split())[:200]}",
            expected="a whole zip of a Zarr v2 group",
            remedy=REMEDY,
        ) from None


def _refuse_code(document: Mapping[str, Any], name: str) -> None:
    compressor = (document["compressor"] or {"id": COMPRESSORS[0]})["id"]
    kind = str(document["dtype"])[1:2]
    if document["filters"] or compressor not in COMPRESSORS or kind not in KINDS:
        odd = f"{document['dtype']}, filters {document['filters']}, compressor {compressor}"
        raise DatasetError(
            f"{name} is of {odd}",
            expected=f"numbers or texts of fixed length, no filter, and {', '.join(COMPRESSORS)}",
            remedy="do not open it: such arrays may run code; fetch the published file",
        )
    size = math.prod(document["chunks"]) * np.dtype(document["dtype"]).itemsize
    if size > MOST_CHUNK:
        raise DatasetError(
            f"{name} has chunks of {size} bytes", expected=f"up to {MOST_CHUNK}", remedy=REMEDY
        )


def _refuse_holes(
    documents: Mapping[str, Any], name: str, there: Collection[str], path: Path
) -> None:
    document = documents.get(f"{name}/.zarray")
    if document is None:
        raise DatasetError(f"{path} has no {name}", expected=f"an array {name}", remedy=REMEDY)
    shape, chunks = document["shape"], document["chunks"]
    blocks = [range(-(-size // chunk)) for size, chunk in zip(shape, chunks, strict=True)]
    mark = document.get("dimension_separator", ".")
    keys = (f"{name}/{mark.join(map(str, index))}" for index in product(*blocks))
    missing = [key for key in keys if key not in there]
    if missing:
        raise DatasetError(
            f"{path} lacks {len(missing)} chunks of {name}, {missing[0]} first",
            expected="every chunk: what is not there would be read as 0",
            remedy=REMEDY,
        )
