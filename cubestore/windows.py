"""One seam to the pixels of an array, wherever it lies: windows of it, into the caller's buffer.

On this machine's disk `cubestore.shards` reads; anything else (an object store, or an array that is
cut in another way) goes through zarr, several times slower, and says so.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import FsspecStore, LocalStore, StorePath

from cubestore import reader
from cubestore.encoding import Array, Json
from cubestore.errors import DamagedError
from cubestore.shards import Shards, Verify, axes, damaged

log = logging.getLogger(__name__)


class Windows(Protocol):
    """The windows of one array ``(…, [band,] y, x)``."""

    array: Array
    bands: int
    """How many bands it has; 1 where it has none."""

    lead: int
    """How many dims come before those: labels of a patch have no season."""

    reader: str
    """What reads it: ``shards`` or ``zarr``."""

    def read(
        self,
        lead: Sequence[int],
        corner: tuple[int, int],
        out: NDArray[Any],
        bands: NDArray[np.int64],
    ) -> None:
        """Fill ``out`` (bands, y, x); see `cubestore.shards.Shards.read`."""


def windows(
    group: str,
    name: str,
    document: Json,
    *,
    verify: Verify = "first",
    committed: Callable[[str], bool] = lambda _: False,
) -> Windows:
    """Return the windows of an array of a group, by the quickest reader that can have them.

    Args:
        group: path or address of the group.
        name: the array's.
        document: its ``zarr.json``, as of one commit.
        verify: when chunks are compared with their checksums; zarr always does it.
        committed: whether a key was ever stored, asked where its file is not there.
    """
    array = Array.from_document(name, document)
    if "://" not in group and Path(group).is_dir() and Shards.can_read(array, document):
        return Shards(group, array, verify=verify, committed=committed)
    log.warning("%s/%s is read through zarr: it is not on this disk, or not cut by us", group, name)
    return PlainWindows(group, array, document, committed=committed)


class PlainWindows:
    """Windows by zarr-python: from anywhere, of any chunks."""

    reader = "zarr"

    def __init__(
        self,
        group: str,
        array: Array,
        document: Mapping[str, Any],
        *,
        committed: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.array, self._group, self._committed = array, group, committed
        self._found: set[str] = set()
        self.banded, self.lead = axes(array.dims)
        self.bands = array.shape[-3] if self.banded else 1
        store = FsspecStore.from_url(group) if "://" in group else LocalStore(group, read_only=True)
        self._pixels = zarr.Array.from_dict(StorePath(store, array.name), dict(document))

    def read(
        self,
        lead: Sequence[int],
        corner: tuple[int, int],
        out: NDArray[Any],
        bands: NDArray[np.int64],
    ) -> None:
        """Fill ``out`` (bands, y, x); what lies beyond the array is nodata."""
        inside = [
            slice(max(0, c), max(0, min(c + n, s)))
            for c, n, s in zip(corner, out.shape[1:], self.array.shape[-2:], strict=True)
        ]
        key: Any = (*lead, *([bands] if self.banded else []), *inside)
        pixels = self._read(key).reshape(len(bands), *map(_length, inside))
        self._refuse_lost(lead, inside, pixels)
        target = tuple(
            slice(part.start - c, part.start - c + _length(part))
            for part, c in zip(inside, corner, strict=True)
        )
        if pixels.shape != out.shape:
            out[...] = self.array.fill
        out[:, target[0], target[1]] = pixels

    def _refuse_lost(
        self, lead: Sequence[int], inside: Sequence[slice], pixels: NDArray[Any]
    ) -> None:
        """Refuse nodata where a shard was committed and is gone: zarr reads both alike."""
        outer = [i // n for i, n in zip(lead, self.array.block, strict=False)]
        outer += [0] if self.banded else []
        spans = (_blocks(part, n) for part, n in zip(inside, self.array.block[-2:], strict=True))
        for (row, rows), (column, columns) in product(*spans):
            key = self.array.key((*outer, row, column))
            nothing = _is_nothing(pixels[:, rows, columns], self.array.fill)
            if nothing and self._committed(key) and not self._is_there(key):
                raise damaged(f"{self._group}/{key}", "is missing")

    def _is_there(self, key: str) -> bool:
        if key not in self._found and reader.exists(f"{self._group}/{key}"):
            self._found.add(key)
        return key in self._found

    def _read(self, key: Any) -> NDArray[Any]:  # noqa: ANN401 - slices, and indexes of bands
        try:
            return np.asarray(self._pixels.oindex[key])
        except (ValueError, RuntimeError, KeyError) as error:  # whatever its codecs say
            raise DamagedError(
                f"{self._pixels.store_path} at {key} cannot be read: {error}",
                expected="the bytes that were committed",
                remedy="run `cubestore verify` where the store was written, and copy it again",
            ) from error


def _length(part: slice) -> int:
    return max(0, int(part.stop) - int(part.start))


def _blocks(part: slice, size: int) -> list[tuple[int, slice]]:
    """Return the blocks of an axis that a part of it touches, and what of the part each has."""
    first, last = part.start, part.stop
    return [
        (n, slice(max(first, n * size) - first, min(last, (n + 1) * size) - first))
        for n in range(first // size, -(-last // size) if last > first else 0)
    ]


def _is_nothing(pixels: NDArray[Any], fill: Any) -> bool:  # noqa: ANN401 - of the array's dtype
    """Whether pixels are nodata, all of them."""
    for some in (pixels[:, :1, :1], pixels):  # the first is nearly always enough
        if not ((some == fill) | ((some != some) & (fill != fill))).all():  # noqa: PLR0124 - NaN
            return False
    return True
