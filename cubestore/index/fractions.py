"""How much of each chip is data and how much is cloud: one pass over what is stored.

A task is one shard of one slot. Its chunks are decoded one after another and counted at once, so
that memory holds a chunk for each thread and the counts of a few slots, however large a cube is.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cubestore.chips import ChipGrid
from cubestore.committed import Shard, chunks
from cubestore.encoding import Array
from cubestore.index.rules import Codes, Rule

TOGETHER = 64
"""Tasks that are under way at a time."""

FIELDS = [("slot", "i4"), ("y", "u2"), ("x", "u2"), ("cloud", "f4"), ("nodata", "f4")]

Place = tuple[int, int, int, int, int]
"""Height and width of what counts of a chunk; a chip's side; row and column of its first pixel."""

Pixels = Mapping[str, Sequence[Shard]]
"""Variable -> the shards of it that are stored."""


class Counts(NamedTuple):
    """Pixels of some chips: a window of the chip grid."""

    row: int
    column: int
    data: NDArray[np.int32]
    """(row, column)."""

    cloud: NDArray[np.int32]
    bands: NDArray[np.int32]
    """(band, row, column); without bands where they are not told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """Counts the pixels of a cube's chips."""

    group: Path
    pixels: Array
    """The pixel variable's metadata."""

    masks: Mapping[str, Array]
    """The metadata of the masks that the rule looks at."""

    grid: ChipGrid
    rule: Rule

    @property
    def bands(self) -> int:
        """How many bands are told apart."""
        return self.pixels.shape[1] if self.rule.per_band else 0

    @property
    def row(self) -> np.dtype[Any]:
        """What is known of a chip when it was counted."""
        return np.dtype([*FIELDS, ("bands", "f4", (self.bands,))])

    def rows(
        self, slots: Mapping[int, Pixels], executor: Executor
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield each slot with its chips that are to be listed."""
        for slot, stored in slots.items():
            total = self._nothing((0, 0), (len(self.grid.rows), len(self.grid.columns)))
            shards = sorted(set(chain.from_iterable(stored.get(n, ()) for n in self._variables)))
            task = partial(self._shard, slot, {name: set(s) for name, s in stored.items()})
            for start in range(0, len(shards), TOGETHER):
                for part in executor.map(task, shards[start : start + TOGETHER]):
                    _add(total, part)
            yield slot, self._listed(slot, total)

    @property
    def _variables(self) -> tuple[str, ...]:
        own = () if self.rule.data else (self.pixels.name,)
        return (*own, *self.rule.layers)

    def _shard(self, slot: int, stored: Mapping[str, set[Shard]], shard: Shard) -> Counts:
        from cubestore.index import tally  # noqa: PLC0415 - numba takes a second to load

        counts = self._nothing(*self._window(shard))
        if self.rule.data is None and shard in stored.get(self.pixels.name, ()):
            nodata = self.pixels.numpy_dtype.type(self.pixels.fill)
            for values, place in self._chunks(self.pixels, slot, shard, counts):
                tally.data(values, nodata, *place, counts.data)
                if self.bands:
                    tally.bands(values, nodata, *place, counts.bands)
        wanted = ((self.rule.data, counts.data), (self.rule.cloud, counts.cloud))
        for layer in dict.fromkeys(self.rule.layers):
            tables = [(codes, out) for codes, out in wanted if codes and codes.layer == layer]
            if shard in stored.get(layer, ()):
                self._codes(slot, shard, counts, tables)
        return counts

    def _codes(
        self,
        slot: int,
        shard: Shard,
        counts: Counts,
        tables: Sequence[tuple[Codes, NDArray[np.int32]]],
    ) -> None:
        from cubestore.index import tally  # noqa: PLC0415 - as above

        mask = self.masks[tables[0][0].layer]
        for values, place in self._chunks(mask, slot, shard, counts):
            for codes, out in tables:
                tally.codes(values, codes.table, *place, out)

    def _chunks(
        self, array: Array, slot: int, shard: Shard, counts: Counts
    ) -> Iterator[tuple[NDArray[Any], Place]]:
        """Yield chunks with what of them counts, and where they lie among the chips."""
        size = self.grid.size
        bottom, right = (
            min(pixels, chips * size)
            for pixels, chips in zip(
                array.shape[-2:], (len(self.grid.rows), len(self.grid.columns)), strict=True
            )
        )
        for y, x, values in chunks(self.group, array, slot, shard):
            height, width = min(values.shape[-2], bottom - y), min(values.shape[-1], right - x)
            if height > 0 and width > 0:
                place = (height, width, size, y - counts.row * size, x - counts.column * size)
                yield values, place

    def _window(self, shard: Shard) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the first chip that a shard meets, and how many it meets on either axis."""
        sides = self.pixels.block[-2:]
        chips = len(self.grid.rows), len(self.grid.columns)
        first = tuple(s * n // self.grid.size for s, n in zip(shard, sides, strict=True))
        ends = (-(-(s + 1) * n // self.grid.size) for s, n in zip(shard, sides, strict=True))
        counts = (max(0, min(e, n) - f) for e, n, f in zip(ends, chips, first, strict=True))
        return (first[0], first[1]), (next(counts), next(counts))

    def _nothing(self, first: tuple[int, int], shape: tuple[int, int]) -> Counts:
        return Counts(
            *first,
            np.zeros(shape, np.int32),
            np.zeros(shape, np.int32),
            np.zeros((self.bands, *shape), np.int32),
        )

    def _listed(self, slot: int, counts: Counts) -> NDArray[Any]:
        """Return the rows of the chips that are listed, as fractions."""
        whole = self.grid.size**2
        nodata = 1 - counts.data / whole
        y, x = np.nonzero((counts.data > 0) & (nodata <= self.rule.most_nodata))
        rows = np.zeros(len(y), self.row)
        rows["slot"], rows["y"], rows["x"] = slot, y, x
        rows["cloud"] = counts.cloud[y, x] / whole
        rows["nodata"] = 0 if self.rule.declared else nodata[y, x]
        rows["bands"] = counts.bands[:, y, x].T / whole
        return rows


def _add(total: Counts, part: Counts) -> None:
    rows, columns = part.data.shape
    window = np.s_[..., part.row : part.row + rows, part.column : part.column + columns]
    for whole, some in zip(total[2:], part[2:], strict=True):
        whole[window] += some
