"""From counted chips to the rows of the index: where they lie, what they show, how they are called.

Chips are kept as numbers until a group of rows is written, in the order of a Hilbert curve over
the places of a tile, and in time at each place. Outlines are computed once for a place, and the
file holds them once for a group, whatever the number of slots.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xarray as xr
from numpy.typing import NDArray

from cubestore import layout, reader
from cubestore.chips import ChipGrid, chip_id
from cubestore.cube import Cube
from cubestore.index import file as indexfile
from cubestore.index import hilbert
from cubestore.index.file import BBOX, ROWS, SCHEMA, Described, Name
from cubestore.index.footprints import Footprints, around, footprints, kinds, on_earth, wkb
from cubestore.index.landcover import CLASSES, LandCover
from cubestore.records import Root, software

Rows = NDArray[Any]
"""Chips, counted: see `fractions.Counter.row`."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The slots of a cube that readers see, and what is known of all."""

    index: tuple[int, ...]
    """In the order of arrival: those that no other supersedes."""

    known: xr.Dataset
    """Every slot's coordinates, in the order of arrival."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The chips of a cube, in any order."""

    rows: Rows
    slots: Shown
    commits: Mapping[int, int]
    counted: int
    kept: int


def shown(cube: Cube, root: Root) -> Shown:
    """Return the slots that readers see at a commit."""
    known = reader.dataset(cube.path, root, mask_and_scale=False).coords.to_dataset()
    replaced = set(known.supersedes.values.tolist()) - {""}
    items = known.item_id.values.tolist()
    return Shown(tuple(k for k, item in enumerate(items) if item not in replaced), known)


def old_rows(store: str, name: Name, dtype: np.dtype[Any]) -> Rows | None:
    """Return the rows that a file of the index has; None where they cannot be read."""
    fields = {
        "slot": "slot",
        "y": "chip_index_y",
        "x": "chip_index_x",
        "cloud": "cloud_cover_percentage",
        "nodata": "nodata_percentage",
    }
    try:
        with indexfile.opened(store, name) as file:
            table = pq.read_table(file, columns=[*fields.values(), "band_valid"])
    except (pa.ArrowException, OSError):  # it is counted again
        return None
    rows = np.zeros(len(table), dtype)
    for field, column in fields.items():
        rows[field] = table[column].to_numpy()
    if rows["bands"].size:
        bands = table["band_valid"].combine_chunks().flatten().to_numpy()
        rows["bands"] = bands.reshape(rows["bands"].shape)
    return rows


@dataclass(frozen=True, slots=True)
class Content:
    """What a file of the index holds."""

    cube: Cube
    chips: ChipGrid
    counted: Counted
    rows: Rows
    """In the order of the file."""

    place: NDArray[np.int64]
    """Of each row, among the places."""

    outlines: Footprints
    """Of the places."""

    classes: NDArray[np.float32]
    """(place, class); NaN where unknown."""

    def tables(self) -> Iterator[pa.Table]:
        """Yield the rows, a group of rows at a time."""
        known, ids = self.counted.slots.known, self._ids()
        for start in range(0, len(self.rows), ROWS):
            rows, place = self.rows[start : start + ROWS], self.place[start : start + ROWS]
            columns = {**self._of_slots(rows["slot"], known, ids), **self._of_places(place)}
            columns |= self._of_chips(rows)
            columns["chipid"] = _joined(ids, rows)
            yield pa.table([columns[name] for name in SCHEMA.names], names=SCHEMA.names)

    def metadata(self, name: Name, what: Described) -> dict[bytes, bytes]:
        """Return the metadata of the file."""
        bounds = around(self.outlines.bounds) if len(self.rows) else ()
        return indexfile.metadata(name, what, software(), bounds, kinds(self.outlines))

    def _ids(self) -> NDArray[Any]:
        """Return what the names of each slot's chips begin with."""
        known = self.counted.slots.known
        names = [
            chip_id(
                tile=self.cube.tile.id,
                sensor=self.cube.sensor,
                platform=platform,
                time=time,
                slot=slot,
                size=self.chips.size,
                x=0,
                y=0,
            ).removesuffix("-0-0")
            for slot, (time, platform) in enumerate(
                zip(known.time.values, known.platform.values.tolist(), strict=True)
            )
        ]
        return np.array(names, object)

    def _of_slots(
        self, slots: NDArray[Any], known: xr.Dataset, ids: NDArray[Any]
    ) -> dict[str, Any]:
        """Return the columns that a slot's chips have in common."""
        times = known.time.values[slots].astype("datetime64[us]")
        commits = np.array([self.counted.commits.get(slot, -1) for slot in range(len(ids))], "i4")
        one = np.zeros(len(slots), np.int64)
        return {
            "tile": _dictionary(np.array([self.cube.tile.id], object), one),
            "sensor": _dictionary(np.array([self.cube.sensor.id], object), one),
            "split": _dictionary(np.array([""], object), one),
            "platform": _dictionary(_texts(known.platform), slots),
            "item_id": _dictionary(_texts(known.item_id), slots),
            "time": pa.array(times, pa.timestamp("us", "UTC")),
            "date": pa.array(times.astype("datetime64[D]")),
            "slot": pa.array(slots, pa.int32()),
            "store_commit": pa.array(commits[slots], pa.int32()),
        }

    def _of_places(self, place: NDArray[np.int64]) -> dict[str, Any]:
        """Return the columns that all chips of a place have in common."""
        sides = [pa.array(side[place]) for side in self.outlines.bounds.T]
        classes = self.classes[place].T
        geometry = _dictionary(self.outlines.geometry, place, wkb)
        return {
            "geometry": geometry,
            "bbox": pa.StructArray.from_arrays(sides, fields=list(BBOX)),
            **{
                name: pa.array(part, pa.float32(), mask=np.isnan(part))
                for name, part in zip(CLASSES, classes, strict=True)
            },
        }

    def _of_chips(self, rows: Rows) -> dict[str, Any]:
        return {
            "chip_index_x": pa.array(rows["x"], pa.uint16()),
            "chip_index_y": pa.array(rows["y"], pa.uint16()),
            "chip_size": pa.array(np.full(len(rows), self.chips.size, np.int32)),
            "cloud_cover_percentage": pa.array(rows["cloud"], pa.float32()),
            "nodata_percentage": pa.array(rows["nodata"], pa.float32()),
            "band_valid": _lists(rows["bands"]),
        }


