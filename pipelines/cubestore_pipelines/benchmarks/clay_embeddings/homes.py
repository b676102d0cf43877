"""Which cube a chip's vector belongs to: one of its tile, with a slot of its day and address.

And on whose chip grid the chip lies: counted from the tile's north-west corner.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cubestore import Cube, Store, layout, reader
from cubestore.embeddings.definition import Vectors
from cubestore_pipelines.benchmarks.clay_embeddings.published import Rows
from cubestore_pipelines.benchmarks.clay_embeddings.squares import GSD

NEAR = 0.1
"""Pixels by which a chip may lie off the grid, and still be on it."""

NOWHERE = (-1, -1)
"""The cube and slot of what belongs to none."""

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A cube that vectors of chips of a size may belong to."""

    cube: Cube
    slots: dict[tuple[str, str], int]
    """Day and address -> the slot."""

    chip_size: int

    @property
    def name(self) -> str:
        """Tile and sensor: ``31UGQ/sentinel-2-l2a``."""
        return f"{self.cube.tile.id}/{self.cube.sensor.id}"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of chips."""
        rows, columns = layout.geobox(self.cube.sensor, self.cube.tile).shape
        return -(-rows // self.chip_size), -(-columns // self.chip_size)

    def slot(self, rows: Rows) -> Indices:
        """Return the slot of each row; -1 where it is none of this cube's."""
        row, column = self.place(rows)
        high, wide = self.shape
        inside = (row >= 0) & (row < high) & (column >= 0) & (column < wide)
        told = zip(np.datetime_as_string(rows.day).tolist(), rows.url.tolist(), strict=True)
        slots = np.array([self.slots.get(one, -1) for one in told], "int64")
        fits = inside & (rows.squares.side == self.chip_size * GSD)
        return np.where(fits, slots, -1)

    def place(self, rows: Rows) -> tuple[Indices, Indices]:
        """Return the row and column of each chip; -1 where it lies off the grid."""
        box = self.cube.tile.bounds
        south = (box.top - rows.squares.top) / (self.chip_size * GSD)
        east = (rows.squares.left - box.left) / (self.chip_size * GSD)
        near = NEAR / self.chip_size
        whole = (np.abs(south - np.round(south)) <= near) & (np.abs(east - np.round(east)) <= near)
        row, column = (np.where(whole, np.round(at), -1).astype("int64") for at in (south, east))
        return row, column

    def grid(self, dimensions: int) -> Vectors:
        """Return a chip grid without vectors."""
        return np.full((*self.shape, dimensions), np.nan, "float32")


def where(cubes: Sequence[Home], rows: Rows) -> tuple[Indices, Indices]:
    """Return which of the cubes each row belongs to, and its slot; `NOWHERE`: to none."""
    number, slot = np.full((2, len(rows)), -1)
    for at, home in enumerate(cubes):
        mine = home.slot(rows)
        new = (number < 0) & (mine >= 0)
        number[new], slot[new] = at, mine[new]
    return number, slot


def homes(store: Store, tile: str, chip_size: int) -> list[Home]:
    """Return the cubes of a tile whose pixels are as large as those of the chips."""
    cubes = [store.cube(*key) for key in store.cubes() if key[0] == tile]
    return [
        Home(cube=cube, slots=_slots(cube), chip_size=chip_size)
        for cube in cubes
        if cube.sensor.gsd == GSD
    ]


def _slots(cube: Cube) -> dict[tuple[str, str], int]:
    """Return day and address -> slot; what another slot supersedes is left out."""
    held = reader.dataset(cube.path, cube.root(), mask_and_scale=False)  # in order of arrival
    replaced = set(held.supersedes.values.tolist()) - {""}
    days = np.datetime_as_string(held.time.values.astype("M8[D]")).tolist()
    items, urls = held.item_id.values.tolist(), held.source_url.values.tolist()
    numbers = range(len(days))
    return {
        (days[n], url): n for n in numbers if items[n] not in replaced for url in urls[n].split()
    }
