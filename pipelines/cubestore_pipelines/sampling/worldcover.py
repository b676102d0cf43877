"""WorldCover's sheets of three degrees, as Clay's script saw them: a coarse mosaic of the Earth.

The script shrinks every sheet with ``gdal_translate -ovr 3``, merges them, and reads the pixels
of a box through rasterio. GDAL counts overviews from 0, so its third is the fourth, one pixel in
sixteen: 160 m, not the 80 m of Clay's documentation. The 936 published tiles tell the same: the
least common denominators of their shares are the pixels of their boxes at 160 m.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from cubestore_pipelines.errors import DatasetError

CLASSES: Mapping[int, str] = MappingProxyType(
    {
        10: "Tree cover",
        20: "Shrubland",
        30: "Grassland",
        40: "Cropland",
        50: "Built-up",
        60: "Bare / sparse vegetation",
        70: "Snow and Ice",
        80: "Permanent water bodies",
        90: "Herbaceous wetland",
        95: "Mangroves",
        100: "Moss and lichen",
    }
)
"""WorldCover's code -> what Clay calls it."""

NODATA = 0
LEVEL = 3
"""The overview that is read, counted from 0: Clay-foundation/model, scripts/landcover.sh."""

WEST, NORTH = -180.0, 90.0
"""Where the mosaic's pixels are counted from, degrees."""

ON_EDGE = 1e-3
"""Pixels by which a sheet may lie beside the mosaic's: its header rounds."""

_CODES = 256

