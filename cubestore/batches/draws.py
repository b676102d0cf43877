"""Random numbers that depend on a seed and a position, and on nothing that asks for them.

Any worker has those of any sample without those before it, and of any number of workers the same.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Draws = NDArray[np.uint64]


class Purpose(IntEnum):
    """What a sample's draw decides: each gets numbers of its own."""

    FLIP = 0
    ROTATION = 1
    ROW = 2
    COLUMN = 3
    SLOT = 4


def draws(seed: Sequence[int], positions: Any) -> Draws:  # noqa: ANN401 - whatever NumPy takes
    """Return the draw of each sample: 64 random bits.

    Args:
        seed: numbers that make the draws these: a seed, the epoch …
        positions: of the samples in the epoch, counted from 0 over all workers.
    """
    places = np.atleast_1d(positions).astype(np.uint64)
    first, *rest = seed
    drawn: Draws = np.full(places.shape, first % 2**64, np.uint64)
    for word in rest:
        drawn = _mixed(_mixed(drawn) + np.uint64(word % 2**64))
    return _mixed(_mixed(drawn) + places)


def numbers(drawn: Draws, purpose: int, count: Any) -> NDArray[np.int64]:  # noqa: ANN401 - a number, or one each
    """Return for each draw a number below ``count``, of a purpose's own."""
    own = np.uint64((purpose + 1) * 0x9E3779B97F4A7C15 % 2**64)
    mixed = _mixed(np.asarray(drawn, np.uint64) ^ own)
    return (mixed % np.asarray(count, np.uint64)).astype(np.int64)


def _mixed(words: Draws) -> Draws:
    """Return words of which each bit depends on all bits of the given: SplitMix64's finaliser."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
