"""What of an embedding lies on disk: blocks as they are stored, and the slots that are complete."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cubestore import reader
from cubestore.encoding import Array


def is_missing(stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return where nothing was computed, among stored numbers."""
    missing: np.ndarray[Any, Any] = (
        np.isnan(stored) if stored.dtype.kind == "f" else stored == np.iinfo(stored.dtype).min
    )
    return missing


def commits_of(runs: Sequence[Sequence[int]]) -> dict[int, int]:
    """Return slot -> commit of its pixels, of the runs in ``cubestore:computed``."""
    return {slot: commit for first, end, commit in runs for slot in range(first, end)}


def commit_of(runs: Sequence[Sequence[int]], slot: int) -> int | None:
    """Return the commit of one slot's pixels; None where it is not complete."""
    return next((commit for first, end, commit in runs if first <= slot < end), None)


def block_of(
    group: Path | str, array: Array, index: tuple[int, ...]
) -> np.ndarray[Any, Any] | None:
    """Return a block as it is stored, at a path or an address; None where nothing is."""
    key = array.key(index)
    try:
        return array.decode_chunk(reader.read(f"{group}/{key}"), key)
    except FileNotFoundError:
        return None


def whole_slot(group: Path | str, array: Array, slot: int) -> np.ndarray[Any, Any]:
    """Return all that is stored of a slot, without time."""
    values = np.full(array.shape[1:], array.fill, array.numpy_dtype)
    for place in np.ndindex(array.blocks()[1:]):
        block = block_of(group, array, (slot, *place))
        if block is not None:
            starts = zip(place, array.chunks[1:], strict=True)
            part = values[tuple(slice(i * c, i * c + c) for i, c in starts)]
            part[...] = block[0][tuple(map(slice, part.shape))]
    return values


def restored(array: Array, stored: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return stored numbers as float32, NaN where nothing was computed."""
    if array.dtype == "float32":
        return np.asarray(stored, np.float32)
    values = stored.astype(np.float32) * np.float32(array.attributes["scale_factor"])
    return np.where(is_missing(stored), np.float32(np.nan), values)
