"""Whose neighbours are asked for: the chip at a place, a chip by its name, or a vector."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyproj
from numpy.typing import NDArray

from cubestore import grids
from cubestore.cube import Cube
from cubestore.embeddings.definition import Embedding
from cubestore.errors import MismatchError, QueryError
from cubestore.index.interval import span
from cubestore.similarity.search import Asked
from cubestore.similarity.vectors import Part, Places, Vectors

Point = tuple[float, float]
"""Longitude and latitude, degrees."""


@dataclass(frozen=True, slots=True)
class Chip:
    """A chip that has a vector."""

    vectors: Vectors
    part: Part
    row: int

    @property
    def time(self) -> int:
        """Of its slot, microseconds since 1970, UTC."""
        return int(self.vectors.times(self._place)[0].astype(np.int64))

    @property
    def chipid(self) -> str:
        """Its name."""
        return self.vectors.chipids(self._place)[0]

    @property
    def _place(self) -> Places:
        return self.part.places[self.row : self.row + 1]

    @property
    def vector(self) -> NDArray[np.float64]:
        """Its vector, as float32 has it."""
        stored = self.part.vectors[self.row].astype(np.float32)
        scaled: NDArray[np.float64] = stored * np.float32(self.vectors.described.scale)
        return scaled.astype(np.float64)


def refuse_unclear(at: Point | None, time: str, chip: str, vector: npt.ArrayLike | None) -> None:
    """Refuse a question that names no place, chip or vector, or more than one of them.

    Raises:
        QueryError: it does.
    """
    if (at is not None) + bool(chip) + (vector is not None) != 1 or (time and at is None):
        raise QueryError(
            "A question with more than one of at, chip and vector, or with none",
            expected="one of them; time with at alone",
            remedy="give at=(lon, lat)",
        )


def chip_at(sources: Sequence[Vectors], at: Point, time: str = "") -> Chip:
    """Return the chip at a place: the latest that has a vector.

    Args:
        sources: where it may lie.
        at: longitude and latitude.
        time: a year, month, day or moment (UTC) within which it was taken; "": any.

    Raises:
        QueryError: no chip there has a vector, or none of that time.
        GridMismatchError: no such place.
    """
    there = [chip for vectors in sources for chip in _at(vectors, at)]
    if not there:
        raise QueryError(
            f"No chip at {at[0]:g} {at[1]:g} has an embedding",
            expected="a place in a cube that was embedded, longitude before latitude",
            remedy="see `cubestore info` for the cubes, and compute it with `cubestore embed`",
        )
    first, last = span(time) if time else (min(c.time for c in there), max(c.time for c in there))
    some = [chip for chip in there if first <= chip.time <= last]
    if not some:
        days = sorted({str(np.datetime64(chip.time, "us"))[:19] for chip in there})
        raise QueryError(
            f"No chip at {at[0]:g} {at[1]:g} of {time} has an embedding",
            expected=f"one of {', '.join(days[:10])}{' …' * (len(days) > 10)}",  # noqa: PLR2004 - a line
            remedy="leave the time out for the latest",
        )
    return max(some, key=lambda chip: chip.time)


def chip_called(sources: Sequence[Vectors], chipid: str) -> Chip:
    """Return the chip of a name.

    Raises:
        QueryError: no chip with a vector is called so.
    """
    *_, slot, _, x, y = ["", "", "", *chipid.split("-")]
    if slot.isdecimal() and x.isdecimal() and y.isdecimal():
        for vectors in sources:
            for chip in _rows(vectors, int(y), int(x), int(slot)):
                if chip.chipid == chipid:
                    return chip
    raise QueryError(
        f"No chip called {chipid!r} has an embedding",
        expected="TILE-SENSOR-PLATFORM-TIME-SLOT-SIZE-X-Y, of a chip that was embedded",
        remedy="take the name from cubestore.chips, or ask for a place with at",
    )


def covers(cube: Cube, at: Point) -> bool:
    """Whether a cube's tile covers a place."""
    return cube.tile.id in {tile.id for tile in grids.tiles_at(*at, grid=cube.tile.grid)}


def named(cube: Cube, chipid: str) -> bool:
    """Whether a chip's name is one of a cube's."""
    return chipid.startswith(f"{cube.tile.id}-{cube.sensor.id}-")


def fitting(vector: npt.ArrayLike, embedding: Embedding) -> NDArray[np.float64]:
    """Return a user's vector, or refuse what is none of the model's.

    Raises:
        MismatchError: another shape, or numbers that are not finite.
    """
    values = np.asarray(vector, np.float64)
    if values.shape != (embedding.dimensions,) or not np.isfinite(values).all():
        raise MismatchError(
            f"A vector of shape {values.shape}" + ", not all finite" * (values.size > 0),
            expected=f"({embedding.dimensions},) finite numbers, as {embedding.model} makes them",
            remedy="take one vector, of the same model",
        )
    return values


def refuse_no_direction(asked: Asked) -> None:
    """Refuse to measure angles from a vector of zeros.

    Raises:
        QueryError: it is one.
    """
    if asked.metric == "cosine" and not asked.vector.any():
        raise QueryError(
            "A vector of zeros, which has no direction",
            expected="one that stands at an angle to others",
            remedy='ask by metric="l2"',
        )


def refuse_words_of_cubes(asked: Iterable[str], known: Sequence[str]) -> None:
    """Refuse to choose patches by what cubes alone have.

    Raises:
        QueryError: a word that is not known of patches.
    """
    strange = sorted(set(asked) - set(known))
    if strange:
        raise QueryError(
            f"Patches by {', '.join(strange)}",
            expected=f"some of {', '.join(known)}: patch sets lie on no tile, and have no chip "
            "index",
            remedy="leave it out, or ask for the chips of cubes",
        )


def _at(vectors: Vectors, at: Point) -> list[Chip]:
    crs, size = vectors.cube.tile.crs.proj, vectors.embedding.chip_size
    transformer = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    column, row = ~vectors.grid.affine * transformer.transform(*at)
    return _rows(vectors, int(row // size), int(column // size))


def _rows(vectors: Vectors, row: int, column: int, slot: int | None = None) -> list[Chip]:
    """Return the chips of a place, of one slot or of all."""
    found = []
    for part in vectors.parts:
        here = (part.places[:, 1] == row) & (part.places[:, 2] == column)
        here &= (part.places[:, 0] == slot) if slot is not None else True
        found += [Chip(vectors, part, at) for at in np.flatnonzero(here).tolist()]
    return found
