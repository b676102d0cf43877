"""A patch as either version of the data set tells of it, with its numbers as published."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore_pipelines.benchmarks.ssl4eo.offset import Excess

Plane = NDArray[Any]
"""``(y, x)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """One sensor's picture of a patch."""

    item_id: str
    time: np.datetime64
    planes: Mapping[str, Plane]
    """Our name of a band -> its pixels, of its own size."""

    known: Mapping[str, str | int | float] = field(default_factory=dict)
    """Columns that cubes have on time too, and the grid of its pixels of 10 m."""

    excess: Excess
    cloud_mask: Plane | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A place, and what was seen there in four seasons."""

    patch_id: str
    longitude: float
    latitude: float
    crs: str
    transform: tuple[float, ...]
    """a b c d e f, of the first sensor's pixels of 10 m."""

    split: str = ""
    row: str
    """For errors: the file and where in it."""

    seasons: Mapping[str, tuple[Acquisition | None, ...]]
    """Modality -> four, None where there is none."""
