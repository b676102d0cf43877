"""Vectors into a cube: declared once, encoded anywhere, committed slot by slot.

A slot's vectors, its losses and those of its patches become visible in one commit. What readers
have seen stays bit by bit: filled in again, a slot that got more pixels gets what it lacks.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product, takewhile
from pathlib import Path
from typing import Any

import numpy as np

from cubestore import layout
from cubestore.commit import Staged
from cubestore.cube import WAIT, Cube
from cubestore.embeddings.definition import Embedding, Vectors
from cubestore.embeddings.stored import block_of, commit_of, is_missing, whole_slot
from cubestore.encoding import Array
from cubestore.errors import GridMismatchError, MismatchError, SlotError
from cubestore.records import Root
from cubestore.refusals import Shard
from cubestore.slot import Instant, iso
from cubestore.staging import Staging
from cubestore.visible import COMPUTED
from cubestore.writer import Writer

Window = tuple[slice, slice]


@contextlib.contextmanager
def write(
    cube: Cube, embedding: Embedding, *, created: Instant | None = None, wait: float = WAIT
) -> Iterator["EmbeddingWriter"]:
    """Hold the cube's lock, with the embedding declared, to give slots their vectors.

    Args:
        cube: whose chips they are.
        embedding: the set; one that the cube has already must be the same.
        created: for the records; None: now.
        wait: seconds to wait for another writer.

    Raises:
        MismatchError: another set lies under that name.
        LockedError: another writer still held the cube after ``wait``.
    """
    with cube.write(wait=wait) as writer:
        declare(cube, writer, embedding, created=created)
        yield EmbeddingWriter(cube, writer, embedding, created)


def declare(
    cube: Cube, writer: Writer, embedding: Embedding, *, created: Instant | None = None
) -> None:
    """Give a cube the variables of an embedding, without values; those that it has stay.

    Raises:
        MismatchError: another set lies under that name.
    """
    grid = layout.geobox(cube.sensor, cube.tile)
    wanted = embedding.arrays(grid, cube.sensor.id)
    for variable in wanted:
        if variable.name in writer.arrays:
            refuse_other_set(writer.arrays[variable.name], variable)
    axes = embedding.axes(grid)
    for variable in wanted:
        if variable.name not in writer.arrays:
            dated = {**variable.attributes, "date_created": iso(created)}
            new = {n: axes[n] for n in variable.dims[1:] if n not in writer.arrays}
            writer.add_variable(replace(variable, attributes=dated), new, created=created)


def refuse_others(cube: Cube, embedding: Embedding) -> None:
    """Refuse an embedding where the cube has another set under its name; nothing is written.

    Raises:
        MismatchError: it has.
    """
    held = cube.root().arrays
    for variable in embedding.arrays(layout.geobox(cube.sensor, cube.tile), cube.sensor.id):
        if variable.name in held:
            there = Array.from_document(variable.name, held[variable.name])
            refuse_other_set(there, variable)


def refuse_other_set(there: Array, wanted: Array) -> None:
    """Refuse a variable where another set lies under its name.

    What only describes (creator, addresses) stays as it was first declared.

    Raises:
        MismatchError: another does.
    """
    one, other = _spread(_told(there)), _spread(_told(wanted))
    differs = [n for n in one.keys() | other.keys() if one.get(n) != other.get(n)]
    if differs:
        held, given = (
            ", ".join(f"{n} {told.get(n)!r}" for n in sorted(differs)) for told in (one, other)
        )
        raise MismatchError(
            f"{there.name} is to hold {given}",
            expected=f"{held}, as the cube has it: one set under one name",
            remedy="give the second set a name of its own (`cubestore embed --name`), such as the "
            "first with a suffix",
        )


def _spread(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told, with the parts of a preprocessing that is JSON in place of the whole."""
    try:
        parts = dict(json.loads(told["preprocessing"]))
    except (KeyError, TypeError, ValueError):  # words of somebody's own
        return dict(told)
    rest = {n: v for n, v in told.items() if not n.startswith("preprocessing")}
    return {**rest, **{f"preprocessing {n}": value for n, value in parts.items()}}


_IDENTITY = (
    "source_model",
    "weights_sha256",
    "preprocessing",
    "pooling",
    "chip_size",
    "scale_factor",
    "loss_metric",
)


def _told(array: Array) -> dict[str, Any]:
    """Return what two sets under one name have in common."""
    told = {n: array.attributes[n] for n in _IDENTITY if n in array.attributes}
    return {**told, "dims": array.dims, "dtype": array.dtype, "sizes": array.shape[1:]}


