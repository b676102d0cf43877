"""The vectors of a block of patches, until they are committed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cubestore.embeddings.patch_sets import PatchEmbedding

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PatchVectors:
    """The vectors of a block of patches, an acquisition after the other, until committed."""

    block: range
    seasons: tuple[int, ...]
    values: Floats
    dense: Floats | None
    loss: Floats | None = None

    @classmethod
    def of(cls, wanted: PatchEmbedding, block: range) -> "PatchVectors":
        """Hold none yet."""
        embedding, seasons = wanted.embedding, tuple(n for _, n in wanted.seasons)
        count, side = len(block) * int(np.prod(seasons)), embedding.patches
        shape = (count, side, side, embedding.dimensions)
        dense = np.full(shape, np.nan, np.float32) if side else None
        values = np.full((count, embedding.dimensions), np.nan, np.float32)
        loss = np.full(count, np.nan, np.float32) if embedding.loss_metric else None
        return cls(block, seasons, values, dense, loss)

    def put(
        self, slots: Tensor, vectors: Tensor, parts: Tensor, loss: Tensor | None = None
    ) -> None:
        """Take the vectors of some acquisitions of the set."""
        rows = slots.numpy() - self.block.start * int(np.prod(self.seasons))
        self.values[rows] = vectors.float().cpu().numpy()
        if self.dense is not None:
            self.dense[rows] = parts.float().cpu().numpy().reshape(len(rows), *self.dense.shape[1:])
        if self.loss is not None and loss is not None:
            self.loss[rows] = loss.float().cpu().numpy()

    def of_patches(self) -> tuple[Floats, Floats | None, Floats | None]:
        """Return vectors of chips and parts and the loss, patch by patch and season by season."""
        lead = (len(self.block), *self.seasons)
        parts = (self.values, self.dense, self.loss)
        values, dense, loss = (None if p is None else p.reshape(*lead, *p.shape[1:]) for p in parts)
        assert values is not None  # noqa: S101 - they are always there
        return values, dense, loss

    def every(self) -> Iterator[Floats]:
        """Yield the vectors of chips, then those of parts, acquisition by acquisition."""
        yield self.values
        if self.dense is not None:
            yield from self.dense
