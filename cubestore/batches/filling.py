"""How one batch is filled: chip by chip, layer by layer, by any number of threads.

A chip is decoded into a buffer of the thread's own, which stays in the processor's cache, and
copied from there to its place in the batch: crops of one chip are taken from one decoding, and a
write of strided rows into memory that is not in the cache would take longer than both.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore.batches.cutting import NOT_ASKED, cut
from cubestore.batches.layers import Layer
from cubestore.batches.selection import Chips
from cubestore.batches.turning import turn
from cubestore.foreign import MEMCPY

Array = NDArray[Any]
Key = tuple[str, str]
"""Which sensor beside, or "", and the array's name."""

VALID = "valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """The chips of one batch."""

    chips: Chips
    slots: NDArray[np.int64]
    """``(chip, date)``."""

    corners: NDArray[np.int64]
    """``(sample, 2)``: first row and column of each crop in its chip."""

    turns: NDArray[np.int64]
    """Of each sample; 0: none."""


class Filler:
    """The layers of one stream of batches, and how they are read."""

    def __init__(
        self, layers: Sequence[Layer], *, dates: int, crop: int, crops: int, valid: bool
    ) -> None:
        """Read nothing yet.

        Args:
            layers: the chip's own pixels first.
            dates: slots of a chip; 1: no such axis.
            crop: pixels of a crop; 0: whole chips.
            crops: of each chip.
            valid: whether the validity of pixels is found.
        """
        self.layers, self.dates, self.crops, self.valid = layers, dates, crops, valid
        self.crop = crop
        self._of_thread = threading.local()

    def buffer(self, chips: int) -> dict[Key, Array]:
        """Return the arrays of a batch of that many chips."""
        arrays: dict[Key, Array] = {}
        for layer in self.layers:
            side = self._side(layer)
            lead = (chips * self.crops, *([self.dates] if self.dates > 1 else []))
            bands = [layer.bands] if layer.banded else []
            key = layer.beside, layer.name
            arrays[key] = np.empty((*lead, *bands, side, side), layer.dtype)
            if layer.pixels and self.valid:
                arrays[layer.beside, VALID] = np.empty((*lead, side, side), bool)
        return arrays

    def fill(self, want: Want, arrays: Mapping[Key, Array], number: int) -> None:
        """Fill the samples of one chip.

        Raises:
            DamagedError: bytes that are not those that were committed.
        """
        source = int(want.chips.source[number])
        corner = int(want.chips.y[number]), int(want.chips.x[number])
        samples = range(number * self.crops, (number + 1) * self.crops)
        for layer, chip in zip(self.layers, self._scratch(), strict=True):
            for date, slot in enumerate(want.slots[number].tolist()):
                layer.readings[source].fill(slot, corner, chip)
                for sample in samples:
                    at = (sample, date) if self.dates > 1 else (sample,)
                    self._keep(layer, chip, want.corners[sample], arrays, at)
        for sample in samples:
            if want.turns[sample]:
                for array in arrays.values():
                    turn(array[sample : sample + 1], want.turns[sample : sample + 1])

    def _side(self, layer: Layer) -> int:
        return self.crop * layer.size // self.layers[0].size if self.crop else layer.size

    def _keep(
        self,
        layer: Layer,
        chip: Array,
        corner: NDArray[np.int64],
        arrays: Mapping[Key, Array],
        at: tuple[int, ...],
    ) -> None:
        """Put a crop into its place, on the same ground for every layer."""
        out = arrays[layer.beside, layer.name][at]
        asked = layer.pixels and self.valid
        valid = arrays[layer.beside, VALID][at] if asked else NOT_ASKED
        top, left = (corner * layer.size // self.layers[0].size).tolist()
        cut(MEMCPY, chip, (top, left), layer.fill, out if layer.banded else out[None], valid)

    def _scratch(self) -> list[Array]:
        """Return this thread's buffers for one chip of each layer."""
        if not hasattr(self._of_thread, "buffers"):
            chips = [np.empty((one.bands, one.size, one.size), one.dtype) for one in self.layers]
            self._of_thread.buffers = chips
        buffers: list[Array] = self._of_thread.buffers
        return buffers
