"""The loops of a search, compiled: signs counted, distances summed, the least of them kept.

The least are kept in a heap whose first is the largest of them, so that almost every row is
dismissed by one comparison. A heap may be handed from one part of the rows to the next. Nothing
here holds the interpreter's lock.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from cubestore.compiled import compiled, summing

Array = NDArray[Any]

TILE = 1024
"""Rows whose signs are counted together, word by word: their counts stay in the cache."""

HALF: Any = np.float32(0.5)
ONE: Any = np.float32(1)
TWO: Any = np.float32(2)
"""Beside float32 a plain number would make all of it float64."""


class Signs(NamedTuple):
    """What is looked at first of some vectors. See `cubestore.similarity.codes`."""

    first: Array
    """``(word, row)``, uint64: about a third of the signs."""

    rest: Array
    """``(row, word)``, uint64: the others."""

    radius: Array
    """How far a vector's direction lies from the centre."""

    norm: Array
    """A vector's length."""


class Question(NamedTuple):
    """A vector as its signs tell of it."""

    signs: Array
    """``(word,)``, uint64."""

    cosines: Array
    """``(d + 1,)``: of the angle for each number of signs that differ."""

    hopes: Array
    """The same for the first signs alone, and as if the others hardly differed."""

    apart: Any
    """How far its direction lies from the centre."""

    length: Any
    """Of the vector; 0: rows are told apart by direction alone."""


class Vector(NamedTuple):
    """A vector, and how others are measured from it."""

    values: Array
    """float64."""

    scale: Any
    """What the others' stored numbers are multiplied with, float32."""

    square: float
    """Of its length, for a cosine distance; negative: the Euclidean one."""


class Rows(NamedTuple):
    """Which rows are gone through."""

    start: int
    stop: int
    number: int
    """Of row 0, among those of all blocks."""

    allowed: Array
    """Which rows may be found; none at all: all."""


class Heap(NamedTuple):
    """The least values so far, the largest of them first, and the numbers of their rows."""

    values: Array
    rows: Array


def _bits(_: Any, __: Any) -> Any:  # noqa: ANN401 - numba's own
    """Return how many bits of 64 are set; LLVM has an instruction for it."""
    return types.uint64(types.uint64), lambda _, builder, __, given: builder.ctpop(given[0])


_ones: Any = intrinsic(_bits)


@compiled
def _later(heap: Heap, at: int, value: float, row: int) -> bool:
    """Whether one of a heap comes after a value, or of equals after its row."""
    return bool(heap.values[at] > value or (heap.values[at] == value and heap.rows[at] > row))


@compiled
def _put(heap: Heap, value: float, row: int) -> None:
    """Put a value in the place of a heap's first."""
    values, rows = heap
    count, at = len(values), 0
    while 2 * at + 1 < count:
        below = 2 * at + 1
        if below + 1 < count and _later(heap, below + 1, values[below], rows[below]):
            below += 1
        if not _later(heap, below, value, row):
            break
        values[at], rows[at] = values[below], rows[below]
        at = below
    values[at], rows[at] = value, row


@compiled
def by_signs(there: Signs, asked: Question, which: Rows, heap: Heap) -> None:
    """Keep those rows whose signs say that they are near.

    Where n of d signs differ, two directions from the centre stand at about pi n / d. With how
    far each lies from it, that tells how far they lie from one another. The rest of a row's signs
    is looked at only where its first ones leave hope.

    Args:
        there: of the rows.
        asked: the vector.
        which: rows.
        heap: float32; filled, and gone on with.
    """
    first, rest, radius, norm = there
    signs, cosines, hopes, apart, length = asked
    allowed, values, words = which.allowed, heap.values, len(first)
    differ, near = np.empty(TILE, np.uint64), np.empty(TILE, np.float32)
    hopeful = np.empty(TILE, np.int64)
    for start in range(which.start, which.stop, TILE):
        stop = min(start + TILE, which.stop)
        _count(first, signs, start, stop, differ)
        _estimate(differ, radius[start:stop], norm[start:stop], hopes, (apart, length), near)
        chosen, worst = 0, values[0]
        for k in range(stop - start):  # without a branch, that would be guessed wrongly too often
            hopeful[chosen] = k
            chosen += near[k] < worst
        for n in range(chosen):  # rows far from one another, fetched together
            row, count = start + hopeful[n], differ[hopeful[n]]
            for word in range(rest.shape[1]):
                count += _ones(rest[row, word] ^ signs[words + word])
            near[n] = _about(radius[row], norm[row], apart, length, cosines[count])
        for n in range(chosen):
            row = start + hopeful[n]
            if near[n] < values[0] and (len(allowed) == 0 or allowed[row]):
                _put(heap, near[n], which.number + row)


