"""Windows of a sharded array on this machine's disk, decoded straight into the caller's buffers.

A shard that was committed is never written again, so its index is read once and its file stays
open. Of a window only the chunks that it touches are read, each checked against its CRC-32C before
a pixel of it is believed, and decompressed; `cubestore.bitplanes` then puts the pixels that are
wanted where they belong. Several threads may read at once: each has buffers of its own, and most
of the work is done without the interpreter's lock.
"""

import math
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from cubestore.bitplanes import Window, block_of, leave_shuffled, place
from cubestore.chunks import IN_ONE_GO, decoded
from cubestore.encoding import CRC_BYTES, EMPTY, Array, Json, crc32c
from cubestore.errors import DamagedError
from cubestore.foreign import ADDRESSES

Verify = Literal["always", "first", "never"]
"""When a chunk is compared with its checksum: whenever it is read, the first time, or never."""

NOWHERE = int(EMPTY)

OPEN = 256
"""Shards that a process keeps open: fewer than the files that it may (often 1,024)."""


class Shard:
    """An open file and where its chunks lie in it."""

    def __init__(self, path: str, grid: tuple[int, ...]) -> None:
        self.path = path
        self.file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        size = os.fstat(self.file).st_size
        table = int(np.prod(grid)) * 2 * EMPTY.itemsize
        data = os.pread(self.file, table + CRC_BYTES, max(0, size - table - CRC_BYTES))
        if crc32c(data[:table]).to_bytes(CRC_BYTES, "little") != data[table:]:
            raise damaged(f"The index of {path}")
        index = np.frombuffer(data, "<u8", count=table // EMPTY.itemsize)
        self.index = index.reshape(*grid, 2)
        self.verified = bytearray(math.prod(grid))
        """Which chunks were compared with their checksum, in the index's order."""

    @cached_property
    def entries(self) -> list[list[int]]:
        """Offset and size of each chunk: one by one, NumPy's integers take longer than ours."""
        entries: list[list[int]] = self.index.reshape(-1, 2).tolist()
        return entries

    def __del__(self) -> None:
        """Close the file when the last thread that reads it is done."""
        if hasattr(self, "file"):
            os.close(self.file)


class _Kept:
    """The shards that this process has open, of whatever array, those last read."""

    def __init__(self) -> None:
        self._shards: OrderedDict[tuple[object, tuple[int, ...]], Shard | None] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self, key: tuple[object, tuple[int, ...]], open_: Callable[[], Shard | None]
    ) -> Shard | None:
        """Return what is kept of an array and a place, opened where it is not."""
        with self._lock:
            if key in self._shards:
                self._shards.move_to_end(key)
                return self._shards[key]
        shard = open_()
        with self._lock:
            self._shards[key] = shard
            if len(self._shards) > OPEN:
                self._shards.popitem(last=False)
        return shard

    def drop(self, owner: object) -> None:
        """Let go of an array's shards."""
        with self._lock:
            for key in [key for key in self._shards if key[0] is owner]:
                del self._shards[key]


_kept = _Kept()


class Part(NamedTuple):
    """What one chunk has of a window."""

    shard: tuple[int, ...]
    chunk: int
    """Its number in the shard."""

    window: Window


@dataclass(slots=True)
class _Scratch:
    """One thread's buffers."""

    compressed: NDArray[np.uint8]
    planes: NDArray[np.uint8]


