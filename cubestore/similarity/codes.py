"""What a search looks at first: one sign for each number, and how far a vector lies from the rest.

Vectors of a model mostly point one way (the 768 numbers of Clay's have means ten times as large
as their deviations), so their signs are taken from a CENTRE, the mean of their directions. How far
a direction lies from it, its radius, is kept beside them; the two together tell distances well
enough to choose candidates, in a thirtieth of the bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Stored = NDArray[Any]
"""Vectors as they are stored: float32, or integers with a scale."""

WORD = 64
"""Signs in a number of 64 bits."""

ROWS = 16_384
"""Vectors that are made floats of at once."""


@dataclass(frozen=True, slots=True)
class Codes:
    """What is known of some vectors, in the order of their rows."""

    centre: Floats
    """``(feature,)``: the mean direction."""

    first: NDArray[np.uint64]
    """``(word, row)``, about a third of the signs: a word of all rows lies together, for all
    of them are looked at."""

    rest: NDArray[np.uint64]
    """``(row, word)``, the others: those of a row lie together, for few rows are looked at."""

    radius: Floats
    """``(row,)``: how far a vector's direction lies from the centre."""

    norm: Floats
    """``(row,)``: a vector's length."""


def encode(parts: Sequence[Stored], scale: float, dimensions: int) -> Codes:
    """Return the codes of vectors, around their own centre.

    Args:
        parts: ``(row, feature)`` each, as stored, all finite.
        scale: what stored numbers are multiplied with.
        dimensions: features of a vector.
    """
    centre = _centre(parts, scale, dimensions)
    coded = [around(centre, vectors) for vectors in _floats(parts, scale)]
    coded = coded or [around(centre, np.zeros((0, dimensions), np.float32))]
    return Codes(
        centre,
        np.concatenate([one.first for one in coded], axis=1),
        np.concatenate([one.rest for one in coded]),
        np.concatenate([one.radius for one in coded]),
        np.concatenate([one.norm for one in coded]),
    )


def around(centre: Floats, vectors: Floats) -> Codes:
    """Return the codes of vectors around a centre."""
    norm, directions = _directions(vectors)
    directions -= centre
    radius = np.sqrt(np.einsum("ij,ij->i", directions, directions))
    signs = _packed(directions > 0)
    some = first_words(len(centre))
    first, rest = (np.ascontiguousarray(part) for part in (signs[:, :some].T, signs[:, some:]))
    return Codes(centre, first, rest, radius, norm)


def first_words(dimensions: int) -> int:
    """Return how many words of signs are looked at in every row: a third, for memory is slow."""
    return -(-dimensions // (3 * WORD))


def _centre(parts: Sequence[Stored], scale: float, dimensions: int) -> Floats:
    total, count = np.zeros(dimensions), 0
    for vectors in _floats(parts, scale):
        total += _directions(vectors)[1].sum(axis=0, dtype=np.float64)
        count += len(vectors)
    return (total / max(1, count)).astype(np.float32)


def _floats(parts: Sequence[Stored], scale: float) -> Iterator[Floats]:
    for part in parts:
        for start in range(0, len(part), ROWS):
            yield part[start : start + ROWS].astype(np.float32) * np.float32(scale)


def _directions(vectors: Floats) -> tuple[Floats, Floats]:
    """Return lengths, and vectors of length 1; one of length 0 stays 0."""
    largest = np.abs(vectors).max(axis=1, initial=0)
    safe = np.where(largest > 0, largest, np.float32(1))[:, None]
    within = (vectors / safe).astype(
        np.float32
    )  # squares of what is very long or short do not fit into float32
    length: Floats = np.sqrt(np.einsum("ij,ij->i", within, within))
    within /= np.where(length > 0, length, np.float32(1))[:, None]
    with np.errstate(over="ignore"):
        return length * largest, within


def _packed(positive: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Return signs as ``(row, word)``; those that fill up the last word differ in no row."""
    rows, count = positive.shape
    packed = np.zeros((rows, -(-count // WORD) * WORD // 8), np.uint8)
    packed[:, : -(-count // 8)] = np.packbits(positive, axis=1, bitorder="little")
    return packed.view("<u8")
