import pytest

from cubestore_catalog import RequestError
from cubestore_catalog.search.times import EARLIEST, LATEST, instant, interval, moment

DAY = 86_400_000_000
NOON = 12 * 3_600_000_000


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t12:00:00z", NOON),  # letters of either case
        ("1970-01-01T12:00:00+02:00", NOON - 7_200_000_000),  # local time is ahead of UTC
        ("1970-01-01T12:00:00-00:30", NOON + 1_800_000_000),
        ("1970-01-01T00:00:00.5Z", 500_000),
        ("1970-01-01T00:00:00.012345678Z", 12_345),  # beyond the microsecond: dropped
        ("1969-12-31T23:59:59.999999Z", -1),
        ("1969-12-31T23:59:60Z", 0),  # a leap second is the second that follows
        ("9999-12-31T23:59:59Z", 253_402_300_799_000_000),  # beyond int64 nanoseconds
    ],
)
def test_a_date_time_of_rfc_3339_is_read(text, microseconds):
    assert instant(text) == microseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        "1985-04-12",  # no time
        "1985-04-12T23:20:50",  # no zone
        "1985-04-12 23:20:50Z",
        "1985-04-12T23:20:50.Z",
        "1985-04-12T23:20:50,5Z",
        "1985-04-12T23:20:50+0100",
        "1985-04-12T23:20:50+24:00",
        "1985-13-12T23:20:50Z",
        "1985-02-29T23:20:50Z",
        "1985-04-12T24:00:00Z",
        "1985-04-12T25:20:50Z",
        "1985-04-12T23:60:50Z",
        "1985-04-12T23:59:61Z",
        "85-04-12T23:20:50Z",
        "21985-04-12T23:20:50Z",
        "1985-04-12T23:20:50Z\n",
        "١٩٨٥-04-12T23:20:50Z",  # digits, but not ASCII's
    ],
)
def test_what_is_no_date_time_is_refused(text):
    with pytest.raises(RequestError, match="RFC 3339"):
        instant(text)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("1970-01-01T00:00:00Z", (0, 0)),
        ("1970-01-01T00:00:00Z/1970-01-02T00:00:00Z", (0, DAY)),
        ("1970-01-01T00:00:00Z/..", (0, LATEST)),
        ("1970-01-01T00:00:00Z/", (0, LATEST)),
        ("../1970-01-01T00:00:00Z", (EARLIEST, 0)),
        ("/1970-01-01T00:00:00Z", (EARLIEST, 0)),
    ],
)
def test_an_interval_is_read(text, ends):
    assert interval(text) == ends


@pytest.mark.parametrize(
    "text",
    ["/", "../..", "../", "1970-01-02T00:00:00Z/1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z//.."],
)
def test_what_is_no_interval_is_refused(text):
    with pytest.raises(RequestError):
        interval(text)


def test_a_date_is_its_midnight_where_values_are_compared():
    assert moment("1970-01-02") == DAY
