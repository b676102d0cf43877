"""The order of a Hilbert curve: what is near on it is near in the plane."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def distance(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.int64]:
    """Return how far along the curve the cells of a square grid lie.

    Args:
        x: columns, from 0.
        y: rows, from 0.
    """
    x, y = np.asarray(x, np.int64), np.asarray(y, np.int64)
    along = np.zeros(x.shape, np.int64)
    bits = int(max(x.max(initial=0), y.max(initial=0))).bit_length()
    for bit in reversed(range(bits)):
        side = 1 << bit
        right, low = x >> bit & 1, y >> bit & 1
        along += side * side * ((3 * right) ^ low)
        x, y = x & (side - 1), y & (side - 1)
        turned, flipped = low == 0, (low == 0) & (right == 1)
        x, y = np.where(flipped, side - 1 - x, x), np.where(flipped, side - 1 - y, y)
        x, y = np.where(turned, y, x), np.where(turned, x, y)
    return along