class Shards:
    """The windows of one array: dims ``(…, [band,] y, x)``."""

    reader = "shards"

    def __init__(
        self,
        group: str,
        array: Array,
        *,
        verify: Verify = "first",
        committed: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Read nothing yet.

        Args:
            group: path of the group.
            array: its metadata.
            verify: when chunks are compared with their checksums.
            committed: whether a key was ever stored, asked where its file is not there.
        """
        self.array, self.group, self.verify = array, group, verify
        self.dtype, self.fill = array.numpy_dtype, array.numpy_dtype.type(array.fill)
        banded, self.lead = axes(array.dims)
        self.bands = array.shape[-3] if banded else 1
        self._ones = (0,) if banded else ()
        self._leading = array.chunks[: self.lead]
        planes = math.prod(self._leading) * self.bands
        self._chunk = (planes, array.chunks[-2], array.chunks[-1])
        self._shape = np.array(self._chunk)
        self._grid = tuple(s // c for s, c in zip(array.block, array.chunks, strict=True))
        self._unsigned = np.dtype(f"u{self.dtype.itemsize}")
        self._committed = committed
        self._key = object()
        weakref.finalize(self, _kept.drop, self._key)
        self._of_thread = threading.local()

    @staticmethod
    def can_read(array: Array, document: Json) -> bool:
        """Whether it is encoded as ours are, and each chunk holds all bands."""
        banded, _ = axes(array.dims)
        whole = not banded or array.chunks[-3] == array.shape[-3]
        return whole and bool(array.shards) and document["codecs"] == array.document()["codecs"]

    def read(
        self,
        lead: Sequence[int],
        corner: tuple[int, int],
        out: NDArray[Any],
        bands: NDArray[np.int64],
    ) -> None:
        """Fill ``out`` with a window; what lies beyond the array or was never stored is nodata.

        Args:
            lead: index along the leading dims: the slot.
            corner: row and column of the window's first pixel.
            out: ``(bands, y, x)``, contiguous, of the array's dtype.
            bands: which bands, by index.

        Raises:
            DamagedError: bytes that are not those that were committed, or are not there.
        """
        bands = bands + self._first(lead)
        place, shard = None, None
        for part in self._parts(lead, corner, out.shape[1:]):
            if part.shard != place:
                place, shard = part.shard, self._shard(part.shard)
            if shard is None or shard.entries[part.chunk][0] == NOWHERE:
                _, _, height, width, down, right = part.window
                out[:, down : down + height, right : right + width] = self.fill
            else:
                self._decode(shard, part, out, bands)

    def _first(self, lead: Sequence[int]) -> int:
        """Return which plane of a chunk is the first band of a slot that shares it."""
        number = 0
        for index, size in zip(lead, self._leading, strict=True):
            number = number * size + index % size
        return number * self.bands

    def _parts(
        self, lead: Sequence[int], corner: tuple[int, int], size: tuple[int, ...]
    ) -> Iterator[Part]:
        """Yield what each chunk has of a window."""
        cut = list(zip(lead, self.array.block, self._leading, strict=False))
        outer = tuple(i // block for i, block, _ in cut) + self._ones
        inner = 0
        for i, block, chunk in cut:
            inner = inner * (block // chunk) + i % block // chunk
        (rows, columns) = self._grid[-2:]
        spans = (_spans(*axis) for axis in zip(corner, size, self._chunk[1:], strict=True))
        for (row, top, height, down), (column, left, width, right) in product(*spans):
            yield Part(
                (*outer, row // rows, column // columns),
                (inner * rows + row % rows) * columns + column % columns,
                Window(top, left, height, width, down, right),
            )

    def _shard(self, place: tuple[int, ...]) -> Shard | None:
        """Return a shard, or None where none was ever stored: all of it is nodata."""
        return _kept.get((self._key, place), lambda: self._open(place))

    def _open(self, place: tuple[int, ...]) -> Shard | None:
        if min(place) < 0 or not all(map(int.__lt__, place, self.array.blocks())):
            return None
        key = self.array.key(place)
        try:
            return Shard(f"{self.group}/{key}", self._grid)
        except FileNotFoundError:
            if self._committed(key):
                raise damaged(f"{self.group}/{key}", "is missing") from None
            return None

    def _decode(
        self, shard: Shard, part: Part, out: NDArray[Any], bands: NDArray[np.int64]
    ) -> None:
        offset, size = shard.entries[part.chunk]
        room = self._room(size)
        verify = self.verify == "always"
        verify |= self.verify == "first" and not shard.verified[part.chunk]
        unsigned = out.view(self._unsigned)
        told = room, verify, self._shape, bands, part.window, unsigned
        if not (IN_ONE_GO and decoded(ADDRESSES, (shard.file, offset), *told)):
            self._fetch(shard, part.chunk, room[0], verify=verify)
            self._unpack(shard, part, room, out, bands)
        if verify:
            shard.verified[part.chunk] = 1

    def _fetch(self, shard: Shard, chunk: int, data: NDArray[np.uint8], *, verify: bool) -> None:
        """Read a chunk, and compare it with its checksum."""
        read = os.preadv(shard.file, [data.data], shard.entries[chunk][0])
        if verify:
            whole = read == len(data) and read > CRC_BYTES
            stored, checksum = data.data[:-CRC_BYTES], data[-CRC_BYTES:].tobytes()
            if not whole or crc32c(stored).to_bytes(CRC_BYTES, "little") != checksum:
                raise damaged(f"Chunk {chunk} of {shard.path}")
        elif read != len(data):
            raise damaged(f"Chunk {chunk} of {shard.path}", "is cut short")

    def _unpack(
        self,
        shard: Shard,
        part: Part,
        room: tuple[NDArray[np.uint8], NDArray[np.uint8]],
        out: NDArray[Any],
        bands: NDArray[np.int64],
    ) -> None:
        """Place what a chunk of any kind has of a window."""
        chunk, planes = room[0][:-CRC_BYTES], room[1]
        try:
            block = block_of(chunk, self._shape)
            if block:
                leave_shuffled(chunk)
            blosc.decompress(chunk, planes)
        except (RuntimeError, ValueError) as error:  # unread: never verified
            raise damaged(f"Chunk {part.chunk} of {shard.path}", f"is no chunk: {error}") from None
        if block:
            place(planes, block, self._shape, bands, part.window, out.view(self._unsigned))
            return
        pixels = planes.view(self.dtype).reshape(self._chunk)
        top, left, height, width, down, right = part.window
        wanted = pixels[bands, top : top + height, left : left + width]
        out[:, down : down + height, right : right + width] = wanted

    def _room(self, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return this thread's buffers: of a chunk as it is stored, and of its planes."""
        scratch = self._scratch()
        if size > len(scratch.compressed):
            scratch.compressed = np.empty(size, np.uint8)
        return scratch.compressed[:size], scratch.planes

    def _scratch(self) -> _Scratch:
        scratch = getattr(self._of_thread, "scratch", None)
        if scratch is None:
            size = int(np.prod(self._chunk)) * self.dtype.itemsize
            scratch = _Scratch(np.empty(size, np.uint8), np.empty(size, np.uint8))
            self._of_thread.scratch = scratch
        return scratch


def axes(dims: Sequence[str]) -> tuple[bool, int]:
    """Return whether there are bands before y and x, and how many dims come before those."""
    banded = dims[-3:-2] != () and dims[-3].startswith("band")
    return banded, len(dims) - (3 if banded else 2)


def damaged(what: str, how: str = "does not match its checksum") -> DamagedError:
    """Return the error of bytes that are not those that were committed."""
    return DamagedError(
        f"{what} {how}",
        expected="the bytes that were committed",
        remedy="run `cubestore verify`, and restore the key from a copy",
    )


def _spans(first: int, size: int, chunk: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (chunk, first pixel in it, pixels, first pixel in the window) along an axis."""
    for number in range(first // chunk, -(-(first + size) // chunk)):
        start = max(first, number * chunk)
        count = min(first + size, (number + 1) * chunk) - start
        yield number, start - number * chunk, count, start - first