Opener = Callable[[], AbstractContextManager[DatasetReader]]
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file's overview, and which pixels of the mosaic it has."""

    name: str
    """What tells it from others, and from another version of itself."""

    open: Opener
    pixel: float
    """Of the overview, degrees."""

    factor: int
    """Pixels of the file along one of the overview."""

    row: int
    column: int
    rows: int
    columns: int

    def read(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return pixels of the mosaic that lie in this sheet, (row, column).

        A window of whole pixels of the overview, asked for in its size, is read from it as it is.
        """
        top, left = int(rows[0]), int(columns[0])
        height, width = int(rows[-1]) - top + 1, int(columns[-1]) - left + 1
        corner = np.array([left - self.column, top - self.row]) * self.factor
        window = Window(*corner.tolist(), width * self.factor, height * self.factor)
        with self.open() as dataset:
            block = dataset.read(1, window=window, out_shape=(height, width))
        found: NDArray[np.uint8] = block[np.ix_(rows - top, columns - left)]
        return found


def sheet(name: str, opener: Opener) -> Sheet:
    """Return a sheet by its header.

    Raises:
        DatasetError: it is no map of classes on degrees, or has no such overview.
    """
    with opener() as dataset:
        factors = dataset.overviews(1)
        if dataset.dtypes[0] != "uint8" or dataset.crs is None or dataset.crs.to_epsg() != 4326:  # noqa: PLR2004 - lon/lat
            raise _refusal(name, f"holds {dataset.dtypes[0]} on {dataset.crs}")
        if len(factors) <= LEVEL:
            raise _refusal(name, f"has {len(factors)} overviews")
        factor = factors[LEVEL]
        pixel = dataset.transform.a * factor
        edges = (
            (NORTH - dataset.bounds.top) / pixel,
            (dataset.bounds.left - WEST) / pixel,
            dataset.height / factor,
            dataset.width / factor,
        )
    whole = [round(edge) for edge in edges]
    if max(abs(edge - near) for edge, near in zip(edges, whole, strict=True)) > ON_EDGE:
        raise _refusal(name, f"lies between pixels of {pixel:g} degrees, at {edges}")
    return Sheet(name, opener, pixel, factor, *whole)


def _refusal(name: str, found: str) -> DatasetError:
    return DatasetError(
        f"{name} {found}",
        expected=f"a sheet of ESA WorldCover, classes in uint8 on EPSG:4326 with {LEVEL + 1} or"
        " more overviews",
        remedy="give the published files, or build them with gdaladdo -r nearest FILE 2 4 8 16",
    )


class Mosaic:
    """All sheets side by side; there is nothing between them."""

    def __init__(self, sheets: Iterable[Sheet]) -> None:
        self.sheets = tuple(sorted(sheets, key=lambda one: (one.row, one.column)))
        self._refuse_contradictions()
        self.pixel = self.sheets[0].pixel

    def _refuse_contradictions(self) -> None:
        for one, other in zip(self.sheets, self.sheets[1:], strict=False):
            if (one.row, one.column) == (other.row, other.column):
                raise _refusal(other.name, f"lies where {one.name} does")
            if not math.isclose(one.pixel, other.pixel, rel_tol=1e-9):
                raise _refusal(other.name, f"has other pixels than {one.name}")

    @property
    def boxes(self) -> NDArray[np.float64]:
        """The west, south, east and north of each sheet in degrees, (n, 4)."""
        top, left, bottom, right = self._edges.T * self.pixel
        return np.column_stack([WEST + left, NORTH - bottom, WEST + right, NORTH - top])

    def over(self, boxes: Sequence[Bounds]) -> list[Sheet]:
        """Return the sheets that have a part in some boxes."""
        found = {index for box in boxes for index in self._meeting(*self._pixels(box)).tolist()}
        return [self.sheets[index] for index in sorted(found)]

    def counts(self, boxes: Sequence[Bounds]) -> NDArray[np.int64]:
        """Return how many pixels of some boxes have each code, (256,).

        Args:
            boxes: each west, south, east, north in degrees, none across the antimeridian.

        Raises:
            DatasetError: a sheet has a code that is no class.
            AssetError: a sheet cannot be read.
        """
        total = np.zeros(_CODES, np.int64)
        for box in boxes:
            rows, columns = self._pixels(box)
            for index in self._meeting(rows, columns):
                total += _counts(self.sheets[index], rows, columns)
        return total

    def _pixels(self, box: Bounds) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows and the columns of a box, as rasterio reads them."""
        west, south, east, north = box
        rows = nearest((NORTH - north) / self.pixel, (NORTH - south) / self.pixel)
        return rows, nearest((west - WEST) / self.pixel, (east - WEST) / self.pixel)

    def _meeting(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.intp]:
        """Return which sheets have one of some rows and one of some columns."""
        if not len(rows) or not len(columns):
            return np.empty(0, np.intp)
        top, left, bottom, right = self._edges.T
        in_rows = (top <= rows[-1]) & (bottom > rows[0])
        in_columns = (left <= columns[-1]) & (right > columns[0])
        meeting: NDArray[np.intp] = np.flatnonzero(in_rows & in_columns)
        return meeting

    @cached_property
    def _edges(self) -> NDArray[np.int64]:
        """The first row and column of each sheet, and those behind its last: (n, 4)."""
        return np.array(
            [(s.row, s.column, s.row + s.rows, s.column + s.columns) for s in self.sheets]
        )


def nearest(start: float, stop: float) -> NDArray[np.int64]:
    """Return the pixels that rasterio reads between two edges that lie within pixels.

    It asks GDAL for the rounded number of them, each the one under its centre.
    """
    count = round(stop - start)
    step = (stop - start) / max(count, 1)
    found: NDArray[np.int64] = np.floor(start + (np.arange(count) + 0.5) * step).astype(np.int64)
    return found


def _counts(one: Sheet, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    rows = rows[(rows >= one.row) & (rows < one.row + one.rows)]
    columns = columns[(columns >= one.column) & (columns < one.column + one.columns)]
    found: NDArray[np.int64] = np.bincount(one.read(rows, columns).ravel(), minlength=_CODES)
    strange = set(np.flatnonzero(found).tolist()) - {NODATA, *CLASSES}
    if strange:
        raise _refusal(one.name, f"has the code {min(strange)}, which is no class")
    return found
