"""Which chips of a cube have pixels, and their batches, slot by slot.

The cube is opened once, at one commit, however many slots it has.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cubestore.batches import Batches, Loading
from cubestore.batches.selection import Chips, Rows
from cubestore.batches.sources import CubeSource
from cubestore.batches.streams import Stream
from cubestore.chips import ChipGrid
from cubestore.cube import Cube
from cubestore_model.loader import Batch, tensors

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChips:
    """The chips of one size that touch a stored shard of a cube."""

    source: CubeSource
    grid: ChipGrid
    shards: Chips
    """``y`` and ``x`` count shards."""

    @classmethod
    def of(cls, cube: Cube, size: int) -> "StoredChips":
        """Return those of a cube as it is now."""
        source = CubeSource(cube)
        grid = ChipGrid(shape=source.shape, size=size)
        return cls(source=source, grid=grid, shards=source.stored())

    def there(self, slot: int) -> Mask:
        """Return which chips of a slot have pixels, ``(rows, columns)``."""
        found = np.zeros((len(self.grid.rows), len(self.grid.columns)), bool)
        mine = self.shards.some(self.shards.slot == slot)
        high, wide = self.source.shard
        for row, column in zip(mine.y.tolist(), mine.x.tolist(), strict=True):
            found[self._span(row, high), self._span(column, wide)] = True
        return found

    def batches(self, slot: int, there: Mask, batch_size: int) -> Iterator[Batch]:
        """Yield some chips of a slot, as tensors that are filled again; ``there`` says which."""
        rows, columns = np.nonzero(there)
        if not len(rows):
            return
        nothing = np.zeros_like(rows)
        y, x = self.grid.rows[rows], self.grid.columns[columns]
        high, wide = self.source.shard
        chosen = Rows.of(
            [self.grid],
            Chips(nothing, np.full_like(rows, slot), y, x),
            files=y // high * (self.source.shape[1] // wide + 1) + x // wide,
            place=y * self.source.shape[1] + x,
        )
        loading = Loading(chip_size=self.grid.size, batch_size=batch_size, shuffle=False)
        stream = Stream([self.source], chosen, beside={})
        yield from map(tensors, Batches([stream], loading))

    def _span(self, shard: int, side: int) -> slice:
        """Return the chips along an axis that touch a shard."""
        size = self.grid.size
        return slice(shard * side // size, -(-(shard + 1) * side // size))
