"""The table ``metadata.csv``: a row a patch, in the order of the memmaps.

Its columns are those of `metadata_creator` in cloudsen12/dataset, utils.R; which of them a copy
has differs. Every one is kept under its own name; what the store has a word for (place, grid,
times, sun) is told in that word too.
"""

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from cubestore.errors import SlotError
from cubestore.layout import TIME_COORDINATES
from cubestore.patches.columns import NOT_A_TIME, PLACE
from cubestore.slot import microseconds
from cubestore_pipelines.benchmarks.cloudsen12.padding import IMAGE
from cubestore_pipelines.errors import DatasetError

FILE = "metadata.csv"
UNKNOWN = {"", "NA", "NaN", "nan"}
"""What R and pandas write where there is nothing."""

TEXT = ("roi_id", "s2_id", "s2_id_gee", "s1_id")
"""Columns that are names, whatever they look like."""

GRID = 6
"""Numbers of a transform."""

Cells = dict[str, str]
Values = np.ndarray[Any, np.dtype[Any]]

_NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of a patch, and where that stands."""

    file: Path
    line: int
    """In the file, counted from 1; the header is the first. 0: the file is a folder."""

    cells: Cells

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}" if self.line else str(self.file)

    def text(self, column: str) -> str:
        """Return a cell, "" where there is nothing."""
        cell = self.cells.get(column, "")
        return "" if cell in UNKNOWN else cell

    def numbers(self, column: str, *counts: int) -> list[float]:
        """Return the numbers in a cell, none where it is empty.

        Raises:
            DatasetError: other than so many.
        """
        text = self.text(column)
        found = [float(number) for number in _NUMBER.findall(text)]
        if text and len(found) not in counts:
            raise self.odd(column, f"{' or '.join(map(str, counts))} numbers")
        return found

    def odd(self, column: str, expected: str) -> DatasetError:
        """Return the error that a cell is not as it should be."""
        return DatasetError(
            f"{self}: {column} is {self.cells.get(column, '')!r}",
            expected=expected,
            remedy="mend the cell, or take the file as it was published",
        )


def read(path: Path) -> list[Row]:
    """Return the rows of a table.

    Raises:
        DatasetError: there is none, or it is no table of one row a patch.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *lines = csv.reader(file)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise DatasetError(
            f"{path} cannot be read: {error}",
            expected=f"the {FILE} that was published beside the .dat files",
            remedy="copy it there: it alone knows where the patches lie",
        ) from None
    names = [name for name in header if name]
    if len({*names}) < len(names) or not lines:
        raise DatasetError(f"{path} has {len(lines)} rows of the columns {', '.join(header)}")
    return [_row(path, number, header, cells) for number, cells in enumerate(lines, 2)]


