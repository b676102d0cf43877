"""How well is reconstructed what nothing is learnt from: the same chips and masks every time."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from cubestore_model.encoder import Encoder
from cubestore_model.loader import Loader
from cubestore_model.training.ranks import Ranks


@dataclass(frozen=True, slots=True)
class Validation:
    """Chips that are kept apart."""

    encoder: Encoder
    batches: Loader
    inputs: Callable[[Mapping[str, Any]], dict[str, Any]]
    ranks: Ranks

    def measured(self) -> dict[str, float]:
        """Return the mean loss of each sensor's chips, with the masks of `Encoder.loss`."""
        total: Counter[str] = Counter()
        chips: Counter[str] = Counter()
        self.batches.set_epoch(0)
        for batch in self.batches:
            with torch.inference_mode():
                losses = self.encoder.loss(**self.inputs(batch))
            total[batch["sensor"]] += float(losses.double().sum())  # type: ignore[assignment]
            chips[batch["sensor"]] += len(losses)
        return self._means(total, chips)

    def _means(self, total: Mapping[str, float], chips: Mapping[str, int]) -> dict[str, float]:
        names = sorted({one.sources[0].sensor for one in self.batches.dataset.batches.streams})
        device = next(self.encoder.parameters()).device
        numbers = [*(total.get(n, 0.0) for n in names), *(float(chips.get(n, 0)) for n in names)]
        sums = self.ranks.sums(numbers, device)
        pairs = zip(names, sums[: len(names)], sums[len(names) :], strict=True)
        return {name: one / count for name, one, count in pairs if count}
