"""Which of a patch's four seasons an acquisition is of: decided by dates, never by a listing.

The original took seasons as the file system listed them. Here they lie in the order of time. All
sensors were searched within 15 days of four dates a patch, 89 days apart or more (20 March,
21 June, 22 September, 21 December, all less the same 0 to 364 days), so that dates of one season
lie up to 30 days apart and dates of two at least 59. That tells the sensors' seasons apart where
some are missing. Which of four seasons it is that no sensor has, nothing tells: those that are
there come first.

Source: zhu-xlab/SSL4EO-S12, src/download_data/ssl4eo_s12_downloader.py.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from cubestore_pipelines.benchmarks.ssl4eo.published import SEASONS

APART = np.timedelta64(45, "D")
"""Dates that lie further apart are of two seasons: halfway between 30 and 59 days."""


def seasons(times: Mapping[str, Sequence[np.datetime64]]) -> dict[str, tuple[int, ...]] | None:
    """Return the season of each acquisition of a patch, from 0 to 3.

    Args:
        times: of every sensor's acquisitions, in order.

    Returns:
        Sensor -> a season for each time; None where the times make no four seasons.
    """
    if all(len(some) == SEASONS for some in times.values()):
        return {name: tuple(range(SEASONS)) for name in times}
    dates = np.unique(np.concatenate([np.asarray(some, "M8[us]") for some in times.values()]))
    number = np.cumsum(np.diff(dates, prepend=dates[:1]) > APART)
    found = {
        name: tuple(number[np.searchsorted(dates, np.asarray(some, "M8[us]"))].tolist())
        for name, some in times.items()
    }
    unclear = any(
        len({*some}) < len(some) or max(some, default=0) >= SEASONS for some in found.values()
    )
    return None if unclear else found
