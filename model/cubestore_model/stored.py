"""Which chips of a cube have pixels, and their batches, slot by slot."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import cubestore
from cubestore.batches.selection import Chips
from cubestore.batches.sources import CubeSource
from cubestore.chips import ChipGrid
from cubestore.cube import Cube
from cubestore_model.loader import Batch, tensors

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChips:
    """The chips of one size that touch a stored shard of a cube."""

    cube: Cube
    grid: ChipGrid
    shards: Chips
    """``y`` and ``x`` count shards."""

    side: tuple[int, int]
    """Pixels along a shard."""

    @classmethod
    def of(cls, cube: Cube, size: int) -> "StoredChips":
        """Return those of a cube as it is now."""
        source = CubeSource(cube)
        grid = ChipGrid(shape=source.shape, size=size)
        return cls(cube=cube, grid=grid, shards=source.stored(), side=source.shard)

    def there(self, slot: int) -> Mask:
        """Return which chips of a slot have pixels, ``(rows, columns)``."""
        found = np.zeros((len(self.grid.rows), len(self.grid.columns)), bool)
        mine = self.shards.some(self.shards.slot == slot)
        for row, column in zip(mine.y.tolist(), mine.x.tolist(), strict=True):
            found[self._span(row, self.side[0]), self._span(column, self.side[1])] = True
        return found

    def batches(self, slot: int, there: Mask, batch_size: int) -> Iterator[Batch]:
        """Yield some chips of a slot, as tensors that are filled again; ``there`` says which."""
        rows, columns = np.nonzero(there)
        if not len(rows):
            return
        alike = {"tile": self.cube.tile.id, "sensor": self.cube.sensor.id, "slot": slot}
        table = pa.table(
            {name: pa.repeat(value, len(rows)) for name, value in alike.items()}
            | {"chip_index_y": rows, "chip_index_x": columns}
            | {"chip_size": pa.repeat(self.grid.size, len(rows))}
        )
        batches = cubestore.batches(
            self.cube.store,
            sensor=self.cube.sensor.id,
            chips=table,
            chip_size=self.grid.size,
            batch_size=batch_size,
            shuffle=False,
        )
        yield from map(tensors, batches)

    def _span(self, shard: int, side: int) -> slice:
        """Return the chips along an axis that touch a shard."""
        size = self.grid.size
        return slice(shard * side // size, -(-(shard + 1) * side // size))
