"""The nearest neighbours' probe: training chips vote, those that are more alike more.

Source: Caron et al. 2021, "Emerging properties in self-supervised vision transformers" (DINO), and
its eval_knn.py: the 20 nearest by cosine, each with the weight exp(similarity / 0.07).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cubestore_model.probing.metrics import Floats

NEIGHBOURS = 20
TEMPERATURE = 0.07

AT_ONCE = 2048
"""Vectors that are compared with the training's at a time."""


class Neighbours:
    """Vectors whose classes are known."""

    def __init__(
        self,
        vectors: NDArray[np.float32],
        targets: NDArray[np.generic],
        classes: int,
        *,
        neighbours: int = NEIGHBOURS,
        temperature: float = TEMPERATURE,
    ) -> None:
        """Remember the training's.

        Args:
            vectors: ``(rows, dimensions)``.
            targets: ``(rows,)`` class numbers, or ``(rows, classes)`` of bool.
            classes: how many there are.
            neighbours: how many vote; all, where there are fewer.
            temperature: the lower, the less do the farther ones count.
        """
        self._known = _unit(vectors)
        numbers = torch.from_numpy(targets)
        named = numbers if numbers.ndim > 1 else functional.one_hot(numbers, classes)
        self._votes = named.double()
        self._count, self._temperature = min(neighbours, len(vectors)), temperature

    def __call__(self, vectors: NDArray[np.float32]) -> Floats:
        """Return the part of the votes that each class has, ``(rows, classes)``."""
        asked = torch.split(_unit(vectors), AT_ONCE)
        return np.concatenate([np.asarray(self._voted(some)) for some in asked])

    def _voted(self, asked: Tensor) -> Tensor:
        alike, which = (asked @ self._known.T).topk(self._count, dim=1)
        weights = (alike.double() / self._temperature).softmax(dim=1)
        return torch.einsum("rk,rkc->rc", weights, self._votes[which])


def _unit(vectors: NDArray[np.float32]) -> Tensor:
    return functional.normalize(torch.from_numpy(vectors).float(), dim=1)
