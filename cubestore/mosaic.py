"""One variable of neighbouring cubes on another grid, computed where it is looked at.

What is asked for is a window of the target. What that needs of the cubes is read, and put in place
as it is, as means of whole pixels, or by a warp. Nothing here knows sensors, stores or names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from xarray.backends import BackendArray
from xarray.core import indexing

from cubestore.grids.tiles import EDGE_TOLERANCE

Resampling = Literal["nearest", "bilinear", "cubic"]
Pixels = np.ndarray[Any, Any]
Window = tuple[slice, slice]
"""Rows and columns of a grid, with both ends."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A cube's variable in a mosaic."""

    pixels: xr.Variable
    slots: Sequence[int]
    """Where the mosaic's slots are in it; -1: nowhere."""

    row: int
    column: int
    """Of its first pixel, in the mosaic."""

    def common(self, rows: slice, columns: slice) -> tuple[range, range]:
        """Return the rows and columns of a mosaic's window that are its."""
        height, width = self.pixels.sizes["y"], self.pixels.sizes["x"]
        return (
            range(max(rows.start, self.row), min(rows.stop, self.row + height)),
            range(max(columns.start, self.column), min(columns.stop, self.column + width)),
        )


@dataclass(frozen=True, slots=True)
class Mosaic:
    """One variable of neighbouring cubes as if they were one."""

    pieces: Sequence[Piece]
    grid: GeoBox
    nodata: float

    def read(self, slot: int, lead: Mapping[str, Any], rows: slice, columns: slice) -> Pixels:
        """Return the pixels of a window, nodata outside of all pieces."""
        first = self.pieces[0].pixels
        shape = first.isel(lead).isel(time=0, y=0, x=0).shape
        out = np.full((*shape, *_sizes(rows, columns)), self.nodata, first.dtype)
        for piece in self.pieces:
            y, x = piece.common(rows, columns)
            if piece.slots[slot] >= 0 and y and x:
                index = {"time": piece.slots[slot], **lead}
                index |= {"y": _shift(y, piece.row), "x": _shift(x, piece.column)}
                part = piece.pixels.isel(index).values
                out[..., _shift(y, rows.start), _shift(x, columns.start)] = part
        return out


def side_by_side(
    variables: Sequence[xr.Variable],
    places: Sequence[GeoBox],
    slots: Sequence[Sequence[int]],
    nodata: float,
) -> Mosaic:
    """Return cubes of one pixel grid side by side, from their north-west corner."""
    west, north = min(g.affine.c for g in places), max(g.affine.f for g in places)
    pixel, step = places[0].affine.a, places[0].affine.e
    pieces = [
        Piece(v, s, round((g.affine.f - north) / step), round((g.affine.c - west) / pixel))
        for v, s, g in zip(variables, slots, places, strict=True)
    ]
    height = max(p.row + p.pixels.sizes["y"] for p in pieces)
    width = max(p.column + p.pixels.sizes["x"] for p in pieces)
    corner = Affine(pixel, 0.0, west, 0.0, step, north)
    return Mosaic(pieces, GeoBox((height, width), corner, places[0].crs), nodata)


class Aligned(BackendArray):
    """A mosaic on the target's grid, computed where it is looked at."""

    def __init__(self, mosaic: Mosaic, target: GeoBox, method: Resampling) -> None:
        first = mosaic.pieces[0]
        self.shape = (len(first.slots), *first.pixels.shape[1:-2], *target.shape)
        self.dtype, self._dims = first.pixels.dtype, first.pixels.dims
        self._mosaic, self._target, self._method = mosaic, target, method
        self._fit = _fit(mosaic.grid, target)

    def variable(self, like: xr.Variable, end: str) -> xr.Variable:
        """Return the array as a variable that says of what ``like`` says, and how it was made."""
        dims = (*(f"{dim}{end}" for dim in like.dims[:-2]), "y", "x")
        attributes = {n: v for n, v in like.attrs.items() if not n.startswith(_OF_THE_CUBE)}
        times = self._fit[0] if self._fit else 0
        mean = times > 1 and self._method != "nearest"
        done = "mean" if mean else "none" if times == 1 else self._method
        lazy = indexing.LazilyIndexedArray(self)
        return xr.Variable(dims, lazy, {**attributes, "resampling": done})

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:  # noqa: ANN401 - xarray's
        support = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[Any, ...]) -> Pixels:
        slots, *_, rows, columns = picked = [
            np.arange(n)[part] for n, part in zip(self.shape, key, strict=True)
        ]
        if not all(index.size for index in picked):
            return np.empty([n for index in picked for n in index.shape], self.dtype)
        lead = {dim: part for dim, part in zip(self._dims, key, strict=True) if dim == "band"}
        window = _span(rows), _span(columns)
        blocks = [self._window(slot, lead, *window) for slot in slots.ravel().tolist()]
        pixels = np.stack(blocks) if len(blocks) > 1 else blocks[0][None]
        pixels = _taken(_taken(pixels, rows - window[0].start, -2), columns - window[1].start, -1)
        return pixels if slots.ndim else pixels[0]

    def _window(self, slot: int, lead: Mapping[str, Any], rows: slice, columns: slice) -> Pixels:
        if self._fit:
            times, row, column = self._fit
            source = _times(rows, times, row), _times(columns, times, column)
            return _coarser(self._mosaic.read(slot, lead, *source), times, self._method)
        return self._warped(slot, lead, crop(self._target, rows, columns))

    def _warped(self, slot: int, lead: Mapping[str, Any], target: GeoBox) -> Pixels:
        from cubestore.warp import source_window, warp  # noqa: PLC0415 - a compiler: seconds

        grid, nodata = self._mosaic.grid, self._mosaic.nodata
        window = source_window(grid, target, resampling=self._method)
        if window is None:
            nothing = self._mosaic.read(slot, lead, slice(0, 0), slice(0, 0))
            return np.full((*nothing.shape[:-2], *target.shape), nodata, self.dtype)
        pixels = self._mosaic.read(slot, lead, *window)
        source = crop(grid, *window)
        return warp(pixels, source, target, resampling=self._method, nodata=nodata)


