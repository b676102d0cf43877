"""Embeddings into patch sets: every acquisition of every patch, committed block by block.

    for block in cubestore_model.embed_patches("STORE", "rcf", patches=["cloudsen12/high-train"]):
        print(block)              # xr.open_zarr(set)["embedding_rcf"], (patch, [season,] feature)

Only blocks that lack their vectors are computed, so that a run that was killed goes on. What a
model is given of a patch is the patch, whole; or, with a chip size, its middle, or the patch with
nodata around its south and east where the chip is larger.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import numpy as np
import torch
from torch import Tensor

import cubestore
from cubestore.batches.sources import PatchSource
from cubestore.embeddings import patch_sets
from cubestore.embeddings.patch_sets import PatchEmbedding
from cubestore.errors import MismatchError
from cubestore.patches import PatchSet
from cubestore_model.computation import Computation, Options
from cubestore_model.encoder import Encoder, load_encoder
from cubestore_model.loader import some_of, tensors
from cubestore_model.patch_vectors import PatchVectors

EVERY = "all"
"""Instead of names: every set with pixels that the model takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledPatches:
    """Patches that got their vectors."""

    patches: str
    """The set."""

    sensor: str
    first: int
    """The first patch."""

    end: int
    """Behind the last."""

    variable: str
    chips: int
    """Acquisitions that have a vector."""

    left_out: int
    """That have too little data for one."""

    saturated: int = 0
    """Vectors with a number that was cut off: the scale is too small."""


def embed_patches(
    store: str | os.PathLike[str],
    model: str | Encoder,
    *,
    patches: Sequence[str] = (EVERY,),
    weights: str | os.PathLike[str] | None = None,
    sensor: Sequence[str] = (),
    options: Options | None = None,
) -> Iterator[FilledPatches]:
    """Give every patch that lacks it its vector; yield each block when it is committed.

    Args:
        store: its path.
        model: an encoder, or the id of one; see :func:`cubestore_model.encoders`.
        patches: names of sets, ``DATASET/PART``; ``all``: those with pixels that the model takes.
        weights: a file; None: those that were published.
        sensor: whose pixels; (): those that the model was trained on, of each set the first.
        options: how. ``chip_size`` 0 is the whole patch.

    Raises:
        UnknownEncoderError: nobody registered such a model.
        UnknownPatchSetError: the store has no such set.
        MismatchError: pixels or sizes that the model does not take, or another set of vectors
            under its name.
    """
    encoder = model if isinstance(model, Encoder) else load_encoder(model, weights=weights)
    for one, variable in sets(store, encoder, patches, sensor).items():
        yield from SetEmbedding.of(one, variable, encoder, options or Options()).run()