def arrange(
    cube: Cube,
    chips: ChipGrid,
    counted: Counted,
    cover: LandCover | None,
    executor: Executor,
) -> Content:
    """Return what the file of a cube is to hold: its chips in order, and what is at their places.

    Args:
        cube: whose chips they are.
        chips: where they lie.
        counted: what is in them.
        cover: the land cover of the tile.
        executor: threads.
    """
    grid, rows = layout.geobox(cube.sensor, cube.tile), counted.rows
    width = len(chips.columns)
    codes, place = np.unique(rows["y"].astype(np.int64) * width + rows["x"], return_inverse=True)
    y, x = np.divmod(codes, width)
    on = on_earth(cube.tile, grid, chips.size, y, x)
    times = counted.slots.known.time.values[rows["slot"]]
    order = np.lexsort((rows["slot"], times, hilbert.distance(x, y)[place]))
    order = order[on[place[order]]]
    among = np.cumsum(on) - 1
    classes = np.full((int(on.sum()), len(CLASSES)), np.nan, np.float32)
    if cover is not None and len(classes):
        classes = cover.fractions(grid, chips, executor)[y[on], x[on]]
    outlines = footprints(cube.tile, grid, chips.size, y[on], x[on])
    return Content(cube, chips, counted, rows[order], among[place[order]], outlines, classes)


def _texts(coordinate: xr.DataArray) -> NDArray[Any]:
    return np.array(coordinate.values.tolist(), object)


def _dictionary(
    values: NDArray[Any],
    codes: NDArray[Any],
    convert: Any = None,  # noqa: ANN401 - a function
) -> pa.DictionaryArray:
    """Return ``values[codes]``, each value once."""
    there, index = np.unique(codes, return_inverse=True)
    some = values[there]
    texts = pa.array(some, pa.string()) if convert is None else pa.array(convert(some), pa.binary())
    return pa.DictionaryArray.from_arrays(pa.array(index, pa.int32()), texts)


def _joined(ids: NDArray[Any], rows: Rows) -> pa.Array:
    """Return the names of chips."""
    starts = pa.array(ids, pa.string()).take(pa.array(rows["slot"]))
    ends = [pa.array(rows[axis]).cast(pa.string()) for axis in ("x", "y")]
    return pc.binary_join_element_wise(starts, *ends, "-")


def _lists(bands: NDArray[np.float32]) -> pa.Array:
    """Return the fractions of bands as lists; null where bands are not told apart."""
    count, width = bands.shape
    if not width:
        return pa.nulls(count, pa.list_(pa.float32()))
    offsets = np.arange(count + 1, dtype=np.int32) * width
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(bands.reshape(-1)))
