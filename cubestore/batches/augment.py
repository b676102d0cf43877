"""Turning and cutting the samples of a batch, each by a draw of its own, in place.

    augment = cubestore.batches.augment.Augment(flips=True, rotations=True, crop=224)
    batch = augment(batch, cubestore.batches.augment.draws(seed, epoch, positions))

A sample's draw depends on seed, epoch and its position in the epoch alone: it is the same in any
worker, and of any number of workers. With it everything that lies on the sample's pixels gets the
same turn: ``pixels`` ``(B, [T,] bands, H, W)``, ``valid`` ``(B, [T,] H, W)`` and whatever else ends
in ``(H, W)``, such as labels. Coordinates (``latlon`` …) stay those of the chip's centre.

A turn is one of the eight of a square: the two axes swapped or not, then rows reversed or not, then
columns reversed or not. It is one number, those three bits.
"""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore.batches.draws import Draws, Purpose, numbers
from cubestore.batches.draws import draws as seeded
from cubestore.batches.turning import COLUMNS, ROWS, SWAP, turn
from cubestore.errors import MismatchError

Batch = MutableMapping[str, Any]

PIXELS = "pixels"

STILL = frozenset({"time", "latlon", "gsd", "wavelengths", "chipid", "platform"})
"""What lies on no pixels, whatever its shape."""

FLIPS = (0, ROWS, COLUMNS, ROWS | COLUMNS)
ROTATIONS = (0, SWAP | ROWS, ROWS | COLUMNS, SWAP | COLUMNS)
"""By 0, 90, 180 and 270 degrees against the clock, as `numpy.rot90` turns."""


def draws(seed: int, epoch: int, positions: Any) -> Draws:  # noqa: ANN401 - whatever NumPy takes
    """Return the draw of each sample: 64 random bits.

    Args:
        seed: of the training.
        epoch: counted from 0.
        positions: of the samples in the epoch, counted from 0 over all workers.
    """
    return seeded((seed, epoch), positions)


def flips(batch: Batch, drawn: Draws) -> Batch:
    """Reverse the rows of each sample or not, and its columns or not: four ways, evenly.

    Args:
        batch: name -> array, the sample first; its arrays are changed.
        drawn: of each sample: see `draws`.

    Returns:
        The same batch.

    Raises:
        MismatchError: arrays that cannot all be turned alike.
    """
    return _turned(batch, np.array(FLIPS)[numbers(drawn, Purpose.FLIP, len(FLIPS))])


def rotations(batch: Batch, drawn: Draws) -> Batch:
    """Rotate each sample by 0, 90, 180 or 270 degrees, evenly. See `flips`.

    Raises:
        MismatchError: the same; and samples that are not square.
    """
    _refuse_oblong(batch)
    return _turned(batch, np.array(ROTATIONS)[numbers(drawn, Purpose.ROTATION, len(ROTATIONS))])


def random_crops(
    batch: Batch, drawn: Draws, size: int, buffers: dict[str, NDArray[Any]] | None = None
) -> dict[str, Any]:
    """Cut a square out of each sample; every place that it can have is drawn evenly.

    Args:
        batch: name -> array, the sample first.
        drawn: of each sample: see `draws`.
        size: pixels along a side.
        buffers: where the squares are put; what fits is used again, what does not is replaced.

    Returns:
        A batch of the squares, and of what lies on no pixels as it is.

    Raises:
        MismatchError: samples that are smaller, or arrays that cannot all be cut alike.
    """
    height, width = _shape(batch)
    if not 0 < size <= min(height, width):
        raise MismatchError(
            f"Squares of {size} pixels out of {height} x {width}",
            expected="at least one pixel, and no more than there are",
            remedy="choose a smaller size, or larger chips",
        )
    corners = crop_corners(drawn, (height, width), size)
    cut: dict[str, Any] = dict(batch)
    for name, array in _on_pixels(batch, drawn):
        out = _buffer({} if buffers is None else buffers, name, array, size)
        for sample, (y, x) in enumerate(corners.tolist()):
            out[sample] = array[sample, ..., y : y + size, x : x + size]
        cut[name] = out
    return cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Augment:
    """What is done to each batch: cut first, then turned.

    With flips and rotations each of the eight turns comes up evenly. Turns change the arrays of the
    batch; a crop leaves those alone and gives squares in buffers of this object, which the next
    batch of the same shapes overwrites.
    """

    flips: bool = True
    rotations: bool = True
    crop: int | None = None
    _buffers: dict[str, NDArray[Any]] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, batch: Batch, drawn: Draws) -> Batch:
        """Return the batch with each sample cut and turned by its draw."""
        if self.crop is not None:
            batch = random_crops(batch, drawn, self.crop, self._buffers)
        if self.rotations:
            _refuse_oblong(batch)
        ways = turns(drawn, flips=self.flips, rotations=self.rotations)
        return _turned(batch, ways) if self.flips or self.rotations else batch


