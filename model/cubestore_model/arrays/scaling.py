"""Stored numbers to what a model takes: scaled, nodata filled. In one pass, into memory given.

There NumPy or torch would go through the pixels a dozen times, each time through memory: 11 ms a
chip of ten bands and 256 pixels on the CPU, where one pass takes 0.8, and half of it where the
result goes into memory that was used before. A GPU without CuPy is given torch's own operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor

from cubestore.stats.norms import FAINTEST
from cubestore_model.arrays import cuda
from cubestore_model.arrays.loops import scale
from cubestore_model.arrays.modules import Array, has_cupy, module_of, of_tensor, on_stream

ENDLESS = (float("-inf"), float("inf"))

ABSENT = -1
"""Instead of the index of a band: there is none, and its `empty` stands for all of it."""


class Room:
    """Memory of one batch, used again for the next: to get it anew costs as much as the work."""

    def __init__(self) -> None:
        """Hold none yet."""
        self._held = torch.empty(0)

    def __call__(self, *shape: int, device: torch.device) -> Tensor:
        """Return float32 of a shape: what was returned before is overwritten."""
        count = prod(shape)
        if self._held.numel() < count or self._held.device != device:
            self._held = torch.empty(count, device=device)
        return self._held[:count].view(shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What becomes of the pixels of some bands."""

    picked: Sequence[int]
    """The bands that are taken, by index; `ABSENT`: one that is not there."""

    mean: Sequence[float]
    """Of each of them."""

    std: Sequence[float]
    empty: Sequence[float]
    """What stands for nodata, of each."""

    fill: float
    """What is stored where there are no data."""

    limits: tuple[float, float] | None = None
    """Between which the results are clipped."""

    decibels: bool = False
    """Whether ten times the logarithm is taken first; `FAINTEST` stands for zero and less."""

    def __call__(
        self, stored: Tensor, valid: Tensor | None = None, room: Room | None = None
    ) -> Tensor:
        """Return ``(stored - mean) / std`` of the bands that are taken, float32, finite.

        Args:
            stored: ``(B, C, H, W)`` of any real dtype.
            valid: ``(B, H, W)``: which pixels hold data; None: those that are not nodata.
            room: where the result goes, until the next; None: into memory of its own.
        """
        if stored.device.type != "cpu" and not has_cupy():
            return self._by_torch(stored, valid)
        count, _, *size = stored.shape
        out = (room or Room())(count, len(self.picked), *size, device=stored.device)
        if valid is None:
            valid = torch.ones((count, *size), dtype=torch.bool, device=stored.device)
        parts = (of_tensor(part.contiguous()) for part in (stored, valid, out))
        with on_stream(stored.device):
            self.fill_in(*parts)
        return out

    def fill_in(self, stored: Array, valid: Array, out: Array) -> None:
        """Fill ``out`` (B, K, H, W), float32; the arrays are all NumPy's, or all CuPy's."""
        xp = module_of(stored)
        told = np.array([self.picked, self.mean, self.std, self.empty], np.float32)
        limits = (*(self.limits or ENDLESS), self.fill)
        if xp is np:
            scale(stored, valid, told, np.array(limits, np.float32), self.decibels, out)
        else:
            cuda.scale(stored, valid, xp.asarray(told), limits, self.decibels, out)

    def _by_torch(self, stored: Tensor, valid: Tensor | None) -> Tensor:
        absent = [k for k, band in enumerate(self.picked) if band == ABSENT]
        taken = stored[:, [max(band, 0) for band in self.picked]].to(torch.float32)
        missing = ~torch.isfinite(taken) | (taken == self.fill)
        missing[:, absent] = True
        if valid is not None:
            missing |= ~valid[:, None]
        if self.decibels:
            taken = 10 * torch.log10(torch.where(taken <= 0, FAINTEST, taken))
        mean, std, empty = (
            taken.new_tensor(part)[:, None, None] for part in (self.mean, self.std, self.empty)
        )
        scaled = ((taken - mean) / std).clamp(*(self.limits or ENDLESS))
        return torch.where(missing, empty, scaled)
