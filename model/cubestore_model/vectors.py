"""The vectors of one slot's chips, until they are committed."""

from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cubestore.commit import Staged
from cubestore.embeddings import Embedding, Encoder
from cubestore_model.encoders.encoded import Encoded

Floats = NDArray[np.float32]
Window = tuple[slice, slice]


class Vectors:
    """A slot's vectors, on the grid of its chips; those of patches wait in a file."""

    def __init__(self, embedding: Embedding, there: NDArray[np.bool_], file: IO[bytes]) -> None:
        """Hold none yet.

        Args:
            embedding: which numbers are kept.
            there: ``(rows, columns)``: chips that have pixels.
            file: where the vectors of patches may lie: those of a scene do not fit in memory.
        """
        self.there, self.computed = there, np.zeros_like(there)
        self.values: Floats = np.full((*there.shape, embedding.dimensions), np.nan, np.float32)
        self.loss: Floats | None = None
        if embedding.loss_metric:
            self.loss = np.full(there.shape, np.nan, np.float32)
        self.dense: Floats | None = None
        self._patches = embedding.patches
        if self._patches:
            rows, columns = (n * self._patches for n in there.shape)
            shape = (rows, columns, embedding.dimensions)
            self.dense = np.memmap(file, np.float32, mode="w+", shape=shape)

    def put(self, names: Sequence[str], made: Encoded, loss: Tensor | None) -> None:
        """Take the vectors of some chips, which their names place."""
        vectors, losses = _array(made.embedding), None if loss is None else _array(loss)
        patches = _array(made.patches) if self.dense is not None else None
        for number, name in enumerate(names):
            column, row = map(int, name.rsplit("-", 2)[1:])
            self.computed[row, column] = True
            self.values[row, column] = vectors[number]
            if self.loss is not None and losses is not None:
                self.loss[row, column] = losses[number]
            if self.dense is not None and patches is not None:
                side = self._patches
                place = (
                    slice(row * side, (row + 1) * side),
                    slice(column * side, (column + 1) * side),
                )
                self.dense[place] = patches[number].reshape(side, side, -1)

    def _place(self, row: int, column: int) -> Floats:
        """Return where the vectors of a chip's patches lie."""
        assert self.dense is not None  # noqa: S101 - asked of those that keep them
        side = self._patches
        rows, columns = (slice(n * side, (n + 1) * side) for n in (row, column))
        return self.dense[rows, columns]

    def staged(self, encoder: Encoder, slot: int) -> list[Staged]:
        """Encode all that there is; a writer commits it."""
        staged = encoder.chips(slot, self.values, loss=self.loss)
        for window, vectors in self._windows(encoder):
            origin = window[0].start, window[1].start
            staged += encoder.dense(slot, vectors, origin=origin)
        return staged

    def _windows(self, encoder: Encoder) -> Iterator[tuple[Window, Floats]]:
        """Yield the windows of patches in which any was computed, NaN where not."""
        if self.dense is None:
            return
        known = self.computed.repeat(self._patches, axis=0).repeat(self._patches, axis=1)
        for window in encoder.windows(dense=True):
            if known[window].any():
                yield window, np.where(known[window][..., None], self.dense[window], np.nan)


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.float().cpu().numpy()
