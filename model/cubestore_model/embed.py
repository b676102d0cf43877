"""Embeddings into cubes: chips streamed, encoded, and committed slot by slot.

    for slot in cubestore_model.embed("STORE", "clay-v1.5", weights="clay-v1.5.ckpt"):
        print(slot)                              # xr.open_zarr(cube)["embedding_clay_v1_5"]

Only slots that lack their vectors are computed, so that a run that was killed goes on. The cube's
lock is held while a slot is committed and no longer: others append meanwhile. A chip with too
little data gets no vector: NaN.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

import cubestore
from cubestore import embeddings
from cubestore.cube import Cube
from cubestore.embeddings import Embedding, scale_for
from cubestore.errors import MismatchError
from cubestore_model.arrays.scaling import Room
from cubestore_model.devices import device
from cubestore_model.encoder import Encoder, load_encoder
from cubestore_model.encoders.encoded import Encoded
from cubestore_model.inputs import Preparation, preparation
from cubestore_model.loader import some_of
from cubestore_model.precision import PRECISIONS, Precision, computing
from cubestore_model.prefetch import on_device
from cubestore_model.stored import StoredChips
from cubestore_model.vectors import Floats, Vectors

NODATA = 0.2
"""The part of a chip that may be nodata. Source: Clay-foundation/model, embeddings/utils.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How cubes are embedded."""

    chip_size: int = 0
    """Pixels along a chip; 0: as the model was trained."""

    dense: bool = False
    """Keep the vectors of patches too."""

    loss: bool = False
    """Keep how badly each chip is reconstructed, of a model that reconstructs."""

    quantize: Literal["", "int8"] = ""
    """Keep integers, in steps of a 127th of the largest number of a cube's first slot; `Filled`
    tells how many of a later slot's vectors have larger ones, which are cut off."""

    max_nodata: float = NODATA
    """The part of a chip that may be nodata, 0 to 1; others get no vector."""

    use: tuple[str, ...] = ()
    """The bands that are used, of a model that takes some; (): all."""

    zeros: tuple[str, ...] = ()
    """Bands that the model needs and the cubes lack, given as zeros."""

    batch_size: int = 32
    precision: Precision = "float32"
    """In which the network computes; in bf16 its vectors, float32 still, are another set."""

    device: str = ""
    """torch's name of one; "": the first GPU, or the CPU where there is none."""

    def __post_init__(self) -> None:
        if not (0 <= self.max_nodata <= 1 and self.chip_size >= 0 < self.batch_size):
            raise MismatchError(
                f"max_nodata {self.max_nodata:g}, chips of {self.chip_size}, {self.batch_size} a "
                "batch",
                expected="a fraction from 0 to 1, sizes that are none or more",
                remedy="for 20 % give 0.2",
            )
        if self.precision not in PRECISIONS:
            raise MismatchError(
                f"precision {self.precision!r}",
                expected=" or ".join(PRECISIONS),
                remedy="leave it out, or give bf16",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A slot that got its vectors."""

    tile: str
    sensor: str
    slot: int
    variable: str
    chips: int
    """That have a vector."""

    left_out: int
    """That touch a stored shard, and have too little data for one."""

    saturated: int = 0
    """Vectors, of chips and patches, with a number that was cut off: the scale is too small."""


def embed(
    store: str | os.PathLike[str],
    model: str | Encoder,
    *,
    weights: str | os.PathLike[str] | None = None,
    sensor: Sequence[str] = (),
    tile: Sequence[str] = (),
    options: Options | None = None,
) -> Iterator[Filled]:
    """Give every slot of a store that lacks them its vectors; yield each when it is committed.

    Args:
        store: its path.
        model: an encoder, or the id of one; see :func:`cubestore_model.encoders`.
        weights: a file; None: those that were published.
        sensor: only these; (): those that the model was trained on.
        tile: only these; (): all.
        options: how.

    Raises:
        UnknownEncoderError: nobody registered such a model.
        MismatchError: no cube that the model can take, or another set under its name.
    """
    encoder = model if isinstance(model, Encoder) else load_encoder(model, weights=weights)
    told = options or Options()
    for one in cubes(store, encoder, sensor, tile):
        yield from CubeEmbedding.of(one, encoder, told).run()


def cubes(
    store: str | os.PathLike[str], encoder: Encoder, sensor: Sequence[str], tile: Sequence[str]
) -> list[Cube]:
    """Return the cubes of a store that a model takes.

    Raises:
        MismatchError: there is none.
    """
    opened = cubestore.open_store(store)
    taken = sensor or [row.sensor for row in encoder.entry.inputs]
    found = [o for o in opened.cubes() if o[1] in taken and (not tile or o[0] in tile)]
    if not found:
        raise MismatchError(
            f"{opened.path} has no cube of {' or '.join(taken)}"
            + f" on {' or '.join(tile)}" * bool(tile),
            expected=f"one that {encoder.id} was trained on, on a tile that is asked for",
            remedy="see `cubestore info` and `cubestore models`",
        )
    return [opened.cube(*one) for one in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeEmbedding:
    """A cube, a model, and the set of vectors that one makes of the other."""

    cube: Cube
    encoder: Encoder
    options: Options
    prepared: Preparation
    embedding: Embedding

    @classmethod
    def of(cls, cube: Cube, encoder: Encoder, options: Options) -> "CubeEmbedding":
        """Return what is to be done, or refuse it before anything is.

        Raises:
            MismatchError: bands, chips or options that the model does not take.
        """
        bands = [str(name) for name in cube.open().band.values]
        prepared, embedding = asked_for(encoder, cube.sensor.id, bands, options)
        held = [one.embedding for one in embeddings.listed(cube)]
        scales = [one.scale for one in held if one.variable == embedding.variable]
        if options.quantize and scales and scales[0] is not None:
            embedding = quantized(embedding, scales[0])
        if scales:
            embeddings.refuse_others(cube, embedding)
        return cls(
            cube=cube, encoder=encoder, options=options, prepared=prepared, embedding=embedding
        )

    def run(self) -> Iterator[Filled]:
        """Compute and commit what is missing, a slot at a time.

        Raises:
            MismatchError: another set lies under the model's name.
            SlotError: pixels were added inside of chips that have their vectors.
            LockedError: another writer does not let go of the cube.
        """
        missing = embeddings.missing(self.cube, self.embedding)
        later = embeddings.outdated(self.cube, self.embedding)
        known = StoredChips.of(self.cube, self.embedding.chip_size)
        embedding, network, room = self.embedding, self.encoder.to(self._device), Room()
        for slot, commit in sorted({**missing, **later}.items()):
            there = known.there(slot)
            with tempfile.TemporaryFile() as file:
                made = Vectors(embedding, there, file)
                batches = known.batches(slot, there, self.options.batch_size)
                self._compute(network, made, batches, room)
                if self.options.quantize and embedding.scale is None:
                    embedding = quantized(embedding, scale_for(*_every(made)))
                yield self._committed(made, embedding, slot, commit)

    @property
    def _device(self) -> torch.device:
        return device(self.options.device)

    def _compute(
        self, network: Encoder, made: Vectors, batches: Iterable[Mapping[str, Any]], room: Room
    ) -> None:
        """Encode the chips of a slot that have enough data."""
        told = ((self._enough(batch), batch) for batch in batches)
        some = ({**batch, "chosen": chosen} for chosen, batch in told if len(chosen))
        for batch in on_device(some, self._device):
            out, loss = self._encoded(network, self.prepared(_chosen(batch), room))
            made.put([batch["chipid"][n] for n in batch["chosen"]], out, loss)
        made.finish()

    def _enough(self, batch: Mapping[str, Any]) -> list[int]:
        """Return which chips of a batch have enough data."""
        valid = batch["valid"].numpy()
        least = (1 - self.options.max_nodata) * valid[0].size
        return [n for n, there in enumerate(valid) if np.count_nonzero(there) >= least]

    def _encoded(self, network: Encoder, told: dict[str, Any]) -> tuple[Encoded, Tensor | None]:
        with torch.inference_mode(), computing(self.options.precision, self._device):
            out = network(**told, finite=True)  # as a preparation makes them
            return out, network.loss(**told) if self.embedding.loss_metric else None

    def _committed(self, made: Vectors, embedding: Embedding, slot: int, commit: int) -> Filled:
        with embeddings.write(self.cube, embedding) as writer:
            writer.commit({slot: commit}, made.staged(writer.encoder, slot))
        return Filled(
            tile=self.cube.tile.id,
            sensor=self.cube.sensor.id,
            slot=slot,
            variable=embedding.variable,
            chips=int(made.computed.sum()),
            left_out=int((made.there & ~made.computed).sum()),
            saturated=sum(map(embedding.saturated, _every(made))),
        )


def asked_for(
    encoder: Encoder, sensor: str, bands: Sequence[str], options: Options, chip_size: int = 0
) -> tuple[Preparation, Embedding]:
    """Return how pixels are prepared for a model, and the set of vectors that it makes of them.

    Args:
        encoder: the model.
        sensor: whose pixels.
        bands: that are there, in their order.
        options: how.
        chip_size: pixels along a chip where the options do not say; 0: as the model was trained.

    Raises:
        MismatchError: bands or options that the model does not take.
    """
    prepared = preparation(encoder, sensor, bands, use=options.use, zeros=options.zeros)
    if options.precision != "float32":
        prepared = replace(prepared, precision=options.precision)
    entry = encoder.entry
    return prepared, Embedding(
        model=encoder.id,
        creator=entry.creator,
        weights_sha256=encoder.weights_sha256,
        preprocessing=prepared.text,
        pooling=entry.pooling,
        dimensions=encoder.dimensions,
        chip_size=options.chip_size or chip_size or entry.chip_size,
        patch_size=encoder.patch_size if options.dense else None,
        loss_metric=_metric(encoder) if options.loss else "",
        url=entry.reference,
    )


def quantized(embedding: Embedding, scale: float) -> Embedding:
    """Return the same set, kept as integers."""
    return replace(embedding, dtype="int8", scale=scale)


def _every(made: Vectors) -> Iterator[Floats]:
    """Yield the vectors of a slot's chips, then row by row those of its patches."""
    yield made.values
    if made.dense is not None:
        yield from made.dense


def _metric(encoder: Encoder) -> str:
    """Return the name of a model's loss.

    Raises:
        MismatchError: it has none.
    """
    if not encoder.loss_metric:
        raise MismatchError(
            f"A loss of {encoder.id}",
            expected="a model that reconstructs pixels, such as clay-v1.5",
            remedy="leave the loss out",
        )
    return encoder.loss_metric


def _chosen(batch: dict[str, Any]) -> dict[str, Any]:
    """Return the chips of a batch that are chosen."""
    pixels, chosen = batch["pixels"], batch["chosen"]
    if len(chosen) == len(pixels):
        return batch
    return some_of(batch, torch.tensor(chosen, pin_memory=pixels.is_cuda))
