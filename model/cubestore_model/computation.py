"""How vectors come of pixels, of cubes and patch sets alike: a model, and the ways of using it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from cubestore.embeddings import Embedding, scale_for
from cubestore.errors import MismatchError
from cubestore_model.arrays.scaling import Room
from cubestore_model.devices import device
from cubestore_model.encoder import Encoder
from cubestore_model.encoders.encoded import Encoded
from cubestore_model.inputs import Preparation, preparation
from cubestore_model.loader import Batch
from cubestore_model.precision import PRECISIONS, Precision, computing
from cubestore_model.vectors import Floats

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


@dataclass(frozen=True, kw_only=True)
class Computation:
    """A model, and the set of vectors that it makes of a sensor's pixels."""

    encoder: Encoder
    options: Options
    prepared: Preparation
    embedding: Embedding
    """Floats, where integers are wanted of which none lie there yet: see `scaled`."""

    device: torch.device
    """Where the network computes."""

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        sensor: str,
        bands: Sequence[str],
        options: Options,
        *,
        held: Iterable[Embedding] = (),
        chip_size: int = 0,
    ) -> "Computation":
        """Return what is to be done, or refuse it before anything is.

        Args:
            encoder: the model.
            sensor: whose pixels.
            bands: that are there, in their order.
            options: how.
            held: the sets that lie there: integers go on with the scale of those before.
            chip_size: pixels along a chip where the options do not say; 0: as the model was
                trained.

        Raises:
            MismatchError: bands or options that the model does not take, or a device that is not
                there.
        """
        prepared = preparation(encoder, sensor, bands, use=options.use, zeros=options.zeros)
        if options.precision != "float32":
            prepared = replace(prepared, precision=options.precision)
        size = options.chip_size or chip_size or encoder.entry.chip_size
        embedding = _embedding(encoder, options, prepared.text, size)
        scales = [one.scale for one in held if one.variable == embedding.variable]
        if options.quantize and scales and scales[0] is not None:
            embedding = quantized(embedding, scales[0])
        return cls(
            encoder=encoder,
            options=options,
            prepared=prepared,
            embedding=embedding,
            device=device(options.device),
        )

    @cached_property
    def network(self) -> Encoder:
        """The model, there."""
        return self.encoder.to(self.device)

    def enough(self, valid: Tensor) -> list[int]:
        """Return which chips have enough data, of ``(B, y, x)`` that says which pixels are data."""
        least = (1 - self.options.max_nodata) * valid[0].numel()
        return [n for n, there in enumerate(valid.numpy()) if np.count_nonzero(there) >= least]

    def __call__(self, batch: Batch, room: Room | None = None) -> tuple[Encoded, Tensor | None]:
        """Return the vectors of a batch that lies on the device, and its loss where that is kept.

        Args:
            batch: as loaders have it.
            room: where prepared pixels go, until the next batch.
        """
        told = self.prepared(batch, room)
        with torch.inference_mode(), computing(self.options.precision, self.device):
            out = self.network(**told, finite=True)  # as a preparation makes them
            return out, self.network.loss(**told) if self.embedding.loss_metric else None

    def scaled(self, embedding: Embedding, vectors: Iterable[Floats]) -> Embedding:
        """Return the set as it is stored: integers get a scale of the first vectors."""
        if not self.options.quantize or embedding.scale is not None:
            return embedding
        return quantized(embedding, scale_for(*vectors))


def quantized(embedding: Embedding, scale: float) -> Embedding:
    """Return the same set, kept as integers."""
    return replace(embedding, dtype="int8", scale=scale)


def _embedding(encoder: Encoder, options: Options, preprocessing: str, size: int) -> Embedding:
    """Return the set of vectors that a model makes of chips of a size."""
    return Embedding(
        model=encoder.id,
        creator=encoder.entry.creator,
        architecture=encoder.entry.architecture,
        weights_sha256=encoder.weights_sha256,
        preprocessing=preprocessing,
        pooling=encoder.entry.pooling,
        dimensions=encoder.dimensions,
        chip_size=size,
        patch_size=encoder.patch_size if options.dense else None,
        loss_metric=_metric(encoder) if options.loss else "",
        url=encoder.entry.reference,
    )


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
