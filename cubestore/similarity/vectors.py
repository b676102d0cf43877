"""The vectors of a cube's embedding: out of the index, and out of the cube where that is behind.

Whatever lies in the file and is still what the cube has is mapped into memory; the rest is read.
So what is found is always what is committed, and the index only makes it quicker.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore import layout
from cubestore.chips import chip_id
from cubestore.committed import State
from cubestore.cube import Cube
from cubestore.embeddings.definition import Embedding, described
from cubestore.embeddings.stored import commits_of, is_missing, whole_slot
from cubestore.encoding import Array
from cubestore.errors import DamagedError
from cubestore.index.footprints import Footprints, footprints
from cubestore.index.rows import shown
from cubestore.records import Root
from cubestore.similarity import file as indexfile
from cubestore.similarity.codes import Codes, Stored
from cubestore.similarity.file import Described, File, Name, Slot
from cubestore.visible import COMPUTED

Places = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the vectors."""

    places: Places
    """``(row, 3)``: slot, row and column of the chip, in that order."""

    vectors: Stored
    codes: Codes | None = None


@dataclass(frozen=True, slots=True)
class Vectors:
    """What one cube has of an embedding, at one commit: of slots that readers see."""

    cube: Cube
    embedding: Embedding
    described: Described
    parts: tuple[Part, ...]

    @property
    def name(self) -> Name:
        """What its file is named for."""
        tile, sensor = self.cube.tile, self.cube.sensor.id
        return Name(tile.grid, tile.id, sensor, self.embedding.variable)

    @property
    def grid(self) -> GeoBox:
        """The cube's pixels."""
        return layout.geobox(self.cube.sensor, self.cube.tile)

    def chipids(self, places: Places) -> list[str]:
        """Return the names of chips."""
        starts = {slot.index: self._start(slot) for slot in self.described.slots}
        return [f"{starts[slot]}-{x}-{y}" for slot, y, x in places.tolist()]

    def _start(self, slot: Slot) -> str:
        """Return what the names of a slot's chips begin with."""
        name = chip_id(
            tile=self.cube.tile.id,
            sensor=self.cube.sensor,
            platform=slot.platform,
            time=np.datetime64(slot.time, "us"),
            slot=slot.index,
            size=self.embedding.chip_size,
            x=0,
            y=0,
        )
        return name.removesuffix("-0-0")

    def times(self, places: Places) -> NDArray[np.datetime64]:
        """Return when chips were taken, UTC."""
        of = {slot.index: slot.time for slot in self.described.slots}
        return np.array([of[slot] for slot in places[:, 0].tolist()], "datetime64[us]")

    def outlines(self, places: Places) -> Footprints:
        """Return where chips lie, in lon/lat."""
        rows, columns = places[:, 1], places[:, 2]
        return footprints(self.cube.tile, self.grid, self.embedding.chip_size, rows, columns)


def listed(cube: Cube) -> list[Embedding]:
    """Return the embeddings that a cube has."""
    return [embedding for embedding, _ in _held(cube.root())]


def vectors_of(cube: Cube, variable: str) -> Vectors:
    """Return the vectors of an embedding that a cube has.

    Raises:
        DamagedError: bytes of the cube are not those that were committed.
    """
    root = cube.root()
    embedding, array = next(held for held in _held(root) if held[1].name == variable)
    name = Name(cube.tile.grid, cube.tile.id, cube.sensor.id, variable)
    return _current(cube, root, embedding, array, indexfile.opened(cube.store, name))


def _held(root: Root) -> Iterator[tuple[Embedding, Array]]:
    arrays = {n: Array.from_document(n, root.arrays[n]) for n in root.attributes.get(COMPUTED, {})}
    for array in arrays.values():
        embedding = described(array, arrays)
        if embedding is not None:
            yield embedding, array


def _current(
    cube: Cube, root: Root, embedding: Embedding, array: Array, there: File | None
) -> Vectors:
    state = (root.number, root.digest)
    if there is not None and there.described.commit == state:
        part = Part(there.places, there.vectors, there.codes)
        return Vectors(cube, embedding, there.described, (part,))
    told = Described(commit=state, scale=embedding.scale or 1.0, slots=_slots(cube, root, array))
    parts, new = [], list(told.slots)
    if there is not None and _follows(cube, root, there.described.commit):
        if (there.described.scale, there.described.slots) == (told.scale, told.slots):
            told = there.described  # what was committed since is of other things
        same = set(there.described.slots) & set(told.slots)
        parts, new = [_kept(there, same)], [slot for slot in told.slots if slot not in same]
    parts += [_read(cube, array, slot.index) for slot in new]
    return Vectors(cube, embedding, told, tuple(part for part in parts if len(part.places)))


def _slots(cube: Cube, root: Root, array: Array) -> tuple[Slot, ...]:
    """Return the slots that are complete, and that no other supersedes."""
    complete = commits_of(root.attributes[COMPUTED][array.name])
    seen = shown(cube, root)
    times = seen.known.time.values.astype("datetime64[us]").astype(np.int64).tolist()
    platforms = seen.known.platform.values.tolist()
    return tuple(
        Slot(index=k, commit=complete[k], time=times[k], platform=platforms[k])
        for k in seen.index
        if k in complete
    )


def _kept(there: File, same: set[Slot]) -> Part:
    """Return what a file has of slots whose vectors are still the same."""
    keep = np.isin(there.places[:, 0], [slot.index for slot in same])
    if keep.all():
        return Part(there.places, there.vectors, there.codes)
    codes = there.codes
    of_rows = (codes.first[:, keep], codes.rest[keep], codes.radius[keep], codes.norm[keep])
    return Part(there.places[keep], there.vectors[keep], Codes(codes.centre, *of_rows))


def _follows(cube: Cube, root: Root, state: State) -> bool:
    """Whether a commit is one of those that led to a root: of a cube made anew it is not.

    Its record alone is read: each is written once, and its digest stands for all before it.
    """
    number, digest = state
    try:
        return number <= root.number and bool(cube.control.record(number, digest))
    except DamagedError:  # another cube's, or a copy without its records
        return False


def _read(cube: Cube, array: Array, slot: int) -> Part:
    """Read a slot's vectors, without those that were not computed."""
    stored = whole_slot(cube.path, array, slot)
    there = ~is_missing(stored).any(axis=-1)
    row, column = np.nonzero(there)
    places = np.stack([np.full(len(row), slot), row, column], axis=1).astype(np.int32)
    return Part(places, stored[there])
