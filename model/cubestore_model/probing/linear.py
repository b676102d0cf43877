"""The linear probe: logistic regression on vectors that stay as they are.

Features are standardised by the training chips alone. Of one class a chip it is multinomial, of
several one regression a class; both are convex, and solved in float64 by L-BFGS, so that the same
vectors give the same probe. How strongly weights are held down is chosen on the validation chips.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cubestore_model.probing.metrics import Floats

STRENGTHS = tuple(10.0**n for n in range(1, -6, -1))
"""Of the penalty, the strongest first: half the sum of squared weights, beside the mean loss."""

STEPS = 300
TOLERANCE, ROUGH = 1e-7, 1e-4
"""Of the largest derivative, at which a solution counts as found; and while one is chosen."""

SMALL = 2**20
"""Weights below which several threads wait for one another longer than they compute."""

HISTORY = 20
"""Steps that L-BFGS remembers."""


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A fitted probe."""

    mean: Tensor
    deviation: Tensor
    weights: Tensor
    """``(dimensions, classes)``, of standardised features."""

    bias: Tensor
    strength: float

    def __call__(self, vectors: NDArray[np.float32]) -> Floats:
        """Return the logits of vectors ``(rows, dimensions)``: ``(rows, classes)``."""
        features = (torch.from_numpy(vectors).double() - self.mean) / self.deviation
        return np.asarray(features @ self.weights + self.bias)


def chosen(
    vectors: NDArray[np.float32],
    targets: NDArray[np.generic],
    classes: int,
    judge: Callable[[Linear], float],
) -> Linear:
    """Return the probe of the strength that is judged best; of equal ones the strongest.

    Args:
        vectors: ``(rows, dimensions)`` of the training chips.
        targets: ``(rows,)`` class numbers, or ``(rows, classes)`` of bool.
        classes: how many there are, whether they occur or not.
        judge: how good a probe is on the validation chips; NaN is worst.
    """
    best, most, last = None, -np.inf, None
    for strength in STRENGTHS:
        last = fit(vectors, targets, classes, strength, start=last, tolerance=ROUGH)
        worth = judge(last)
        if best is None or worth > most:
            best, most = last, -np.inf if np.isnan(worth) else worth
    assert best is not None  # noqa: S101 - there are strengths
    return fit(vectors, targets, classes, best.strength, start=best)


def fit(
    vectors: NDArray[np.float32],
    targets: NDArray[np.generic],
    classes: int,
    strength: float,
    *,
    start: Linear | None = None,
    tolerance: float = TOLERANCE,
) -> Linear:
    """Return the probe that minimises the mean loss and the penalty.

    Args:
        vectors: ``(rows, dimensions)``.
        targets: ``(rows,)`` class numbers, or ``(rows, classes)`` of bool.
        classes: how many there are.
        strength: of the penalty; the bias has none.
        start: one of the same vectors, from which the way is shorter.
        tolerance: of the largest derivative, at which it counts as found.
    """
    features, truth = torch.from_numpy(vectors).double(), torch.from_numpy(targets)
    mean, deviation = features.mean(dim=0), features.std(dim=0, correction=0)
    deviation = torch.where(deviation > 0, deviation, 1.0)
    scaled = (features - mean) / deviation
    weights = scaled.new_zeros(scaled.shape[1], classes) if start is None else start.weights.clone()
    bias = scaled.new_zeros(classes) if start is None else start.bias.clone()

    def objective() -> Tensor:
        return loss(scaled @ weights + bias, truth) + strength / 2 * weights.square().sum()

    _minimise(objective, [weights, bias], tolerance)
    return Linear(mean, deviation, weights.detach(), bias.detach(), strength)


def loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the mean over rows of the negative log-likelihood."""
    if truth.dtype == torch.bool:
        every = functional.binary_cross_entropy_with_logits(
            logits, truth.to(logits.dtype), reduction="none"
        )
        return every.sum(dim=-1).mean()
    return functional.cross_entropy(logits, truth)


def _minimise(objective: Callable[[], Tensor], at: list[Tensor], tolerance: float) -> None:
    """Move tensors to where an objective is least."""
    for tensor in at:
        tensor.requires_grad_()
    search = torch.optim.LBFGS(
        at,
        max_iter=STEPS,
        tolerance_grad=tolerance,
        tolerance_change=0.0,
        history_size=HISTORY,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        search.zero_grad()
        value = objective()
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    with _threads(sum(tensor.numel() for tensor in at)):
        search.step(closure)  # type: ignore[no-untyped-call]


@contextmanager
def _threads(weights: int) -> Iterator[None]:
    """Let one thread compute what is small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if weights < SMALL else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
