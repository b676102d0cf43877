"""Sheets of one map, sewn together before they are interpolated: no seam where they meet.

Sheets lie on one lattice where their pixels continue one another's: of Copernicus DEM those of a
belt of latitude, of WorldCover all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

FULL_CIRCLE = 360.0
ON_EDGE = 1e-2
"""Pixels by which sheets may miss a common lattice: corners are written in ten decimals."""


@dataclass(frozen=True, slots=True)
class Quilt:
    """Sheets that line up, as one raster."""

    grid: GeoBox
    places: tuple[tuple[int, int, int], ...]
    """Of each sheet: its number, and the row and column where it begins."""

    shapes: tuple[tuple[int, int], ...]

    def parts(
        self, rows: slice, columns: slice
    ) -> Iterable[tuple[int, tuple[slice, slice], tuple[slice, slice]]]:
        """Yield for each sheet in a window its number, its part, and where that lies in it."""
        for (number, top, left), shape in zip(self.places, self.shapes, strict=True):
            down, along = _overlap(rows, top, shape[0]), _overlap(columns, left, shape[1])
            if down and along:
                own = _moved(down, -top), _moved(along, -left)
                yield number, own, (_moved(down, -rows.start), _moved(along, -columns.start))


def quilts(grids: Sequence[GeoBox], longitude: float) -> list[Quilt]:
    """Return sheets sewn together as far as they line up.

    Args:
        grids: of the sheets.
        longitude: of the place that is wanted: sheets in lon/lat are turned to its side of the
            antimeridian.
    """
    turned = [_turned(grid, longitude) for grid in grids]
    groups: list[list[int]] = []
    for number, grid in enumerate(turned):
        fitting = (group for group in groups if _place(turned[group[0]], grid) is not None)
        if (group := next(fitting, None)) is None:
            groups.append([number])
        else:
            group.append(number)
    return [_sewn(turned, group) for group in groups]


def longitude(grid: GeoBox) -> float:
    """Return the longitude of a grid's middle, degrees."""
    from cubestore.lattice import transformer  # noqa: PLC0415 - numba is for who warps

    rows, columns = grid.shape
    place = grid.affine * (columns / 2, rows / 2)
    return float(transformer(CRS("EPSG:4326"), grid.crs).transform(*place)[0])


def _sewn(grids: Sequence[GeoBox], group: Sequence[int]) -> Quilt:
    first = grids[group[0]]
    corners = [_place(first, grids[number]) or (0, 0) for number in group]
    top, left = (min(values) for values in zip(*corners, strict=True))
    shapes = tuple((grids[n].shape[0], grids[n].shape[1]) for n in group)
    ends = [(r + h, c + w) for (r, c), (h, w) in zip(corners, shapes, strict=True)]
    bottom, right = (max(values) for values in zip(*ends, strict=True))
    return Quilt(
        grid=GeoBox(
            (bottom - top, right - left), first.affine * Affine.translation(left, top), first.crs
        ),
        places=tuple(
            (number, row - top, column - left)
            for number, (row, column) in zip(group, corners, strict=True)
        ),
        shapes=shapes,
    )


def _place(first: GeoBox, other: GeoBox) -> tuple[int, int] | None:
    """Return row and column where a sheet begins on another's lattice; None: on none of it."""
    if first.crs != other.crs:
        return None
    relative = ~first.affine * other.affine
    a, b, column, d, e, row = relative[:6]
    stretched = max(abs(a - 1), abs(b), abs(d), abs(e - 1)) * max(other.shape)
    off = max(abs(column - round(column)), abs(row - round(row)))
    return (round(row), round(column)) if max(stretched, off) < ON_EDGE else None


def _turned(grid: GeoBox, longitude: float) -> GeoBox:
    """Return a grid in lon/lat on the side of the antimeridian where a place lies."""
    if grid.crs is None or not grid.crs.geographic:
        return grid
    middle = (grid.affine * (grid.shape[1] / 2, grid.shape[0] / 2))[0]
    turns = round((longitude - middle) / FULL_CIRCLE)
    if not turns:
        return grid
    return GeoBox(grid.shape, Affine.translation(turns * FULL_CIRCLE, 0) * grid.affine, grid.crs)


def _overlap(window: slice, start: int, size: int) -> slice | None:
    first, last = max(window.start, start), min(window.stop, start + size)
    return slice(first, last) if first < last else None


def _moved(span: slice, by: int) -> slice:
    return slice(span.start + by, span.stop + by)
