"""The nearest of many vectors: candidates by their signs, which are then measured exactly.

Vectors come in BLOCKS, each with its own scale and codes; a block without codes is measured
whole. A thread goes from block to block with what it has kept, so what one part of the rows has
shown to be far is dismissed in the next.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from threading import Lock
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from cubestore.similarity import kernels
from cubestore.similarity.codes import WORD, Codes, Floats, Stored, around, first_words
from cubestore.similarity.kernels import TILE, Kept, Question, Rows, Signs, Vector

Metric = Literal["cosine", "l2"]
METRICS = ("cosine", "l2")

CANDIDATES = 500
"""Rows that are measured for their signs. Of ten neighbours among a million clustered vectors of
768 numbers 200 hold 9.5, these 9.95."""

FEW = 10_000
"""Rows that are all measured, for it takes a few milliseconds."""

EACH = 20
"""Candidates for each neighbour that is asked for, where that is more."""

HOPE = 0.5
"""Standard deviations by which the first third of a row's signs may mislead, at the edge of the
candidates; neighbours lie far within it."""

PIECE = 131_072
"""Rows that a thread takes at once."""

SAMPLE, SAFE = 512, 4
"""Rows of each piece that tell how far candidates lie, on the safe side by four times their
number: of ten thousand searches three have to begin again without."""

SAMPLED = 250_000
"""Rows from which on a sample of them pays."""

ROOM = 4096
"""Rows that a thread keeps besides those that are wanted, before it cuts them off."""

MEASURED = 128
"""Candidates that a thread takes at once."""

T = TypeVar("T")
P = TypeVar("P")
Piece = tuple[int, tuple[int, int, int]]
"""The number of a block; the first of some of its rows, the one after the last, and the step."""

Scan = Callable[[Piece, Kept], None]
"""Goes through some of a block's rows, and keeps the least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Vectors of one scale."""

    vectors: Stored
    """``(row, feature)``, all finite."""

    scale: float = 1.0
    codes: Codes | None = None
    allowed: NDArray[np.bool_] | None = None
    """Which rows may be found; None: all."""

    def rows(self, span: tuple[int, int, int], number: int) -> Rows:
        """Return some of its rows, of which row 0 has a number among those of all blocks."""
        every = np.zeros(0, bool)
        return Rows(*span, number, every if self.allowed is None else self.allowed)

    def measured(self, rows: NDArray[np.int64], asked: "Asked") -> NDArray[np.float64]:
        """Return the distances of some rows."""
        out = np.empty(len(rows))
        kernels.of_rows(self.vectors, rows, asked.of(self), out)
        return out


@dataclass(frozen=True, slots=True)
class Asked:
    """A vector whose neighbours are asked for."""

    vector: NDArray[np.float64]
    metric: Metric = "cosine"

    def of(self, block: Block) -> Vector:
        """Return it as the vectors of a block are measured from it."""
        square = float(self.vector @ self.vector) if self.metric == "cosine" else -1.0
        return Vector(self.vector, np.float32(block.scale), square)


@dataclass(frozen=True, slots=True)
class Found:
    """The nearest rows, the nearest first; of equals the one that lies first."""

    block: NDArray[np.int64]
    row: NDArray[np.int64]
    distance: NDArray[np.float64]


Finder = Callable[[Block, Asked, int], NDArray[np.int64]]
"""Returns so many rows of a block that may be nearest."""


