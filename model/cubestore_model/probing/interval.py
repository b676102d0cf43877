"""How sure a mean of few repetitions is: Student's interval."""

import math
from collections.abc import Sequence

CONFIDENCE = 0.95

HALVINGS = 60
"""Of the interval in which a quantile is looked for: to the last digit."""

FARTHEST = 1e3
"""Larger than any quantile of 95 %: that of one degree of freedom is 12.7."""


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return between which numbers the mean lies, with 95 % confidence; None of fewer than two."""
    count = len(values)
    if count < 2:  # noqa: PLR2004 - one number says nothing of its spread
        return None
    middle = math.fsum(values) / count
    variance = math.fsum((v - middle) ** 2 for v in values) / (count - 1)
    half = quantile(count - 1) * math.sqrt(variance / count)
    return middle - half, middle + half


def quantile(freedom: int) -> float:
    """Return the t that 95 % of a Student distribution lie within, on both sides of 0."""
    low, high = 0.0, FARTHEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, freedom) < CONFIDENCE else (low, middle)
    return high


def within(t: float, freedom: int) -> float:
    """Return the part of a Student distribution that lies from -t to t.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    term = total = math.cos(angle) if odd else 1.0
    for n in range(2 + odd, freedom - 1, 2):
        term *= square * (n - 1) / n
        total += term
    if not odd:
        return sine * total
    return 2 / math.pi * (angle + (sine * total if freedom > 1 else 0.0))
