"""Rules of selection: which acquisitions of a tile a cube is to hold."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubestore_pipelines.acquisitions import Acquisition
from cubestore_pipelines.errors import PlanError
from cubestore_pipelines.scene import Scene
from cubestore_pipelines.select import (
    LONGEST_SHIFT,
    RULES,
    Place,
    less_cloudy,
    parse,
    searched,
    season_windows,
)
from cubestore_pipelines.select import select as select_by

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


PLACE = Place(name="31UGQ")


def select(found, rule, *, max_cloud=None, place=PLACE, **more):
    return select_by(less_cloudy(found, max_cloud), parse(rule), place, **more)


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
        (
            "first-per-month",
            [
                "2022-12-31",
                "2023-01-02",
                "2023-02-01",
                "2023-03-31T23",
                "2023-04-01T00",
                "2023-12-01",
                "2024-01-01T00",
            ],
        ),
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


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "least",
        "Latest",
        "random-years:0",
        "random-years:2 random-years:1",
        "random-years:2 near:sentinel-1-rtc:3d",  # what is beside others has their years
        "near:sentinel-1-rtc",
        "near:sentinel-1-rtc:3",
    ],
)
def test_an_unknown_rule_is_refused_with_those_that_are_known(rule):
    with pytest.raises(PlanError, match="There is no rule of selection") as refusal:
        select([], rule)
    assert all(known in refusal.value.expected for known in RULES)


@pytest.mark.parametrize(
    ("years", "start", "end"),
    [
        (2, "2018-01-01", "2023-12-31"),
        (9, "2018-01-01", "2023-12-31"),  # no more than there are
        (1, None, None),  # of those in which there is something
    ],
)
def test_years_are_drawn_for_a_place_and_always_the_same(years, start, end):
    found = [taken(f"{year}-{month:02}-10", 10) for year in range(2018, 2024) for month in (2, 8)]
    times = [datetime.fromisoformat(f"{t}T00:00:00+00:00") if t else None for t in (start, end)]
    drawn = {}
    for tile in ("31UGQ", "32ULV", "33UUP", "10SGD", "60GVA", "01CCV"):
        place = Place(name=tile, start=times[0], end=times[1])
        chosen = select(found, f"random-years:{years}", place=place)
        again = select(reversed(found), f"random-years:{years} all", place=place)
        assert chosen == again
        drawn[tile] = {one.time.year for one in chosen}
        assert len(drawn[tile]) == min(years, 6)
        assert len(chosen) == 2 * len(drawn[tile])  # both of each year
    assert years == 9 or len({frozenset(one) for one in drawn.values()}) > 1


def test_two_sensors_of_a_place_get_the_same_years_and_another_seed_gets_others():
    place = Place(
        name="31UGQ", start=datetime(2015, 1, 1, tzinfo=UTC), end=datetime(2024, 1, 1, tzinfo=UTC)
    )
    dense = [taken(f"{year}-06-10", 10) for year in range(2015, 2025)]
    sparse = dense[::2]
    years = {one.time.year for one in select(dense, "random-years:4", place=place)}
    assert {one.time.year for one in select(sparse, "random-years:4", place=place)} <= years
    others = [
        {
            o.time.year
            for o in select(
                dense,
                "random-years:4",
                place=Place(name=place.name, seed=seed, start=place.start, end=place.end),
            )
        }
        for seed in range(1, 6)
    ]
    assert any(other != years for other in others)


@pytest.mark.parametrize("separator", [" ", ":", ",", "+"])
def test_random_years_stand_in_front_of_any_rule(separator):
    found = [taken("2021-06-10", 10), taken("2021-07-10", 5), taken("2021-11-10", 7)]
    chosen = select(found, f"random-years:1{separator}least-cloudy-per-year")
    assert [one.item_id for one in chosen] == ["2021-07-10"]


def test_of_a_places_pictures_the_latest_and_one_other_are_kept():
    found = [taken(f"{year}-07-01", UNKNOWN) for year in range(2012, 2024)]
    chosen = {
        name: [one.item_id for one in select(found, "latest-and-another", place=Place(name=name))]
        for name in ("14SNH", "15SUC", "31UGQ", "10SGD")
    }
    assert all(len(names) == 2 and names[1] == "2023-07-01" for names in chosen.values())
    assert len({names[0] for names in chosen.values()}) > 1
    assert [one.item_id for one in select(found[:1], "latest-and-another")] == ["2012-07-01"]


def test_of_one_quarter_of_a_year_the_last_is_kept():
    months = [
        f"{year}-{month:02}-{day}"
        for year in (2022, 2023)
        for month in range(1, 13)
        for day in ("05", "20")
    ]
    found, drawn = [taken(name, 0) for name in months], set()
    for name in ("14SNH", "15SUC", "31UGQ", "10SGD", "33UUP", "60GUV"):
        first, second = select(found, "random-quarter", place=Place(name=name))
        assert (first.time.year, second.time.year) == (2022, 2023)
        assert first.time.strftime("%m-%d") == second.time.strftime("%m-%d")
        drawn.add(first.time.strftime("%m-%d"))
    assert drawn <= {"03-20", "06-20", "09-20", "12-20"}
    assert len(drawn) > 1
    (one,) = select(found, "random-years:1 random-quarter")
    assert one.item_id.endswith("-20")


def test_seasons_are_four_dates_of_a_place_moved_by_one_random_number():
    shifts = set()
    for name in ("31UGQ", "32ULV", "33UUP", "10SGD"):
        windows = season_windows(Place(name=name))
        middles = [start + (end - start) / 2 for start, end in windows]
        published = ["2020-12-21", "2021-03-20", "2021-06-21", "2021-09-22"]
        moved = {
            datetime.fromisoformat(f"{d}T00:00:00+00:00") - m
            for d, m in zip(published, middles, strict=True)
        }
        (shift,) = moved
        assert 0 <= shift.days <= LONGEST_SHIFT
        assert all((end - start).days == 30 for start, end in windows)
        shifts.add(shift)
    assert len(shifts) > 1


def test_of_each_season_the_last_within_fifteen_days_is_kept():
    place = Place(name="31UGQ")
    (first, _), (start, end), *_ = season_windows(place)
    days = [(start.date().isoformat(), 0), (end.date().isoformat(), 90)]
    middle = (start + (end - start) / 2).date().isoformat()
    found = [taken(f"{day}T00", cloud) for day, cloud in [*days, (middle, 0)]]
    outside = taken(f"{start.year}-{start.month:02}-{start.day:02}T00", 0)
    assert [o.item_id for o in select([*found, outside], "seasonal", place=place)] == [
        days[1][0] + "T00"
    ]
    assert select([taken("2001-01-01", 0)], "seasonal", place=place) == []
    assert searched(parse("seasonal"), place) == (first, season_windows(place)[-1][1])


def test_the_time_that_is_searched_says_in_which_year_the_seasons_end():
    end = datetime(2023, 12, 31, 23, 59, tzinfo=UTC)
    later = season_windows(Place(name="31UGQ", end=end))
    usual = season_windows(Place(name="31UGQ"))
    assert [b[0].year - a[0].year for a, b in zip(usual, later, strict=True)] == [2] * 4


def test_the_next_of_a_group_is_taken_where_the_first_will_not_do_up_to_twenty_times():
    found = [taken(f"2023-{m:02}-{d:02}", cloud=m * 30 + d) for m in (1, 2) for d in range(1, 13)]
    asked = []

    def third(one):
        asked.append(one.item_id)
        return one.item_id == "2023-01-03"

    assert [o.item_id for o in select(found, "least-cloudy", accept=third)] == ["2023-01-03"]
    assert asked == ["2023-01-01", "2023-01-02", "2023-01-03"]
    asked.clear()
    assert select(found, "least-cloudy", accept=lambda o: asked.append(o) or False) == []
    assert len(asked) == 20


def test_a_rule_near_another_sensor_widens_the_time_that_is_searched():
    start, end = datetime(2023, 6, 1, tzinfo=UTC), datetime(2023, 6, 30, tzinfo=UTC)
    near = parse("near:sentinel-2-l2a:36h")
    assert near.near.sensor == "sentinel-2-l2a"
    place = Place(name="31UGQ", start=start, end=end)
    assert searched(near, place) == (
        datetime(2023, 5, 30, 12, tzinfo=UTC),
        datetime(2023, 7, 1, 12, tzinfo=UTC),
    )
    assert searched(near, Place(name="31UGQ")) == (None, None)


PERIODS = {
    "first-per-month": lambda one: one.time.strftime("%Y-%m"),
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
    if rule.startswith("least"):
        for one in chosen:
            rivals = [r.cloud_cover for r in made if period(r) == period(one)]
            known = [cloud for cloud in rivals if not math.isnan(cloud)]
            assert one.cloud_cover == (
                pytest.approx(min(known)) if known else pytest.approx(UNKNOWN, nan_ok=True)
            )
