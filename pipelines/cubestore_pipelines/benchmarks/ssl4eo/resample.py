"""Bands of 20 m and 60 m on the pixels of 10 m, to the bit as the original did it.

Linear between the centres of pixels, the outermost repeated; weights in 1/65536, the second one
minus the first, and the sum rounded half up: what OpenCV's ``INTER_LINEAR_EXACT`` is. A band's
corner is laid on the patch's. The files' own origins lie apart by half a pixel of each size,
since ``save_geotiff`` shifts each by half of its own; the ground is the same.

Source: zhu-xlab/SSL4EO-S12, ssl4eo_dataset.py, ``get_array``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

ONE = np.uint64(2**16)
"""The weight of a whole pixel."""

HALF = np.uint64(2**31)
"""Half of a digital number, after two weights."""

BITS = np.uint64(32)
"""Two weights' bits."""


def linear_exact(band: NDArray[np.uint16], size: int) -> NDArray[np.uint16]:
    """Return ``(y, x)`` on ``size`` by ``size`` pixels."""
    before, after, weight = _between(band.shape[-1], size)
    numbers = band.astype(np.uint64)
    rows = numbers[:, before] * (ONE - weight) + numbers[:, after] * weight
    down = weight[:, None]
    whole = rows[before] * (ONE - down) + rows[after] * down
    resampled: NDArray[np.uint16] = ((whole + HALF) >> BITS).astype(np.uint16)
    return resampled


def _between(count: int, size: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.uint64]]:
    """Return for each of ``size`` pixels the two of ``count`` it lies between, and the way."""
    centre = (np.arange(size) + 0.5) * count / size - 0.5
    first = np.floor(centre).astype(int)
    weight = np.rint((centre - first) * float(ONE)).astype(np.uint64)
    weight[(first < 0) | (first >= count - 1)] = 0
    return first.clip(0), (first + 1).clip(0, count - 1), weight
