"""RFC 3339, strictly, as whole microseconds since 1970 in UTC.

Microseconds in int64 hold every year of RFC 3339; nanoseconds end in 2262.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cubestore_catalog.errors import RequestError

RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:)(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))",
    re.ASCII | re.IGNORECASE,
)
DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - as the texts are read: without their zone
MICROSECOND = timedelta(microseconds=1)

EARLIEST, LATEST = -(2**62), 2**62
"""What an open end of an interval stands for."""

LEAP_SECOND, BEFORE = "60", "59"
LAST_HOUR, LAST_MINUTE = 23, 59
OPEN = ("", "..")


def instant(text: str) -> int:
    """Return the microseconds since 1970 of an RFC 3339 date-time.

    Digits beyond the microsecond are dropped; a leap second is the second that follows it.

    Raises:
        RequestError: the text is no date-time of RFC 3339, or no day of the calendar.
    """
    match = RFC_3339.fullmatch(text)
    if match is None:
        raise _wrong(text)
    minute, second, fraction = match[1], match[2], match[3] or ""
    leap = second == LEAP_SECOND
    try:
        clock = datetime.fromisoformat(minute + (BEFORE if leap else second))
    except ValueError as error:
        raise _wrong(text) from error
    whole = (clock - EPOCH) // MICROSECOND + leap * 1_000_000
    return whole + int(f"{fraction}000000"[:6]) - _offset(text, match)


def moment(text: str) -> int:
    """Return the microseconds of a date-time, or of a date's midnight in UTC.

    Raises:
        RequestError: the text is neither.
    """
    return instant(f"{text}T00:00:00Z" if DATE.fullmatch(text) else text)


def nominal(properties: Mapping[str, Any]) -> object:
    """Return what an item is compared and sorted by as ``datetime``: of one that lasts, its start.

    So pgstac has it, behind the Planetary Computer's API; a null would match no question.
    """
    value = properties.get("datetime")
    return properties.get("start_datetime") if value is None else value


def interval(text: str) -> tuple[int, int]:
    """Return the first and last microsecond that the parameter ``datetime`` allows.

    Args:
        text: one date-time, or two with ``/`` between them, of which one may be ``..`` or empty.

    Raises:
        RequestError: the text is neither, both ends are open, or the end lies before the start.
    """
    if "/" not in text:
        return instant(text), instant(text)
    ends = text.split("/")
    if len(ends) != len(OPEN) or all(end in OPEN for end in ends):
        raise _wrong(text)
    start = EARLIEST if ends[0] in OPEN else instant(ends[0])
    end = LATEST if ends[1] in OPEN else instant(ends[1])
    if start > end:
        raise RequestError(f"The interval {text} ends before it starts", expected="start/end")
    return start, end


def _offset(text: str, match: re.Match[str]) -> int:
    """Return how far local time is ahead of UTC."""
    if match[4] is None:
        return 0
    hours, minutes = int(match[5]), int(match[6])
    if hours > LAST_HOUR or minutes > LAST_MINUTE:
        raise _wrong(text)
    sign = -1 if match[4] == "-" else 1
    return sign * (hours * 60 + minutes) * 60_000_000


def _wrong(text: str) -> RequestError:
    return RequestError(
        f"{text!r} is no time",
        expected="RFC 3339 with a zone like 2020-01-31T12:00:00Z, or start/end, with .. for one "
        "that is open",
    )
