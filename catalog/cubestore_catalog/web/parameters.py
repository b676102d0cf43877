"""The parameters of a request as values: each once, none unknown, numbers within limits."""

import math
from collections.abc import Mapping

from starlette.requests import Request

from cubestore_catalog.errors import RequestError

MOST_DIGITS = 9
"""Of the index of a slot, a row or a column."""


def parameters(request: Request, *names: str) -> dict[str, str]:
    """Return the parameters of a query string.

    Args:
        request: what was sent.
        names: those that there may be.

    Raises:
        RequestError: one is there twice, or is none of these.
    """
    given = given_once(request)
    if strange := [name for name in given if name not in names]:
        raise RequestError(
            f"The parameter {strange[0]!r:.60} is not known",
            expected=f"some of {', '.join(names)}" if names else "none",
        )
    return given


def given_once(request: Request) -> dict[str, str]:
    """Return the parameters of a query string, whatever they are called.

    Raises:
        RequestError: one is there twice.
    """
    names = [name for name, _ in request.query_params.multi_items()]
    if len(set(names)) < len(names):
        raise RequestError("A parameter is given twice", expected="each once, lists with commas")
    return dict(request.query_params)


def whole(given: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Return a whole number from 1 on.

    Raises:
        RequestError: it is none, or more than ``most``.
    """
    text = given.get(name, str(default))
    plain = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    if not plain or not 1 <= int(text) <= most:
        raise _wrong(name, text, f"a whole number from 1 to {most}")
    return int(text)


def slot(text: str) -> int:
    """Return the index of a slot, in the order of arrival.

    Raises:
        RequestError: it is no whole number.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS):
        raise _wrong("slot", text, "a whole number, counted from 0")
    return int(text)


def place(given: Mapping[str, str]) -> tuple[float, float]:
    """Return the place of ``lon`` and ``lat``, degrees.

    Raises:
        RequestError: one is missing, or no place on the globe.
    """
    lon, lat = (_number(given, name) for name in ("lon", "lat"))
    if abs(lon) > 180 or abs(lat) > 90:  # noqa: PLR2004 - degrees
        raise RequestError(
            f"The place {lon:g} {lat:g} is not on the globe",
            expected="lon from -180 to 180 and lat from -90 to 90",
        )
    return lon, lat


def window(given: Mapping[str, str]) -> tuple[int, int, int, int] | None:
    """Return ``window`` as rows and columns: top, left, bottom, right; None where not given.

    Raises:
        RequestError: it is none, or nothing is in it.
    """
    if "window" not in given:
        return None
    texts = given["window"].split(",")
    plain = all(t.isascii() and t.isdecimal() and len(t) <= MOST_DIGITS for t in texts)
    if not plain or len(texts) != 4:  # noqa: PLR2004 - sides
        raise _wrong("window", given["window"], "TOP,LEFT,BOTTOM,RIGHT, whole numbers of pixels")
    top, left, bottom, right = map(int, texts)
    if top >= bottom or left >= right:
        raise _wrong("window", given["window"], "a bottom below its top, a right of its left")
    return top, left, bottom, right


def words(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return a list of words with commas between.

    Raises:
        RequestError: one of them is empty.
    """
    if name not in given:
        return ()
    found = tuple(given[name].split(","))
    if not all(found):
        raise _wrong(name, given[name], "words with commas between")
    return found


def ranges(given: Mapping[str, str], name: str) -> tuple[tuple[float, float], ...]:
    """Return pairs of numbers: ``0,0.3`` or ``0,0.3;0,0.4;0,0.5``.

    Raises:
        RequestError: they are none, or the second is not greater than the first.
    """
    if name not in given:
        return ()
    return tuple(_pair(name, part) for part in given[name].split(";"))


def _pair(name: str, text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise _wrong(name, text, "LOW,HIGH, once or for each band with ; between") from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise _wrong(name, text, "two finite numbers, the smaller first")
    return low, high


def _number(given: Mapping[str, str], name: str) -> float:
    text = given.get(name, "")
    try:
        number = float(text)
    except ValueError as error:
        raise _wrong(name, text, "degrees: lon and lat are both needed") from error
    if not math.isfinite(number):
        raise _wrong(name, text, "a finite number")
    return number


def _wrong(name: str, found: str, expected: str) -> RequestError:
    return RequestError(f"The parameter {name} is {found!r:.80}", expected=expected)
