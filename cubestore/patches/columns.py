"""What is known of every patch: one entry a patch, or one for each of its acquisitions.

Names that cubes have on time mean the same here, with the suffix of a sensor (``time_s1``); any
other name is a column of the data set's own.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import CRS
from pyproj.exceptions import CRSError

from cubestore import layout
from cubestore.encoding import FILLS, STRING, Array, Json
from cubestore.errors import MismatchError
from cubestore.patches.definition import PatchDescription, Pixels
from cubestore.slot import EARLIEST, LATEST, microseconds, refuse_tokens

ENTRIES = 2**16
"""Numbers or texts in a chunk, at most."""

NOT_A_TIME = int(np.iinfo("int64").min)
"""Where a patch has fewer acquisitions than others."""

AFFINE = 6
NEEDED = ("patch_id", "longitude", "latitude")

Values = np.ndarray[Any, np.dtype[Any]]
Known = tuple[str, float | str, Json]

PLACE: dict[str, Known] = {
    "patch_id": (STRING, "", {"long_name": "the patch's name in its data set"}),
    "longitude": ("float64", math.nan, {"standard_name": "longitude", "units": "degrees_east"}),
    "latitude": ("float64", math.nan, {"standard_name": "latitude", "units": "degrees_north"}),
    "crs": (STRING, "", {"long_name": "CRS of the patch's grid"}),
    "transform": (
        "float64",
        math.nan,
        {"long_name": "a b c d e f of the grid (y, x): X = a column + b row + c, of corners"},
    ),
    "split": (STRING, "", {"long_name": "training, validation or test, as published"}),
}
"""Name -> dtype, the value that says "unknown", attributes; every set has these."""

_LIMITS = {"longitude": 180, "latitude": 90}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class Columns:
    """The columns of a set that is being written; the first patches tell which there are."""

    def __init__(self, description: PatchDescription) -> None:
        self.arrays: dict[str, Array] = {}
        """Name -> how the column is stored."""

        self._pixels = description.pixels
        variables = description.arrays()
        dims = {dim for array in variables.values() for dim in array.dims}
        self._taken = {*variables, *description.coordinates(), *dims, "affine"}
        self._rows = max(1, ENTRIES // max(1, *(one.acquisitions for one in self._pixels), 1))
        self._ids: set[str] = set()
        self._crs: set[str] = {""}

    def take(self, count: int, given: Mapping[str, npt.ArrayLike]) -> dict[str, Values]:
        """Return the columns of the next patches as they are stored.

        Raises:
            MismatchError: columns that are missing, other than before, or of another length or
                type; an id that came before; a place that is none.
            SlotError: times that are none, or addresses with a token.
        """
        for name in NEEDED:
            if name not in given:
                raise _unfit(f"Patches without {name}", f"{', '.join(NEEDED)} of each")
        columns = {n: self._column(n, count, v) for n, v in {**_unknown(count), **given}.items()}
        arrays = {name: self._array(name, values) for name, values in columns.items()}
        odd = sorted(n for n in arrays.keys() | self.arrays if arrays.get(n) != self.arrays.get(n))
        if self.arrays and odd:
            raise _unfit(f"{odd[0]} is not as it was", f"always {', '.join(self.arrays)}, alike")
        self._refuse_no_place(columns)
        self._refuse_known(columns["patch_id"].tolist())
        self.arrays = arrays
        self._ids |= set(columns["patch_id"].tolist())
        return columns

    def _column(self, name: str, count: int, given: npt.ArrayLike) -> Values:
        if not _NAME.fullmatch(name) or name in self._taken:
            raise _unfit(f"A column called {name!r}", "a new name of letters, digits and _")
        sensor = self._sensor(name)
        values, seasons = np.asarray(given), sensor.acquisitions if sensor else 0
        shapes = {(count,), (count, seasons)} if seasons else {(count,)}
        if values.shape not in ({(count, AFFINE)} if name == "transform" else shapes):
            raise _unfit(f"{name} of shape {values.shape}", f"one of {count} patches {shapes}")
        return _stored(self._base(name), values)

    def _array(self, name: str, values: Values) -> Array:
        base = self._base(name)
        text = values.dtype.kind == "O"
        fill = "" if text else layout.unknown(values.dtype)
        _, unknown, attributes = _known(base) or ("", fill, {})
        if _is_time(base):
            unknown, attributes = NOT_A_TIME, {**attributes, "_FillValue": NOT_A_TIME}
        sensor = self._sensor(name)
        dim = "affine" if name == "transform" else sensor.named("season") if sensor else ""
        return Array(
            name=name,
            dims=("patch", dim)[: values.ndim],
            shape=(0, *values.shape[1:]),
            dtype=STRING if text else values.dtype.name,
            fill=unknown,
            chunks=(self._rows, *values.shape[1:]),
            attributes=attributes,
        )

    def _sensor(self, name: str) -> Pixels | None:
        """Return the sensor that a column is of: the one whose suffix it has, or the first."""
        mine = [one for one in self._pixels[1:] if name.endswith(f"_{one.suffix}")]
        return next(iter([*mine, *self._pixels]), None)

    def _base(self, name: str) -> str:
        sensor = self._sensor(name)
        return name.removesuffix(f"_{sensor.suffix}") if sensor and sensor.suffix else name

    def _refuse_no_place(self, columns: Mapping[str, Values]) -> None:
        for name, most in _LIMITS.items():
            good = np.abs(columns[name]) <= most
            if not good.all():
                where = ", ".join(columns["patch_id"][~good][:3])
                odd = f"{name} {columns[name][~good][:3]} of {where}"
                raise _unfit(odd, f"numbers from -{most} to {most}")
        rows = columns["transform"]
        known = ~np.isnan(rows).all(axis=1)
        if not (np.isfinite(rows[known]).all() and rows[known][:, [0, 4]].all()):
            raise _unfit("a transform with a hole, or of pixels without size", "six numbers")
        for name in set(columns["crs"].tolist()) - self._crs:
            try:
                CRS.from_user_input(name)
            except CRSError:
                raise _unfit(f"crs {name!r}", "a CRS such as EPSG:32631, or nothing") from None
            self._crs.add(name)

    def _refuse_known(self, names: Sequence[str]) -> None:
        again = [n for n in names if not n or n in self._ids]
        again += [n for n in set(names) if names.count(n) > 1] if len({*names}) < len(names) else []
        if again:
            raise _unfit(f"patch_id {again[0]!r}", "one of its own for every patch")


def _unknown(count: int) -> dict[str, Values]:
    shapes = {"crs": (count,), "transform": (count, AFFINE), "split": (count,)}
    return {name: np.full(shape, PLACE[name][1]) for name, shape in shapes.items()}


def _known(base: str) -> Known | None:
    return PLACE.get(base) or layout.TIME_COORDINATES.get(base)


def _is_time(base: str) -> bool:
    known = _known(base)
    return known is not None and known[2].get("units") == layout.TIME_UNITS["units"]


def _stored(base: str, values: Values) -> Values:
    """Return a column in the dtype that it is stored in, with the same values."""
    known = _known(base)
    if _is_time(base):
        return _microseconds(values)
    if values.dtype.kind in "OUT" or (known and known[0] == STRING):
        return _texts(base, values)
    dtype = np.dtype(known[0] if known else "uint8" if values.dtype.kind == "b" else values.dtype)
    stored = values.astype(dtype) if values.dtype.kind in "biuf" else values
    exact = dtype.kind == "f" or (np.isfinite(values).all() and np.array_equal(stored, values))
    if stored.dtype.name not in FILLS or not exact:
        raise _unfit(f"{base} as {values.dtype}", f"{known[0] if known else 'numbers or texts'}")
    return stored


def _texts(base: str, values: Values) -> Values:
    texts = values.astype(object)
    if not all(isinstance(text, str) for text in texts.flat):
        raise _unfit(f"{base} as {values.dtype}", 'texts, "" where nobody knows')
    if base == "source_url":
        refuse_tokens(" ".join(set(texts.flat)))
    return texts


def _microseconds(values: Values) -> Values:
    """Return times as they are stored; NaT where there is none."""
    if values.dtype.kind != "M":
        moments = [NOT_A_TIME if v is None else microseconds(v) for v in values.flat]
        return np.array(moments, "int64").reshape(values.shape)
    moments_ = values.astype("M8[us]")
    for odd in moments_[~np.isnat(moments_) & ~((moments_ >= EARLIEST) & (moments_ < LATEST))]:
        microseconds(odd)
    return moments_.astype("int64")


def _unfit(found: str, expected: str) -> MismatchError:
    return MismatchError(
        found, expected=expected, remedy="nothing of these patches was taken; mend and give them"
    )