def search(
    blocks: Sequence[Block],
    asked: Asked,
    k: int,
    *,
    exact: bool = False,
    candidates: int | None = None,
    threads: int = 0,
    finder: Finder | None = None,
) -> Found:
    """Return the ``k`` rows that lie nearest, or as many as there are.

    Args:
        blocks: where to look.
        asked: the vector.
        k: how many.
        exact: measure every row, instead of the candidates.
        candidates: how many are measured; None: 500, or 20 for each that is asked for.
        threads: as many as there are processors, where 0.
        finder: finds candidates instead of their signs.
    """
    firsts = list(accumulate((len(b.vectors) for b in blocks), initial=0))
    k = max(1, min(k, firsts[-1]))
    wanted = max(CANDIDATES, EACH * k) if candidates is None else max(candidates, k)
    exact |= firsts[-1] <= (FEW if candidates is None else 0) or firsts[-1] <= wanted
    crew = _crew(threads or os.cpu_count() or 1, os.getpid())
    if finder is not None and not exact:
        found = [np.zeros(0, np.int64)]
        found += [finder(b, asked, wanted) + at for b, at in zip(blocks, firsts, strict=False)]
    else:
        coded = [b.codes is not None and not exact for b in blocks]
        plain = [not one for one in coded]
        near, far = _by_signs(blocks, asked, firsts), _by_distance(blocks, asked, firsts)
        found = [
            _likely(near, _pieces(blocks, coded), wanted, crew),
            _scanned(far, _pieces(blocks, plain), _none(k, np.float64), crew),
        ]
    return _nearest(blocks, asked, np.concatenate(found), firsts, k, crew)


@dataclass(frozen=True, slots=True)
class _Crew:
    """Threads, of which the caller's is one: two that are woken together may share a core."""

    executor: ThreadPoolExecutor
    others: int

    def share(
        self, pieces: Sequence[P], begin: Callable[[], T], work: Callable[[T, P], None]
    ) -> list[T]:
        """Do some pieces of work; return what each thread began with.

        Args:
            pieces: of which a thread takes the next when it is done with one.
            begin: makes what a thread keeps from piece to piece.
            work: does a piece.
        """
        queue, lock = iter(pieces), Lock()

        def run() -> T:
            own = begin()
            while True:
                with lock:
                    piece = next(queue, None)
                if piece is None:
                    return own
                work(own, piece)

        called = range(min(self.others, len(pieces) - 1))
        running = [self.executor.submit(run) for _ in called]
        return [run(), *(one.result() for one in running)]


@lru_cache
def _crew(threads: int, _process: int) -> _Crew:
    """Return threads that wait for the next search: to start them takes a tenth of one.

    A process that was forked has threads of its own.
    """
    return _Crew(ThreadPoolExecutor(max(1, threads - 1)), threads - 1)


def _by_signs(blocks: Sequence[Block], asked: Asked, firsts: Sequence[int]) -> Scan:
    vector = asked.vector.astype(np.float32)[None]
    length = np.float32(0 if asked.metric == "cosine" else np.linalg.norm(asked.vector))
    tables = _cosines(len(asked.vector))
    own = [b.codes and around(b.codes.centre, vector) for b in blocks]

    def scan(piece: Piece, kept: Kept) -> None:
        number, span = piece
        codes, mine = blocks[number].codes, own[number]
        assert codes is not None  # noqa: S101 - such blocks alone are scanned
        assert mine is not None  # noqa: S101 - the same
        signs = np.concatenate([mine.first[:, 0], mine.rest[0]])
        question = Question(signs, *tables, mine.radius[0], length)
        there = Signs(codes.first, codes.rest, codes.radius, codes.norm)
        kernels.by_signs(there, question, blocks[number].rows(span, firsts[number]), kept)

    return scan


@lru_cache
def _cosines(dimensions: int) -> tuple[Floats, Floats]:
    """Return the cosine for each number of signs that differ: of all, and at best of the first.

    How many of all differ is known from the first to within a standard deviation of at most
    ``n sqrt((1/m - 1/n) / 4)``, where m of n are looked at.
    """
    some = min(first_words(dimensions) * WORD, dimensions)
    spread = dimensions * np.sqrt((1 / some - 1 / dimensions) / 4)
    every = np.arange(dimensions + 1)
    best = np.maximum(0, every * dimensions / some - HOPE * spread).clip(max=dimensions)
    angles = np.pi / dimensions * np.stack([every, best])
    all_, first = np.cos(angles).astype(np.float32)
    return all_, first