@dataclass(frozen=True, slots=True)
class Encoder:
    """Encodes vectors and leaves them for the writer; can be sent to any process there."""

    embedding: Embedding
    staging: Staging
    group: Path

    def windows(self, *, dense: bool = False) -> list[Window]:
        """Return the windows of chips, or of patches, that can be encoded one by one."""
        array = self.staging.arrays[self.embedding.dense if dense else self.embedding.variable]
        (rows, columns), (high, wide) = array.shape[1:3], array.chunks[1:3]
        return [
            (slice(r, min(r + high, rows)), slice(c, min(c + wide, columns)))
            for r, c in product(range(0, rows, high), range(0, columns, wide))
        ]

    def chips(
        self,
        slot: int,
        values: Vectors,
        *,
        loss: Vectors | None = None,
        origin: tuple[int, int] = (0, 0),
    ) -> list[Staged]:
        """Encode the vectors of some chips.

        Args:
            slot: its index.
            values: ``(rows, columns, dimensions)``, NaN where not computed.
            loss: ``(rows, columns)``, where the embedding keeps it.
            origin: the first row and column of chips; the windows' edges.

        Raises:
            MismatchError: a dtype, a vector or a loss that is not the embedding's.
            GridMismatchError: chips that are not whole windows.
            AbandonedError: the writer is gone.
        """
        if (loss is None) == bool(self.embedding.loss_metric):
            raise MismatchError(
                f"{self.embedding.model} {'without' if loss is None else 'with'} a loss",
                expected=f"its {self.embedding.loss_metric or 'vectors alone'}",
                remedy="name the loss in the embedding's loss_metric, or leave it out",
            )
        staged = self._stage(self.embedding.variable, slot, self.embedding.stored(values), origin)
        if loss is not None:
            staged += self._stage(self.embedding.loss, slot, loss, origin)
        return staged

    def dense(
        self, slot: int, values: Vectors, *, origin: tuple[int, int] = (0, 0)
    ) -> list[Staged]:
        """Encode the vectors of some patches; what reaches past the cube is cut off.

        Args:
            slot: its index.
            values: ``(rows, columns, dimensions)`` of patches, NaN where not computed.
            origin: the first row and column of patches.
        """
        rows, columns = self.staging.arrays[self.embedding.dense].shape[1:3]
        inside = values[: max(0, rows - origin[0]), : max(0, columns - origin[1])]
        return self._stage(self.embedding.dense, slot, self.embedding.stored(inside), origin)

    def _stage(
        self, name: str, slot: int, values: np.ndarray[Any, Any], origin: tuple[int, int]
    ) -> list[Staged]:
        array = self.staging.arrays[name]
        _refuse_off_windows(array, values, origin)
        high, wide = array.chunks[1:3]
        staged = []
        for r, c in product(range(0, values.shape[0], high), range(0, values.shape[1], wide)):
            place = (slot, (origin[0] + r) // high, (origin[1] + c) // wide)
            index = (*place, *(0,) * (len(array.dims) - len(place)))
            block = self._kept(array, index, values[r : r + high, c : c + wide][None])
            staged.append(self.staging.write(name, index, block))
        return [block for block in staged if block]

    def _kept(
        self, array: Array, index: tuple[int, ...], values: np.ndarray[Any, Any]
    ) -> np.ndarray[Any, Any]:
        """Return a block with what readers have seen of it: that stays as it is, bit by bit."""
        there = block_of(self.group, array, index)
        if there is None:
            return values
        there = there[tuple(map(slice, values.shape))]
        return np.where(is_missing(there), values, there)


class EmbeddingWriter:
    """Gives slots their vectors; made by :func:`write`."""

    encoder: Encoder
    """What tasks encode with, wherever they run."""

    def __init__(
        self, cube: Cube, writer: Writer, embedding: Embedding, created: Instant | None
    ) -> None:
        self._cube, self._writer, self._created = cube, writer, created
        self._newest = cube.slot_commits()
        self._names = embedding.variables
        self.embedding = embedding
        self.encoder = Encoder(embedding, writer.staging, cube.control.group)

    def fill(
        self,
        slot: int,
        values: Vectors,
        *,
        commit: int,
        loss: Vectors | None = None,
        dense: Vectors | None = None,
    ) -> Root:
        """Give a slot its vectors, all of which are in memory. See :meth:`commit`.

        Args:
            slot: its index.
            values: ``(rows, columns, dimensions)``, NaN where not computed.
            commit: of the pixels that they were computed from: ``embeddings.missing`` told it.
            loss: ``(rows, columns)``, where the embedding keeps it.
            dense: ``(rows, columns, dimensions)`` of patches, where it keeps them.
        """
        if (dense is None) == bool(self.embedding.patch_size):
            raise MismatchError(
                f"{self.embedding.model} {'without' if dense is None else 'with'} patches",
                expected=f"a patch_size and their vectors, or neither: {self.embedding.patch_size}",
                remedy="name their size in the embedding's patch_size, or leave them out",
            )
        staged = self.encoder.chips(slot, values, loss=loss)
        if dense is not None:
            staged += self.encoder.dense(slot, dense)
        return self.commit({slot: commit}, staged)

    def commit(self, slots: Mapping[int, int], staged: Iterable[Staged]) -> Root:
        """Make slots complete with the blocks that :attr:`encoder` left; readers see them then.

        Args:
            slots: index -> the commit of the pixels that the vectors were computed from.
            staged: the blocks of all of them; what has none is NaN.

        Raises:
            SlotError: a slot that is complete already, a commit that did not write its pixels,
                or chips that were computed before their pixels were complete.
        """
        for slot, commit in slots.items():
            self._refuse_unfit(slot, commit)
        return self._writer.fill_variables(self._names, slots, staged, created=self._created)

    def _refuse_unfit(self, slot: int, commit: int) -> None:
        newest = self._newest.get(slot)
        if newest is None or not 0 <= commit <= newest:
            raise SlotError(
                f"Slot {slot} at commit {commit}",
                expected="a slot of the cube, and the commit of its pixels"
                + (f": {newest}" if newest is not None else ""),
                remedy="take both from cubestore.embeddings.missing, before the pixels are read",
            )
        computed = self._writer.root.attributes[COMPUTED]
        done = [commit_of(computed[n], slot) for n in self._names]
        if all(before is not None and before >= commit for before in done):
            raise SlotError(
                f"Slot {slot} has its vectors of {self.embedding.model} already",
                expected="a slot that lacks them, or has more pixels since",
                remedy="cubestore.embeddings.missing lists those; another set needs another name",
            )
        before = commit_of(computed[self.embedding.variable], slot)
        if before is not None and before < commit:
            self._refuse_stale(slot, before)

    def _refuse_stale(self, slot: int, before: int) -> None:
        """Refuse to vouch for chips of which some pixels came after they were computed."""
        array = self._writer.arrays[self.embedding.variable]
        there = ~is_missing(whole_slot(self.encoder.group, array, slot)).all(axis=-1)
        later = np.zeros_like(there)
        for shard in self._shards_after(slot, before):
            later[_chips_on(shard, self.embedding.chip_size)] = True
        stale = np.count_nonzero(there & later)
        if stale:
            raise SlotError(
                f"Slot {slot}: {stale} chips were computed before all of their pixels were there",
                expected="chips without vectors where pixels were added later",
                remedy="embed under a model id of its own, with a chip size that divides "
                f"{layout.SHARD}, or after the slot is complete",
            )

    def _shards_after(self, slot: int, before: int) -> set[Shard]:
        return {
            (row, column)
            for record in takewhile(lambda one: one.number > before, self._cube.records())
            if record.operation == "fill"
            for told in record.details["slots"]
            if told["slot"] == slot
            for row, column in told["shards"]
        }


def _chips_on(shard: Shard, size: int) -> Window:
    """Return the chips that have pixels on a shard."""
    rows, columns = (
        slice(at * layout.SHARD // size, -(-(at + 1) * layout.SHARD // size)) for at in shard
    )
    return rows, columns


def _refuse_off_windows(
    array: Array, values: np.ndarray[Any, Any], origin: tuple[int, int]
) -> None:
    fits = values.ndim == len(array.dims) - 1 and values.shape[2:] == array.shape[3:]
    for start, length, n, edge in zip(
        origin, values.shape[:2], array.shape[1:3], array.chunks[1:3], strict=False
    ):
        end = start + length
        fits &= start >= 0 == start % edge and start < end <= n and (end == n or end % edge == 0)
    if not fits or values.dtype != array.numpy_dtype:
        raise GridMismatchError(
            f"{array.name}: {values.dtype} of shape {values.shape} at {origin}",
            expected=f"{array.dtype} on {array.dims[1:]} of {array.shape[1:]}, whole or in windows "
            f"of {array.chunks[1:3]}",
            remedy="cut it along the encoder's windows",
        )