def _row(path: Path, line: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        raise DatasetError(
            f"{path}, line {line}: {len(cells)} cells",
            expected=f"{len(header)}, as the header has",
            remedy="take the file as it was published",
        )
    return Row(path, line, {name: cell for name, cell in zip(header, cells, strict=True) if name})


def names(rows: Sequence[Row], spare: Sequence[str]) -> list[str]:
    """Return the id of each patch: region and image, or else what there is to spare.

    Raises:
        DatasetError: two rows of one image.
    """
    known: dict[str, Row] = {}
    for row, other in zip(rows, spare, strict=True):
        region, image = row.text("roi_id"), row.text("s2_id_gee") or row.text("s2_id")
        name = f"{region}__{image}" if region and image else other
        if name in known:
            raise DatasetError(
                f"{row} is of {name}, as {known[name]} is",
                expected="a row for every image of a region",
                remedy="leave the patch out of table and files, or mend its roi_id and s2_id_gee",
            )
        known[name] = row
    return list(known)


def places(rows: Sequence[Row]) -> dict[str, Values]:
    """Return where each patch lies: longitude, latitude, crs, transform.

    Raises:
        DatasetError: neither ``proj_centroid`` nor a grid, or what is none.
    """
    found = [_place(row) for row in rows]
    centres = np.array([centre for centre, *_ in found])
    return {
        "longitude": centres[:, 0],
        "latitude": centres[:, 1],
        "crs": np.array([crs for _, crs, _ in found], object),
        "transform": np.array([grid for *_, grid in found]),
    }


def _place(row: Row) -> tuple[tuple[float, float], str, list[float]]:
    code = row.text("proj_epsg").removesuffix(".0").upper().removeprefix("EPSG:")
    crs = f"EPSG:{code}" if code else ""
    grid = row.numbers("proj_transform", GRID, GRID + 3)[:GRID]
    to_degrees = _degrees(crs, row) if crs else None
    centre = row.numbers("proj_centroid", 2)
    if not centre and grid and to_degrees:
        a, b, c, d, e, f = grid
        half = IMAGE / 2
        centre = list(to_degrees(a * half + b * half + c, d * half + e * half + f))
    if not centre or not (abs(centre[0]) <= 180 and abs(centre[1]) <= 90):  # noqa: PLR2004 - degrees
        raise row.odd("proj_centroid", "longitude and latitude, POINT (2.35 48.85)")
    return (centre[0], centre[1]), crs, grid or [np.nan] * GRID


@cache
def _transform(crs: str) -> Callable[[float, float], tuple[float, float]]:
    return Transformer.from_crs(CRS(crs), "OGC:CRS84", always_xy=True).transform


def _degrees(crs: str, row: Row) -> Callable[[float, float], tuple[float, float]]:
    try:
        return _transform(crs)
    except CRSError:
        raise row.odd("proj_epsg", "the EPSG code of a UTM zone") from None


def times(rows: Sequence[Row], column: str) -> Values:
    """Return the times of a column, NaT where there is none.

    Raises:
        DatasetError: a cell that is no time.
    """
    return np.array([_time(row, column) for row in rows], "int64").view("M8[us]")


def _time(row: Row, column: str) -> int:
    text = row.text(column)
    try:
        return microseconds(text) if text else NOT_A_TIME
    except SlotError:
        raise row.odd(column, "a time in UTC, 2019-06-01 10:50:31") from None


def published(rows: Sequence[Row], taken: Iterable[str]) -> dict[str, tuple[str, Values]]:
    """Return the table's own columns: name of the column -> name in the set, values.

    A column is numbers where that gives back every cell, but for what R and pandas write where
    there is nothing (NaN); else it is text: a version 02.08 is no number. A name that the set
    uses otherwise gets ``published_`` before it.
    """
    used = {*taken, *PLACE, *TIME_COORDINATES}
    header = dict.fromkeys(name for row in rows for name in row.cells)
    return {
        name: (f"published_{name}" if name in used else name, _values(name, rows))
        for name in header
        if _NAME.fullmatch(name)
    }


def _values(name: str, rows: Sequence[Row]) -> Values:
    cells = [row.cells.get(name, "") for row in rows]
    for kind in () if name in TEXT else (int, float):
        numbers = [_number(kind, cell) for cell in cells]
        if None not in numbers:
            return np.array(numbers, "int64" if kind is int else "float64")
    return np.array(cells, object)


def _number(kind: type[int] | type[float], cell: str) -> float | None:
    """Return the number that a cell is and that gives back the cell, None where it is none."""
    if kind is float and cell in UNKNOWN:
        return np.nan
    try:
        number = kind(cell)
    except ValueError:
        return None
    fits = np.isfinite(number) and (kind is float or abs(number) <= np.iinfo("int64").max)
    return number if fits and cell in {written(number), repr(number)} else None


def written(value: object) -> str:
    """Return a value as a cell: no ".0" behind whole numbers, nothing for NaN."""
    if isinstance(value, float):
        return "" if np.isnan(value) else repr(float(value)).removesuffix(".0")
    return str(value)


def write(path: Path, columns: Mapping[str, Sequence[object]]) -> None:
    """Write a table."""
    with path.open("x", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows([written(v) for v in row] for row in zip(*columns.values(), strict=True))
