"""What is hidden of the chips of a batch, drawn for each by the seed and its place in the epoch.

Nothing else is drawn in a training, and no generator is carried along: the chips of a batch are
hidden alike whoever takes it, and whatever came before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cubestore.batches.draws import Draws, draws
from cubestore_model.training.options import Training

WEIGHTS = {"modis-09a1": 0.1}
"""What losses of a sensor are multiplied by, of which reconstructions are so much worse than of
all others. Source: Clay-foundation/model, claymodel/model.py."""

TOLD = ("time", "latlon")


class Hidden(IntEnum):
    """What a draw decides: each has numbers of its own."""

    PATCHES = 0
    PLACE = 1
    WHETHER_BANDS = 2
    BANDS = 3


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is hidden of each chip of a batch."""

    order: Tensor
    """Of the patches, ``(B, L)``: the first are masked."""

    told: Tensor
    """Whether time and place are told, ``(B,)``."""

    bands: Tensor
    """Which bands are shown, ``(B, C)``."""

    @classmethod
    def of(
        cls, training: Training, epoch: int, number: int, *, shape: tuple[int, int, int]
    ) -> "Drawing":
        """Draw for a batch.

        Args:
            training: its seed, and the parts that are hidden.
            epoch: counted from 0.
            number: of the batch in the epoch, counted over all processes.
            shape: chips, patches and bands of the batch.
        """
        chips, patches, bands = shape
        places = number * training.batch_size + np.arange(chips)

        def drawn(what: Hidden, count: int) -> Draws:
            each = places[:, None] * count + np.arange(count)
            return draws((training.seed, epoch, 0, what), each)  # (B, count)

        told = _parts(drawn(Hidden.PLACE, 1)) >= training.untold  # (B, 1)
        share = np.where(told, _parts(drawn(Hidden.WHETHER_BANDS, 1)), 1.0)
        ranks = drawn(Hidden.BANDS, bands).argsort(axis=1).argsort(axis=1)
        half = ranks >= bands // 2
        shown = np.where(share < training.no_bands + training.half_bands, half, True)  # noqa: FBT003 - a pixel
        order = drawn(Hidden.PATCHES, patches).argsort(axis=1)
        found = order, told[:, 0], shown & (share >= training.no_bands)
        return cls(*(torch.from_numpy(one) for one in found))

    def to(self, device: torch.device) -> "Drawing":
        """Return the same on a device."""
        return Drawing(*(one.to(device) for one in (self.order, self.told, self.bands)))


class Masked(nn.Module):
    """A network that reconstructs what is hidden of chips."""

    def __init__(self, network: nn.Module, mask_ratio: float) -> None:
        super().__init__()
        self.network, self.mask_ratio = network, mask_ratio

    def forward(self, prepared: Mapping[str, Any], drawing: Drawing) -> Tensor:
        """Return the mean error of a batch.

        Args:
            prepared: the network's arguments, as `Preparation` makes them.
            drawing: what is hidden.
        """
        pixels = prepared["pixels"]  # (B, C, H, W)
        told = {name: value for name, value in prepared.items() if name != "pixels"}
        told |= {name: told[name] * drawing.told[:, None] for name in TOLD}
        shown = pixels * drawing.bands[..., None, None]
        found = self.network.masked_error(  # type: ignore[operator]
            pixels, drawing.order, shown=shown, mask_ratio=self.mask_ratio, **told
        )
        mean: Tensor = found.mean()
        return mean


def _parts(drawn: Draws) -> Any:  # noqa: ANN401 - an array of numpy's
    """Return draws as numbers from 0 to below 1."""
    return (drawn >> np.uint64(11)).astype(np.float64) / 2.0**53
