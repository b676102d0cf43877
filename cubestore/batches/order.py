"""In which order an epoch goes through chips: a function of the seed, and of nothing that runs it.

Chips of a shard lie in one file, so an epoch goes shard by shard, in a random order, and mixes the
chips of some shards at a time: nearly as good as a shuffle of everything, and a disk or a page
cache is asked for few files at once. Any batch of an epoch can be had without those before it:
ranks and workers take every n-th, and what was interrupted goes on where it stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cubestore.errors import MismatchError

Ints = NDArray[np.int64]

TOGETHER = 64
"""Blocks whose chips are mixed: 4,096 chips of 256 pixels."""


class Order:
    """The order of one stream of chips, which lie in blocks, through one epoch."""

    def __init__(
        self,
        sizes: Ints,
        *,
        seed: Sequence[int],
        shuffle: bool = True,
        together: int = TOGETHER,
        length: int | None = None,
    ) -> None:
        """Draw nothing yet.

        Args:
            sizes: how many chips each block has.
            seed: numbers that make the order this one.
            shuffle: False: blocks and chips as they come.
            together: blocks whose chips are mixed.
            length: chips of the epoch; where it is more than there are, all come again in another
                order, and of the last time as many as are wanted.
        """
        self.sizes, self.seed, self.shuffle, self.together = sizes, tuple(seed), shuffle, together
        self.chips = int(sizes.sum())
        self.length = self.chips if length is None else length
        self._pass: tuple[int, Ints, Ints] | None = None
        self._group: tuple[tuple[int, int], Ints, Ints] | None = None

    def between(self, start: int, stop: int) -> tuple[Ints, Ints]:
        """Return (block, index in it) of the chips from ``start`` to before ``stop``."""
        blocks, indexes = [], []
        position, stop = start, min(stop, self.length)
        while position < stop:
            turn, within = divmod(position, self.chips)
            ends = self._ends(turn)
            number = int(np.searchsorted(ends, within, side="right"))
            first = int(ends[number - 1]) if number else 0
            part = slice(within - first, min(int(ends[number]), within + stop - position) - first)
            of_block, of_index = self._mixed(turn, number)
            blocks.append(of_block[part])
            indexes.append(of_index[part])
            position += part.stop - part.start
        nothing = np.zeros(0, np.int64)
        return np.concatenate([nothing, *blocks]), np.concatenate([nothing, *indexes])

    def _ends(self, turn: int) -> Ints:
        """Return behind which chip each group of blocks ends, the ``turn``-th time round."""
        if self._pass is None or self._pass[0] != turn:
            count = len(self.sizes)
            order = self._random(turn).permutation(count) if self.shuffle else np.arange(count)
            last = np.arange(min(self.together, count), count + self.together, self.together) - 1
            ends = np.cumsum(self.sizes[order])[np.minimum(last, count - 1)]
            self._pass = turn, order, ends
        return self._pass[2]

    def _mixed(self, turn: int, number: int) -> tuple[Ints, Ints]:
        """Return the chips of a group of blocks, mixed."""
        if self._pass is None or self._group is None or self._group[0] != (turn, number):
            self._ends(turn)
            assert self._pass is not None  # noqa: S101 - our own shape
            some = self._pass[1][number * self.together : (number + 1) * self.together]
            sizes = self.sizes[some]
            blocks = np.repeat(some, sizes)
            indexes = np.arange(len(blocks)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            if self.shuffle:
                mix = self._random(turn, number).permutation(len(blocks))
                blocks, indexes = blocks[mix], indexes[mix]
            self._group = (turn, number), blocks, indexes
        return self._group[1:]

    def _random(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([*self.seed, len(key), *key])


class Turn(NamedTuple):
    """One batch of an epoch."""

    number: int
    """Of the epoch's batches."""

    stream: int
    first: int
    """Where in its stream the batch begins."""

    blocks: Ints
    indexes: Ints


@dataclass(frozen=True, slots=True)
class Share:
    """Which of an epoch's batches somebody takes: each is taken by one, whatever their number."""

    rank: int = 0
    ranks: int = 1
    worker: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        if not (0 <= self.rank < self.ranks and 0 <= self.worker < self.workers):
            raise MismatchError(
                f"Rank {self.rank} of {self.ranks}, worker {self.worker} of {self.workers}",
                expected="numbers from 0 to below how many there are",
                remedy="pass the process's rank and the number of processes",
            )

    def takes(self, start: int, batches: int) -> range:
        """Return the numbers of its batches, of those of its rank the ``start``-th and later."""
        first = self.rank + self.ranks * (start + self.worker)
        return range(first, batches, self.ranks * self.workers)

    def passed(self, number: int) -> int:
        """Return how many batches of its rank there are up to one of them, with that."""
        return (number - self.rank) // self.ranks + 1


class Epoch:
    """All batches of one epoch: each of one stream, streams in a random order."""

    def __init__(
        self,
        orders: Sequence[Order],
        batch_size: int,
        *,
        seed: Sequence[int],
        shuffle: bool = True,
        drop_last: bool = False,
    ) -> None:
        """Lay the batches out.

        Args:
            orders: of each stream.
            batch_size: chips in a batch.
            seed: numbers that make the order of streams this one.
            shuffle: False: one stream after the other.
            drop_last: leave out what does not fill a batch.
        """
        self.orders, self.batch_size = tuple(orders), batch_size
        counts = [
            order.length // batch_size if drop_last else -(-order.length // batch_size)
            for order in orders
        ]
        self._streams = np.repeat(np.arange(len(counts)), counts)
        if shuffle:
            self._streams = np.random.default_rng([*seed, len(counts)]).permutation(self._streams)
        self._within = np.zeros(len(self._streams), np.int64)
        for stream, count in enumerate(counts):
            self._within[self._streams == stream] = np.arange(count)

    def __len__(self) -> int:
        """Return how many batches the epoch has."""
        return len(self._streams)

    def batch(self, number: int) -> Turn:
        """Return a batch, by its number."""
        stream = int(self._streams[number])
        first = int(self._within[number]) * self.batch_size
        return Turn(
            number, stream, first, *self.orders[stream].between(first, first + self.batch_size)
        )
