"""What has changed between two dates, as a model sees it: the distance of each chip's vectors.

    cubestore.change("STORE", tile="31UDQ", model="rcf", before="2023-06", after="2024-06")

It is kept in the cube as ``change_MODEL_since_TIME_SLOT`` on ``(time, y_N, x_N)``: a variable for
each earlier slot, filled at the later ones, since what was committed never changes. Chips that
lack a vector at either date are NaN; when they get one, the same call fills them in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import nan

import numpy as np
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from cubestore.commit import Staged
from cubestore.cube import WAIT
from cubestore.embeddings.definition import Vectors as Floats
from cubestore.embeddings.stored import restored, whole_slot
from cubestore.encoding import Array
from cubestore.errors import QueryError
from cubestore.index.interval import span
from cubestore.similarity import kernels
from cubestore.similarity.file import Slot
from cubestore.similarity.search import METRICS, Metric
from cubestore.similarity.sources import Place, cubes_with, of_one_model, opened
from cubestore.similarity.vectors import Vectors, vectors_of
from cubestore.writer import Writer


def change(  # noqa: PLR0913 - options, each by keyword
    store: Place,
    *,
    tile: str,
    before: str,
    after: str,
    sensor: str = "",
    model: str = "",
    metric: Metric = "cosine",
    keep: bool = True,
    wait: float = WAIT,
) -> xr.DataArray:
    """Return how far each chip's vector has moved between two dates.

    Args:
        store: a store, or the path or address of one.
        tile: the tile's id.
        before: a year, month, day or moment (UTC): of the slots in it that have vectors, the last.
        after: the same, of the later slot.
        sensor: may be left out where one sensor of the tile has embeddings.
        model: whose embeddings; may be left out where there are one model's.
        metric: ``cosine``, 1 - cos of the angle; or ``l2``, the Euclidean distance.
        keep: keep it in the cube, at the later slot; what is there already is not written again.
        wait: seconds to wait for another writer of the cube.

    Returns:
        Dims ``(y, x)`` of chips, float32, NaN where either date lacks a vector; its name is that
        of the variable, its attributes tell which slots, ``.odc.geobox`` tells where it lies.

    Raises:
        QueryError: no such slots, or several sensors or models of which none is named.
        MismatchError: the tile has no embeddings of that model and sensor.
        LockedError: another writer still held the cube after ``wait``.
        NotWritableError: it is to be kept, and the store cannot be written.
    """
    found = cubes_with(opened(store), model=model, sensor=sensor or None, tile=tile)
    variable = of_one_model(found)
    if len(found) > 1 or metric not in METRICS:
        sensors = ", ".join(cube.sensor.id for cube, _ in found)
        raise QueryError(
            f"Change of {sensors} by {metric}",
            expected=f"one sensor, by {' or '.join(METRICS)}",
            remedy="name the sensor",
        )
    vectors = vectors_of(found[0][0], variable)
    pair = _pair(vectors, before, after, metric)
    values = pair.distances()
    if keep:
        with vectors.cube.write(wait=wait) as writer:
            _keep(writer, pair, values)
    return pair.labelled(values)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two slots of a cube."""

    vectors: Vectors
    before: Slot
    after: Slot
    metric: Metric

    @property
    def name(self) -> str:
        """The name of the variable."""
        model = self.vectors.embedding.variable.removeprefix("embedding_")
        how = "" if self.metric == "cosine" else f"_{self.metric}"
        stamp = iso(self.before).replace("-", "").replace(":", "").rstrip("Z")
        return f"change_{model}{how}_since_{stamp}_{self.before.index}"

    @property
    def of_vectors(self) -> Array:
        """The array of the vectors."""
        name = self.vectors.embedding.variable
        return Array.from_document(name, self.vectors.cube.root().arrays[name])

    def array(self) -> Array:
        """Return the variable, without slots."""
        vectors, embedding, since = self.of_vectors, self.vectors.embedding, iso(self.before)
        return Array(
            name=self.name,
            dims=vectors.dims[:-1],
            shape=(0, *vectors.shape[1:-1]),
            dtype="float32",
            fill=nan,
            chunks=vectors.chunks[:-1],
            attributes={
                "long_name": f"{self.metric} distance of {embedding.model} since {since}",
                "since": since,
                "since_slot": self.before.index,
                "distance": self.metric,
                **embedding.identity,
                "grid_mapping": "spatial_ref",
            },
        )

    def distances(self) -> Floats:
        """Return how far the chips have moved, ``(row, column)``."""
        array, path = self.of_vectors, self.vectors.cube.path
        one, other = (
            restored(array, whole_slot(path, array, slot.index))
            for slot in (self.before, self.after)
        )
        both = ~np.asarray(np.isnan(one) | np.isnan(other)).any(axis=-1)
        out = np.empty(np.count_nonzero(both))
        kernels.between(one[both], other[both], self.metric == "l2", out)
        values = np.full(both.shape, np.nan, np.float32)
        values[both] = out
        return values

    def labelled(self, values: Floats) -> xr.DataArray:
        """Return distances with where they lie, and what they are of."""
        from odc.geo.xr import xr_coords  # noqa: PLC0415 - loads rasterio and boto3: a second

        told = {**self.array().attributes, "until": iso(self.after), "until_slot": self.after.index}
        cube = self.vectors.cube
        attributes = {**told, "tile": cube.tile.id, "sensor": cube.sensor.id}
        return xr.DataArray(
            values, xr_coords(self._chips(*values.shape)), ("y", "x"), self.name, attributes
        )

    def _chips(self, rows: int, columns: int) -> GeoBox:
        grid, size = self.vectors.grid, self.vectors.embedding.chip_size
        return GeoBox((rows, columns), grid.affine * Affine.scale(size), grid.crs)


