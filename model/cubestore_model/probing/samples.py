"""Chips with their vectors and their labels: what every probe goes by, wherever it came from.

    samples = Samples(
        names=("a", "b", "c"), lonlat=places, side=2560.0, classes=("land", "water"),
        vectors=vectors,                       # (chips, dimensions), or (chips, rows, columns, …)
        labels=np.array([0, 1, 1]),
    )

Labels are one class a chip, several (bool), or a map of classes; maps go with the vectors of
patches.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cubestore.errors import MismatchError
from cubestore_model.probing.metrics import UNKNOWN

ONE, SEVERAL, MAPS = "one", "several", "maps"
"""What kinds of labels there are."""

_DIMS = {ONE: 1, SEVERAL: 2, MAPS: 3}

MAJORITY = 0.5
"""The part of a patch that must be known for it to train: its class is that of most of those."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Chips, each with what a model made of it and what it is."""

    names: tuple[str, ...]
    lonlat: NDArray[np.float64]
    """``(chips, 2)``: of the middles, degrees."""

    side: float
    """Metres along a chip."""

    classes: tuple[str, ...]
    labels: NDArray[Any]
    """``(chips,)`` numbers of classes, ``(chips, classes)`` of bool, or ``(chips, y, x)`` numbers;
    -1: nobody knows."""

    vectors: NDArray[np.float32]
    """``(chips, dimensions)``, or of patches ``(chips, rows, columns, dimensions)``."""

    told: Mapping[str, Any] = field(default_factory=dict)
    """What an encoder is called with, where it is to be tuned: arrays with a row a chip."""

    published: tuple[str, ...] = ()
    """The split that each was published in."""

    chips: pa.Table | None = None
    """Their rows of the chip index, by which they are parted without a leak."""

    def __post_init__(self) -> None:
        counts = {len(self.names), len(self.lonlat), len(self.labels), len(self.vectors)}
        maps = self.labels.ndim == _DIMS[MAPS]
        if len(counts) > 1 or self.vectors.ndim != (4 if maps else 2):
            raise MismatchError(
                f"{len(self.names)} chips, labels {self.labels.shape}, vectors "
                f"{self.vectors.shape}",
                expected="as many of each; of maps of labels, the vectors of patches",
                remedy="compute the vectors with dense=True for maps, and without for chips",
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def kind(self) -> str:
        """What their labels are."""
        if self.labels.ndim == _DIMS[MAPS]:
            return MAPS
        return SEVERAL if self.labels.dtype == np.bool_ else ONE

    def take(self, rows: NDArray[np.integer]) -> "Samples":
        """Return some of the chips."""
        told = {n: v[rows] if n in PER_CHIP else v for n, v in self.told.items()}
        return replace(
            self,
            names=tuple(self.names[row] for row in rows.tolist()),
            lonlat=self.lonlat[rows],
            labels=self.labels[rows],
            vectors=self.vectors[rows],
            told=told,
            published=tuple(self.published[row] for row in rows.tolist() if self.published),
            chips=None if self.chips is None else self.chips.take(rows),
        )

    def known(self) -> "Samples":
        """Return the chips that have a label and whole vectors."""
        whole = np.isfinite(self.vectors).all(axis=tuple(range(1, self.vectors.ndim)))
        return self.take(np.flatnonzero(self._labelled() & whole))

    def _labelled(self) -> NDArray[np.bool_]:
        """Return which chips somebody knows; of several classes a chip may have none of them."""
        if self.kind == SEVERAL:
            return np.ones(len(self), bool)
        within = tuple(range(1, self.labels.ndim))
        return np.asarray((self.labels != UNKNOWN).any(axis=within))

    def occurring(self) -> NDArray[np.int64]:
        """Return in how many chips each class occurs, ``(classes,)``."""
        if self.kind == SEVERAL:
            return np.asarray(self.labels.sum(axis=0), np.int64)
        within = tuple(range(1, self.labels.ndim))
        found = [(self.labels == k).any(axis=within).sum() for k in range(len(self.classes))]
        return np.array(found, np.int64)

    def rows(self) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Return vectors ``(rows, dimensions)`` and the target of each; of maps, of patches."""
        if self.kind != MAPS:
            return self.vectors, self.labels
        targets = majority(self.labels, self.vectors.shape[1:3], len(self.classes)).ravel()
        known = targets != UNKNOWN
        return self.vectors.reshape(-1, self.vectors.shape[-1])[known], targets[known]


PER_CHIP = ("pixels", "time", "latlon")
"""What of `Samples.told` has a row a chip."""


def majority(maps: NDArray[np.integer], grid: tuple[int, ...], classes: int) -> NDArray[np.int64]:
    """Return the class of most pixels of each patch, -1 where too few are known.

    Args:
        maps: ``(chips, y, x)`` of classes.
        grid: rows and columns of patches, which need not divide the pixels.
        classes: how many there are.

    Returns:
        ``(chips, rows, columns)``; of equally many pixels the first class.
    """
    shares = fractions(maps, grid, classes)
    enough = shares.sum(axis=-1) >= MAJORITY
    return np.where(enough, shares.argmax(axis=-1), UNKNOWN)


def fractions(
    maps: NDArray[np.integer], grid: tuple[int, ...], classes: int
) -> NDArray[np.float64]:
    """Return the part of each patch that each class covers, ``(chips, rows, columns, classes)``."""
    height, width = maps.shape[1:]
    edges = [-(-np.arange(n) * side // n) for n, side in zip(grid, (height, width), strict=True)]
    found = np.empty((len(maps), *grid, classes))
    for number in range(classes):
        sums = np.add.reduceat(maps == number, edges[0], axis=1, dtype=np.int64)
        found[..., number] = np.add.reduceat(sums, edges[1], axis=2)
    sizes = np.outer(*(np.diff([*e, n]) for e, n in zip(edges, (height, width), strict=True)))
    return found / sizes[..., None]
