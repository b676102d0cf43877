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

    @classmethod
    def of(cls, wanted: PatchEmbedding, block: range) -> "PatchVectors":
        """Hold none yet."""
        embedding, seasons = wanted.embedding, tuple(n for _, n in wanted.seasons)
        count, side = len(block) * int(np.prod(seasons)), embedding.patches
        shape = (count, side, side, embedding.dimensions)
        dense = np.full(shape, np.nan, np.float32) if side else None
        values = np.full((count, embedding.dimensions), np.nan, np.float32)
        return cls(block, seasons, values, dense)

    def put(self, slots: Tensor, vectors: Tensor, parts: Tensor) -> None:
        """Take the vectors of some acquisitions of the set."""
        rows = slots.numpy() - self.block.start * int(np.prod(self.seasons))
        self.values[rows] = vectors.float().cpu().numpy()
        if self.dense is not None:
            self.dense[rows] = parts.float().cpu().numpy().reshape(len(rows), *self.dense.shape[1:])

    def of_patches(self) -> tuple[Floats, Floats | None]:
        """Return the vectors of chips and parts, patch by patch and season by season."""
        lead = (len(self.block), *self.seasons)
        values = self.values.reshape(*lead, -1)
        if self.dense is None:
            return values, None
        return values, self.dense.reshape(*lead, *self.dense.shape[1:])

    def every(self) -> Iterator[Floats]:
        """Yield the vectors of chips, then those of parts, acquisition by acquisition."""
        yield self.values
        if self.dense is not None:
            yield from self.dense
