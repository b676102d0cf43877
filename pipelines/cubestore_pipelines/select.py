"""Rules of selection: which acquisitions of a tile a cube is to hold. A rule is one function.

Each gets the acquisitions by time and returns groups of them, in each the most wanted first. The
first of a group that is acceptable is taken: whatever asks more of an acquisition than its rule
does (a partner of another sensor within three days) may pass over some of them.
"""

import math
import random
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from cubestore_pipelines.acquisitions import Acquisition
from cubestore_pipelines.errors import PlanError

Found = Sequence[Acquisition]
Groups = list[Found]
QUARTERS, MONTHS_A_QUARTER = 4, 3

TRIES = 20
"""Acquisitions of a group that are looked at for one that will do. Source: Clay v0, datacube.py."""

SEASONS = ((-1, 12, 21), (0, 3, 20), (0, 6, 21), (0, 9, 22))
"""Years after the reference, month and day of the four dates of SSL4EO-S12 (Wang et al. 2023)."""

REFERENCE_YEAR = 2021
LONGEST_SHIFT = 364
"""Days by which a place's dates lie earlier, all four by the same random number."""

HALF_SEASON = timedelta(days=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a rule may know of where and when it chooses."""

    name: str
    """A tile's id: what is random is the same for a place on every machine and day."""

    seed: int = 0
    start: datetime | None = None
    end: datetime | None = None
    """Of the time that is searched; None: open."""

    def random(self, purpose: str) -> random.Random:
        """Return the random numbers of a place."""
        return random.Random(f"{purpose} {self.name} {self.seed}")  # noqa: S311 - a sample, no secret


Rule = Callable[[Found, Place], Groups]


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """Beside which sensor's acquisitions, and how near in time."""

    sensor: str
    within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A rule of selection as it is written: ``random-years:2 least-cloudy-per-quarter``."""

    rule: str = "all"
    years: int | None = None
    """How many years are drawn at random, before the rule chooses."""

    near: Near | None = None


def everything(found: Found, _: Place) -> Groups:
    """Keep all of them."""
    return [[one] for one in found]


def latest(found: Found, _: Place) -> Groups:
    """Keep the one that was taken last."""
    return [found[::-1]]


def latest_and_another(found: Found, place: Place) -> Groups:
    """Keep the one that was taken last, and one drawn among the others, as Clay's NAIP."""
    others = list(found[:-1])
    place.random("another").shuffle(others)
    return [group for group in (found[-1:], others) if group]


def random_quarter(found: Found, place: Place) -> Groups:
    """Keep the last of one calendar quarter, drawn for the place, of each year: Clay's radar."""
    drawn = place.random("quarter").randrange(QUARTERS)
    mine = [one for one in found if _quarter(one)[1] == drawn]
    return [list(group)[::-1] for _, group in groupby(mine, _quarter)]


def least_cloudy(found: Found, _: Place) -> Groups:
    """Keep the one with the least cloud."""
    return [sorted(found, key=_cloudiness)]


def least_cloudy_per_month(found: Found, _: Place) -> Groups:
    """Keep the one with the least cloud of each calendar month, in UTC."""
    return _by_cloud(found, _month)


def least_cloudy_per_quarter(found: Found, _: Place) -> Groups:
    """Keep the one with the least cloud of each calendar quarter, in UTC."""
    return _by_cloud(found, _quarter)


def least_cloudy_per_year(found: Found, _: Place) -> Groups:
    """Keep the one with the least cloud of each calendar year, in UTC."""
    return _by_cloud(found, lambda one: one.time.year)


def first_per_month(found: Found, _: Place) -> Groups:
    """Keep the first of each calendar month, in UTC."""
    return [list(group) for _, group in groupby(found, _month)]


def seasonal(found: Found, place: Place) -> Groups:
    """Keep the last within 15 days of each of a place's four dates, as SSL4EO-S12 was sampled."""
    windows = season_windows(place)
    return [[o for o in found[::-1] if start <= o.time <= end] for start, end in windows]


RULES: Mapping[str, Rule] = {
    "all": everything,
    "latest": latest,
    "latest-and-another": latest_and_another,
    "random-quarter": random_quarter,
    "least-cloudy": least_cloudy,
    "least-cloudy-per-month": least_cloudy_per_month,
    "least-cloudy-per-quarter": least_cloudy_per_quarter,
    "least-cloudy-per-year": least_cloudy_per_year,
    "first-per-month": first_per_month,
    "seasonal": seasonal,
}

FAR = 36_500.0
"""Days, or hours: beyond them near is not nearer."""

YEARS = re.compile(r"random-years:(?P<years>[1-9]\d*)(?:[\s:,+/]+(?P<rule>.+))?")
NEAR = re.compile(r"near:(?P<sensor>[^:]+):(?P<number>\d+(?:\.\d+)?)(?P<unit>[dh])")


def parse(text: str) -> Selection:
    """Return the selection of a rule as it is written.

    Raises:
        PlanError: there is no such rule.
    """
    if match := NEAR.fullmatch(text):
        unit = {"d": "days", "h": "hours"}[match["unit"]]
        within = timedelta(**{unit: min(float(match["number"]), FAR)})
        return Selection(near=Near(sensor=match["sensor"], within=within))
    if match := YEARS.fullmatch(text):
        rest = parse(match["rule"] or "all")
        if rest.years is None and rest.near is None:
            return Selection(rule=rest.rule, years=int(match["years"]))
    if text not in RULES:
        raise PlanError(
            f"There is no rule of selection {text!r}",
            expected=f"one of {', '.join(RULES)}, near:SENSOR:3d, or random-years:2 and a rule",
            remedy="choose one of these with --select",
        )
    return Selection(rule=text)


def season_windows(place: Place) -> list[tuple[datetime, datetime]]:
    """Return the start and end of a place's four seasons, by time.

    They end in the year in which the time that is searched ends, else in SSL4EO's.
    """
    year = place.end.year if place.end else REFERENCE_YEAR
    shift = timedelta(days=place.random("seasonal").randint(0, LONGEST_SHIFT))
    dates = [datetime(year + y, month, day, tzinfo=UTC) - shift for y, month, day in SEASONS]
    return [(date - HALF_SEASON, date + HALF_SEASON) for date in dates]


def searched(selection: Selection, place: Place) -> tuple[datetime | None, datetime | None]:
    """Return the time in which a rule needs to know what there is."""
    if selection.rule == "seasonal":
        windows = season_windows(place)
        return windows[0][0], windows[-1][1]
    if selection.near is not None:
        within = selection.near.within
        return place.start and place.start - within, place.end and place.end + within
    return place.start, place.end


def less_cloudy(found: Iterable[Acquisition], max_cloud: float | None) -> list[Acquisition]:
    """Return what is not known to be cloudier than so many percent."""
    limit = math.inf if max_cloud is None else max_cloud
    return [one for one in found if not one.cloud_cover > limit]


def select(
    found: Iterable[Acquisition],
    selection: Selection,
    place: Place,
    *,
    accept: Callable[[Acquisition], bool] = lambda _: True,
) -> list[Acquisition]:
    """Return the acquisitions that a rule chooses, by time.

    Args:
        found: on one tile.
        selection: the rule.
        place: where and when it chooses.
        accept: whether one will do; a group's next is looked at when it will not.
    """
    ordered = sorted(found, key=lambda one: one.time)
    if selection.years is not None:
        drawn = _years(ordered, selection.years, place)
        ordered = [one for one in ordered if one.time.year in drawn]
    groups = RULES[selection.rule](ordered, place)
    best = (next((o for o in group[:TRIES] if accept(o)), None) for group in groups)
    return sorted((one for one in best if one is not None), key=lambda one: one.time)


def _years(found: Found, count: int, place: Place) -> set[int]:
    """Draw years: of those that are searched, or of those in which there is something."""
    if place.start and place.end:
        years = range(place.start.year, place.end.year + 1)
    else:
        years = sorted({one.time.year for one in found})  # type: ignore[assignment]
    return set(place.random("years").sample(years, min(count, len(years))))


def _month(one: Acquisition) -> tuple[int, int]:
    return one.time.year, one.time.month


def _quarter(one: Acquisition) -> tuple[int, int]:
    return one.time.year, (one.time.month - 1) // MONTHS_A_QUARTER


def _by_cloud(found: Found, period: Callable[[Acquisition], Hashable]) -> Groups:
    return [sorted(group, key=_cloudiness) for _, group in groupby(found, period)]


def _cloudiness(one: Acquisition) -> tuple[float, float, object]:
    """Least cloud first, unknown last; of equals what covers more, then the earlier."""
    cloud = one.cloud_cover
    return (math.inf if math.isnan(cloud) else cloud), -one.covered, one.time
