"""The rule ``near:SENSOR:3d``: acquisitions beside those of another sensor.

Of the acquisitions near in time the one that covers most of the place says which orbit counts,
ascending or descending; further ones of that orbit are added until the place is covered.
Source: Clay v0, datacube.py; C2S-MS floods.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from cubestore_pipelines.acquisitions import Acquisition
from cubestore_pipelines.coverage import Ground

COVERED = 0.999
"""The fraction of a place from which on it counts as covered: footprints are drawn coarsely."""


ALIKE = 2
"""Decimals of a fraction covered that count before the time does."""


def partners(
    moment: datetime, found: Iterable[Acquisition], within: timedelta, ground: Ground
) -> tuple[list[Acquisition], float]:
    """Return the acquisitions beside a moment, by time, and the fraction of the place they cover.

    Args:
        moment: of the other sensor's acquisition.
        found: of this one, on the same tile.
        within: how far apart they may be.
        ground: the place to cover.
    """
    near = [one for one in found if abs(one.time - moment) <= within]
    ranked = sorted(
        near, key=lambda one: (-round(_covered([one], ground), ALIKE), abs(one.time - moment))
    )
    taken: list[Acquisition] = []
    covered = 0.0
    for one in ranked:
        if covered >= COVERED or (taken and _orbit(one) != _orbit(taken[0])):
            continue
        more = _covered([*taken, one], ground)
        if more > covered:
            taken, covered = [*taken, one], more
    return sorted(taken, key=lambda one: one.time), covered


def _covered(acquisitions: Sequence[Acquisition], ground: Ground) -> float:
    """Return the fraction of the place; what tells no footprint is taken to cover it."""
    share = ground.covered(scene.footprint for one in acquisitions for scene in one.scenes)
    return 1.0 if math.isnan(share) else share


def _orbit(one: Acquisition) -> object:
    first = one.scenes[0]
    return first.orbit_state or first.relative_orbit
