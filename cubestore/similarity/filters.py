"""Which rows may be found: by place and time from what is known of them, else by the chip index."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cubestore.cube import Cube
from cubestore.embeddings.definition import Embedding
from cubestore.index import file as chipfile
from cubestore.index import scan
from cubestore.index.footprints import Numbers
from cubestore.index.interval import interval
from cubestore.index.query import box_of
from cubestore.index.selection import Box, meets_tile
from cubestore.similarity.vectors import Places, Vectors
from cubestore.store import Store

Mask = NDArray[np.bool_]

BY_INDEX = ("max_cloud", "max_nodata", "split", "where")
"""Words that the chip index answers."""


def reaches(cube: Cube, embedding: Embedding, bbox: Box | None) -> bool:
    """Whether a cube may have a chip in a box."""
    if bbox is None:
        return True
    name = chipfile.Name(cube.tile.grid, cube.tile.id, cube.sensor.id, embedding.chip_size)
    return meets_tile(name, box_of(bbox))


def allowed(
    vectors: Vectors,
    places: Places,
    *,
    datetime: str = "",
    bbox: Box | None = None,
    chips: pa.Table | None = None,
) -> Mask | None:
    """Return which rows may be found; None: all.

    Args:
        vectors: whose rows.
        places: ``(row, 3)``: their slots, rows and columns.
        datetime: ``A/B`` in UTC.
        bbox: west, south, east, north in degrees; chips whose bounding box meets it.
        chips: those of the chip index that may be found: see `of_index`.

    Raises:
        QueryError: a question that cannot be understood.
    """
    masks = []
    if datetime:
        masks.append(_during(vectors, places, datetime))
    if bbox is not None:
        masks.append(_meeting(vectors, places, box_of(bbox)))
    if chips is not None:
        masks.append(_among(vectors, places, chips))
    return np.logical_and.reduce(masks) if masks else None


def of_index(store: Store, asked: Mapping[str, Any], size: int) -> pa.Table | None:
    """Return the chips that meet what only the chip index knows; None: nothing of it is asked.

    Raises:
        NoIndexError: the store has no index of chips of that size.
        QueryError: a question that cannot be understood.
    """
    words = {name: asked[name] for name in BY_INDEX if asked.get(name) not in {None, "", ()}}
    if not words:
        return None
    return scan(store, **words, chip_size=size, columns=["tile", "sensor", *_CHIP])


_CHIP = ("slot", "chip_index_y", "chip_index_x")


def _during(vectors: Vectors, places: Places, datetime: str) -> Mask:
    start, end = interval(datetime)
    slots = [
        slot.index
        for slot in vectors.described.slots
        if (start is None or slot.time >= start) and (end is None or slot.time <= end)
    ]
    return np.isin(places[:, 0], slots)


def _meeting(vectors: Vectors, places: Places, box: tuple[float, float, float, float]) -> Mask:
    cells = places * np.array([0, 1, 1], np.int32)  # of any slot
    cells, cell = np.unique(cells, axis=0, return_inverse=True)
    return meets(vectors.outlines(cells).bounds, box)[cell.ravel()]


def meets(bounds: Numbers, box: tuple[float, float, float, float]) -> Mask:
    """Tell which bounds meet a box; west > east of either crosses the antimeridian."""
    west, south, east, north = box
    left, low, right, high = bounds.T
    level = (low <= north) & (high >= south)
    from_west, to_east = left <= east, right >= west
    if west > east:
        within = from_west | to_east | (left > right)
    else:
        within = np.where(left > right, from_west | to_east, from_west & to_east)
    found: Mask = level & within
    return found


def _among(vectors: Vectors, places: Places, chips: pa.Table) -> Mask:
    tile, sensor = vectors.cube.tile.id, vectors.cube.sensor.id
    mine = pc.and_(pc.equal(chips["tile"], tile), pc.equal(chips["sensor"], sensor))
    some = [chips.filter(mine)[name].to_numpy().astype(np.int64) for name in _CHIP]
    return np.isin(_code(*places.T), _code(*some))


def _code(slot: NDArray[Any], row: NDArray[Any], column: NDArray[Any]) -> NDArray[np.int64]:
    """Return one number for a chip of a slot."""
    code: NDArray[np.int64] = (slot.astype(np.int64) << 32) + (row.astype(np.int64) << 16) + column
    return code
