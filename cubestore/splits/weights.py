"""How often chips are drawn: weights that balance groups, and whole repeats that even them out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from geopandas import GeoDataFrame
from numpy.typing import NDArray

from cubestore.errors import MismatchError
from cubestore.splits import columns
from cubestore.splits.partition import fraction

CLASS = "class_"
"""What the columns of land-cover fractions begin with."""

ROUNDING = 1e-3
"""Of a chip: fractions are single floats, and their sum is not always 1."""

LAND_COVER, FRACTIONS = "land_cover", "classes"
"""What is no column, and can be balanced: the class that a chip has most of, and all it has."""


def weights(
    chips: pa.Table | GeoDataFrame, balance: str | Sequence[str] = ()
) -> NDArray[np.float64]:
    """Return the probability with which each chip is drawn; 1 together.

    Of each thing that is balanced, with ``n`` chips in the group of chip ``i`` and ``G`` groups,
    ``w[i] = 1 / (G * n)``: every group is drawn as often as any other. Of ``classes``, where chip
    ``i`` is of class ``c`` to the fraction ``f[i, c]`` and there are ``C`` classes,
    ``w[i] = sum over c of f[i, c] / (C * sum over i of f[i, c])``: every class is drawn as much
    ground of as any other, so that chips with rare ones count more. Of several things the weights
    are multiplied and divided by their sum.

    Args:
        chips: an index; what is left out of it is not drawn.
        balance: columns (``platform``, ``sensor``, ``split`` …), ``land_cover``, the class that
            a chip has most of, or ``classes``, all it has. A chip without land cover is of a
            class of its own; so is, of ``classes``, the part of a chip that has none. Nothing to
            balance: all alike.

    Raises:
        MismatchError: no chips, or a column that they lack.
    """
    _refuse_none(chips)
    product = np.ones(len(chips))
    for name in [balance] if isinstance(balance, str) else balance:
        product *= _by_class(chips) if name == FRACTIONS else _by_group(_groups(chips, name))
    found: NDArray[np.float64] = product / product.sum()
    return found


def repeats(
    chips: pa.Table | GeoDataFrame, by: str = "sensor", *, seed: int = 0, epoch: int = 0
) -> NDArray[np.int64]:
    """Return how often each chip comes in an epoch in which all groups are as large as the largest.

    With ``N`` chips in the largest group and ``n`` in this one, each comes ``N // n`` times, and
    ``N % n`` of them once more: those whose hash of chip, seed and epoch is smallest, so that it
    does not matter in which order the chips lie. Clay evens out its platforms like this.

    Args:
        chips: an index.
        by: what groups them, as in `weights`; not ``classes``.
        seed: of what comes once more.
        epoch: another, and others come once more.

    Raises:
        MismatchError: no chips, or a column that they lack.
    """
    _refuse_none(chips)
    group = _groups(chips, by)
    sizes = np.bincount(group)
    times, rest = np.divmod(sizes.max(), sizes)
    found: NDArray[np.int64] = times[group].astype(np.int64)
    ids = columns.texts(chips, "chipid")
    for number in np.flatnonzero(rest).tolist():
        rows = np.flatnonzero(group == number)
        drawn = np.array([fraction(f"{seed}/{epoch}/{chip}") for chip in ids[rows].tolist()])
        found[rows[np.argsort(drawn, kind="stable")[: rest[number]]]] += 1
    return found


def _refuse_none(chips: pa.Table | GeoDataFrame) -> None:
    if not len(chips):
        raise MismatchError("No chips", expected="at least one", remedy="ask the index for others")


def _groups(chips: pa.Table | GeoDataFrame, name: str) -> NDArray[np.int64]:
    """Return the number of each chip's group."""
    if name == LAND_COVER:
        return _numbered(_fractions(chips).argmax(axis=1))
    return _numbered(columns.codes(chips, name)[0])


def _numbered(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return values as numbers from 0 without gaps."""
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _by_group(group: NDArray[np.int64]) -> NDArray[np.float64]:
    sizes = np.bincount(group)
    return 1 / (len(sizes) * sizes[group])


def _by_class(chips: pa.Table | GeoDataFrame) -> NDArray[np.float64]:
    part = _fractions(chips)
    total = part.sum(axis=0)
    there = total > 0
    shares: NDArray[np.float64] = (part[:, there] / total[there]).sum(axis=1)
    return shares / np.count_nonzero(there)


def _fractions(chips: pa.Table | GeoDataFrame) -> NDArray[np.float64]:
    """Return each chip's part of each class, and last of none."""
    names = [name for name in columns.names(chips) if name.startswith(CLASS)]
    if not names:
        raise MismatchError(
            "Chips without land cover",
            expected=f"columns that begin with {CLASS}",
            remedy="build the tiles' esa-worldcover cubes, and the index again",
        )
    known = np.stack([columns.numbers(chips, n).astype(np.float64) for n in names], axis=1)
    known = np.nan_to_num(np.clip(known, 0, None))
    rest = 1 - known.sum(axis=1)
    return np.column_stack([known, np.where(rest > ROUNDING, rest, 0)])