@dataclass(frozen=True, slots=True, kw_only=True)
class SetEmbedding:
    """A patch set, and how vectors come of it."""

    patches: PatchSet
    variable: str
    """Of the pixels."""

    computation: Computation
    wanted: PatchEmbedding
    side: int
    """Pixels along a patch."""

    @classmethod
    def of(
        cls, patches: PatchSet, variable: str, encoder: Encoder, options: Options
    ) -> "SetEmbedding":
        """Return what is to be done, or refuse it before anything is.

        Raises:
            MismatchError: bands, sizes or options that the model or the set does not take.
        """
        source = PatchSource(patches, variable)
        side, held = source.shape[0], patch_sets.listed(patches).values()
        computation = Computation.of(
            encoder, source.sensor, source.bands, options, held=held, chip_size=side
        )
        array = source.root.arrays[variable]
        wanted = PatchEmbedding(
            embedding=computation.embedding,
            sensor=source.sensor,
            gsd=source.gsd,
            count=array["shape"][0],
            seasons=_seasons(array["dimension_names"], array["shape"]),
        )
        return cls(
            patches=patches, variable=variable, computation=computation, wanted=wanted, side=side
        )

    def run(self) -> Iterator[FilledPatches]:
        """Compute and commit what is missing, a block at a time.

        Raises:
            MismatchError: another set lies under the model's name.
            LockedError: another writer does not let go of the set.
        """
        wanted = self.wanted
        for block in patch_sets.missing(self.patches, self._stored_as(wanted)):
            made = PatchVectors.of(wanted, block)
            for batch in self._batches(block):
                self._encode(batch, made)
            embedding = self.computation.scaled(wanted.embedding, made.every())
            wanted = replace(wanted, embedding=embedding)
            yield self._committed(wanted, made)

    def _stored_as(self, wanted: PatchEmbedding) -> PatchEmbedding:
        """Return the set as it will be stored, for the sizes of its blocks."""
        any_scale = self.computation.scaled(wanted.embedding, ())
        return replace(wanted, embedding=any_scale)

    def _batches(self, block: range) -> Iterator[dict[str, Any]]:
        """Yield the acquisitions of some patches, as tensors that are filled again."""
        each = dict(self.wanted.seasons).values()
        first, end = (n * int(np.prod(list(each))) for n in (block.start, block.stop))
        size = self.computation.options.batch_size
        batches = cubestore.batches(
            self.patches.store,
            sensor=self.variable,
            patches=self.patches.name,
            chip_size=max(self.side, self.wanted.embedding.chip_size),
            batch_size=size,
            shuffle=False,
        )
        those = batches.of(batches.share, first // size)
        for batch in takewhile(lambda one: one["slot"][0] < end, map(tensors, those)):
            mine = (batch["slot"] >= first) & (batch["slot"] < end)
            yield some_of(batch, torch.nonzero(mine)[:, 0])

    def _encode(self, batch: Mapping[str, Any], made: PatchVectors) -> None:
        """Take the vectors of those acquisitions that have enough data."""
        computation, size = self.computation, self.wanted.embedding.chip_size
        chips = {**batch, **{n: _middle(batch[n], size) for n in ("pixels", "valid")}}
        enough = computation.enough(chips["valid"])
        if not enough:
            return
        kept = some_of(chips, torch.tensor(enough))
        sent = {n: kept[n].to(computation.device) for n in ("pixels", "valid", "time", "latlon")}
        out, loss = computation({**kept, **sent})
        made.put(kept["slot"], out.embedding, out.patches, loss)

    def _committed(self, wanted: PatchEmbedding, made: PatchVectors) -> FilledPatches:
        with patch_sets.write(self.patches, wanted) as writer:
            values, dense, loss = made.of_patches()
            writer.fill(made.block, values, dense=dense, loss=loss)
        computed = int(np.isfinite(made.values[:, 0]).sum())
        return FilledPatches(
            patches=self.patches.name,
            sensor=wanted.sensor,
            first=made.block.start,
            end=made.block.stop,
            variable=wanted.embedding.variable,
            chips=computed,
            left_out=len(made.values) - computed,
            saturated=sum(map(wanted.embedding.saturated, made.every())),
        )


def sets(
    store: str | os.PathLike[str], encoder: Encoder, names: Sequence[str], sensor: Sequence[str]
) -> dict[PatchSet, str]:
    """Return the patch sets, each with the first of its pixels that a model takes.

    Raises:
        UnknownPatchSetError: the store has no set of that name.
        MismatchError: one that is named, or every one, has no such pixels.
    """
    opened, every = cubestore.open_store(store), EVERY in names
    taken = sensor or [row.sensor for row in encoder.entry.inputs]
    there = [opened.patches(name) for name in (opened.patch_sets() if every else names)]
    found = {one: variable for one in there for variable in _pixels(one, taken)[:1]}
    without = [one.name for one in there if one not in found]
    if not found or (without and not every):
        raise MismatchError(
            f"{', '.join(without) or opened.path} has no pixels of {' or '.join(taken)}",
            expected=f"a patch set of a sensor that {encoder.id} takes",
            remedy="see `cubestore info` for the sets, and `cubestore models`",
        )
    return found


def _pixels(patches: PatchSet, sensors: Sequence[str]) -> list[str]:
    """Return the variables of pixels of some sensors, in the set's order."""
    arrays = patches.root().arrays
    return [n for n, told in arrays.items() if told["attributes"].get("sensor") in sensors]


def _seasons(dims: Sequence[str], shape: Sequence[int]) -> tuple[tuple[str, int], ...]:
    return tuple((d, n) for d, n in zip(dims, shape, strict=True) if d.startswith("season"))


def _middle(values: Tensor, size: int) -> Tensor:
    """Return the square in the middle, of so many pixels; all where there are no more."""
    top, left = ((n - size) // 2 for n in values.shape[-2:])
    return values[..., top : top + size, left : left + size]
