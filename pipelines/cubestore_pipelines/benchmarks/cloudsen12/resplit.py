"""Splits drawn anew over all images, as the data set's card proposes, but so that none leaks.

The five images of a region of interest show the same ground: they stay together. The card draws
image by image, which puts most regions into several splits; that is ``compat="by-image"``.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from cubestore.errors import QueryError

SPLITS = ("train", "val", "test")

Compat = Literal["", "by-image"]


def resplit(
    regions: Sequence[str], shares: Sequence[float], *, seed: int, compat: Compat = ""
) -> np.ndarray[Any, np.dtype[np.str_]]:
    """Return the split of each image.

    Args:
        regions: the region of interest of each image. Their order does not matter, unless by image.
        shares: parts of the images for train, val and test; together 1. Each is met to within
            half of a region.
        seed: draws; the same seed gives the same splits on every machine.
        compat: by-image: draw images, not regions, as the card does.

    Raises:
        QueryError: shares that are none.
    """
    _refuse_unfit(shares)
    groups = np.arange(len(regions)) if compat else np.unique(regions, return_inverse=True)[1]
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    middles = np.empty(len(sizes))
    middles[order] = np.cumsum(sizes[order]) - sizes[order] / 2
    ends = np.cumsum(shares)[:-1] * len(regions)
    return np.array(SPLITS)[np.searchsorted(ends, middles, side="right")][groups]


def parse(text: str) -> tuple[float, ...]:
    """Return shares as they are written: ``0.7,0.1,0.2``.

    Raises:
        QueryError: they are no numbers.
    """
    try:
        return tuple(map(float, text.split(",")))
    except ValueError:
        raise _unfit(text) from None


def _refuse_unfit(shares: Sequence[float]) -> None:
    whole = math.isclose(math.fsum(shares), 1, abs_tol=1e-9)
    if len(shares) != len(SPLITS) or min(shares) < 0 or not whole:
        raise _unfit(",".join(f"{share:g}" for share in shares))


def _unfit(shares: str) -> QueryError:
    return QueryError(
        f"Shares of {shares}",
        expected=f"three numbers, for {', '.join(SPLITS)}, that are 1 together",
        remedy="write --resplit 0.7,0.1,0.2",
    )
