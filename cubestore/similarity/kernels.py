"""The loops of a search, compiled: signs counted, distances summed, the least of them kept.

Whatever is less than the worst of those that are wanted is kept, and the rest cut off when the
place for it is full: almost every row is dismissed by one comparison. What was kept of one part of
the rows may be handed to the next. Nothing here holds the interpreter's lock.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cubestore.compiled import compiled, instruction, summing

Array = NDArray[Any]

TILE = 1024
"""Rows whose signs are counted together, word by word: their counts stay in the cache."""

TOGETHER = 4
"""Words that are counted at once."""

CHUNK = 32
"""Rows of a tile that are passed over together, where none leaves hope."""

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
    step: int
    """From one tile to the next; more than a tile: a sample of them."""

    number: int
    """Of row 0, among those of all blocks."""

    allowed: Array
    """Which rows may be found; none at all: all."""


class Kept(NamedTuple):
    """The least values so far, the numbers of their rows, and others that are not cut off yet."""

    values: Array
    rows: Array
    filled: Array
    """``(1,)``: how many there are."""

    worst: Array
    """``(1,)``: what is not less is dismissed."""

    wanted: int
    """How many."""


def _bits(_: Any, __: Any) -> Any:  # noqa: ANN401 - numba's own
    """Return how many bits of 64 are set; LLVM has an instruction for it."""
    from numba import types  # noqa: PLC0415 - it is loaded when this is called

    return types.uint64(types.uint64), lambda _, builder, __, given: builder.ctpop(given[0])


_ones: Any = instruction(_bits)


@compiled
def _keep(kept: Kept, value: float, row: int) -> None:
    """Add a value that is less than the worst."""
    at = kept.filled[0]
    kept.values[at], kept.rows[at] = value, row
    kept.filled[0] = at + 1
    if at + 1 == len(kept.values):
        _cut(kept)


@compiled
def _cut(kept: Kept) -> None:
    """Leave as many as are wanted; of equals those that came first."""
    values, rows = kept.values, kept.rows
    worst, left = _least(values, kept.wanted), kept.wanted
    for value in values:
        left -= value < worst
    at = 0
    for n in range(len(values)):
        same = values[n] == worst and left > 0
        left -= same
        if same or values[n] < worst:
            values[at], rows[at] = values[n], rows[n]
            at += 1
    kept.filled[0], kept.worst[0] = at, worst


@compiled
def _least(values: Array, count: int) -> float:
    """Return the last of the ``count`` least values, by Hoare's FIND (CACM 4(7), 1961).

    NumPy's would have numba compile its way to it for five seconds.
    """
    some, low, high, at = values.copy(), 0, len(values) - 1, count - 1
    while low < high:
        middle, left, right = some[at], low, high
        while left <= right:
            while some[left] < middle:
                left += 1
            while middle < some[right]:
                right -= 1
            if left <= right:
                some[left], some[right] = some[right], some[left]
                left, right = left + 1, right - 1
        if right < at:
            low = left
        if at < left:
            high = right
    least: float = some[at]
    return least


@compiled
def by_signs(there: Signs, asked: Question, which: Rows, kept: Kept) -> None:
    """Keep those rows whose signs say that they are near.

    Where n of d signs differ, two directions from the centre stand at about pi n / d. With how
    far each lies from it, that tells how far they lie from one another. The rest of a row's signs
    is looked at only where its first ones leave hope.

    Args:
        there: of the rows.
        asked: the vector.
        which: rows.
        kept: float32; added to.
    """
    allowed = which.allowed
    differ, hopeful = np.empty(TILE, np.uint32), np.empty(TILE, np.int64)
    near = np.empty(TILE, np.float32)
    for start in range(which.start, which.stop, which.step):
        stop = min(start + TILE, which.stop)
        _count(there.first, asked.signs, start, stop, differ)
        worst = kept.worst[0]
        chosen = _below(differ[: stop - start], _limit(asked, worst), hopeful)
        chosen = _hopes(there, asked, start, worst, differ, hopeful[:chosen])
        _estimates(there, asked, start, differ, hopeful[:chosen], near)
        for n in range(chosen):
            row = start + hopeful[n]
            if near[n] < kept.worst[0] and (len(allowed) == 0 or allowed[row]):
                _keep(kept, near[n], which.number + row)


@compiled
def _limit(asked: Question, worst: float) -> int:
    """Return how many first signs must differ for no row to be nearer than the worst kept.

    The nearest that a row can lie whose direction from the centre has the cosine c is at
    ``apart**2 (1 - c**2) / 2``.
    """
    hopes, apart, length = asked.hopes, asked.apart, asked.length
    if length > 0:
        if worst > 0:
            return len(hopes)
        worst = ONE - np.sqrt(-worst) / length
    if not TWO * worst < apart * apart:
        return len(hopes)
    cosine = np.sqrt(max(ONE - TWO * worst / (apart * apart), ONE - ONE))
    low, high = 0, len(hopes)
    while low < high:
        middle = (low + high) // 2
        if hopes[middle] > cosine:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _below(differ: Array, limit: int, hopeful: Array) -> int:
    """List the rows of which fewer signs differ; most are passed over many at once."""
    chosen, most = 0, np.uint32(limit)
    for start in range(0, len(differ), CHUNK):
        stop = min(start + CHUNK, len(differ))
        least = differ[start]
        for k in range(start, stop):
            least = min(least, differ[k])
        if least < most:
            for k in range(start, stop):
                hopeful[chosen] = k
                chosen += differ[k] < most
    return chosen


@compiled
def _hopes(
    there: Signs, asked: Question, start: int, worst: float, differ: Array, hopeful: Array
) -> int:
    """Keep in a list the rows that may be nearer than the worst, by how far they lie themselves."""
    radius, norm, chosen = there.radius, there.norm, 0
    for n in range(len(hopeful)):
        k = hopeful[n]
        far, side = radius[start + k], norm[start + k]
        near = _about(far, side, asked.apart, asked.length, asked.hopes[differ[k]])
        hopeful[chosen] = k
        chosen += near < worst
    return chosen


@compiled
def _estimates(
    there: Signs, asked: Question, start: int, differ: Array, hopeful: Array, near: Array
) -> None:
    """Fill ``near`` with about how far listed rows lie, by all of their signs.

    They lie far from one another in memory; without a branch between they are fetched together.
    """
    rest, radius, norm, before = there.rest, there.radius, there.norm, len(there.first)
    for n in range(len(hopeful)):
        row, count = start + hopeful[n], differ[hopeful[n]]
        for word in range(rest.shape[1]):
            count += np.uint32(_ones(rest[row, word] ^ asked.signs[before + word]))
        cosine = asked.cosines[count]
        near[n] = _about(radius[row], norm[row], asked.apart, asked.length, cosine)


@compiled
def _count(first: Array, asked: Array, start: int, stop: int, differ: Array) -> None:
    """Count for each row of a tile how many of its first signs differ from the question's."""
    words, count = len(first), stop - start
    differ[:count] = 0
    for word in range(0, words - words % TOGETHER, TOGETHER):  # their sum is written once
        one, two = first[word, start:stop], first[word + 1, start:stop]
        three, four = first[word + 2, start:stop], first[word + 3, start:stop]
        a, b, c, d = asked[word], asked[word + 1], asked[word + 2], asked[word + 3]
        for k in range(count):
            upper = _ones(one[k] ^ a) + _ones(two[k] ^ b)
            lower = _ones(three[k] ^ c) + _ones(four[k] ^ d)
            differ[k] += np.uint32(upper + lower)
    for word in range(words - words % TOGETHER, words):
        line, bits = first[word, start:stop], asked[word]
        for k in range(count):
            differ[k] += np.uint32(_ones(line[k] ^ bits))


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
def by_distance(vectors: Array, asked: Vector, which: Rows, kept: Kept) -> None:
    """Keep the nearest rows, all of which are measured.

    Args:
        vectors: ``(row, feature)``, as stored.
        asked: the vector.
        which: rows.
        kept: float64; added to.
    """
    allowed = which.allowed
    for row in range(which.start, which.stop):
        if len(allowed) == 0 or allowed[row]:
            far = _distance(vectors[row], asked)
            if far < kept.worst[0]:
                _keep(kept, far, which.number + row)


@compiled
def between(one: Array, other: Array, euclidean: bool, out: Array) -> None:  # noqa: FBT001
    """Fill ``out`` with the distances of pairs of rows, float32 both."""
    values, scale = np.empty(one.shape[1], np.float64), np.float32(1)
    for row in range(len(one)):
        values[:] = one[row]
        square = -1.0 if euclidean else np.sum(values * values)
        out[row] = _distance(other[row], Vector(values, scale, square))
