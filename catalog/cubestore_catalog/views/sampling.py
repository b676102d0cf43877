"""A slot of a cube as a small picture, of which only some pixels are ever read.

The part of the tile that has data is found in the shards' indexes: a few kilobytes each. Of its
pixels every n-th is taken, in the middle of what it stands for. Where that would touch more chunks
than `MOST_CHUNKS`, every second or third chunk is read and lends its nearest pixels to those
between: a whole Sentinel-2 tile costs a quarter of its chunks, whatever its bands.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore.shards import NOWHERE, Shard
from cubestore_catalog import limits
from cubestore_catalog.errors import UnknownRecordError
from cubestore_catalog.views.opened import OpenedCube, Pixels

MOST_CHUNKS = 2048
"""Chunks that are decoded for a picture, about 0.2 ms each of ten bands."""

Whole = NDArray[np.int64]

Window = tuple[int, int, int, int]
"""Rows and columns of a cube: top, left, bottom, right; the last two are those behind it."""


@dataclass(frozen=True, slots=True)
class Part:
    """Pixels of a cube from ``top`` to before ``bottom``, and from ``left`` to before ``right``."""

    top: int
    bottom: int
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Which pixels of a part stand for it, in even distances."""

    part: Part
    there: NDArray[np.bool_]
    """Which chunks of the cube are read and have data, ``(rows, columns)``."""

    rows: Whole
    columns: Whole


def filled(opened: OpenedCube, slot: int) -> NDArray[np.bool_]:
    """Return which chunks of a slot have data, ``(rows, columns)``.

    Raises:
        UnknownRecordError: there is no such slot, or nothing in it.
    """
    opened.refuse_other_slot(slot)
    array = opened.pixels.array
    rows, columns = (b // c for b, c in zip(array.block[-2:], array.chunks[-2:], strict=True))
    grid = tuple(b // c for b, c in zip(array.block, array.chunks, strict=True))
    high, wide = array.blocks()[-2:]
    there = np.zeros((high * rows, wide * columns), bool)
    for row, column in _shards(opened.pixels, slot):
        limits.check()
        shard = Shard(f"{opened.cube.path}/{array.key((slot, 0, row, column))}", grid)
        inside = (shard.index[..., 0] != NOWHERE).reshape(rows, columns)
        there[row * rows :, column * columns :][:rows, :columns] = inside
    if not there.any():
        raise UnknownRecordError(f"Slot {slot} of {opened.cube.tile.id} holds no data")
    return there


def taken(opened: OpenedCube, slot: int, size: int, window: Window | None = None) -> Taken:
    """Return which pixels stand for a slot, at most ``size`` along the longer side; reads none.

    Args:
        opened: the cube.
        slot: index of the slot, in the order of arrival.
        size: pixels; a part with fewer is given whole.
        window: what is looked at, widened to whole chunks; None: all that has data.

    Raises:
        UnknownRecordError: there is no such slot, or nothing in it or in the window.
    """
    pixels, there = opened.pixels, filled(opened, slot)
    chunk = pixels.array.chunks[-1]
    there = there if window is None else _within(there, window, chunk)
    part = _part(pixels, there)
    step = max(1.0, max(part.bottom - part.top, part.right - part.left) / size)
    stride = _stride(there)
    rows = _evenly(part.top, part.bottom, step, stride, chunk)
    columns = _evenly(part.left, part.right, step, stride, chunk)
    return Taken(part, there, rows, columns)


def sample(opened: OpenedCube, slot: int, bands: list[int], pixel: Taken) -> NDArray[Any]:
    """Return pixels of a slot as they are stored, ``(bands, y, x)``.

    Args:
        opened: the cube.
        slot: index of the slot, in the order of arrival.
        bands: which, by index.
        pixel: which are taken.

    Raises:
        DamagedError: bytes that are not those that were committed.
    """
    pixels, chunk = opened.pixels, opened.pixels.array.chunks[-1]
    rows, columns = pixel.rows, pixel.columns
    shape = (len(bands), len(rows), len(columns))
    stored = np.full(shape, pixels.array.fill, pixels.array.numpy_dtype)
    for (row, y), (column, x) in product(_runs(rows // chunk), _runs(columns // chunk)):
        if pixel.there[row, column]:
            limits.check()
            block = pixels.read(slot, (row * chunk, column * chunk), (chunk, chunk), bands)
            stored[:, y, x] = block[:, rows[y, None] - row * chunk, columns[x] - column * chunk]
    return stored


def _within(there: NDArray[np.bool_], window: Window, chunk: int) -> NDArray[np.bool_]:
    """Return which chunks of a window have data, in the grid of all.

    Raises:
        UnknownRecordError: none.
    """
    top, left, bottom, right = window
    area = np.s_[top // chunk : -(-bottom // chunk), left // chunk : -(-right // chunk)]
    kept = np.zeros_like(there)
    kept[area] = there[area]
    if not kept.any():
        raise UnknownRecordError(f"The window {window} of this slot holds no data")
    return kept


def _shards(pixels: Pixels, slot: int) -> list[tuple[int, int]]:
    """Return the row and column of the shards that a slot has."""
    home = Path(pixels.group, pixels.array.key((slot, 0)))
    high, wide = pixels.array.blocks()[-2:]
    found = [(row, column) for row in _numbers(home) for column in _numbers(home / str(row))]
    return sorted((row, column) for row, column in found if row < high and column < wide)


def _numbers(folder: Path) -> list[int]:
    try:
        return [int(name) for name in os.listdir(folder) if name.isdecimal()]  # noqa: PTH208 - names alone
    except FileNotFoundError:
        return []


def _part(pixels: Pixels, there: NDArray[np.bool_]) -> Part:
    chunk = pixels.array.chunks[-1]
    high, wide = pixels.array.shape[-2:]
    (top, bottom), (left, right) = (_ends(np.flatnonzero(there.any(axis=n))) for n in (1, 0))
    return Part(top * chunk, min(bottom * chunk, high), left * chunk, min(right * chunk, wide))


def _ends(places: NDArray[np.intp]) -> tuple[int, int]:
    return int(places[0]), int(places[-1]) + 1


def _stride(there: NDArray[np.bool_]) -> int:
    """Return of how many chunks along an axis one is read."""
    return math.ceil(math.sqrt(np.count_nonzero(there) / MOST_CHUNKS))


def _evenly(first: int, end: int, step: float, stride: int, chunk: int) -> Whole:
    """Return which pixels of an axis are taken: of chunks that are read, the nearest ones.

    Args:
        first: where the axis begins, on a chunk's edge.
        end: behind its last pixel.
        step: pixels that each stands for.
        stride: of how many chunks one is read: the one in the middle.
        chunk: pixels of a chunk.
    """
    count = math.ceil((end - first) / step)
    wanted = first + ((np.arange(count) + 0.5) * (end - first) / count).astype(np.int64)
    middle = min(first + stride // 2 * chunk, (end - 1) // chunk * chunk)
    starts = range(middle, end, stride * chunk)
    read = np.concatenate([np.arange(start, min(start + chunk, end)) for start in starts])
    above = np.searchsorted(read, wanted).clip(1, len(read) - 1) if len(read) > 1 else 0
    low, high = read[above - 1], read[above]
    nearest: Whole = np.where(wanted - low <= high - wanted, low, high)
    return nearest


def _runs(chunks: Whole) -> Iterator[tuple[int, slice]]:
    """Yield each chunk of an axis once, with the pixels that are taken of it."""
    starts = np.flatnonzero(np.diff(chunks, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(chunks)], strict=True):
        yield int(chunks[start]), slice(int(start), int(end))
