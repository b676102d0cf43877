"""The pixels of simulated files: where they lie, how they are written, what a cube sees of them.

Files have the size of what is published; what lies outside a window is not written, so an
archive of small windows is small.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.windows import Window

from cubestore_pipelines.simulate.plane import crs_of, part

BLOCK = 512
"""Pixels along a block of a file."""

NORTHERN, SOUTHERN = 326, 327
"""What EPSG's codes of UTM on WGS 84 begin with."""

FALSE_NORTHING = 10_000_000.0
"""Metres that southern UTM has on top of northern."""

Layers = dict[str, NDArray[Any]]
"""Variables of a cube: the pixels ``(band, y, x)``, the others ``(y, x)``."""

Bounds = tuple[float, float, float, float]
"""West, south, east, north."""

_PROFILE = {
    "driver": "GTiff",
    "tiled": True,
    "blockxsize": BLOCK,
    "blockysize": BLOCK,
    "compress": "deflate",
    "zlevel": 1,
    "predictor": 2,
    "sparse_ok": True,
    "interleave": "pixel",
}


@dataclass(frozen=True, slots=True)
class Patch:
    """The pixels of a file: all that it has, and those of them that are written."""

    whole: GeoBox
    window: tuple[slice, slice]
    """``(y, x)``."""

    @property
    def part(self) -> GeoBox:
        """What is written."""
        return part(self.whole, self.window)

    @property
    def bounds(self) -> Bounds:
        """West, south, east, north of the whole, in its CRS."""
        west, south, east, north = self.whole.boundingbox.bbox
        return west, south, east, north


@dataclass(frozen=True, slots=True)
class Square:
    """What is shown of the ground."""

    longitude: float
    latitude: float
    """Of the middle, degrees."""
    side: int
    """Metres, in both directions."""

    @property
    def degrees(self) -> Bounds:
        """West, south, east, north."""
        to_plane = pyproj.Proj(f"+proj=laea +lon_0={self.longitude} +lat_0={self.latitude}")
        half = self.side / 2
        west, south = to_plane(-half, -half, inverse=True)
        east, north = to_plane(half, half, inverse=True)
        return west, south, east, north

    def on(self, crs: str) -> tuple[float, float]:
        """Return the middle in another CRS."""
        x, y = _transformer("EPSG:4326", crs).transform(self.longitude, self.latitude)
        return x, y


def square(whole: GeoBox, shown: Square) -> Patch:
    """Return the pixels of a grid that show a square of the ground."""
    x, y = shown.on(str(whole.crs))
    half = shown.side / 2
    box = (x - half, y - half, x + half, y + half)
    left, bottom, right, top = shown.degrees if crs_of(whole).geographic else box
    step, drop = whole.affine.a, whole.affine.e
    starts = ((top - whole.affine.f) / drop, (left - whole.affine.c) / step)
    stops = ((bottom - whole.affine.f) / drop, (right - whole.affine.c) / step)
    rows, columns = (
        slice(max(0, round(start)), min(count, round(stop)))
        for start, stop, count in zip(starts, stops, whole.shape, strict=True)
    )
    return Patch(whole, (rows, columns))


def write(
    path: Path,
    values: NDArray[Any],
    patch: Patch,
    *,
    nodata: float | None = None,
    colours: Mapping[int, tuple[int, ...]] | None = None,
    tags: Mapping[str, str] | None = None,
    overviews: Sequence[int] = (),
    **profile: Any,  # noqa: ANN401 - creation options of GDAL's
) -> None:
    """Write a file that is there whole or not at all.

    Args:
        path: the file; its folder is made.
        values: ``(band, y, x)`` of what is written.
        patch: where that lies.
        nodata: the value declared, and read where nothing is written.
        colours: of a palette.
        tags: of the file.
        overviews: factors of those that are written too: of so many pixels one.
        **profile: what differs from tiles of 512 pixels, deflated.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    whole = patch.whole
    shape = {"count": len(values), "height": whole.shape[0], "width": whole.shape[1]}
    place = {"crs": str(whole.crs), "transform": whole.affine}
    options = {**_PROFILE, "nodata": nodata, **profile}
    with rasterio.open(unfinished, "w", dtype=values.dtype, **shape, **place, **options) as file:
        if colours:
            file.write_colormap(1, dict(colours))
        if tags:
            file.update_tags(**tags)
        file.write(values, window=Window.from_slices(*patch.window))
    if overviews:
        _add_overviews(unfinished, overviews)
    unfinished.replace(path)


def _add_overviews(path: Path, factors: Sequence[int]) -> None:
    """Write overviews; what was not written is not in them either."""
    with rasterio.Env(SPARSE_OK_OVERVIEW=True), rasterio.open(path, "r+") as file:
        file.build_overviews(factors, Resampling.nearest)


def write_text(path: Path, text: str) -> None:
    """Write a text that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(text)
    unfinished.replace(path)