def _by_distance(blocks: Sequence[Block], asked: Asked, firsts: Sequence[int]) -> Scan:
    def scan(piece: Piece, kept: Kept) -> None:
        number, span = piece
        block = blocks[number]
        rows = block.rows(span, firsts[number])
        kernels.by_distance(block.vectors, asked.of(block), rows, kept)

    return scan


def _likely(scan: Scan, pieces: Sequence[Piece], count: int, crew: _Crew) -> NDArray[np.int64]:
    """Return the numbers of the rows that are nearest by their signs.

    A sample tells beforehand how far such rows lie at most, so that few others are looked at.
    """
    empty = _none(count, np.float32)
    rows = sum(stop - start for _, (start, stop, _) in pieces)
    sample = [
        (number, (start, min(start + SAMPLE, stop), step)) for number, (start, stop, step) in pieces
    ]
    if rows > SAMPLED:
        for piece in sample:
            scan(piece, empty)
    some = empty.values[: empty.filled[0]]
    rank = SAFE * count * SAMPLE // PIECE
    bound = np.partition(some, rank)[rank] if len(some) > rank else np.inf
    found = _scanned(scan, pieces, _none(count, np.float32, bound), crew)
    if len(found) == count or bound == np.inf:
        return found
    return _scanned(scan, pieces, _none(count, np.float32), crew)


def _scanned(scan: Scan, pieces: Sequence[Piece], empty: Kept, crew: _Crew) -> NDArray[np.int64]:
    """Return the numbers of the rows with the least values.

    Args:
        scan: goes through rows.
        pieces: which.
        empty: what each thread begins with.
        crew: the threads.
    """

    def begin() -> Kept:
        return _none(empty.wanted, empty.values.dtype, empty.worst[0])

    parts = crew.share(pieces, begin, lambda kept, piece: scan(piece, kept))
    values = np.concatenate([kept.values[: kept.filled[0]] for kept in parts])
    rows = np.concatenate([kept.rows[: kept.filled[0]] for kept in parts])
    return rows[np.lexsort((rows, values))[: empty.wanted]]


def _none(count: int, dtype: npt.DTypeLike, worst: float = np.inf) -> Kept:
    values, rows = np.empty(count + ROOM, dtype), np.empty(count + ROOM, np.int64)
    return Kept(values, rows, np.zeros(1, np.int64), np.full(1, worst, dtype), count)


def _pieces(blocks: Sequence[Block], chosen: Sequence[bool]) -> list[Piece]:
    """Return all rows of chosen blocks, in pieces that a thread takes at once."""
    return [
        (number, (start, min(start + PIECE, len(block.vectors)), TILE))
        for number, block in enumerate(blocks)
        if chosen[number]
        for start in range(0, len(block.vectors), PIECE)
    ]


def _nearest(
    blocks: Sequence[Block],
    asked: Asked,
    rows: NDArray[np.int64],
    firsts: Sequence[int],
    k: int,
    crew: _Crew,
) -> Found:
    """Return the nearest of some rows, measured exactly."""
    rows = np.sort(rows)
    block = np.searchsorted(firsts, rows, side="right") - 1
    row = rows - np.asarray(firsts, np.int64)[block]
    distance = np.empty(len(rows))
    edges = np.searchsorted(block, np.arange(len(blocks) + 1)).tolist()
    pieces = [
        (number, slice(at, min(at + MEASURED, stop)))
        for number, (start, stop) in enumerate(pairwise(edges))
        for at in range(start, stop, MEASURED)
    ]

    def measure(_: None, piece: tuple[int, slice]) -> None:
        number, part = piece
        distance[part] = blocks[number].measured(row[part], asked)

    crew.share(pieces, lambda: None, measure)
    order = np.argsort(distance, kind="stable")[:k]
    return Found(block[order], row[order], distance[order])