_OF_THE_CUBE = ("spatial:", "proj:", "zarr_conventions", "_Quantize")
"""Attributes of the cube's own grid, and of bits that a mean does not have."""


def crop(grid: GeoBox, rows: slice, columns: slice) -> GeoBox:
    """Return a window of a north-up grid."""
    pixel, _, west, _, step, north, *_ = grid.affine
    corner = Affine(pixel, 0.0, west + pixel * columns.start, 0.0, step, north + step * rows.start)
    return GeoBox((rows.stop - rows.start, columns.stop - columns.start), corner, grid.crs)


def _fit(source: GeoBox, target: GeoBox) -> tuple[int, int, int] | None:
    """Return how many of the source's pixels a side of the target's is, if whole ones.

    Returns:
        Their number, and row and column in the source of the target's first; None: no such fit.
    """
    if source.crs != target.crs:
        return None
    one, other = source.affine, target.affine
    found = np.array([other.a / one.a, (other.f - one.f) / one.e, (other.c - one.c) / one.a])
    whole = np.rint(found)
    slack = np.abs(found - whole) * (max(target.shape), 1, 1)
    if whole[0] < 1 or (slack > EDGE_TOLERANCE).any():
        return None
    times, row, column = (int(n) for n in whole)
    return times, row, column


def _coarser(pixels: Pixels, times: int, method: Resampling) -> Pixels:
    """Return pixels that are k x k of the given ones: their mean, or the one at the centre."""
    if times == 1:
        return pixels
    if method == "nearest":
        return pixels[..., times // 2 :: times, times // 2 :: times].copy()  # the rest can go
    means = [_mean(plane, times) for plane in pixels.reshape(-1, *pixels.shape[-2:])]
    return np.reshape(means, (*pixels.shape[:-2], *means[0].shape))


def _mean(plane: Pixels, times: int) -> Pixels:
    """Return the mean of each k x k pixels that are not NaN."""
    total = np.zeros((plane.shape[0] // times, plane.shape[1] // times))
    count = np.zeros_like(total)
    # each k-th row and column at a time: seven times as fast as over the axes of blocks
    for row, column in np.ndindex(times, times):
        part = plane[row::times, column::times]
        there = ~np.isnan(part)
        np.add(total, part, out=total, where=there)
        count += there
    with np.errstate(invalid="ignore"):  # none of them there: NaN
        return np.asarray(total / count, plane.dtype)


def _sizes(rows: slice, columns: slice) -> tuple[int, int]:
    return rows.stop - rows.start, columns.stop - columns.start


def _shift(part: range, by: int) -> slice:
    return slice(part.start - by, part.stop - by)


def _span(index: Pixels) -> slice:
    return slice(int(index.min()), int(index.max()) + 1)


def _times(part: slice, times: int, first: int) -> slice:
    return slice(first + times * part.start, first + times * part.stop)


def _taken(pixels: Pixels, index: Pixels, axis: int) -> Pixels:
    """Return what is at an index that starts from 0, without a copy where that is all."""
    if np.array_equal(index, np.arange(pixels.shape[axis])):
        return pixels
    return np.take(pixels, index, axis)
