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
from cubestore.embeddings import patch_sets, scale_for
from cubestore.embeddings.patch_sets import PatchEmbedding
from cubestore.errors import MismatchError
from cubestore.patches import PatchSet
from cubestore_model.devices import device
from cubestore_model.embed import Options, asked_for, quantized
from cubestore_model.encoder import Encoder, load_encoder
from cubestore_model.inputs import Preparation
from cubestore_model.loader import some_of, tensors
from cubestore_model.patch_vectors import PatchVectors
from cubestore_model.precision import computing

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
    """A patch set, a model, and the set of vectors that one makes of the other."""

    patches: PatchSet
    variable: str
    """Of the pixels."""

    encoder: Encoder
    options: Options
    prepared: Preparation
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
        prepared, embedding = asked_for(
            encoder, source.sensor, source.bands, options, source.shape[0]
        )
        held = patch_sets.listed(patches).get(embedding.variable)
        if options.quantize and held and held.scale is not None:
            embedding = quantized(embedding, held.scale)
        array = source.root.arrays[variable]
        seasons = _seasons(array["dimension_names"], array["shape"])
        wanted = PatchEmbedding(
            embedding=embedding,
            sensor=source.sensor,
            gsd=source.gsd,
            count=array["shape"][0],
            seasons=seasons,
        )
        return cls(
            patches=patches,
            variable=variable,
            encoder=encoder,
            options=options,
            prepared=prepared,
            wanted=wanted,
            side=source.shape[0],
        )

    def run(self) -> Iterator[FilledPatches]:
        """Compute and commit what is missing, a block at a time.

        Raises:
            MismatchError: another set lies under the model's name.
            LockedError: another writer does not let go of the set.
        """
        wanted, network = self.wanted, self.encoder.to(self._device)
        for block in patch_sets.missing(self.patches, self._stored_as(wanted)):
            made = PatchVectors.of(wanted, block)
            for batch in self._batches(block):
                self._encode(network, batch, made)
            if self.options.quantize and wanted.embedding.scale is None:
                scale = scale_for(*made.every())
                wanted = replace(wanted, embedding=quantized(wanted.embedding, scale))
            yield self._committed(wanted, made)

    @property
    def _device(self) -> torch.device:
        return device(self.options.device)

    def _stored_as(self, wanted: PatchEmbedding) -> PatchEmbedding:
        """Return the set as it will be stored, for the sizes of its blocks."""
        if not self.options.quantize or wanted.embedding.scale is not None:
            return wanted
        return replace(wanted, embedding=quantized(wanted.embedding, 1.0))

    def _batches(self, block: range) -> Iterator[dict[str, Any]]:
        """Yield the acquisitions of some patches, as tensors that are filled again."""
        each = dict(self.wanted.seasons).values()
        first, end = (n * int(np.prod(list(each))) for n in (block.start, block.stop))
        batches = cubestore.batches(
            self.patches.store,
            sensor=self.variable,
            patches=self.patches.name,
            chip_size=max(self.side, self.wanted.embedding.chip_size),
            batch_size=self.options.batch_size,
            shuffle=False,
        )
        those = batches.of(batches.share, first // self.options.batch_size)
        for batch in takewhile(lambda one: one["slot"][0] < end, map(tensors, those)):
            mine = (batch["slot"] >= first) & (batch["slot"] < end)
            yield some_of(batch, torch.nonzero(mine)[:, 0])

    def _encode(self, network: Encoder, batch: Mapping[str, Any], made: PatchVectors) -> None:
        """Take the vectors of those acquisitions that have enough data."""
        size = self.wanted.embedding.chip_size
        chips = {**batch, **{n: _middle(batch[n], size) for n in ("pixels", "valid")}}
        enough = chips["valid"].float().mean(dim=(1, 2)) >= 1 - self.options.max_nodata
        if not enough.any():
            return
        kept = some_of(chips, torch.nonzero(enough)[:, 0])
        sent = {n: kept[n].to(self._device) for n in ("pixels", "valid", "time", "latlon")}
        told = self.prepared({**kept, **sent})
        with torch.inference_mode(), computing(self.options.precision, self._device):
            out = network(**told)
            loss = network.loss(**told) if self.wanted.embedding.loss_metric else None
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
