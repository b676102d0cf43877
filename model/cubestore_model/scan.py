"""Candidates for neighbours on a GPU: vectors stay there, and all are measured for each question.

    cubestore.nearest("STORE", at=(2.35, 48.85), engine=cubestore_model.Scan())

A million vectors of 768 numbers are 3 GB of float32, which a GPU reads in a millisecond; as int8
they are kept as they are stored. Blocks that find no room are sent part by part, each time. What is
found here, in float32, is measured exactly, as ever.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cubestore.errors import QueryError
from cubestore.similarity.search import Asked, Block

ROWS = 131_072
"""Vectors that are measured at once: of int8 a float32 copy is made of so many."""

FREE = 0.5
"""The part of a device's free memory that a block may take, to leave room to measure it in."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Vectors on a device, each block of them sent when it is first asked."""

    device: str = "cuda"
    """torch's name of it."""

    room: int | None = None
    """Bytes that vectors may take there, all blocks together; None: what is free."""

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
        question = torch.from_numpy(asked.vector.astype(np.float32)).to(self.device)
        far = torch.zeros(0, device=self.device)
        rows = torch.zeros(0, dtype=torch.int64, device=self.device)
        for first, part in self._parts(block):
            some = _distances(part, question, block.scale, asked)
            if block.allowed is not None:
                there = block.allowed[first : first + len(part)]
                some[~torch.from_numpy(there).to(self.device)] = torch.inf
            near, at = torch.topk(some, min(count, len(some)), largest=False)
            far, rows = torch.cat([far, near]), torch.cat([rows, at + first])
            far, least = torch.topk(far, min(count, len(far)), largest=False)
            rows = rows[least]
        found: NDArray[np.int64] = rows[far < torch.inf].cpu().numpy()
        return found

    def _parts(self, block: Block) -> Iterator[tuple[int, Tensor]]:
        """Yield the vectors of a block, some at once, each with the number of its first."""
        key, vectors = id(block.vectors), block.vectors
        if key not in self._sent and vectors.nbytes <= self._free():
            self._sent[key] = vectors, self._there(vectors)
        for first in range(0, len(vectors), ROWS):
            part = slice(first, first + ROWS)
            yield (
                first,
                self._sent[key][1][part] if key in self._sent else self._there(vectors[part]),
            )

    def _there(self, vectors: NDArray[np.generic]) -> Tensor:
        """Return vectors on the device."""
        known = np.require(vectors, requirements=["C", "W"])  # a map is read alone
        return torch.from_numpy(known).to(self.device)

    def _free(self) -> float:
        """Return the bytes that one more block may take."""
        if self.room is not None:
            return self.room - sum(kept.nbytes for kept, _ in self._sent.values())
        if not self.device.startswith("cuda"):
            return np.inf
        return torch.cuda.mem_get_info(self.device)[0] * FREE


def _distances(vectors: Tensor, question: Tensor, scale: float, asked: Asked) -> Tensor:
    """Return what grows with the distance of vectors, ``(row,)``."""
    values = vectors.to(torch.float32) * scale if vectors.dtype != torch.float32 else vectors
    if asked.metric == "l2":
        return (values - question).square().sum(dim=1)
    lengths: Tensor = values.norm(dim=1) * question.norm()
    return 1 - (values @ question) / lengths.clamp_min(torch.finfo(torch.float32).tiny)
