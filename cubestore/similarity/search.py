"""The nearest of many vectors: candidates by their signs, which are then measured exactly.

Vectors come in BLOCKS, each with its own scale and codes; a block without codes is measured
whole. All blocks share one heap a thread, so what one part of the rows has shown to be far is
dismissed in the next.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cubestore.similarity import kernels
from cubestore.similarity.codes import WORD, Codes, Floats, Stored, around, first_words
from cubestore.similarity.kernels import Heap, Question, Rows, Signs, Vector

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

Piece = tuple[int, int, int]
"""The number of a block, its first row, and the one after the last."""

Scan = Callable[[Piece, Heap], None]
"""Goes through some of a block's rows, and keeps the least in a heap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Vectors of one scale."""

    vectors: Stored
    """``(row, feature)``, all finite."""

    scale: float = 1.0
    codes: Codes | None = None
    allowed: NDArray[np.bool_] | None = None
    """Which rows may be found; None: all."""

    def rows(self, start: int, stop: int, number: int) -> Rows:
        """Return some of its rows, of which row 0 has a number among those of all blocks."""
        every = np.zeros(0, bool)
        return Rows(start, stop, number, every if self.allowed is None else self.allowed)

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
    if finder is not None and not exact:
        found = [np.zeros(0, np.int64)]
        found += [finder(b, asked, wanted) + at for b, at in zip(blocks, firsts, strict=False)]
        return _nearest(blocks, asked, np.concatenate(found), firsts, k)
    coded = [b.codes is not None and not exact for b in blocks]
    threads = threads or os.cpu_count() or 1
    rough = _scanned(_by_signs(blocks, asked, firsts), blocks, coded, np.float32, wanted, threads)
    plain = [not one for one in coded]
    near = _scanned(_by_distance(blocks, asked, firsts), blocks, plain, np.float64, k, threads)
    return _nearest(blocks, asked, np.concatenate([rough, near]), firsts, k)


def _by_signs(blocks: Sequence[Block], asked: Asked, firsts: Sequence[int]) -> Scan:
    vector = asked.vector.astype(np.float32)[None]
    length = np.float32(0 if asked.metric == "cosine" else np.linalg.norm(asked.vector))
    tables = _cosines(len(asked.vector))
    own = [b.codes and around(b.codes.centre, vector) for b in blocks]

    def scan(piece: Piece, heap: Heap) -> None:
        number, start, stop = piece
        codes, mine = blocks[number].codes, own[number]
        assert codes is not None  # noqa: S101 - such blocks alone are scanned
        assert mine is not None  # noqa: S101 - the same
        signs = np.concatenate([mine.first[:, 0], mine.rest[0]])
        question = Question(signs, *tables, mine.radius[0], length)
        there = Signs(codes.first, codes.rest, codes.radius, codes.norm)
        kernels.by_signs(there, question, blocks[number].rows(start, stop, firsts[number]), heap)

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
    def scan(piece: Piece, heap: Heap) -> None:
        number, start, stop = piece
        block = blocks[number]
        rows = block.rows(start, stop, firsts[number])
        kernels.by_distance(block.vectors, asked.of(block), rows, heap)

    return scan


def _scanned(
    scan: Scan,
    blocks: Sequence[Block],
    chosen: Sequence[bool],
    dtype: type[np.floating],
    count: int,
    threads: int,
) -> NDArray[np.int64]:
    """Return the numbers of the rows with the least values of chosen blocks."""
    pieces = [
        piece
        for number, block in enumerate(blocks)
        if chosen[number]
        for piece in _cut(number, block)
    ]
    queue, lock = iter(pieces), Lock()

    def work() -> Heap:
        heap = Heap(np.full(count, np.inf, dtype), np.full(count, -1, np.int64))
        while True:
            with lock:
                piece = next(queue, None)
            if piece is None:
                return heap
            scan(piece, heap)

    others = min(threads, len(pieces)) - 1
    with ThreadPoolExecutor(max(1, others)) as executor:  # which starts none that it is not given
        running = [executor.submit(work) for _ in range(others)]
        heaps = [work(), *(one.result() for one in running)]  # two that are woken may share a core
    values, rows = (np.concatenate(parts) for parts in zip(*heaps, strict=True))
    rows = rows[np.lexsort((rows, values))[:count]]
    return rows[rows >= 0]


def _cut(number: int, block: Block) -> Iterator[Piece]:
    count = len(block.vectors)
    for start in range(0, count, PIECE):
        yield number, start, min(start + PIECE, count)


def _nearest(
    blocks: Sequence[Block],
    asked: Asked,
    rows: NDArray[np.int64],
    firsts: Sequence[int],
    k: int,
) -> Found:
    """Return the nearest of some rows, measured exactly."""
    rows = np.sort(rows)
    block = np.searchsorted(firsts, rows, side="right") - 1
    row = rows - np.asarray(firsts, np.int64)[block]
    distance = np.empty(len(rows))
    for number in np.unique(block).tolist():
        mine = block == number
        distance[mine] = blocks[number].measured(row[mine], asked)
    order = np.argsort(distance, kind="stable")[:k]
    return Found(block[order], row[order], distance[order])
