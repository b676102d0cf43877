"""Batches of chips -> what a probe needs of them: vectors, masks, or what an encoder is told."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cubestore_model.computation import NODATA
from cubestore_model.encoder import Encoder
from cubestore_model.inputs import preparation
from cubestore_model.loader import tensors
from cubestore_model.probing.samples import PER_CHIP

Batch = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is kept of each batch."""

    encoder: Encoder | None = None
    """Whose vectors; None: the store has them."""

    dense: bool = False
    """The vectors of patches rather than of chips."""

    tuned: bool = False
    """What the encoder is told, rather than its vectors: it is to be tuned."""

    sensor: str = ""
    """A sensor's id; "": the batch tells it."""

    use: tuple[str, ...] = ()
    """The bands that are used; (): all of the model's."""

    mask: Callable[[Batch], NDArray[Any]] | None = None
    """A batch -> what is kept of its labels, with a row a chip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was kept, in the order of the batches."""

    names: list[str]
    lonlat: NDArray[np.float64]
    slots: NDArray[np.int64]
    vectors: NDArray[np.float32]
    masks: NDArray[Any] | None
    told: Mapping[str, Any]

    def ordered(self, names: Sequence[str]) -> "Read":
        """Return the same in the order of some names."""
        place = {name: number for number, name in enumerate(self.names)}
        rows = np.array([place[name] for name in names], np.int64)
        told = {n: v[rows] if n in PER_CHIP else v for n, v in self.told.items()}
        return Read(
            names=list(names),
            lonlat=self.lonlat[rows],
            slots=self.slots[rows],
            vectors=self.vectors[rows] if len(self.vectors) else self.vectors,
            masks=None if self.masks is None else self.masks[rows],
            told=told,
        )


def read(batches: Iterable[Batch], wanted: Wanted) -> Read:
    """Go through batches once.

    Args:
        batches: of :func:`cubestore.batches`, not shuffled.
        wanted: what is kept.
    """
    kept: dict[str, list[Any]] = {
        "names": [],
        "lonlat": [],
        "slots": [],
        "vectors": [],
        "masks": [],
    }
    told: list[Mapping[str, Any]] = []
    for batch in batches:
        kept["names"] += batch["chipid"]
        kept["lonlat"].append(degrees(np.array(batch["latlon"])))
        kept["slots"].append(np.array(batch["slot"]))
        if wanted.mask is not None:
            kept["masks"].append(np.array(wanted.mask(batch)))
        if wanted.encoder is not None:
            vectors, inputs = _encoded(wanted.encoder, batch, wanted)
            kept["vectors"].append(vectors)
            told += [inputs] if wanted.tuned else []
    return Read(
        names=kept["names"],
        lonlat=np.concatenate(kept["lonlat"]),
        slots=np.concatenate(kept["slots"]),
        vectors=np.concatenate(kept["vectors"]) if kept["vectors"] else np.empty((0, 0), "f4"),
        masks=np.concatenate(kept["masks"]) if kept["masks"] else None,
        told=_joined(told),
    )


def degrees(latlon: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return longitude and latitude of places as batches encode them, sines and cosines."""
    sin_lat, cos_lat, sin_lon, cos_lon = latlon.astype(np.float64).T
    lon, lat = np.arctan2(sin_lon, cos_lon), np.arctan2(sin_lat, cos_lat)
    return np.asarray(np.degrees(np.stack([lon, lat], axis=1)))


def _encoded(
    encoder: Encoder, batch: Batch, wanted: Wanted
) -> tuple[NDArray[np.float32], Mapping[str, Any]]:
    """Return the vectors of a batch, NaN where there is too little data, and what made them."""
    sensor = wanted.sensor or batch["sensor"]
    told = preparation(encoder, sensor, batch["bands"], use=wanted.use)(tensors(batch))
    side = isqrt(told["pixels"][0, 0].numel()) // encoder.patch_size
    if wanted.tuned:
        empty = (len(batch["chipid"]), *([side, side] if wanted.dense else []), 0)
        return np.empty(empty, np.float32), {
            name: value.numpy().copy() if name in PER_CHIP else value
            for name, value in told.items()
        }
    with torch.inference_mode():
        out = encoder(**told)
    made = out.patches if wanted.dense else out.embedding
    vectors = made.float().numpy()
    vectors[np.mean(batch["valid"], axis=(1, 2)) < 1 - NODATA] = np.nan
    if wanted.dense:
        vectors = vectors.reshape(len(vectors), isqrt(vectors.shape[1]), -1, vectors.shape[2])
    return vectors, {}


def _joined(told: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    if not told:
        return {}
    every = {n: np.concatenate([one[n] for one in told]) for n in PER_CHIP if n in told[0]}
    return {**told[0], **every}
