"""Vectors out of a cube: whole slots, single chips, and which slots lack theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from cubestore import reader
from cubestore.cube import Cube
from cubestore.embeddings.definition import Embedding, Vectors, described, variable_name
from cubestore.embeddings.stored import commits_of, restored
from cubestore.encoding import Array
from cubestore.errors import GridMismatchError, MismatchError, SlotError
from cubestore.records import Root
from cubestore.visible import COMPUTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An embedding that a cube holds."""

    embedding: Embedding
    date_created: str

    slots: Mapping[int, int]
    """Slots that are complete -> the commit of the pixels that they were computed from."""


def listed(cube: Cube) -> list[Held]:
    """Return the embeddings that a cube holds, by name."""
    root = cube.root()
    arrays = {n: Array.from_document(n, root.arrays[n]) for n in sorted(_computed(root))}
    found = ((array, described(array, arrays)) for array in arrays.values())
    return [
        Held(
            embedding=embedding,
            date_created=array.attributes["date_created"],
            slots=commits_of(_computed(root)[array.name]),
        )
        for array, embedding in found
        if embedding
    ]


def missing(cube: Cube, embedding: Embedding) -> dict[int, int]:
    """Return the slots that lack vectors, each with the commit of its pixels.

    Superseded slots are left out. That commit is what the vectors are filled in with, so ask
    before the pixels are read: if more come meanwhile, the slot is outdated and says so.

    Raises:
        NotWritableError: the store is not on a file system: records lie beside the cube.
    """
    root = cube.root()
    complete = _complete(root, embedding)
    return {slot: at for slot, at in _wanted(cube, root).items() if slot not in complete}


def outdated(cube: Cube, embedding: Embedding) -> dict[int, int]:
    """Return the slots that got pixels after their vectors, each with the commit of those.

    Their vectors stand. Filled in again, chips without a vector get one.
    """
    root = cube.root()
    complete = _complete(root, embedding)
    return {slot: at for slot, at in _wanted(cube, root).items() if complete.get(slot, at) < at}


def read(
    cube: Cube, name: str, slots: Sequence[int] | None = None, *, dense: bool = False
) -> xr.DataArray:
    """Open a cube's embeddings, lazily, as float32.

    Args:
        cube: the cube.
        name: the model's id, or the variable.
        slots: indices in the order of arrival; None: all that are complete and not superseded,
            by time.
        dense: those of the patches instead of the chips.

    Returns:
        Dims ``(time, y, x, feature)``, with a coordinate ``slot``; NaN where not computed.

    Raises:
        MismatchError: the cube has no such embedding.
        SlotError: a slot that has no vectors yet.
    """
    root = cube.root()
    array = _array(root, name, dense=dense)
    data = reader.dataset(cube.path, root, mask_and_scale=True)
    vectors = data[array.name].assign_coords(slot=("time", np.arange(array.shape[0])))
    complete = commits_of(_computed(root)[array.name])
    if slots is None:
        replaced = data.item_id.isin(data.supersedes.values[data.supersedes.values != ""])
        order = np.argsort(data.time.values, kind="stable").tolist()
        slots = [slot for slot in order if slot in complete and not replaced.values[slot]]
    _refuse_incomplete(array.name, np.asarray(slots, int), complete)
    return vectors.isel(time=list(slots))


def of_chips(
    cube: Cube,
    name: str,
    slot: npt.ArrayLike,
    rows: npt.ArrayLike,
    columns: npt.ArrayLike,
    *,
    dense: bool = False,
) -> Vectors:
    """Return the vectors of some chips, float32, NaN where not computed.

    Args:
        cube: the cube.
        name: the model's id, or the variable.
        slot: index of the slot, or one for each chip.
        rows: of chips, from the north.
        columns: of chips, from the west.
        dense: count patches instead.

    Returns:
        ``(chips, dimensions)``. Each file is read once, whatever the order of the chips.

    Raises:
        SlotError: a slot that has no vectors yet.
        GridMismatchError: a chip that is not there.
    """
    root = cube.root()
    array = _array(root, name, dense=dense)
    places = np.stack([n.ravel() for n in np.broadcast_arrays(slot, rows, columns)], axis=1)
    _refuse_outside(array, places)
    _refuse_incomplete(array.name, places[:, 0], commits_of(_computed(root)[array.name]))
    found = np.full((len(places), array.shape[-1]), array.fill, array.numpy_dtype)
    blocks, block_of = np.unique(places // array.chunks[:3], axis=0, return_inverse=True)
    for number, block in enumerate(blocks.tolist()):
        mine = np.flatnonzero(block_of.ravel() == number)
        _, row, column = (places[mine] % array.chunks[:3]).T
        try:
            key = array.key((*block, 0))
            found[mine] = array.decode_chunk(reader.read(f"{cube.path}/{key}"), key)[0, row, column]
        except FileNotFoundError:
            continue
    return restored(array, found)


def _computed(root: Root) -> Mapping[str, Sequence[Sequence[int]]]:
    runs: Mapping[str, Sequence[Sequence[int]]] = root.attributes.get(COMPUTED, {})
    return runs


def _complete(root: Root, embedding: Embedding) -> dict[int, int]:
    """Return slot -> commit, where every variable of the embedding has its values."""
    commits = [commits_of(_computed(root).get(name, ())) for name in embedding.variables]
    return {slot: at for slot, at in commits[-1].items() if all(slot in one for one in commits)}


def _wanted(cube: Cube, root: Root) -> dict[int, int]:
    """Return slot -> the newest commit of its pixels, without those that are superseded."""
    data = reader.dataset(cube.path, root, mask_and_scale=False)
    replaced = set(data.supersedes.values.tolist()) - {""}
    items = data.item_id.values.tolist()
    commits = cube.slot_commits()
    return {k: commits[k] for k, item in enumerate(items) if item not in replaced}


def _array(root: Root, name: str, *, dense: bool) -> Array:
    ending = "_dense" if dense else ""
    for known in (name + ending, variable_name(name) + ending):
        if known in _computed(root):
            return Array.from_document(known, root.arrays[known])
    raise MismatchError(
        f"No embeddings called {name!r}{' of patches' if dense else ''}",
        expected=f"one of {', '.join(sorted(_computed(root))) or 'none: the cube has none yet'}",
        remedy="see cubestore.embeddings.listed; compute them with `cubestore embed`",
    )


def _refuse_incomplete(
    name: str, slots: npt.NDArray[np.int64], complete: Mapping[int, int]
) -> None:
    lacking = [slot for slot in np.unique(slots).tolist() if slot not in complete]
    if lacking:
        raise SlotError(
            f"Slots {lacking[:5]} have no {name}",
            expected=f"slots out of the {len(complete)} that are complete",
            remedy="compute them first: see cubestore.embeddings.missing",
        )


def _refuse_outside(array: Array, places: npt.NDArray[np.int64]) -> None:
    beyond = (places < 0) | (places >= array.shape[:3])
    if places.dtype.kind not in "iu" or beyond.any():
        raise GridMismatchError(
            f"{array.name}: {places[beyond.any(axis=1)][:3].tolist()}",
            expected=f"whole (slot, row, column) from (0, 0, 0) to below {array.shape[:3]}",
            remedy="count chips from the north-west corner",
        )
