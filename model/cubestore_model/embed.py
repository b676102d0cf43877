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
from dataclasses import dataclass
from typing import Any

import torch

import cubestore
from cubestore import embeddings
from cubestore.cube import Cube
from cubestore.embeddings import Embedding
from cubestore.errors import MismatchError
from cubestore_model.arrays.scaling import Room
from cubestore_model.computation import Computation, Options
from cubestore_model.encoder import Encoder, load_encoder
from cubestore_model.loader import some_of
from cubestore_model.prefetch import on_device
from cubestore_model.stored import StoredChips
from cubestore_model.vectors import Vectors


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
    for one in cubes(store, encoder, sensor, tile):
        yield from CubeEmbedding.of(one, encoder, options or Options()).run()


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
    """A cube, and how vectors come of it."""

    cube: Cube
    computation: Computation

    @classmethod
    def of(cls, cube: Cube, encoder: Encoder, options: Options) -> "CubeEmbedding":
        """Return what is to be done, or refuse it before anything is.

        Raises:
            MismatchError: bands, chips or options that the model does not take.
        """
        bands = [str(name) for name in cube.open().band.values]
        held = [one.embedding for one in embeddings.listed(cube)]
        computation = Computation.of(encoder, cube.sensor.id, bands, options, held=held)
        if computation.embedding.variable in {one.variable for one in held}:
            embeddings.refuse_others(cube, computation.embedding)
        return cls(cube=cube, computation=computation)

    def run(self) -> Iterator[Filled]:
        """Compute and commit what is missing, a slot at a time.

        Raises:
            MismatchError: another set lies under the model's name.
            SlotError: pixels were added inside of chips that have their vectors.
            LockedError: another writer does not let go of the cube.
        """
        embedding = self.computation.embedding
        missing = embeddings.missing(self.cube, embedding)
        later = embeddings.outdated(self.cube, embedding)
        known = StoredChips.of(self.cube, embedding.chip_size)
        room, size = Room(), self.computation.options.batch_size
        for slot, commit in sorted({**missing, **later}.items()):
            there = known.there(slot)
            with tempfile.TemporaryFile() as file:
                made = Vectors(embedding, there, file)
                self._compute(made, known.batches(slot, there, size), room)
                embedding = self.computation.scaled(embedding, made.every())
                yield self._committed(made, embedding, slot, commit)

    def _compute(self, made: Vectors, batches: Iterable[Mapping[str, Any]], room: Room) -> None:
        """Encode the chips of a slot that have enough data."""
        computation = self.computation
        told = ((computation.enough(batch["valid"]), batch) for batch in batches)
        some = ({**batch, "chosen": chosen} for chosen, batch in told if chosen)
        for batch in on_device(some, computation.device):
            out, loss = computation(_chosen(batch), room)
            made.put([batch["chipid"][n] for n in batch["chosen"]], out, loss)
        made.finish()

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
            saturated=sum(map(embedding.saturated, made.every())),
        )


def _chosen(batch: dict[str, Any]) -> dict[str, Any]:
    """Return the chips of a batch that are chosen."""
    pixels, chosen = batch["pixels"], batch["chosen"]
    if len(chosen) == len(pixels):
        return batch
    return some_of(batch, torch.tensor(chosen, pin_memory=pixels.is_cuda))
