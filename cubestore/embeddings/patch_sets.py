"""Vectors of the patches of a set, beside its pixels: a vector for each acquisition of each patch.

An embedding of model ``M`` is ``embedding_M`` on ``(patch, [season,] feature_M)``, that of patches
of ``P`` pixels ``embedding_M_dense`` on ``(patch, [season,] y_P, x_P, feature_M)``. It is filled in
block by block, a commit each, so that a run that was killed goes on:

    for block in patch_sets.missing(patches, wanted):
        vectors = ...                            # (patches, [seasons,] dimensions), float32
        with patch_sets.write(patches, wanted) as writer:
            writer.fill(block, vectors)
    patch_sets.read(patches, "clay-v1.5")        # an xarray.DataArray, NaN where not computed

A set may also have come with vectors, from whoever published it: they are read alike.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from cubestore.commit import Staged
from cubestore.embeddings.definition import Embedding, Vectors, described, variable_name
from cubestore.embeddings.writing import refuse_other_set
from cubestore.encoding import Array
from cubestore.errors import MismatchError
from cubestore.patches.adding import WAIT, PatchAdder, adding, complete
from cubestore.patches.reading import PatchSet
from cubestore.records import Root
from cubestore.slot import Instant, iso


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchEmbedding:
    """One set of vectors of one sensor of a patch set."""

    embedding: Embedding
    """Its ``chip_size`` is the side of the square that was embedded."""

    sensor: str
    """Whose pixels they are made of: its id."""

    gsd: float
    """Metres of a pixel."""

    count: int
    """Patches of the set."""

    seasons: tuple[tuple[str, int], ...] = field(default=())
    """The dim of the acquisitions and how many a patch has; (): one."""

    @property
    def variables(self) -> tuple[Array, ...]:
        """How they are stored, of all patches; the vectors of whole patches come last."""
        return tuple(
            _sized(array, self.count)
            for array in self.embedding.of_patches(self.sensor, self.gsd, dict(self.seasons))
        )


def listed(patches: PatchSet) -> dict[str, Embedding]:
    """Return the embeddings that a set holds: variable -> whose."""
    return {array.name: embedding for array, embedding in _held(patches.root())}


def missing(patches: PatchSet, wanted: PatchEmbedding) -> list[range]:
    """Return the blocks of patches that lack their vectors; each can be filled by a commit.

    Raises:
        MismatchError: another set lies under that name, or one without all that is wanted.
    """
    root = patches.root()
    _refuse_others(root, wanted)
    _refuse_less(root, wanted)
    own = wanted.variables[-1]
    edges = range(0, wanted.count, own.block[0])
    blocks = [range(first, min(first + own.block[0], wanted.count)) for first in edges]
    if own.name not in root.arrays:
        return blocks
    done = complete(root, own.name)
    return [] if done is None else [b for n, b in enumerate(blocks) if n not in done]


@contextlib.contextmanager
def write(
    patches: PatchSet, wanted: PatchEmbedding, *, created: Instant | None = None, wait: float = WAIT
) -> Iterator["PatchEmbeddingWriter"]:
    """Hold the set's lock, with the embedding declared, to give patches their vectors.

    Raises:
        MismatchError: another set lies under that name.
        LockedError: another writer still held the set after ``wait``.
        NotWritableError: the disk is read-only or full.
    """
    with adding(patches, wait=wait) as adder:
        _declare(adder, wanted, created)
        yield PatchEmbeddingWriter(adder, wanted, created)


class PatchEmbeddingWriter:
    """Gives blocks of patches their vectors; made by :func:`write`."""

    def __init__(self, adder: PatchAdder, wanted: PatchEmbedding, created: Instant | None) -> None:
        self._adder, self.wanted, self._created = adder, wanted, created

    def fill(
        self,
        block: range,
        values: Vectors,
        *,
        dense: Vectors | None = None,
        loss: Vectors | None = None,
    ) -> Root:
        """Give a block of patches its vectors; readers see them from then on.

        Args:
            block: out of `missing`.
            values: ``(patches, [seasons,] dimensions)``, NaN where not computed.
            dense: ``(patches, [seasons,] rows, columns, dimensions)``, where it keeps them.
            loss: ``(patches, [seasons])``, where it keeps it.

        Raises:
            MismatchError: vectors of another shape or dtype, or some neither finite nor all NaN.
            SlotError: patches that have their vectors already.
        """
        embedding = self.wanted.embedding
        told = {embedding.variable: values, embedding.dense: dense, embedding.loss: loss}
        given = {name: some for name, some in told.items() if some is not None}
        for name, some in given.items():
            self._refuse_unfit(name, some, len(block))
        staged = [o for name, some in given.items() for o in self._staged(name, block, some)]
        names = [n for n in embedding.variables if n in given]
        if len(names) < len(embedding.variables):
            raise MismatchError(
                f"{embedding.model} with {', '.join(names)} alone",
                expected=f"{', '.join(embedding.variables)}",
                remedy="give dense and loss, or leave patch_size or loss_metric out",
            )
        return self._adder.fill(block, staged, names, self._created)

    def _staged(self, name: str, block: range, values: Vectors) -> list[Staged | None]:
        staging, array = self._adder.staging, self._adder.arrays[name]
        high, rest = array.block[0], (0,) * (len(array.dims) - 1)
        embedding = self.wanted.embedding
        stored = values if name == embedding.loss else embedding.stored(values)
        return [
            staging.write(name, (first // high, *rest), stored[first - block.start :][:high])
            for first in range(block.start, block.stop, high)
        ]

    def _refuse_unfit(self, name: str, values: Vectors, count: int) -> None:
        array = self._adder.arrays.get(name)
        if array is None or values.shape != (count, *array.shape[1:]):
            raise MismatchError(
                f"{name} of shape {values.shape}",
                expected=f"{(count, *array.shape[1:])}" if array else "vectors of whole patches",
                remedy="give a vector for each acquisition of each patch, NaN where there is none",
            )


def read(patches: PatchSet, name: str, *, dense: bool = False) -> xr.DataArray:
    """Open a set's embeddings, lazily, as float32.

    Args:
        patches: the set.
        name: the model's id, or the variable.
        dense: those of parts of patches.

    Raises:
        MismatchError: the set has no such embedding.
    """
    data, ending = patches.open(), "_dense" if dense else ""
    for known in (name + ending, variable_name(name) + ending):
        if known in data.data_vars:
            return data[known]
    raise MismatchError(
        f"{patches.path} has no embeddings called {name!r}{' of parts' if dense else ''}",
        expected=f"one of {', '.join(listed(patches)) or 'none: the set has none yet'}",
        remedy="compute them with `cubestore embed --patches`",
    )


def filled(root: Root, array: Array) -> npt.NDArray[np.bool_]:
    """Return which patches have their vectors, ``(patch,)``."""
    done, count, high = complete(root, array.name), array.shape[0], array.block[0]
    if done is None:
        return np.ones(count, bool)
    return np.isin(np.arange(count) // high, sorted(done))


def _held(root: Root) -> list[tuple[Array, Embedding]]:
    arrays = {n: Array.from_document(n, d) for n, d in root.arrays.items()}
    found = ((array, described(array, arrays)) for array in arrays.values())
    return [(array, embedding) for array, embedding in found if embedding]


def _declare(adder: PatchAdder, wanted: PatchEmbedding, created: Instant | None) -> None:
    _refuse_others(adder.root, wanted)
    dated = {"date_created": iso(created)}
    new = [v for v in wanted.variables if v.name not in adder.root.arrays]
    if new:
        made = [replace(v, attributes={**v.attributes, **dated}) for v in new]
        adder.declare(made, dict([wanted.embedding.features()]), created=created)


def _refuse_others(root: Root, wanted: PatchEmbedding) -> None:
    for variable in wanted.variables:
        if variable.name in root.arrays:
            there = Array.from_document(variable.name, root.arrays[variable.name])
            refuse_other_set(there, variable)


def _refuse_less(root: Root, wanted: PatchEmbedding) -> None:
    """Refuse to add to vectors that are there: what is filled in stands."""
    lacking = [v.name for v in wanted.variables if v.name not in root.arrays]
    if lacking and wanted.embedding.variable in root.arrays:
        raise MismatchError(
            f"{wanted.embedding.variable} lies there without {', '.join(lacking)}",
            expected="vectors, of parts too, and a loss that are computed together",
            remedy="leave those out, or give the second set a name of its own "
            "(`cubestore embed --name`)",
        )


def _sized(array: Array, count: int) -> Array:
    """Return an array of all patches, in chunks that are no longer than it is."""
    chunks = (min(array.chunks[0], count), *array.chunks[1:])
    return replace(array.sized("patch", count), chunks=chunks)
