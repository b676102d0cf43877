"""Rules of selection: which acquisitions of a tile a cube is to hold. A rule is one function.

Each gets the acquisitions by time and returns some of them, by time.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import groupby

from cubestore_pipelines.acquisitions import Acquisition
from cubestore_pipelines.errors import PlanError

Found = Sequence[Acquisition]
Rule = Callable[[Found], Found]
MONTHS_A_QUARTER = 3


def everything(found: Found) -> Found:
    """Keep all of them."""
    return found


def latest(found: Found) -> Found:
    """Keep the one that was taken last."""
    return found[-1:]


def least_cloudy(found: Found) -> Found:
    """Keep the one with the least cloud."""
    return [min(found, key=_cloudiness)] if found else []


def least_cloudy_per_month(found: Found) -> Found:
    """Keep the one with the least cloud of each calendar month, in UTC."""
    return _best_of_each(found, lambda one: (one.time.year, one.time.month))


def least_cloudy_per_quarter(found: Found) -> Found:
    """Keep the one with the least cloud of each calendar quarter, in UTC."""
    return _best_of_each(found, lambda o: (o.time.year, (o.time.month - 1) // MONTHS_A_QUARTER))


def least_cloudy_per_year(found: Found) -> Found:
    """Keep the one with the least cloud of each calendar year, in UTC."""
    return _best_of_each(found, lambda one: one.time.year)


RULES: Mapping[str, Rule] = {
    "all": everything,
    "latest": latest,
    "least-cloudy": least_cloudy,
    "least-cloudy-per-month": least_cloudy_per_month,
    "least-cloudy-per-quarter": least_cloudy_per_quarter,
    "least-cloudy-per-year": least_cloudy_per_year,
}


def select(
    found: Iterable[Acquisition], rule: str, *, max_cloud: float | None = None
) -> list[Acquisition]:
    """Return the acquisitions that a rule chooses.

    Args:
        found: on one tile.
        rule: its name.
        max_cloud: percent; what is known to be cloudier is left out first.

    Raises:
        PlanError: there is no such rule.
    """
    if rule not in RULES:
        raise PlanError(
            f"There is no rule of selection {rule!r}",
            expected=f"one of {', '.join(RULES)}",
            remedy="choose one of these with --select",
        )
    limit = math.inf if max_cloud is None else max_cloud
    fine = [one for one in found if not one.cloud_cover > limit]
    return list(RULES[rule](sorted(fine, key=lambda one: one.time)))


def _best_of_each(found: Found, period: Callable[[Acquisition], Hashable]) -> Found:
    return [min(group, key=_cloudiness) for _, group in groupby(found, period)]


def _cloudiness(one: Acquisition) -> tuple[float, float, object]:
    """Least cloud first, unknown last; of equals what covers more, then the earlier."""
    cloud = one.cloud_cover
    return (math.inf if math.isnan(cloud) else cloud), -one.covered, one.time