@compiled
def _count(first: Array, asked: Array, start: int, stop: int, differ: Array) -> None:
    """Count for each row of a tile how many of its first signs differ from the question's."""
    differ[:] = 0
    for word in range(len(first)):
        line, bits = first[word, start:stop], asked[word]
        for k in range(len(line)):
            differ[k] += _ones(line[k] ^ bits)


@compiled
def _estimate(
    differ: Array,
    radius: Array,
    norm: Array,
    cosines: Array,
    asked: tuple[float, float],
    near: Array,
) -> None:
    """Fill ``near`` with about how far rows lie."""
    apart, length = asked
    for k in range(len(radius)):
        near[k] = _about(radius[k], norm[k], apart, length, cosines[differ[k]])


@compiled
def _about(far: float, side: float, apart: float, length: float, cosine: float) -> float:
    """Return a cosine distance, or the square of a Euclidean one, by an angle at the centre."""
    estimate: float = HALF * (far * far + apart * apart) - far * apart * cosine
    if length > 0:
        estimate = side * side - TWO * side * length * (ONE - estimate)
    return estimate


@summing
def _euclidean(vector: Array, asked: Array, scale: float) -> float:
    total: float = 0.0
    for k in range(len(asked)):
        step = np.float64(np.float32(vector[k]) * scale) - asked[k]
        total += step * step
    return float(np.sqrt(total))


@summing
def _cosine(vector: Array, asked: Array, scale: float, square: float) -> float:
    """Return 1 - cos; 1 where a vector is 0 and stands at no angle."""
    both: float = 0.0
    own: float = 0.0
    for k in range(len(asked)):
        value = np.float64(np.float32(vector[k]) * scale)
        both += value * asked[k]
        own += value * value
    if own == 0 or square == 0:
        return 1.0
    return max(0.0, 1.0 - both / float(np.sqrt(own) * np.sqrt(square)))


@compiled
def _distance(stored: Array, asked: Vector) -> float:
    if asked.square < 0:
        return _euclidean(stored, asked.values, asked.scale)
    return _cosine(stored, asked.values, asked.scale, asked.square)


@compiled
def of_rows(vectors: Array, chosen: Array, asked: Vector, out: Array) -> None:
    """Fill ``out`` with the distances of chosen rows of ``(row, feature)``."""
    for k in range(len(chosen)):
        out[k] = _distance(vectors[chosen[k]], asked)


@compiled
def by_distance(vectors: Array, asked: Vector, which: Rows, heap: Heap) -> None:
    """Keep the nearest rows, all of which are measured.

    Args:
        vectors: ``(row, feature)``, as stored.
        asked: the vector.
        which: rows.
        heap: float64; filled, and gone on with.
    """
    allowed, values = which.allowed, heap.values
    for row in range(which.start, which.stop):
        if len(allowed) == 0 or allowed[row]:
            far = _distance(vectors[row], asked)
            if far < values[0]:
                _put(heap, far, which.number + row)


@compiled
def between(one: Array, other: Array, euclidean: bool, out: Array) -> None:  # noqa: FBT001
    """Fill ``out`` with the distances of pairs of rows, float32 both."""
    values, scale = np.empty(one.shape[1], np.float64), np.float32(1)
    for row in range(len(one)):
        values[:] = one[row]
        square = -1.0 if euclidean else np.sum(values * values)
        out[row] = _distance(other[row], Vector(values, scale, square))
