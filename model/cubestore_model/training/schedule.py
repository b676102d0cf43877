"""How fast is learnt at each step: a warm-up, then a cosine, begun again where that is wanted.

    schedule = Schedule(peak=1e-3, least=1e-5, steps=10_000, warmup=500)
    for step in range(schedule.steps):
        schedule.apply(optimizer, step)

A rate is a function of the step and of nothing that went before: what goes on in the middle goes
on with the same rates, and there is no state to be saved.
"""

import math
from dataclasses import dataclass

import torch

from cubestore.errors import MismatchError


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The rate of every step of a training."""

    peak: float
    """The highest rate, where the warm-up ends."""

    least: float = 0.0
    """What the cosine goes to."""

    steps: int
    """Of the whole training."""

    warmup: int = 0
    """Steps over which the rate rises evenly to its peak."""

    cycle: int = 0
    """Steps of the cosine before it begins again at its peak; 0: it does not."""

    growth: int = 1
    """How many times as long each cycle is as the one before."""

    def __post_init__(self) -> None:
        rates, counts = (self.peak, self.least), (self.warmup, self.cycle)
        finite = all(math.isfinite(rate) and rate >= 0 for rate in rates)
        whole = min(counts) >= 0 and self.growth > 0
        if finite and self.peak and whole and self.steps > self.warmup:
            return
        raise MismatchError(
            f"A rate of {self.peak:g} that goes to {self.least:g}, {self.steps} steps, of which "
            f"{self.warmup} to warm up, cycles of {self.cycle} that grow {self.growth}-fold",
            expected="rates above zero, and more steps than the warm-up takes",
            remedy="choose fewer steps of warm-up, or leave the rest out",
        )

    def __call__(self, step: int) -> float:
        """Return the rate of a step, counted from 0."""
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        share = (1 + math.cos(math.pi * self._passed(step - self.warmup))) / 2
        return self.least + (self.peak - self.least) * share

    def apply(self, optimizer: torch.optim.Optimizer, step: int) -> float:
        """Give an optimizer the rate of a step, and return it.

        A group of parameters with a ``scale`` of its own learns so many times as fast.
        """
        rate = self(step)
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)
        return rate

    def _passed(self, step: int) -> float:
        """Return which part of its cycle a step behind the warm-up has passed, 0 to 1."""
        length = self.cycle or self.steps - self.warmup
        while self.cycle and step >= length:
            step, length = step - length, length * self.growth
        return min(step / length, 1.0)
