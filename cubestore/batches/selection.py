"""Which chips there are to go through, in blocks that lie together on disk.

Chips that an index was asked for are rows; without an index they are every window of every slot
that has a shard there, crossed when they are asked for: a store of 370 million windows is a list
of its shards and nothing more.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from cubestore.chips import ChipGrid

Ints = NDArray[np.int64]


class Chips(NamedTuple):
    """Some chips: in which source, at which slot, and where their first pixels lie."""

    source: Ints
    slot: Ints
    y: Ints
    x: Ints

    def some(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> "Chips":
        """Return those of an index or a mask."""
        return Chips(*(part[which] for part in self))


class Selection(Protocol):
    """Chips in blocks."""

    @property
    def grids(self) -> Sequence[ChipGrid]:
        """Where the chips of each source may lie."""

    @property
    def sizes(self) -> Ints:
        """How many chips each block has."""

    @property
    def count(self) -> int:
        """How many chips an epoch has: those that come several times count so often."""

    def of_epoch(self, seed: Sequence[int]) -> "Selection":
        """Return the chips of one epoch, each as often as it comes there."""

    def digest(self) -> bytes:
        """Return a digest of the chips and their blocks."""

    def chips(self, blocks: Ints, indexes: Ints) -> Chips:
        """Return chips by block and index in it."""

    def slots_of(self, blocks: Ints, indexes: Ints) -> list[Ints]:
        """Return for each chip all slots at which its place is selected, the chip's among them."""


@dataclass(frozen=True, slots=True)
class Places:
    """Chips by place: what shows one piece of ground at several slots."""

    order: Ints
    """The chips, sorted by place and slot."""

    start: Ints
    end: Ints
    """For each chip, where its place begins and ends in ``order``."""

    @classmethod
    def of(cls, chips: Chips, place: Ints) -> "Places":
        """Sort chips by a number for the place, in each source."""
        order = np.lexsort((chips.slot, place, chips.source))
        bounds = _runs(chips.source[order], place[order])
        start, end, lengths = np.empty_like(order), np.empty_like(order), np.diff(bounds)
        start[order] = np.repeat(bounds[:-1], lengths)
        end[order] = np.repeat(bounds[1:], lengths)
        return cls(order, start, end)

    @property
    def dates(self) -> Ints:
        """How many chips the place of each chip has."""
        return self.end - self.start

    def alike(self, chips: Ints) -> list[Ints]:
        """Return for each chip those of its place."""
        spans = zip(self.start[chips], self.end[chips], strict=True)
        return [self.order[first:last] for first, last in spans]


@dataclass(frozen=True, slots=True)
class Rows:
    """Chips that are listed, sorted by block."""

    grids: Sequence[ChipGrid]
    rows: Chips
    starts: Ints
    """Where each block begins, and at last where they end."""

    places: Places
    often: NDArray[np.float64] | None = None
    """How often each chip comes in an epoch, on average; None: once."""

    @classmethod
    def of(
        cls,
        grids: Sequence[ChipGrid],
        rows: Chips,
        *,
        files: Ints,
        place: Ints,
        dates: int = 1,
        often: NDArray[np.float64] | None = None,
    ) -> "Rows":
        """Sort chips into blocks.

        Args:
            grids: of each source.
            rows: the chips.
            files: for each a number, the same for what lies together on a source's disk.
            place: for each a number, the same for what shows one place of a source.
            dates: how many slots a place must have; the chips of others are left out.
            often: for each how often it comes in an epoch, on average; None: once.
        """
        order = np.lexsort((rows.x, rows.y, rows.slot, files, rows.source))
        order = order[(Places.of(rows, place).dates >= dates)[order]]
        rows, files = rows.some(order), files[order]
        often = None if often is None else often[order]
        return cls(grids, rows, _runs(rows.source, files), Places.of(rows, place[order]), often)

    @property
    def sizes(self) -> Ints:
        """How many chips each block has."""
        return np.diff(self.starts)

    @property
    def count(self) -> int:
        """How many chips an epoch has."""
        return len(self.rows.slot) if self.often is None else round(float(self.often.sum()))

    def of_epoch(self, seed: Sequence[int]) -> Selection:
        """Return the chips of one epoch, each as often as it comes there."""
        return self if self.often is None else Repeated(self, times(self.often, seed))

    def digest(self) -> bytes:
        """Return a digest of the chips, their blocks and how often they come."""
        often = () if self.often is None else (self.often,)
        return _digest(self.grids, *self.rows, self.starts, *often)

    def chips(self, blocks: Ints, indexes: Ints) -> Chips:
        """Return chips by block and index in it."""
        return self.rows.some(self.starts[blocks] + indexes)

    def slots_of(self, blocks: Ints, indexes: Ints) -> list[Ints]:
        """Return for each chip all slots at which its place is listed."""
        return [self.rows.slot[same] for same in self.places.alike(self.starts[blocks] + indexes)]


class Lasting:
    """Chips that are the same whichever epoch asks."""

    sizes: Ints

    @property
    def count(self) -> int:
        """How many chips there are, with their repetitions."""
        return int(self.sizes.sum())

    def of_epoch(self, seed: Sequence[int]) -> Self:
        """Return the same."""
        del seed
        return self


