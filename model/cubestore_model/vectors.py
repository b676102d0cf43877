"""The vectors of one slot's chips, until they are committed."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import torch
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
        self._coming: deque[Coming] = deque()
        self._patches = embedding.patches
        if self._patches:
            rows, columns = (n * self._patches for n in there.shape)
            shape = (rows, columns, embedding.dimensions)
            self.dense = np.memmap(file, np.float32, mode="w+", shape=shape)

    def put(self, names: Sequence[str], made: Encoded, loss: Tensor | None) -> None:
        """Take the vectors of some chips, which their names place.

        From a GPU they come while it goes on: they are here after the next ones, or `finish`.
        """
        patches = made.patches if self.dense is not None else None
        come = Coming.of(names, made.embedding, patches, loss)
        self._coming.append(come)
        while len(self._coming) > come.far:
            self._place(self._coming.popleft())

    def finish(self) -> None:
        """Wait for those that still come."""
        while self._coming:
            self._place(self._coming.popleft())

    def _place(self, come: "Coming") -> None:
        vectors, patches, loss = come.numbers()
        rows, columns = come.rows, come.columns
        self.computed[rows, columns] = True
        self.values[rows, columns] = vectors
        if self.loss is not None:
            self.loss[rows, columns] = loss
        if self.dense is not None and patches is not None:
            for row, column, squares in zip(rows, columns, patches, strict=True):
                place = self._square(row, column)
                self.dense[place] = squares.reshape(self._patches, self._patches, -1)

    def _square(self, row: int, column: int) -> Window:
        """Return where the vectors of a chip's patches lie."""
        side = self._patches
        rows, columns = (slice(n * side, (n + 1) * side) for n in (row, column))
        return rows, columns

    def every(self) -> Iterator[Floats]:
        """Yield the vectors of chips, then row by row those of patches."""
        yield self.values
        if self.dense is not None:
            yield from self.dense

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


@dataclass(frozen=True, slots=True)
class Coming:
    """The vectors of some chips, on their way from the device."""

    rows: list[int]
    columns: list[int]
    parts: tuple[Tensor | None, ...]
    far: bool
    """Whether they were computed on another device than this processor."""

    come: Any
    """An event of that device at which they are here, or None."""

    @classmethod
    def of(cls, names: Sequence[str], *parts: Tensor | None) -> "Coming":
        """Begin to fetch them; nothing waits."""
        places = [name.rsplit("-", 2) for name in names]
        device = next(part.device for part in parts if part is not None)
        far = device.type != "cpu"
        here = tuple(None if part is None else _here(part) for part in parts)
        event = torch.get_device_module(device).Event() if far else None
        if event is not None:
            event.record(torch.get_device_module(device).current_stream(device))
        return cls([int(n) for *_, n in places], [int(n) for _, n, _ in places], here, far, event)

    def numbers(self) -> list[Floats | None]:
        """Return them, once they have come."""
        if self.come is not None:
            self.come.synchronize()
        return [None if part is None else part.numpy() for part in self.parts]


def _here(tensor: Tensor) -> Tensor:
    """Return float32 in memory of the host, which is pinned where it comes from a GPU."""
    return tensor.float().to("cpu", non_blocking=True)
