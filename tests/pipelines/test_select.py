"""Rules of selection: which acquisitions of a tile a cube is to hold."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubestore_pipelines.acquisitions import Acquisition
from cubestore_pipelines.errors import PlanError
from cubestore_pipelines.scene import Scene
from cubestore_pipelines.select import RULES, select

UNKNOWN = math.nan


def taken(name, cloud, covered=100):
    """Return an acquisition whose name is its time, to the day or the hour."""
    day, _, hour = name.partition("T")
    time = datetime.fromisoformat(f"{day}T{hour or '10'}:00:00+00:00")
    scene = Scene(
        item_id=name,
        collection="",
        url="",
        sensor="sentinel-2-l2a",
        time=time,
        time_end=time,
        cloud_cover=cloud,
        nodata_cover=100 - covered,
    )
    return Acquisition((scene,))


SERIES = {
    "2022-12-31": 5,
    "2023-01-02": 40,
    "2023-01-12": 20,
    "2023-02-01": UNKNOWN,
    "2023-03-31T23": 90,
    "2023-04-01T00": 90,
    "2023-12-01": UNKNOWN,
    "2023-12-31T23": 60,
    "2024-01-01T00": 60,
}


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        ("all", list(SERIES)),
        ("latest", ["2024-01-01T00"]),
        ("least-cloudy", ["2022-12-31"]),
        (
            "least-cloudy-per-month",
            [
                "2022-12-31",
                "2023-01-12",
                "2023-02-01",  # unknown, but the only one of its month
                "2023-03-31T23",  # a month ends in UTC
                "2023-04-01T00",
                "2023-12-31T23",  # what is known goes before what is not
                "2024-01-01T00",
            ],
        ),
        (
            "least-cloudy-per-quarter",
            ["2022-12-31", "2023-01-12", "2023-04-01T00", "2023-12-31T23", "2024-01-01T00"],
        ),
        ("least-cloudy-per-year", ["2022-12-31", "2023-01-12", "2024-01-01T00"]),
    ],
)
def test_what_a_rule_chooses(rule, chosen):
    found = [taken(name, cloud) for name, cloud in SERIES.items()]
    assert [one.item_id for one in select(found, rule)] == chosen
    assert [one.item_id for one in select(reversed(found), rule)] == chosen


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        ((10, 100), (10, 100), "2023-06-01"),  # all equal: the earlier
        ((10, 60), (10, 90), "2023-06-02"),  # equal clouds: what covers more
        ((9.9, 10), (10, 100), "2023-06-01"),  # cloud goes before cover
        ((UNKNOWN, 100), (100, 1), "2023-06-02"),  # unknown last
        ((UNKNOWN, 60), (UNKNOWN, 90), "2023-06-02"),
        ((0, 100), (UNKNOWN, 100), "2023-06-01"),
    ],
)
@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.startswith("least")])
def test_ties_are_decided_by_cover_and_then_by_time(rule, first, second, chosen):
    pair = [taken("2023-06-01", *first), taken("2023-06-02", *second)]
    assert [one.item_id for one in select(pair, rule)] == [chosen]


@pytest.mark.parametrize(
    ("max_cloud", "chosen"),
    [
        (None, ["2023-06-01", "2023-06-02", "2023-06-03"]),
        (100, ["2023-06-01", "2023-06-02", "2023-06-03"]),
        (30, ["2023-06-01", "2023-06-02"]),  # its limit belongs to it; unknown is not cloudier
        (29.9, ["2023-06-02"]),
        (0, ["2023-06-02"]),
    ],
)
def test_what_is_known_to_be_cloudier_is_left_out(max_cloud, chosen):
    found = [taken("2023-06-01", 30), taken("2023-06-02", UNKNOWN), taken("2023-06-03", 31)]
    assert [one.item_id for one in select(found, "all", max_cloud=max_cloud)] == chosen


def test_clouds_are_left_out_before_the_rule_chooses():
    found = [taken("2023-06-01", 10), taken("2023-06-02", 90)]
    assert [one.item_id for one in select(found, "latest", max_cloud=50)] == ["2023-06-01"]


@pytest.mark.parametrize("rule", RULES)
def test_of_nothing_a_rule_chooses_nothing(rule):
    assert select([], rule) == []
    assert select([taken("2023-06-01", 90)], rule, max_cloud=10) == []


@pytest.mark.parametrize("rule", ["", "least", "Latest", "random-years:2"])
def test_an_unknown_rule_is_refused_with_those_that_are_known(rule):
    with pytest.raises(PlanError, match="There is no rule of selection") as refusal:
        select([], rule)
    assert set(refusal.value.expected.removeprefix("one of ").split(", ")) == set(RULES)


PERIODS = {
    "least-cloudy-per-month": lambda one: one.time.strftime("%Y-%m"),
    "least-cloudy-per-quarter": lambda one: (one.time.year, (one.time.month + 2) // 3),
    "least-cloudy-per-year": lambda one: one.time.year,
    "least-cloudy": lambda _: "ever",
    "latest": lambda _: "ever",
}
DAYS = st.dates(datetime(2021, 1, 1, tzinfo=UTC).date(), datetime(2023, 12, 31, tzinfo=UTC).date())
CLOUDS = st.sampled_from([0.0, 10.0, 50.0, 100.0, UNKNOWN])
FOUND = st.dictionaries(DAYS, st.tuples(CLOUDS, st.sampled_from([20, 100])), max_size=15)


@given(FOUND, st.sampled_from([None, 0, 10, 50]))
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_chooses_some_of_what_was_found_in_the_order_of_time(rule, found, max_cloud):
    made = [taken(str(day), *told) for day, told in found.items()]
    chosen = select(made, rule, max_cloud=max_cloud)
    assert all(one in made for one in chosen)
    assert [one.time for one in chosen] == sorted({one.time for one in chosen})
    assert max_cloud is None or all(not one.cloud_cover > max_cloud for one in chosen)


@given(FOUND)
@pytest.mark.parametrize("rule", PERIODS)
def test_a_rule_per_period_chooses_one_of_each_and_none_is_less_cloudy(rule, found):
    made = [taken(str(day), *told) for day, told in found.items()]
    chosen, period = select(made, rule), PERIODS[rule]
    assert sorted(map(str, map(period, chosen))) == sorted({str(period(one)) for one in made})
    if rule != "latest":
        for one in chosen:
            rivals = [r.cloud_cover for r in made if period(r) == period(one)]
            known = [cloud for cloud in rivals if not math.isnan(cloud)]
            assert one.cloud_cover == (
                pytest.approx(min(known)) if known else pytest.approx(UNKNOWN, nan_ok=True)
            )
