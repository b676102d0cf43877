"""One property of all items as arrays, so that a comparison is a few passes over memory.

Three-valued as in SQL and CQL2: where the property is missing, or of another kind than what it
is compared with, nothing matches, ``neq`` neither.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore_catalog.errors import RequestError
from cubestore_catalog.search import times

Scalar = str | float | bool
Mask = NDArray[np.bool_]


TEMPORAL = frozenset(
    {"datetime", "start_datetime", "end_datetime", "created", "updated", "published", "expires"}
)
"""Properties that are compared as times: as texts, 00:00:00Z would follow 00:00:00.5Z."""

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": np.equal,
    "neq": np.not_equal,
    "lt": np.less,
    "lte": np.less_equal,
    "gt": np.greater,
    "gte": np.greater_equal,
}
PATTERNS: dict[str, Callable[[str, str], bool]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": str.__contains__,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A property compared with a value."""

    name: str
    """The property, without ``properties.``; or ``id`` or ``collection``."""
    operator: str
    """One of `COMPARISONS` or `PATTERNS`, or ``in``."""
    value: Scalar | tuple[Scalar, ...]


class Column:
    """The values of one property, a row per item.

    Args:
        values: what the items have, None where they have nothing.
        temporal: whether texts are times.
    """

    def __init__(self, values: Sequence[object], *, temporal: bool = False) -> None:
        self.temporal = temporal
        self.texts = sorted({value for value in values if isinstance(value, str)})
        codes = {text: code for code, text in enumerate(self.texts)}
        self.codes = np.array(
            [codes[value] if isinstance(value, str) else -1 for value in values], np.int64
        )
        self.truths = np.array([int(v) if isinstance(v, bool) else -1 for v in values], np.int8)
        self.numbers = self._times() if temporal else _numbers(values)

    def matches(self, condition: Condition) -> Mask:
        """Return which rows meet a condition."""
        if isinstance(condition.value, tuple):
            return self._among(condition.value)
        if condition.operator in PATTERNS:
            return self._pattern(PATTERNS[condition.operator], str(condition.value))
        return self._compare(COMPARISONS[condition.operator], condition.value)

    @cached_property
    def order(self) -> NDArray[np.float64]:
        """Where each row stands when sorted: numbers, then texts; NaN where there is nothing."""
        place = np.searchsorted(self._distinct, self.numbers).astype(float)
        place[np.isnan(self.numbers)] = np.nan
        if not self.temporal:
            text = self.codes >= 0
            place[text] = self.codes[text] + len(self._distinct)
        return place

    def place(self, value: object) -> float:
        """Return where a value stands in `order`, between two places if no row has it."""
        if isinstance(value, str) and not self.temporal:
            return len(self._distinct) + _between(self.texts, value)
        number = _moment_or_nan(value) if isinstance(value, str) else _numbers([value])[0]
        return float("nan") if np.isnan(number) else _between(self._distinct, number)

    @cached_property
    def _distinct(self) -> NDArray[np.float64]:
        return np.unique(self.numbers[~np.isnan(self.numbers)])

    def _times(self) -> NDArray[np.float64]:
        moments = np.array([*map(_moment_or_nan, self.texts), np.nan])
        return moments[self.codes]

    def _compare(self, compare: Callable[[Any, Any], Any], value: Scalar) -> Mask:
        key = self._key(value)
        if isinstance(key, bool):
            return _both(compare(self.truths, int(key)), self.truths >= 0)
        if isinstance(key, str):
            # Between two codes where no row has the text: every comparison then comes out right.
            return _both(compare(self.codes, _between(self.texts, key)), self.codes >= 0)
        return _both(compare(self.numbers, key), ~np.isnan(self.numbers))

    def _among(self, values: tuple[Scalar, ...]) -> Mask:
        keys = [self._key(value) for value in values]
        texts = {key for key in keys if isinstance(key, str)}
        codes = [code for code, text in enumerate(self.texts) if text in texts]
        numbers = [k for k in keys if isinstance(k, (int, float)) and not isinstance(k, bool)]
        truths = [int(key) for key in keys if isinstance(key, bool)]
        found = np.isin(self.codes, codes) | np.isin(self.truths, truths)
        return found | np.isin(self.numbers, np.array(numbers, float))

    def _pattern(self, meets: Callable[[str, str], bool], value: str) -> Mask:
        fits: Mask = np.array([*(meets(text, value) for text in self.texts), False])
        return fits[self.codes]

    def _key(self, value: Scalar) -> Scalar:
        """Return what rows are compared with; pystac-client's own program sends numbers as text."""
        if not isinstance(value, str):
            return value
        if self.temporal:
            return times.moment(value)
        return value if self.texts else _number_or_text(value)


def _both(left: Mask, right: Mask) -> Mask:
    return left & right


def _numbers(values: Sequence[object]) -> NDArray[np.float64]:
    return np.array([v if type(v) in (int, float) else np.nan for v in values], float)


def _number_or_text(text: str) -> Scalar:
    try:
        return float(text)
    except ValueError:
        return text


def _moment_or_nan(text: str) -> float:
    try:
        return times.moment(text)
    except RequestError:
        return float("nan")


def _between(ordered: Sequence[Any] | NDArray[np.float64], key: str | float) -> float:
    """Return the index of a key, or half an index before the next one."""
    index = bisect_left(ordered, key)
    return float(index) if index < len(ordered) and ordered[index] == key else index - 0.5
