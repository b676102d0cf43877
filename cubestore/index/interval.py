"""A span of time as users write it: ``2023-06/2023-08``, ``2023``, ``2023-06-01/..``."""

import re

import numpy as np

from cubestore.errors import QueryError, SlotError
from cubestore.slot import microseconds

OPEN = ("", "..")
"""An end that is not there."""

_UNITS = {"Y": r"\d{4}", "M": r"\d{4}-\d\d", "D": r"\d{4}-\d\d-\d\d"}


def interval(text: str) -> tuple[int | None, int | None]:
    """Return the first and last microsecond (UTC) of ``A/B``, ``A`` alone, ``A/..`` or ``../B``.

    A part may be a year, a month, a day or a moment; an end includes all of it. None: open.

    Raises:
        QueryError: it is none of these, or it ends before it begins.
    """
    first, slash, last = text.partition("/")
    start = None if first in OPEN else span(first)[0]
    end = span(last)[1] if slash and last not in OPEN else None
    end = span(first)[1] if not slash and first not in OPEN else end
    if start is not None and end is not None and start > end:
        raise _wrong(text)
    return start, end


def span(text: str) -> tuple[int, int]:
    """Return the first and last microsecond of a year, month or day; a moment's are the same.

    Raises:
        QueryError: it is none of these.
    """
    try:
        for unit, shape in _UNITS.items():
            if re.fullmatch(shape, text, re.ASCII):
                start = np.datetime64(text)
                first = microseconds(start.astype("datetime64[us]"))
                step = (start + np.timedelta64(1, unit)).astype("datetime64[us]") - start  # type: ignore[call-overload]
                return first, first + int(step.astype("int64")) - 1
        moment = microseconds(text)
    except (SlotError, ValueError):
        raise _wrong(text) from None
    return moment, moment


def _wrong(text: str) -> QueryError:
    return QueryError(
        f"The datetime {text!r}",
        expected="A/B, each a year, a month, a day, a moment or .., the earlier first",
        remedy="for example 2023-06-01/2023-08-31",
    )
