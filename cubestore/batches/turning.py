"""The eight turns of a square, done to samples in place, a plane at a time.

A plane of 256 x 256 fits into the processor's cache: it is turned into a buffer and copied back.
To swap the axes, pixels of 16 and 32 bits are taken as words of 64, four of four rows or two of
two at once; other pixels are left to NumPy.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore.compiled import compiled

SWAP, ROWS, COLUMNS = 1, 2, 4
"""The bits of a turn: axes swapped, then rows reversed, then columns."""

WORD = 8
"""Bytes of a word."""

_LOW16, _LOW32 = np.uint64(0x0000FFFF0000FFFF), np.uint64(0x00000000FFFFFFFF)
_BY16, _BY32 = np.uint64(16), np.uint64(32)


def turn(array: NDArray[Any], ways: NDArray[np.int64]) -> NDArray[Any]:
    """Turn each sample of ``(B, …, H, W)`` by its way, in place where that is possible.

    Returns:
        The array; a copy where it is read-only or not contiguous.
    """
    if not (array.flags.c_contiguous and array.flags.writeable):
        array = np.array(array, order="C")
    height, width = array.shape[-2:]
    samples = array.reshape(len(array), -1, height, width)
    buffer = np.empty((height, width), array.dtype)
    swap = _swapper(array.dtype, height)
    for sample, way in zip(samples, ways.tolist(), strict=True):
        if way & SWAP:
            swap(sample, buffer, bool(way & ROWS), bool(way & COLUMNS))
        elif way & ROWS:
            _reverse_rows(sample, buffer)
        if way & COLUMNS and not way & SWAP:
            bits = f"u{array.dtype.itemsize}"
            _reverse_columns(sample.view(bits), buffer[0].view(bits))
    return array


def _swapper(dtype: np.dtype[Any], side: int) -> Callable[..., None]:
    """Return what swaps the axes of pixels like these."""
    by_words = {2: _swap_by_four, 4: _swap_by_two}.get(dtype.itemsize)
    if by_words is None or side % (WORD // dtype.itemsize) or sys.byteorder == "big":
        return _swap_by_one

    def swap(planes: NDArray[Any], buffer: NDArray[Any], *ways: bool) -> None:
        by_words(planes.view(np.uint64), buffer.view(np.uint64), *ways)

    return swap


def _reverse_rows(planes: NDArray[Any], buffer: NDArray[Any]) -> None:
    """Reverse the rows of planes."""
    half = planes.shape[1] // 2
    for plane in planes:
        np.copyto(buffer[:half], plane[:half])
        np.copyto(plane[:half], plane[::-1][:half])
        np.copyto(plane[::-1][:half], buffer[:half])


@compiled
def _reverse_columns(planes: NDArray[Any], row: NDArray[Any]) -> None:
    """Reverse each row of planes."""
    rows = planes.reshape(-1, planes.shape[2])
    width = np.uintp(planes.shape[2])
    for one in range(len(rows)):
        for k in range(width):
            row[k] = rows[one, k]
        for k in range(width):  # written forwards, it is done many pixels at a time
            rows[one, k] = row[width - np.uintp(1) - k]


def _swap_by_one(planes: NDArray[Any], buffer: NDArray[Any], rows: bool, columns: bool) -> None:  # noqa: FBT001
    """Swap the axes of square planes of any dtype, then reverse rows and columns."""
    for plane in planes:
        turned = plane.T[::-1] if rows else plane.T
        np.copyto(buffer, turned[:, ::-1] if columns else turned)
        np.copyto(plane, buffer)


@compiled
def _swap_by_two(
    planes: NDArray[np.uint64],
    buffer: NDArray[np.uint64],
    rows: bool,  # noqa: FBT001
    columns: bool,  # noqa: FBT001
) -> None:
    """Do the same to pixels of 32 bits, two a word."""
    across, down = np.uintp(planes.shape[2]), np.uintp(planes.shape[1] // 2)
    one, two = np.uintp(1), np.uintp(2)
    for plane in planes:
        for j in range(across):
            to = two * (across - one - j) if rows else two * j
            for q in range(down):
                i = two * (down - one - q) if columns else two * q
                a, b = plane[i, j], plane[i + one, j]
                if columns:
                    a, b = b, a
                odd = ((a >> _BY32) ^ b) & _LOW32
                a, b = a ^ (odd << _BY32), b ^ odd
                if rows:
                    a, b = b, a
                buffer[to, q] = a
                buffer[to + one, q] = b
        plane[:] = buffer


@compiled
def _swap_by_four(
    planes: NDArray[np.uint64],
    buffer: NDArray[np.uint64],
    rows: bool,  # noqa: FBT001
    columns: bool,  # noqa: FBT001
) -> None:
    """Do the same to pixels of 16 bits, four a word.

    Reading rows from the last on reverses the columns that come out of them, at no cost.
    """
    across, down = np.uintp(planes.shape[2]), np.uintp(planes.shape[1] // 4)
    one, two, three, four = np.uintp(1), np.uintp(2), np.uintp(3), np.uintp(4)
    for plane in planes:
        for j in range(across):
            to = four * (across - one - j) if rows else four * j
            for q in range(down):
                i = four * (down - one - q) if columns else four * q
                a, b, c, d = plane[i, j], plane[i + one, j], plane[i + two, j], plane[i + three, j]
                if columns:
                    a, b, c, d = d, c, b, a
                odd = ((a >> _BY16) ^ b) & _LOW16
                a, b = a ^ (odd << _BY16), b ^ odd
                odd = ((c >> _BY16) ^ d) & _LOW16
                c, d = c ^ (odd << _BY16), d ^ odd
                odd = ((a >> _BY32) ^ c) & _LOW32
                a, c = a ^ (odd << _BY32), c ^ odd
                odd = ((b >> _BY32) ^ d) & _LOW32
                b, d = b ^ (odd << _BY32), d ^ odd
                if rows:
                    a, b, c, d = d, c, b, a
                buffer[to, q] = a
                buffer[to + one, q] = b
                buffer[to + two, q] = c
                buffer[to + three, q] = d
        plane[:] = buffer
