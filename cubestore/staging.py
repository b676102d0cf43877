"""Where tasks leave encoded blocks until the writer of the cube commits them.

A :class:`Staging` can be sent to any process that sees the disk. What a task leaves has a name
without meaning; only the writer gives it its key.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cubestore import disk
from cubestore.commit import Staged
from cubestore.encoding import Array, measure
from cubestore.errors import AbandonedError, MismatchError

Index = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Staging:
    """Where tasks leave blocks for the writer; can be pickled and sent to them."""

    directory: Path
    arrays: Mapping[str, Array]

    def write(self, name: str, index: Index, values: np.ndarray[Any, Any]) -> Staged | None:
        """Encode a block and leave it, synced, for the writer.

        Args:
            name: the variable.
            index: of the block, counted in blocks along each dim; the first is the slot.
            values: the block; at the cube's far edges cut off there.

        Returns:
            What the writer needs to commit it; None where all is nodata: nothing is stored.

        Raises:
            MismatchError: another variable, dtype or shape than the cube's.
            AbandonedError: the writer is gone; what it asked for is not wanted any more.
        """
        array = known(self.arrays, name)
        _refuse_outside(array, index)
        if values.shape != (expected := array.block_shape(index)):
            raise MismatchError(
                f"{name}: a block of shape {values.shape} at {index}",
                expected=f"{expected} on {array.dims}",
                remedy="cut the array along the shards",
            )
        data = array.encode(values)
        if data is None:
            return None
        path = self.directory / uuid.uuid4().hex
        self._leave(path, data)
        return Staged(array.key(index), path, measure(data))

    def _leave(self, path: Path, data: bytes) -> None:
        with disk.writable(path):
            try:
                disk.write_new(path, data)
            except FileNotFoundError:
                raise AbandonedError(
                    f"{self.directory} is gone: the writer that this task worked for has ended",
                    expected="a writer that waits for it",
                    remedy="nothing was changed; run the build again if it did not complete",
                ) from None


def known(arrays: Mapping[str, Array], name: str) -> Array:
    """Return the array of that name.

    Raises:
        MismatchError: there is none.
    """
    if name not in arrays:
        raise MismatchError(
            f"A variable called {name!r}",
            expected=f"one of {', '.join(arrays) or 'none: nothing was added'}",
            remedy="add it first",
        )
    return arrays[name]


def _refuse_outside(array: Array, index: Index) -> None:
    blocks = array.blocks()
    if len(index) != len(blocks) or not all(0 <= i < n for i, n in zip(index, blocks, strict=True)):
        raise MismatchError(
            f"{array.name}: a block at {index}",
            expected=f"an index on {array.dims}, below {blocks}",
            remedy="count in blocks along each dim; the first is the slot",
        )
