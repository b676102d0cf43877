"""Whether the +1000 of Sentinel-2's newer baselines is in published numbers, and taking it out.

v1 tells each acquisition's baseline. v1.1 has 1000 in all of them: its zarr_dataset.py says that
they include it "to align with the newest ESA processing version", and its means lie 1000 above
those of v1. Pixels can only contradict, as they do for cubes: B10 of L1C sees no ground and is dark
everywhere, B02 and B04 of L2A somewhere. Numbers are kept as they were published unless the offset
is to be removed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore.stats.published import PB04
from cubestore_pipelines.offset import DARK, EVIDENCE, SINCE, TEST_BASELINES, TOO_MANY

UNDECIDED = -1

EMPTY = 0
"""Sentinel-2's digital number of nothing."""

NODATA = int(np.iinfo("int16").min)
"""What a cube has there."""


@dataclass(frozen=True, slots=True)
class Excess:
    """What published numbers have too much, and how that is known."""

    number: int
    """1000, 0, or -1 where nobody can tell."""

    source: str
    disputed: bool = False
    """Whether the pixels say otherwise than the source, and are believed."""

    @property
    def sure(self) -> bool:
        """Whether the offset may be removed."""
        return not self.disputed and self.number != UNDECIDED


NONE = Excess(0, "")
V11 = Excess(PB04, "v1.1 includes +1000: its zarr_dataset.py, and its means less those of v1")


def by_baseline(baseline: str) -> Excess:
    """Return what a product of that processing baseline has too much."""
    try:
        major, minor = (int(part) for part in baseline.split("."))
    except ValueError:
        major, minor = TEST_BASELINES, 0
    told = f"processing baseline {baseline or 'not given'}"
    if major >= TEST_BASELINES:
        return Excess(UNDECIDED, told)
    return Excess(PB04 if (major, minor) >= SINCE else 0, told)


def compared(told: Excess, sensor: str, planes: Mapping[str, NDArray[Any]]) -> Excess:
    """Return what was told of an acquisition, or that its pixels prove it wrong.

    Args:
        told: by the product, or the data set.
        sensor: of the pixels.
        planes: our name of a band -> its pixels.
    """
    if told.number == PB04 and _too_dark(sensor, planes):
        wrong = f"{told.source}; but pixels are so dark that none can be in these"
        return Excess(0, wrong, disputed=True)
    return told


def _too_dark(sensor: str, planes: Mapping[str, NDArray[Any]]) -> bool:
    """Whether more than a thousandth of the pixels would be reflectances under -0.02."""
    bands = [planes[name] for name in EVIDENCE[sensor]]
    dark = sum(int(((band != EMPTY) & (band < DARK)).sum()) for band in bands)
    valid = sum(int((band != EMPTY).sum()) for band in bands)
    return dark > TOO_MANY * valid


def removed(pixels: NDArray[Any], excess: int) -> NDArray[np.int16]:
    """Return digital numbers as a cube has them: int16, the offset taken out, nothing clipped."""
    limits = np.iinfo("int16")
    numbers = (pixels.astype(np.int32) - excess).clip(limits.min + 1, limits.max)
    return np.where(pixels == EMPTY, NODATA, numbers).astype(np.int16)