class Repeated(Lasting):
    """Listed chips, each of them a number of times."""

    def __init__(self, listed: Rows, counts: Ints) -> None:
        """Lay them out.

        Args:
            listed: the chips.
            counts: how often each comes; 0: not at all.
        """
        self._listed = listed
        self._ends = np.cumsum(counts)
        edges = np.concatenate([[0], self._ends])[listed.starts]
        self._starts, self.sizes, self.grids = edges[:-1], np.diff(edges), listed.grids

    def digest(self) -> bytes:
        """Return a digest of the chips, their blocks and how often they come."""
        return self._listed.digest() + self._ends.tobytes()

    def chips(self, blocks: Ints, indexes: Ints) -> Chips:
        """Return chips by block and index in it."""
        return self._listed.rows.some(self._which(blocks, indexes))

    def slots_of(self, blocks: Ints, indexes: Ints) -> list[Ints]:
        """Return for each chip all slots at which its place is listed."""
        alike = self._listed.places.alike(self._which(blocks, indexes))
        return [self._listed.rows.slot[same] for same in alike]

    def _which(self, blocks: Ints, indexes: Ints) -> Ints:
        return np.searchsorted(self._ends, self._starts[blocks] + indexes, side="right")


class Crossed(Lasting):
    """Every window of every slot that has a shard where the window begins."""

    def __init__(
        self,
        grids: Sequence[ChipGrid],
        shard: tuple[int, int],
        there: Chips,
        *,
        dates: int = 1,
    ) -> None:
        """Cross windows and shards.

        Args:
            grids: of each source.
            shard: rows and columns of pixels in a shard.
            there: the shards that are stored; ``y`` and ``x`` count shards.
            dates: how many slots a place must have; the chips of others are left out.
        """
        there = there.some(np.lexsort((there.x, there.y, there.slot, there.source)))
        place = there.y * (1 + int(there.x.max(initial=0))) + there.x
        enough = Places.of(there, place).dates >= dates
        self._there = there.some(enough)
        self._places = Places.of(self._there, place[enough])
        self._rows = [_within(grid.rows, shard[0]) for grid in grids]
        self._columns = [_within(grid.columns, shard[1]) for grid in grids]
        self.grids = grids
        source, _, y, x = self._there
        self._wide = _count(self._columns, source, x)
        self.sizes = _count(self._rows, source, y) * self._wide

    def digest(self) -> bytes:
        """Return a digest of the chips and their blocks."""
        return _digest(self.grids, *self._there)

    def chips(self, blocks: Ints, indexes: Ints) -> Chips:
        """Return chips by block and index in it."""
        source, slot, row, column = self._there.some(blocks)
        down, right = np.divmod(indexes, np.maximum(self._wide[blocks], 1))
        y, x = np.empty_like(indexes), np.empty_like(indexes)
        for number in np.unique(source):
            mine, grid = source == number, self.grids[number]
            y[mine] = grid.rows[self._rows[number][row[mine]] + down[mine]]
            x[mine] = grid.columns[self._columns[number][column[mine]] + right[mine]]
        return Chips(source, slot, y, x)

    def slots_of(self, blocks: Ints, indexes: Ints) -> list[Ints]:
        """Return for each chip all slots that have a shard there."""
        del indexes  # the chips of a shard have the same
        return [self._there.slot[same] for same in self._places.alike(blocks)]


def times(often: NDArray[np.float64], seed: Sequence[int]) -> Ints:
    """Return how often each chip comes in one epoch.

    Each comes as often as it does on average, rounded down or up at random so that averages hold;
    all together come as often in every epoch. (Systematic sampling in a random order: Madow 1949.)

    Args:
        often: of each chip, on average; their sum is a whole number.
        seed: numbers that make the epoch this one.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(often))
    ends, total = np.cumsum(often[order]), np.round(often.sum())
    ends[-1:] = total  # which a sum of fractions may miss by a little
    counts = np.empty(len(often), np.int64)
    counts[order] = np.diff(np.minimum(np.floor(ends + random.random()), total), prepend=0)
    return counts


def _digest(grids: Sequence[ChipGrid], *arrays: Ints) -> bytes:
    told = hashlib.sha256(repr(list(grids)).encode())
    for array in arrays:
        told.update(array.tobytes())
    return told.digest()


def _runs(*keys: Ints) -> Ints:
    """Return where equal keys begin, and at last where they end."""
    count = len(keys[0])
    if not count:
        return np.zeros(1, np.int64)
    changes = np.any([np.diff(key) != 0 for key in keys], axis=0)
    return np.concatenate([[0], np.flatnonzero(changes) + 1, [count]])


def _within(starts: Ints, shard: int) -> Ints:
    """Return the first window that begins in each shard of an axis, and behind the last."""
    last = int(starts[-1]) // shard if len(starts) else -1
    return np.searchsorted(starts, np.arange(last + 2) * shard)


def _count(firsts: Sequence[Ints], source: Ints, shard: Ints) -> Ints:
    """Return how many windows of an axis begin in each of some shards."""
    counts = np.zeros(len(source), np.int64)
    for number, first in enumerate(firsts):
        mine = (source == number) & (shard < len(first) - 1)
        counts[mine] = np.diff(first)[shard[mine]]
    return counts
