"""Candidates for neighbours on a GPU: vectors stay there, and all are measured for each question.

    cubestore.nearest("STORE", at=(2.35, 48.85), engine=cubestore_model.Scan())

A million vectors of 768 numbers are 3 GB of float32, which a GPU reads in a millisecond; as int8
they are kept as they are stored. What is found here, in float32, is measured exactly, as ever.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cubestore.errors import QueryError
from cubestore.similarity.search import Asked, Block

ROWS = 131_072
"""Vectors that are measured at once: of int8 a float32 copy is made of so many."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Vectors on a device, each block of them sent when it is first asked."""

    device: str = "cuda"
    """torch's name of it."""

    _sent: dict[int, tuple[NDArray[np.generic], Tensor]] = field(default_factory=dict)
    """By the vectors, which are held so that their number is not given to others."""

    def __post_init__(self) -> None:
        """Refuse a device that is not there.

        Raises:
            QueryError: it is CUDA's, and there is none.
        """
        if self.device.startswith("cuda") and not torch.cuda.is_available():
            raise QueryError(
                f"A scan on {self.device}, and no GPU is there",
                expected="CUDA, and a torch that was built for it",
                remedy='ask with engine="signs"',
            )

    def __call__(self, block: Block, asked: Asked, count: int) -> NDArray[np.int64]:
        """Return the rows of a block that lie nearest, by float32: see `cubestore.nearest`."""
        vectors = self._vectors(block)
        question = torch.from_numpy(asked.vector.astype(np.float32)).to(self.device)
        parts = torch.split(vectors, ROWS)
        far = torch.cat([_distances(part, question, block.scale, asked) for part in parts])
        if block.allowed is not None:
            far[~torch.from_numpy(block.allowed).to(self.device)] = torch.inf
        near, rows = torch.topk(far, min(count, len(far)), largest=False)
        found: NDArray[np.int64] = rows[near < torch.inf].cpu().numpy()
        return found

    def _vectors(self, block: Block) -> Tensor:
        key = id(block.vectors)
        if key not in self._sent:
            there = np.require(block.vectors, requirements=["C", "W"])  # a map is read alone
            self._sent[key] = block.vectors, torch.from_numpy(there).to(self.device)
        return self._sent[key][1]


def _distances(vectors: Tensor, question: Tensor, scale: float, asked: Asked) -> Tensor:
    """Return what grows with the distance of vectors, ``(row,)``."""
    values = vectors.to(torch.float32) * scale if vectors.dtype != torch.float32 else vectors
    if asked.metric == "l2":
        return (values - question).square().sum(dim=1)
    lengths: Tensor = values.norm(dim=1) * question.norm()
    return 1 - (values @ question) / lengths.clamp_min(torch.finfo(torch.float32).tiny)
