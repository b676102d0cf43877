"""Numbers in a byte, by the rules that SSL4EO-S12 was published with; no JPEG behind them.

    stored = quantise.mean_two_std(pixels, mean, std)     # what lies within 2 std of the mean
    stored = quantise.ten_thousandths(pixels)             # reflectance 0 to 1
    values = quantise.values_of_mean_two_std(stored, mean, std)

Both cut off what lies outside, and round down. Operators and methods only, so that arrays on a
GPU go the same way. float32 is computed in float32 and all else in float64, as in the original,
so that every byte is the published one.

Source: zhu-xlab/SSL4EO-S12, src/benchmark/pretrain_ssl/datasets/SSL4EO/ssl4eo_dataset.py,
``normalize`` and ``get_array``.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cubestore.errors import MismatchError

LARGEST = 255.0
"""The largest number in a byte."""

FULL_SCALE = 10_000.0
"""Digital numbers of a reflectance of 1."""

DEVIATIONS = 2
"""How many of them on either side of the mean are kept."""

WRAP = "wrap"
"""Compat: what is brighter than 1 begins anew at 0, as `astype` made it in the original."""

Compat = Literal["wrap"] | None
Numbers = np.ndarray[Any, np.dtype[Any]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]


def mean_two_std(pixels: Numbers, mean: npt.ArrayLike, std: npt.ArrayLike) -> Bytes:
    """Return ``clip((x - (mean - 2 std)) / (4 std) * 255)``, rounded down.

    Args:
        pixels: ``(…, band, y, x)``, numbers as published; NaN becomes 0.
        mean: of each band, in the same numbers.
        std: of each band.

    Returns:
        uint8 of the same shape. `step` apart; below ``mean - 2 std`` all is 0, above
        ``mean + 2 std`` all is 255.

    Raises:
        MismatchError: another number of means than of bands, or a std that is not above 0.
    """
    low, width = between(mean, std, pixels)
    scaled = (pixels - low) / width * _factor(pixels)
    return _rounded_down(scaled)


def between(mean: npt.ArrayLike, std: npt.ArrayLike, pixels: Numbers) -> tuple[Numbers, Numbers]:
    """Return where each band's 0 is and how far from it 255, as `mean_two_std` has them.

    Args:
        mean: of each band.
        std: of each band.
        pixels: ``(…, band, y, x)``; the result is in their precision, and where they are.

    Raises:
        MismatchError: another number of means than of bands, or a std that is not above 0.
    """
    low, width = (_beside(n, pixels) for n in _range(mean, std, pixels.shape[-3]))
    return low, width


def values_of_mean_two_std(
    stored: Bytes, mean: npt.ArrayLike, std: npt.ArrayLike
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the middle of what became each byte; ``mean + 2 std`` for 255.

    Within two deviations of the mean this is at most half a `step` from what it was.

    Args:
        stored: ``(…, band, y, x)``.
        mean: of each band.
        std: of each band.

    Raises:
        MismatchError: another number of means than of bands, or a std that is not above 0.
    """
    low, width = (n[:, None, None] for n in _range(mean, std, stored.shape[-3]))
    middle = (stored + 0.5 * (stored < LARGEST)) / LARGEST
    values: np.ndarray[Any, np.dtype[np.float64]] = low + width * middle
    return values


def step(std: npt.ArrayLike) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return how far the bytes of `mean_two_std` lie apart, in the units of ``std``."""
    return np.asarray(std, float) * (2 * DEVIATIONS / LARGEST)


def ten_thousandths(pixels: Numbers, *, compat: Compat = None) -> Bytes:
    """Return ``x / 10000 * 255``, rounded down; what is brighter than 1 is 255.

    Args:
        pixels: digital numbers of any shape, without the offset of newer products.
        compat: ``wrap``: brighter than 1 begins anew at 0, as it was published.

    Returns:
        uint8 of the same shape.
    """
    scaled = pixels / FULL_SCALE * LARGEST
    if compat == WRAP:  # by way of int64, for a float beyond a byte is not the same everywhere
        wrapped: Bytes = scaled.astype(np.int64).astype(np.uint8)
        return wrapped
    return _rounded_down(scaled)


def _rounded_down(scaled: Numbers) -> Bytes:
    stored: Bytes = np.nan_to_num(scaled.clip(0, LARGEST), nan=0.0).astype(np.uint8)
    return stored


def _range(
    mean: npt.ArrayLike, std: npt.ArrayLike, bands: int
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.float64]]]:
    """Return where each band begins and how wide it is, in the original's order of steps."""
    middle, deviation = np.asarray(mean, float), np.asarray(std, float)
    if not (middle.shape == deviation.shape == (bands,) and (deviation > 0).all()):
        raise MismatchError(
            f"Means of shape {middle.shape} and deviations {deviation} for {bands} bands",
            expected="one of each for every band, and deviations above 0",
            remedy="see cubestore.norms.norm",
        )
    low, high = middle - DEVIATIONS * deviation, middle + DEVIATIONS * deviation
    return low, high - low


def _beside(numbers: Numbers, pixels: Numbers) -> Numbers:
    """Return a number a band in the precision of the pixels, and where the pixels are."""
    kind = np.float32 if pixels.dtype == np.float32 else np.float64
    there: Numbers = np.asarray(numbers.astype(kind), like=pixels)  # CuPy's, of CuPy's pixels
    return there[:, None, None]


def _factor(pixels: Numbers) -> Any:  # noqa: ANN401 - a scalar of either precision
    return pixels.dtype.type(LARGEST) if pixels.dtype == np.float32 else LARGEST
