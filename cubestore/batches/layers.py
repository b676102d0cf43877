"""What a batch reads for each of its chips: layers, each one variable on the chip's ground.

A layer is read at its own pixel size: the chip's window is carried over to its grid, which must
take it whole. Buffers are made once, and filled again and again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore.batches.sources import CubeSource, Source
from cubestore.errors import GridMismatchError
from cubestore.windows import Windows

Array = NDArray[Any]

WHOLE = 1e-6
"""How far from a whole number of pixels a chip's side may be: rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A layer of one source: where it is read, for chips that are given in another's pixels."""

    source: Source
    windows: Windows
    bands: NDArray[np.int64]
    slots: NDArray[np.int64] | None = None
    """For each slot of the chip's source the one that is read, -1 for none; None: the same."""

    scale: float = 1.0
    """Pixels of this layer along one of the chip's."""

    shift: tuple[float, float] = (0.0, 0.0)
    """Row and column, in this layer's pixels, of the chip's grid's corner."""

    def fill(self, slot: int, corner: tuple[int, int], out: Array) -> None:
        """Fill ``out`` (bands, y, x) with the window of a chip."""
        taken = slot if self.slots is None else int(self.slots[slot])
        if taken < 0:
            out[...] = self.windows.array.fill
            return
        row, column = (
            math.floor(c * self.scale + s + WHOLE) for c, s in zip(corner, self.shift, strict=True)
        )
        lead = self.source.lead(taken)[: self.windows.lead]
        self.windows.read(lead, (row, column), out, self.bands)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One array of a batch: read for each chip, from the chip's source."""

    name: str
    beside: str
    """The other sensor that it is of; "" for the chip's own."""

    readings: Sequence[Reading]
    """One for each source."""

    size: int
    """Pixels along a chip's side."""

    pixels: bool
    """Whether it is pixels, with bands and validity; else a mask or a label."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """As stored."""
        return self.readings[0].windows.array.numpy_dtype

    @property
    def fill(self) -> Any:  # noqa: ANN401 - of that dtype
        """What says that there is nothing."""
        return self.dtype.type(self.readings[0].windows.array.fill)

    @property
    def bands(self) -> int:
        """How many bands are read."""
        return len(self.readings[0].bands)

    @property
    def banded(self) -> bool:
        """Whether its array has an axis of bands: pixels have, and what has several."""
        return self.pixels or self.bands > 1


def own(sources: Sequence[Source], variable: str, size: int, *, pixels: bool) -> Layer:
    """Return a layer on the chips' own grid.

    Raises:
        MismatchError: a source has no such variable.
    """
    readings = []
    for source in sources:
        windows = source.windows(variable)
        picked = source.picked if pixels else np.arange(windows.bands)
        readings.append(Reading(source=source, windows=windows, bands=picked))
    return Layer(
        name="pixels" if pixels else variable,
        beside="",
        readings=readings,
        size=size,
        pixels=pixels,
    )


def beside(
    chips: Sequence[CubeSource], others: Sequence[CubeSource], size: int, within: np.timedelta64
) -> Layer:
    """Return another sensor's pixels on the ground of the chips, at its own pixel size.

    Args:
        chips: the sources of the chips.
        others: of the other sensor, on the same tiles.
        size: pixels along a chip's side.
        within: the furthest in time that a slot may be; one that has only one slot, as maps have,
            is taken whenever it is of.

    Raises:
        GridMismatchError: the chip's side is no whole number of the other's pixels.
    """
    readings = []
    for mine, theirs in zip(chips, others, strict=True):
        scale = mine.geobox.resolution.x / theirs.geobox.resolution.x
        corner = ~theirs.geobox.affine * (mine.geobox.affine.c, mine.geobox.affine.f)
        readings.append(
            Reading(
                source=theirs,
                windows=theirs.windows(theirs.variable),
                bands=theirs.picked,
                slots=nearest(mine, theirs, within),
                scale=scale,
                shift=(corner[1], corner[0]),
            )
        )
    side = size * readings[0].scale
    if abs(side - round(side)) > WHOLE or side < 1:
        raise GridMismatchError(
            f"A chip of {size} x {chips[0].gsd:g} m is {side:g} pixels of {others[0].sensor}",
            expected="a whole number",
            remedy=f"choose a chip_size whose side is a multiple of {others[0].gsd:g} m",
        )
    return Layer(
        name="pixels", beside=others[0].sensor, readings=readings, size=round(side), pixels=True
    )


def nearest(mine: Source, theirs: Source, within: np.timedelta64) -> NDArray[np.int64]:
    """Return for each slot the one of another source that is nearest in time; -1 for none."""
    live = np.flatnonzero(theirs.slots.live)
    if not live.size:
        return np.full(len(mine.slots.live), -1)
    apart = np.abs(mine.slots.time[:, None] - theirs.slots.time[live][None])
    best = np.argmin(apart, axis=1)
    near = (apart[np.arange(len(best)), best] <= within) | (live.size == 1)
    return np.where(near, live[best], -1)
