"""Vectors in the order in which they are written, and whom to ask what is known of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cubestore.embeddings.definition import Embedding
from cubestore.embeddings.definition import Vectors as Floats
from cubestore.encoding import Json
from cubestore.index import hilbert
from cubestore.index.footprints import Footprints, Numbers
from cubestore.similarity.codes import Stored

GROUP = 2**27
"""Bytes of vectors in a group of rows, as geoembeddings.org advises."""

Rows = NDArray[Any]
"""What a source knows its vectors by, one a row: ``(row,)`` or ``(row, 3)``."""


class Source(Protocol):
    """A cube or a patch set that has vectors, and what it knows of some of them."""

    @property
    def embedding(self) -> Embedding:
        """What the vectors are."""

    @property
    def told(self) -> Mapping[str, str]:
        """What it is: ``tile`` and ``sensor``, or ``patches`` and ``sensor``."""

    @property
    def stem(self) -> tuple[str, ...]:
        """What its files are called: tile and sensor, or the set."""

    @property
    def gsd(self) -> float:
        """Metres of a pixel."""

    @property
    def layout(self) -> Json:
        """How its chips lie, as geoembeddings.org has it."""

    @property
    def created(self) -> str:
        """When the vectors were made; "" where nobody knows."""

    def ids(self, rows: Rows) -> list[str]:
        """Return names that nothing else in the store has."""

    def numbers(self, rows: Rows, first: int) -> NDArray[Any]:
        """Return the number of each row; ``first`` is how many are written before them."""

    def times(self, rows: Rows) -> NDArray[np.datetime64]:
        """Return when each was taken, UTC; NaT where nobody knows."""

    def texts(self, name: str, rows: Rows) -> list[str]:
        """Return ``source_url``, ``item_id`` or ``platform``; "" where nobody knows."""

    def where(self, rows: Rows) -> Mapping[str, list[str]]:
        """Return columns that say of what each is."""

    def losses(self, rows: Rows) -> Floats:
        """Return how badly each was reconstructed, of a model that has a loss."""

    def outlines(self, rows: Rows) -> Footprints:
        """Return where each lies, in lon/lat."""

    def middles(self, rows: Rows, outlines: Footprints) -> tuple[Numbers, Numbers]:
        """Return longitude and latitude of the middle of each, degrees."""


@dataclass(frozen=True, slots=True)
class Content:
    """The vectors of a source that are written, in their order."""

    source: Source
    rows: Rows
    values: Floats
    """``(row, feature)``."""

    outlines: Footprints
    first: int = 0
    """How many rows are written before these."""

    def groups(self) -> Iterator["Content"]:
        """Yield the rows group by group."""
        step = max(1, GROUP // max(1, self.values[:1].nbytes))
        for first in range(0, len(self.rows), step):
            part = slice(first, first + step)
            outlines = Footprints(self.outlines.geometry[part], self.outlines.bounds[part])
            yield Content(self.source, self.rows[part], self.values[part], outlines, first)

    @property
    def times(self) -> NDArray[np.datetime64]:
        """When the pixels were taken, UTC; NaT where nobody knows."""
        return self.source.times(self.rows)

    @property
    def days(self) -> NDArray[np.datetime64]:
        """The days on which they were."""
        return self.times.astype("datetime64[D]")


def content(
    source: Source, rows: Rows, stored: Stored, x: NDArray[Any], y: NDArray[Any]
) -> Content:
    """Return vectors along a Hilbert curve, those of one place by time.

    Args:
        source: whose.
        rows: what it knows them by.
        stored: ``(row, feature)``, as stored.
        x: columns of the cells in which they lie, from 0.
        y: rows of these, from 0.
    """
    order = np.lexsort((source.times(rows), hilbert.distance(x, y)))
    scale = np.float32(source.embedding.scale or 1.0)
    values = stored[order].astype(np.float32) * scale
    return Content(source, rows[order], values, source.outlines(rows[order]))
