"""How often each value occurs: exact for integers, and for floats of ten mantissa bits.

Values of 16 bits or fewer are counted one by one. Of a float32 the leading 19 bits are counted:
sign, exponent, ten bits of the mantissa, which is all of it where a cube rounds its floats (radar).
Where more was kept, a value stands for all that begin like it, and may be off by `RESOLUTION` of
itself at most; whether that is so is known, for the bits that were cut off are looked at.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cubestore.compiled import compiled
from cubestore.errors import MismatchError

CUT = np.uint32(13)
"""Bits of a float32's mantissa that are not counted: ten of 23 are."""

RESOLUTION = 2.0**-11
"""How far a float of more bits lies from the middle of those that are counted with it."""

NOT_FINITE = np.uint32(0x7F800000)
"""The exponent of infinity and of NaN."""

HALF = 0.5

WIDEST = 2
"""Bytes of the widest integers that are counted."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Values in ascending order, and how often each occurs."""

    values: NDArray[np.float64]
    counts: NDArray[np.int64]
    exact: bool = True
    """Whether these are the values themselves; False: the middles of bins of floats."""

    @classmethod
    def merged(cls, some: Iterable[Self]) -> "Distribution":
        """Return what is counted when all are counted together."""
        parts = list(some)
        values, where = np.unique(np.concatenate([p.values for p in parts]), return_inverse=True)
        counts = np.zeros(len(values), np.int64)
        np.add.at(counts, where, np.concatenate([p.counts for p in parts]))
        return cls(values, counts, all(p.exact for p in parts))

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """The sum, rounded once, over the count; NaN of nothing."""
        return (
            math.fsum((self.values * self.counts).tolist()) / self.count if self.count else math.nan
        )

    @property
    def std(self) -> float:
        """The standard deviation of all there is (`ddof` 0)."""
        if not self.count:
            return math.nan
        squares = (self.values - self.mean) ** 2 * self.counts
        return math.sqrt(math.fsum(squares.tolist()) / self.count)

    def percentiles(self, percents: Sequence[float]) -> list[float]:
        """Return what `numpy.percentile` returns for the values one by one."""
        if not self.count:
            return [math.nan] * len(percents)
        behind = np.cumsum(self.counts)
        places = (self.count - 1) * (np.asarray(percents, np.float64) / 100)
        low = np.floor(places).astype(np.int64)
        high = np.minimum(low + 1, self.count - 1)
        below, above = (self.values[np.searchsorted(behind, k, side="right")] for k in (low, high))
        part, step = places - low, above - below  # rounded as NumPy rounds
        found = np.where(part < HALF, below + step * part, above - step * (1 - part))
        return [float(value) for value in found]

    def decibels(self) -> "Distribution":
        """Return ``10 * log10`` of what is above zero; the rest is left out."""
        above = self.values > 0
        return Distribution(10 * np.log10(self.values[above]), self.counts[above], self.exact)


class Histogram:
    """Counts values of one dtype as they come."""

    def __init__(self, dtype: np.dtype[Any], nodata: float) -> None:
        if (dtype.kind not in "iub" and dtype != np.float32) or (
            dtype.kind != "f" and dtype.itemsize > WIDEST
        ):
            raise MismatchError(
                f"Values of {dtype}",
                expected="integers of at most 16 bits, or float32",
                remedy="masks and coordinates have no statistics; ask for those of the pixels",
            )
        self._dtype, self._nodata = dtype, nodata
        bins = 2 ** (8 * dtype.itemsize) if dtype.kind != "f" else 2 ** (32 - int(CUT))
        self._counts = np.zeros(bins, np.int64)
        self._rounded = np.zeros(bins if dtype.kind == "f" else 0, bool)

    def add(self, values: NDArray[Any]) -> None:
        """Count values; nodata, NaN and infinities are left out."""
        flat = np.ascontiguousarray(values, self._dtype).reshape(-1)
        if self._dtype.kind == "f":
            nodata = np.float32(self._nodata).view(np.uint32)
            _count_floats(flat.view(np.uint32), self._counts, self._rounded, nodata)
        else:
            _count_integers(flat.view(f"u{self._dtype.itemsize}"), self._counts)

    def distribution(self) -> Distribution:
        """Return what was counted so far."""
        bins = np.flatnonzero(self._counts)
        values = self._values(bins)
        order = np.argsort(values, kind="stable")
        order = order[values[order] != self._nodata]
        return Distribution(values[order], self._counts[bins[order]], not self._rounded.any())

    def _values(self, bins: NDArray[np.int64]) -> NDArray[np.float64]:
        if self._dtype.kind != "f":
            return bins.astype(f"u{self._dtype.itemsize}").view(self._dtype).astype(np.float64)
        middle = self._rounded[bins].astype(np.uint32) << (CUT - np.uint32(1))
        bits = (bins.astype(np.uint32) << CUT) | middle
        return bits.view(np.float32).astype(np.float64)


@compiled
def _count_integers(values: NDArray[Any], counts: NDArray[np.int64]) -> None:
    for value in values:
        counts[value] += 1


@compiled
def _count_floats(
    bits: NDArray[np.uint32],
    counts: NDArray[np.int64],
    rounded: NDArray[np.bool_],
    nodata: np.uint32,
) -> None:
    """Count by the leading bits, and mark where any others were set."""
    rest = (np.uint32(1) << CUT) - np.uint32(1)
    for value in bits:
        if (value & NOT_FINITE) != NOT_FINITE and value != nodata:
            counts[value >> CUT] += 1
            if value & rest:
                rounded[value >> CUT] = True
