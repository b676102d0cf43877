"""Embeddings as colours: a chip's first three principal components are its red, green and blue.

The components are those of all slots of a cube, and so are the limits between which they are drawn:
what has the same colour in two slots was alike to the model.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cubestore import embeddings
from cubestore.embeddings import Held
from cubestore_catalog import limits
from cubestore_catalog.errors import RequestError, UnknownRecordError
from cubestore_catalog.views import where
from cubestore_catalog.views.opened import Cache, OpenedCube
from cubestore_catalog.views.png import png
from cubestore_catalog.views.quicklook import Picture
from cubestore_catalog.views.sampling import Part

COLOURS = 3
MOST_VECTORS = 20_000
"""Chips that components are fitted to, evenly out of all slots."""

PERCENTILES = (2.0, 98.0)
"""What is dark and what is bright, of all slots."""

KEPT = 64
"""Components that are kept, each of a cube and a model."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Components:
    """Where the vectors of a cube spread most."""

    mean: NDArray[np.float64]
    """``(dimensions,)``"""

    axes: NDArray[np.float64]
    """``(dimensions, 3)``; the largest number of each is positive."""

    limits: NDArray[np.float64]
    """``(2, 3)``: what is dark and what is bright."""

    def colours(self, vectors: Vectors) -> NDArray[np.uint8]:
        """Return red, green, blue and opacity of chips, transparent where there is no vector.

        Args:
            vectors: ``(y, x, dimensions)``, NaN where not computed.
        """
        known = np.logical_and.reduce(np.isfinite(vectors), axis=-1)
        dark, bright = self.limits
        spread = np.where(bright > dark, bright - dark, 1.0)
        shares = np.clip((self.projected(np.nan_to_num(vectors)) - dark) / spread, 0, 1)
        opaque = np.concatenate([shares, np.ones((*known.shape, 1))], axis=-1)
        painted: NDArray[np.uint8] = (opaque * 255 * known[..., None]).round().astype(np.uint8)
        return painted

    def projected(self, vectors: Vectors) -> NDArray[np.float64]:
        """Return where vectors lie on the axes, ``(…, 3)``."""
        placed: NDArray[np.float64] = (vectors - self.mean) @ self.axes
        return placed


def fitted(vectors: Vectors) -> Components:
    """Return the components of vectors.

    Args:
        vectors: ``(vectors, dimensions)``, at least one.
    """
    mean = vectors.mean(axis=0, dtype=float)
    centred = vectors - mean
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, : -COLOURS - 1 : -1]
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1, 1)
    axes = np.pad(axes, ((0, 0), (0, COLOURS - axes.shape[1])))  # of a model of two dimensions
    return Components(mean, axes, np.percentile(centred @ axes, PERCENTILES, axis=0))


class Embedded:
    """Embeddings as pictures; the components are kept as long as their cube is as it was."""

    def __init__(self) -> None:
        self._kept: Cache[Components] = Cache(KEPT)

    def of(self, opened: OpenedCube, slot: int, model: str = "") -> Picture:
        """Return a slot's embeddings as a picture, a pixel a chip.

        Args:
            opened: the cube.
            slot: index of the slot, in the order of arrival.
            model: whose; may be left out where the cube has one model's.

        Raises:
            RequestError: there are several models' and none is named.
            UnknownRecordError: no embeddings of that model or slot.
        """
        opened.refuse_other_slot(slot)
        held = _held(opened, model)
        name = held.embedding.variable
        if slot not in held.slots:
            raise UnknownRecordError(
                f"Slot {slot} has no {name}", expected=f"one of {sorted(held.slots)[:20]}"
            )
        made = self._kept.get((opened.state, name), lambda: fitted(_some(opened, held)))
        vectors = embeddings.read(opened.cube, name, [slot]).values[0]
        return _picture(opened, held.embedding.chip_size, vectors, made)


def _held(opened: OpenedCube, model: str) -> Held:
    there = {held.embedding.model: held for held in embeddings.listed(opened.cube)}
    there |= {held.embedding.variable: held for held in there.values()} if model else {}
    names = ", ".join(there) or "none: compute them with `cubestore embed`"
    if not there or (model and model not in there):
        raise UnknownRecordError(
            f"{opened.cube.tile.id} {opened.cube.sensor.id} has no embeddings {model!r:.60}",
            expected=names,
        )
    if not model and len(there) > 1:
        raise RequestError("There are embeddings of several models", expected=f"model: {names}")
    return there[model or next(iter(there))]


def _some(opened: OpenedCube, held: Held) -> Vectors:
    """Return vectors of all slots, evenly taken where they are many."""
    taken = []
    for slot in sorted(held.slots):
        limits.check()
        values = embeddings.read(opened.cube, held.embedding.variable, [slot]).values[0]
        known = values[np.isfinite(values).all(axis=-1)]
        most = max(1, MOST_VECTORS // len(held.slots))
        taken.append(known[:: -(-len(known) // most) or 1])
    found: Vectors = np.concatenate(taken)
    if not len(found):
        raise UnknownRecordError(f"No chip has a vector of {held.embedding.model}")
    return found


def _picture(opened: OpenedCube, size: int, vectors: Vectors, made: Components) -> Picture:
    """Return the picture of the part that has vectors."""
    known = np.logical_and.reduce(np.isfinite(vectors), axis=-1)
    if not known.any():
        raise UnknownRecordError("No chip of this slot has a vector")
    rows, columns = (np.flatnonzero(known.any(axis=axis)) for axis in (1, 0))
    (top, bottom), (left, right) = ((int(n[0]), int(n[-1]) + 1) for n in (rows, columns))
    colours = made.colours(vectors[top:bottom, left:right])
    part = Part(top * size, bottom * size, left * size, right * size)
    corners = tuple(where.corners(opened, part))
    return Picture(right - left, bottom - top, part, corners, png(colours))