def turns(drawn: Draws, *, flips: bool, rotations: bool) -> NDArray[np.int64]:
    """Return the turn of each draw; 0 where neither is wanted."""
    ways = np.zeros(len(drawn), np.int64)
    if flips:
        ways = np.array(FLIPS)[numbers(drawn, Purpose.FLIP, len(FLIPS))]
    if rotations:
        then = np.array(ROTATIONS)[numbers(drawn, Purpose.ROTATION, len(ROTATIONS))]
        ways = combined(ways, then)
    return ways


def crop_corners(drawn: Draws, shape: tuple[int, int], size: int) -> NDArray[np.int64]:
    """Return the first row and column of each draw's square in a window of ``shape``."""
    height, width = shape
    rows = numbers(drawn, Purpose.ROW, height - size + 1)
    return np.stack([rows, numbers(drawn, Purpose.COLUMN, width - size + 1)], axis=-1)


def combined(first: NDArray[np.int64], then: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the turns that are one turn and then another."""
    crossed = ((first & ROWS) >> 1) * COLUMNS | ((first & COLUMNS) >> 2) * ROWS | first & SWAP
    return np.where(then & SWAP, crossed, first) ^ then


def _turned(batch: Batch, ways: NDArray[np.int64]) -> Batch:
    for name, array in _on_pixels(batch, ways):
        batch[name] = turn(array, ways)
    return batch


def _refuse_oblong(batch: Batch) -> None:
    height, width = _shape(batch)
    if height != width:
        raise MismatchError(
            f"Samples of {height} x {width} pixels",
            expected="square ones: a rotation by 90 degrees would change their shape",
            remedy="cut squares first, or flip only",
        )


def _shape(batch: Mapping[str, Any]) -> tuple[int, int]:
    pixels = batch.get(PIXELS)
    if not isinstance(pixels, np.ndarray) or pixels.ndim not in {4, 5}:
        raise MismatchError(
            f"A batch of {', '.join(batch) or 'nothing'}",
            expected=f"{PIXELS}: an array (sample, [time,] band, y, x)",
            remedy="give batches as cubestore.batches yields them",
        )
    return pixels.shape[-2], pixels.shape[-1]


def _on_pixels(
    batch: Mapping[str, Any], drawn: Sequence[Any] | NDArray[Any]
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Return the arrays that lie on the samples' pixels."""
    shape, found = _shape(batch), []
    for name, array in batch.items():
        if name in STILL or not isinstance(array, np.ndarray) or array.ndim < 3:  # noqa: PLR2004 - sample, y, x
            continue
        if array.shape[-2:] != shape or len(array) != len(drawn):
            raise MismatchError(
                f"{name} of shape {array.shape} beside {len(drawn)} draws for pixels of {shape}",
                expected="a sample for each draw, on the same pixels",
                remedy="bring maps onto the pixels' grid first; take out what is no map",
            )
        found.append((name, array))
    return iter(found)


def _buffer(
    buffers: dict[str, NDArray[Any]], name: str, array: NDArray[Any], size: int
) -> NDArray[Any]:
    shape = (*array.shape[:-2], size, size)
    kept = buffers.get(name)
    if kept is None or kept.shape != shape or kept.dtype != array.dtype:
        kept = buffers[name] = np.empty(shape, array.dtype)
    return kept