def iso(slot: Slot) -> str:
    """Return a slot's time, to the second."""
    return f"{np.datetime64(slot.time, 'us').astype('datetime64[s]')}Z"


def _pair(vectors: Vectors, before: str, after: str, metric: Metric) -> Pair:
    slots = sorted(vectors.described.slots, key=lambda slot: (slot.time, slot.index))
    pair = Pair(vectors, _last(slots, before), _last(slots, after), metric)
    if pair.before.time >= pair.after.time:
        raise QueryError(
            f"From {iso(pair.before)} to {iso(pair.after)}",
            expected="two slots, the earlier first",
            remedy="give narrower times, or swap them",
        )
    return pair


def _last(slots: Sequence[Slot], time: str) -> Slot:
    """Return the last of some slots within a time.

    Raises:
        QueryError: there is none.
    """
    start, end = span(time)
    within = [slot for slot in slots if start <= slot.time <= end]
    if not within:
        raise QueryError(
            f"No slot of {time} has embeddings",
            expected=f"one of {', '.join(map(iso, slots[:SHOWN]))}{' …' * (len(slots) > SHOWN)}",
            remedy="compute them with `cubestore embed`, or name another time",
        )
    return within[-1]


SHOWN = 10
"""Times that an error names."""


def _keep(writer: Writer, pair: Pair, values: Floats) -> None:
    """Commit distances, unless they are there."""
    if pair.name not in writer.arrays:
        writer.add_variable(pair.array(), {})
    array = writer.arrays[pair.name]
    there = whole_slot(pair.vectors.cube.path, array, pair.after.index)
    if np.array_equal(there, values, equal_nan=True):
        return
    staged = _staged(writer, array, pair.after.index, values)
    writer.fill_variable(pair.name, {pair.after.index: pair.after.commit}, staged)


def _staged(writer: Writer, array: Array, slot: int, values: Floats) -> list[Staged | None]:
    _, high, wide = array.chunks
    return [
        writer.staging.write(array.name, (slot, r // high, c // wide), block[None])
        for r, c in product(range(0, values.shape[0], high), range(0, values.shape[1], wide))
        for block in [values[r : r + high, c : c + wide]]
    ]
