"""The loops for the CPU, compiled: each line of pixels stays in the cache until it is done."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore.compiled import compiled
from cubestore.stats.norms import FAINTEST

Floats = NDArray[Any]


@compiled
def scale(
    stored: Floats,
    valid: Floats,
    table: Floats,
    limits: Floats,
    decibels: bool,  # noqa: FBT001 - a loop
    out: Floats,
) -> None:
    """Fill ``out`` (B, K, H, W) as `Scaling` says.

    Args:
        stored: ``(B, C, H, W)``.
        valid: ``(B, H, W)``.
        table: of each band taken its index, mean, std and what stands for nodata; ``(4, K)``.
        limits: the least and the largest result, and what is stored for nodata.
        decibels: whether their logarithm is taken.
        out: float32.
    """
    for b in range(len(stored)):
        for k in range(table.shape[1]):
            band, mean, std, empty = table[:, k]
            if band < 0:
                out[b, k] = empty
                continue
            rows, into, told = stored[b, int(band)], out[b, k], (mean, std, empty)
            if decibels:
                _decibels(rows, into)
                _line_by_line(rows, into, valid[b], told, limits, into)
            else:
                _line_by_line(rows, rows, valid[b], told, limits, into)


@compiled
def _decibels(power: Floats, into: Floats) -> None:
    for y in range(power.shape[0]):
        for x in range(power.shape[1]):
            bright = max(np.float32(power[y, x]), np.float32(FAINTEST))
            into[y, x] = np.float32(10) * np.log10(bright)


@compiled
def _line_by_line(
    stored: Floats,
    values: Floats,
    valid: Floats,
    told: tuple[np.float32, np.float32, np.float32],
    limits: Floats,
    into: Floats,
) -> None:
    mean, std, empty = told
    low, high, fill = limits
    for y in range(stored.shape[0]):
        for x in range(stored.shape[1]):
            value = np.float32(stored[y, x])
            there = valid[y, x] & (value != fill) & np.isfinite(value)
            scaled = (np.float32(values[y, x]) - mean) / std
            scaled = max(scaled, low)
            scaled = min(scaled, high)
            into[y, x] = scaled if there else empty