def seen(
    patch: Patch,
    grid: GeoBox,
    compute: Callable[[GeoBox], Layers],
    nodata: Mapping[str, float],
    *,
    blank: Mapping[str, float] | None = None,
) -> Layers:
    """Return what a file's pixels are on another grid: of each the one that holds its centre.

    Args:
        patch: the file's pixels.
        grid: a cube's.
        compute: what some of the file's pixels are.
        nodata: of every variable, for what lies outside the file.
        blank: the same for what was not written, where that is not nodata.
    """
    rows, columns = places(patch.whole, grid)
    written = _inside(patch.window, rows, columns)
    whole = _inside((slice(0, patch.whole.shape[0]), slice(0, patch.whole.shape[1])), rows, columns)
    spans = [
        _span(axis, wanted) for axis, wanted in zip((rows, columns), patch.window, strict=True)
    ]
    pixels = compute(part(patch.whole, (spans[0], spans[1])))
    index = [
        np.clip(axis - span.start, 0, span.stop - span.start - 1)
        for axis, span in zip((rows, columns), spans, strict=True)
    ]
    found = {name: values[..., index[0], index[1]] for name, values in pixels.items()}
    for name, values in found.items():
        values[..., ~written] = (blank or nodata)[name]
        values[..., ~whole] = nodata[name]
    return found


def places(source: GeoBox, grid: GeoBox) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row and the column of a file's pixel that holds each centre of a grid's.

    Between two CRSs they are the exact ones of PROJ. They may lie outside the file.
    """
    x = grid.affine.c + grid.affine.a * (np.arange(grid.shape[1]) + 0.5)
    y = grid.affine.f + grid.affine.e * (np.arange(grid.shape[0]) + 0.5)
    shift = _shift(source, grid)
    across, down = np.meshgrid(x, y) if shift is None else (x[None, :], y[:, None] + shift)
    if shift is None:
        across, down = _transformer(str(grid.crs), str(source.crs)).transform(across, down)
    row = np.floor((down - source.affine.f) / source.affine.e)
    column = np.floor((across - source.affine.c) / source.affine.a)
    return row.astype("int64"), column.astype("int64")


def merged(layers: Sequence[Layers], nodata: Mapping[str, float]) -> Layers:
    """Return a mosaic: of every pixel the first that is there."""
    whole, *others = layers
    for other in others:
        whole = {
            name: np.where(_missing(values, nodata[name]), other[name], values)
            for name, values in whole.items()
        }
    return whole


def outline(
    corners: Sequence[tuple[float, float]], crs: str, digits: int = 7
) -> list[tuple[float, float]]:
    """Return longitudes and latitudes of a ring in another CRS."""
    to_degrees = _transformer(crs, "EPSG:4326")
    return [
        (round(longitude, digits), round(latitude, digits))
        for longitude, latitude in (to_degrees.transform(x, y) for x, y in corners)
    ]


def box(bounds: Bounds) -> list[tuple[float, float]]:
    """Return the ring about a box: counter-clockwise, closed."""
    left, bottom, right, top = bounds
    return [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]


def _missing(values: NDArray[Any], nodata: float) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = np.isnan(values) if np.isnan(nodata) else values == nodata
    return missing


def _shift(source: GeoBox, grid: GeoBox) -> float | None:
    """Return the metres from one grid's northings to another's, where they differ by no more."""
    if source.crs == grid.crs:
        return 0.0
    (here, zone), (there, other) = (divmod(crs_of(one).epsg or 0, 100) for one in (grid, source))
    if zone != other or {here, there} != {NORTHERN, SOUTHERN}:
        return None
    return -FALSE_NORTHING if here == SOUTHERN else FALSE_NORTHING


def _inside(
    window: tuple[slice, slice], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which of some pixels are in a window."""
    height, width = window
    down = (rows >= height.start) & (rows < height.stop)
    inside: NDArray[np.bool_] = down & (columns >= width.start) & (columns < width.stop)
    return inside


def _span(index: NDArray[np.int64], window: slice) -> slice:
    """Return the pixels of an axis that are asked for: at least one, for the variables' shapes."""
    start = min(max(int(index.min()), window.start), window.stop - 1)
    stop = max(min(int(index.max()) + 1, window.stop), start + 1)
    return slice(start, stop)


@cache
def _transformer(source: str, target: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(source, target, always_xy=True)
