"""Cubes that are exported: the chips that have vectors, and what the cube tells of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cubestore import reader
from cubestore.embeddings.definition import Embedding
from cubestore.embeddings.definition import Vectors as Floats
from cubestore.embeddings.export.content import Content, Rows, content
from cubestore.embeddings.reading import listed
from cubestore.embeddings.stored import whole_slot
from cubestore.encoding import Array, Json
from cubestore.errors import QueryError
from cubestore.index.footprints import Footprints, Numbers, centres
from cubestore.index.query import box_of
from cubestore.index.selection import Box, Words
from cubestore.similarity import filters
from cubestore.similarity.sources import Source, cubes_with, of_one_model
from cubestore.similarity.vectors import Vectors, vectors_of
from cubestore.store import Store


def contents(
    store: Store,
    model: str,
    schema: str,
    *,
    sensor: Words | None = None,
    tile: Words | None = None,
    bbox: Box | None = None,
    datetime: str = "",
    **more: Any,  # noqa: ANN401 - words for the chip index
) -> Iterator[Content]:
    """Return the vectors of each cube that has some which are asked for.

    Raises:
        QueryError: a question that cannot be understood, several models, or sensors that ``v0.1``
            would give the same name.
        MismatchError: no embeddings of that model, sensor and tile.
    """
    _refuse_strange(more)
    found = cubes_with(store, model=model, sensor=sensor, tile=tile)
    of_one_model(found)
    if schema == "v0.1":
        _refuse_several({cube.sensor.id for cube, _ in found})
    box = None if bbox is None else box_of(bbox)
    chips = filters.of_index(store, more, found[0][1].chip_size)
    return _each(found, bbox=box, datetime=datetime, chips=chips)


def _each(found: Sequence[Source], bbox: Box | None, **which: Any) -> Iterator[Content]:  # noqa: ANN401 - filters.allowed's
    for cube, embedding in found:
        if filters.reaches(cube, embedding, bbox):
            made = _content(vectors_of(cube, embedding.variable), bbox=bbox, **which)
            if len(made.rows):
                yield made


def _content(vectors: Vectors, **which: Any) -> Content:  # noqa: ANN401 - filters.allowed's
    masks = [filters.allowed(vectors, part.places, **which) for part in vectors.parts]
    some = [slice(None) if mask is None else mask for mask in masks]
    parts = list(zip(vectors.parts, some, strict=True))
    dimensions = vectors.embedding.dimensions
    places = np.concatenate([np.zeros((0, 3), np.int32), *(p.places[m] for p, m in parts)])
    stored = [np.zeros((0, dimensions), np.float32), *(p.vectors[m] for p, m in parts)]
    return content(CubeChips(vectors), places, np.concatenate(stored), places[:, 2], places[:, 1])


@dataclass(frozen=True)
class CubeChips:
    """The chips of a cube that have vectors; rows are ``(slot, row, column)``."""

    vectors: Vectors

    @property
    def embedding(self) -> Embedding:
        """What the vectors are."""
        return self.vectors.embedding

    @property
    def told(self) -> dict[str, str]:
        """Tile and sensor."""
        return {"tile": self.vectors.cube.tile.id, "sensor": self.vectors.cube.sensor.id}

    @property
    def stem(self) -> tuple[str, ...]:
        """What its files are called."""
        return tuple(self.told.values())

    @property
    def gsd(self) -> float:
        """Metres of a pixel."""
        return self.vectors.cube.sensor.gsd

    @property
    def layout(self) -> Json:
        """The grid of its chips."""
        side = [self.embedding.chip_size] * 2
        grid = {"stride": side, "grid_id": self.vectors.cube.tile.grid_code}
        return {"layout_type": "regular_grid", "chip_size": side, **grid}

    @property
    def created(self) -> str:
        """When the embedding was made."""
        held = listed(self.vectors.cube)
        return next(one.date_created for one in held if one.embedding == self.embedding)

    @cached_property
    def known(self) -> xr.Dataset:
        """Every slot's coordinates, in the order of arrival."""
        cube = self.vectors.cube
        return reader.dataset(cube.path, cube.root(), mask_and_scale=False).coords.to_dataset()

    def ids(self, rows: Rows) -> list[str]:
        """Return the names of the chips."""
        return self.vectors.chipids(rows)

    def numbers(self, rows: Rows, first: int) -> NDArray[Any]:
        """Return the numbers of the rows in the file."""
        return first + np.arange(len(rows))

    def times(self, rows: Rows) -> NDArray[np.datetime64]:
        """Return when the chips were taken, UTC."""
        return self.vectors.times(rows)

    def texts(self, name: str, rows: Rows) -> list[str]:
        """Return a coordinate on time of each row's slot."""
        texts = self.known[name].values.tolist()
        return [texts[slot] for slot in rows[:, 0].tolist()]

    def where(self, rows: Rows) -> dict[str, list[str]]:
        """Return the tile and sensor of each row: this cube's."""
        return {name: [text] * len(rows) for name, text in self.told.items()}

    def losses(self, rows: Rows) -> Floats:
        """Return the loss of each row."""
        name, cube = self.embedding.loss, self.vectors.cube
        array = Array.from_document(name, cube.root().arrays[name])
        losses = np.full(len(rows), np.nan, np.float32)
        for slot in np.unique(rows[:, 0]).tolist():
            mine = rows[:, 0] == slot
            _, row, column = rows[mine].T
            losses[mine] = whole_slot(cube.path, array, slot)[row, column]
        return losses

    def outlines(self, rows: Rows) -> Footprints:
        """Return where the chips lie."""
        return self.vectors.outlines(rows)

    def middles(self, rows: Rows, outlines: Footprints) -> tuple[Numbers, Numbers]:  # noqa: ARG002 - a patch's are known
        """Return longitude and latitude of their middles."""
        return centres(outlines.geometry)


def _refuse_strange(more: dict[str, Any]) -> None:
    strange = sorted(more.keys() - set(filters.BY_INDEX))
    if strange:
        raise QueryError(
            f"Chips by {', '.join(strange)}",
            expected=f"sensor, tile, bbox, datetime, {', '.join(filters.BY_INDEX)}",
            remedy="leave it out",
        )


def _refuse_several(sensors: set[str]) -> None:
    if len(sensors) > 1:
        raise QueryError(
            f"Embeddings of {', '.join(sorted(sensors))}",
            expected="one sensor: names of v0.1 tell of a tile alone",
            remedy="name the sensor, and write each into a directory of its own",
        )
