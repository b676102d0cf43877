"""A cube: one sensor on one tile, read by anyone, written by one at a time."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from cubestore import cloud, disk, layout, reader
from cubestore.commit import Change, Committer, locked
from cubestore.encoding import Array
from cubestore.errors import (
    CubeExistsError,
    FormatError,
    GridMismatchError,
    MismatchError,
    UnknownCubeError,
)
from cubestore.grids import Tile, tile
from cubestore.recorded import SlotCommits, history_afar
from cubestore.records import METADATA, Control, Record, Root
from cubestore.sensors import Layer, Sensor, sensor
from cubestore.slot import Instant, Slot, iso
from cubestore.staging import Staging
from cubestore.verify import Report, verify
from cubestore.visible import COMPUTED
from cubestore.writer import Writer

WAIT = 60.0
"""Seconds that a writer waits for another by default."""


@dataclass(frozen=True, slots=True)
class Cube:
    """One sensor on one tile: a Zarr v3 group, and beside it what its writers need."""

    store: str
    """Path or address of the store."""

    tile: Tile
    sensor: Sensor
    _commits: SlotCommits = field(
        default_factory=SlotCommits, init=False, repr=False, compare=False
    )

    @property
    def path(self) -> str:
        """Path or address of the group; ``xarray.open_zarr`` opens it."""
        return "/".join([self.store.rstrip("/"), self.tile.grid, self.tile.id, self.sensor.id])

    @property
    def control(self) -> Control:
        """Where the cube's lock and commit records lie.

        Raises:
            NotWritableError: the store is not on a file system.
        """
        group = disk.path_of(self.path)
        return Control(group, group.parent / layout.CONTROL / group.name)

    def root(self) -> Root:
        """Return the committed state.

        Raises:
            UnknownCubeError: nothing was committed here.
            FormatError: the cube is of another format.
        """
        try:
            data = reader.read(f"{self.path}/{METADATA}")
        except FileNotFoundError:
            raise UnknownCubeError(
                f"{self.store} has no cube {self.tile.id} {self.sensor.id}",
                expected="one that `cubestore info` lists",
                remedy="create it, or build it",
            ) from None
        root = Root.parse(data, f"{self.path}/{METADATA}")
        _refuse_other_format(root, self.path)
        return root

    def records(self, root: Root | None = None) -> Iterator[Record]:
        """Yield the commit records, the newest first, wherever the store lies.

        Args:
            root: a committed state, whose record is the first; None: the newest.

        Raises:
            DamagedError: a commit record is not the one that was committed.
            FileNotFoundError: a copy of the store on another machine lacks its records.
        """
        newest = self.root() if root is None else root
        if "://" not in self.path:
            return self.control.history(newest)
        folder, name = self.path.rsplit("/", 1)
        return history_afar(f"{folder}/{layout.CONTROL}/{name}/commits", newest)

    def slot_commits(self) -> dict[int, int]:
        """Return for each slot the newest commit that wrote pixels of it.

        What is computed from a slot (an index, embeddings) names it, and is out of date when a
        later commit has added pixels. Asked again, only newer records are read.

        Raises:
            NotWritableError: the store is not on a file system: records lie beside the cube.
            DamagedError: a commit record is not the one that was committed.
        """
        root = self.root()
        return self._commits.at(root, self.records(root))

    # Reading.

    def open(
        self,
        *,
        chunks: Mapping[str, int] | None = None,
        mask_and_scale: bool = True,
        superseded: bool = False,
    ) -> xr.Dataset:
        """Open the cube as it was last committed, sorted by time; nothing is read but coordinates.

        Args:
            chunks: dask chunks along each dim, whole shards where nothing is said; None: lazy
                without dask, which is quicker where slots are many.
            mask_and_scale: physical values with NaN, float32; False: as stored.
            superseded: keep slots that another one replaced.

        Returns:
            Dims ``(time, band, y, x)``; y from the north.

        Raises:
            UnknownCubeError: there is no such cube.
            FormatError: the cube is of another format.
        """
        dataset = reader.dataset(self.path, self.root(), mask_and_scale=mask_and_scale)
        order = _order(dataset, superseded=superseded)
        if not np.array_equal(order, np.arange(dataset.sizes["time"])):
            dataset = dataset.isel(time=order)
        return dataset if chunks is None else reader.chunked(dataset, chunks)

    # Writing.

    def create(
        self,
        *,
        bands: Sequence[str] | None = None,
        layers: Sequence[str] = (),
        lossless: bool = False,
        created: Instant | None = None,
        wait: float = WAIT,
    ) -> None:
        """Commit the cube without slots. See :meth:`cubestore.Store.create_cube`."""
        made = layout.template(
            self.sensor, self.tile, bands=bands, layers=layers, lossless=lossless
        )
        with locked(self.control, wait) as committer:
            if committer.root is not None:
                raise CubeExistsError(
                    f"{self.path} is there already",
                    expected="a tile without a cube of this sensor",
                    remedy="open it, or append to it",
                )
            staging = Staging(committer.staging, made.arrays)
            origin = {name: (0,) * values.ndim for name, values in made.values.items()}
            blocks = [staging.write(n, origin[n], values) for n, values in made.values.items()]
            committer.commit(
                Change(
                    operation="create",
                    arrays={name: array.document() for name, array in made.arrays.items()},
                    attributes=made.attributes,
                    staged=[block for block in blocks if block],
                    created=iso(created),
                )
            )

    @contextlib.contextmanager
    def write(self, *, wait: float = WAIT) -> Iterator[Writer]:
        """Hold the cube's lock, to append and fill.

        Args:
            wait: seconds to wait for another writer.

        Raises:
            LockedError: another writer still held it after ``wait``.
            ForeignWriteError: something other than the store has written to the cube.
            NotWritableError: the disk is read-only or full.
        """
        self.root()
        with locked(self.control, wait) as committer:
            _refuse_uncommitted(committer, self.path)
            yield Writer(committer, self.sensor)

    def append(
        self,
        slot: Slot,
        pixels: Mapping[str, np.ndarray[Any, Any]],
        *,
        origin: tuple[int, int] = (0, 0),
        wait: float = WAIT,
    ) -> int:
        """Append one acquisition that is in memory. Larger ones go through :meth:`write`.

        Args:
            slot: what is known of it; its shards and fractions are found here.
            pixels: every variable of the cube, ``(band, y, x)`` or ``(y, x)``, as stored.
            origin: row and column of their first pixel, on shard edges.
            wait: seconds to wait for another writer.

        Returns:
            The index of the slot.

        Raises:
            MismatchError: variables, bands or dtypes that are not the cube's.
            GridMismatchError: pixels that do not begin and end on shard edges.
        """
        pixels = {name: np.asarray(values) for name, values in pixels.items()}
        with self.write(wait=wait) as writer:
            computed = writer.root.attributes.get(COMPUTED, {})
            index, arrays = writer.slots, _pixel_arrays(writer.arrays, without=computed)
            _refuse_other_variables(pixels, arrays)
            shards = _shards(pixels, arrays, origin)
            staged = [
                writer.staging.write(name, (index, *_lead(array), *shard), block)
                for name, array in arrays.items()
                for shard, block in _cut(pixels[name], shards, origin)
            ]
            described = replace(
                slot,
                shards=tuple(shards),
                valid_fraction=_valid(pixels[self.sensor.pixels.name], self.sensor.pixels),
                clear_fraction=_clear(pixels),
            )
            writer.append([described], staged)
        return index

    def recover(self, *, wait: float = WAIT) -> None:
        """Undo now what a dead writer left behind; the next write would do it too."""
        with locked(self.control, wait):
            pass

    def verify(self) -> Report:
        """Compare every byte with the commit records. See :func:`cubestore.verify.verify`."""
        return verify(self.control, self.sensor, self.tile)

    def info(self) -> dict[str, Any]:
        """Return what the cube holds, for people and as JSON."""
        root = self.root()
        known = reader.coordinates(self.path, root)
        newest = self.control.record(root.number, root.digest) if "://" not in self.path else None
        times = known["time"]
        return {
            "tile": self.tile.id,
            "sensor": self.sensor.id,
            "path": self.path,
            "crs": str(self.tile.crs) if self.tile.crs.epsg else "MODIS sinusoidal",
            "bands": [str(name) for name in known["band"]],
            "slots": times.size,
            "superseded": int(np.count_nonzero(known["supersedes"] != "")),
            "first": str(times.min().astype("M8[s]")) if times.size else "",
            "last": str(times.max().astype("M8[s]")) if times.size else "",
            "valid_fraction": _mean(known["valid_fraction"]),
            "clear_fraction": _mean(known["clear_fraction"]),
            "computed": {
                name: sum(end - first for first, end, _ in runs)
                for name, runs in root.attributes.get(COMPUTED, {}).items()
            },
            "files": newest.total_keys if newest else None,
            "bytes": newest.total_bytes if newest else None,
            "commit": root.number,
            "committed": newest.created if newest else None,
        }


def cube_at(store: str, tile_id: str, sensor_id: str) -> Cube:
    """Return the cube of a tile and a sensor, whether it is there or not.

    Raises:
        UnknownTileError: no such tile.
        UnknownSensorError: no such sensor.
    """
    return Cube(store, tile(tile_id), sensor(sensor_id))


def _refuse_other_format(root: Root, path: str) -> None:
    found = root.attributes.get("cubestore:format")
    if found != layout.FORMAT:
        raise FormatError(
            f"{path} is of format {found}",
            expected=f"format {layout.FORMAT}",
            remedy="read it with a version of cubestore that knows it; plain xarray may too",
        )


def _refuse_uncommitted(committer: Committer, path: str) -> None:
    if committer.root is None:
        raise UnknownCubeError(f"{path} has gone", expected="a cube", remedy="create it again")


def _order(dataset: xr.Dataset, *, superseded: bool) -> np.ndarray[Any, Any]:
    order: np.ndarray[Any, Any] = np.argsort(dataset.time.values, kind="stable")
    replaced = set() if superseded else set(dataset.supersedes.values.tolist()) - {""}
    if not replaced:
        return order
    items = dataset.item_id.values.tolist()
    return np.array([k for k in order.tolist() if items[k] not in replaced], order.dtype)


def _pixel_arrays(arrays: Mapping[str, Array], *, without: Iterable[str]) -> dict[str, Array]:
    return {name: array for name, array in arrays.items() if array.shards and name not in without}


def _lead(array: Array) -> tuple[int, ...]:
    """The index of the only block along band, where the array has bands."""
    return (0,) if "band" in array.dims else ()


def _refuse_other_variables(
    pixels: Mapping[str, np.ndarray[Any, Any]], arrays: Mapping[str, Array]
) -> None:
    if pixels.keys() != arrays.keys():
        raise MismatchError(
            f"Pixels of {', '.join(pixels) or 'nothing'}",
            expected=f"{', '.join(arrays)}: every variable of the cube",
            remedy="give arrays of nodata for what the scene lacks",
        )
    for name, array in arrays.items():
        shape, dims, dtype = pixels[name].shape, array.dims[1:], pixels[name].dtype
        if len(shape) != len(dims) or shape[:-2] != array.shape[1:-2] or dtype != array.numpy_dtype:
            raise MismatchError(
                f"{name}: {dtype} of shape {shape}",
                expected=f"{array.numpy_dtype} on {dims}, {array.shape[1:-2] or 'no'} bands",
                remedy="see `cubestore info` for the cube's bands",
            )


def _shards(
    pixels: Mapping[str, np.ndarray[Any, Any]],
    arrays: Mapping[str, Array],
    origin: tuple[int, int],
) -> list[tuple[int, int]]:
    """Return the (row, column) of the shards that the pixels cover, whole."""
    shapes = {values.shape[-2:] for values in pixels.values()}
    size = next(iter(arrays.values())).shape[-2:]
    if not (
        len(shapes) == 1 and len(origin) == len(size) and all(map(_on_edges, origin, *shapes, size))
    ):
        raise GridMismatchError(
            f"Pixels of shape {sorted(shapes)} at {origin}",
            expected=f"one shape, from and to multiples of {layout.SHARD} or the edge {size}",
            remedy="widen the area to whole shards",
        )
    rows, columns = (
        range(start // layout.SHARD, -(-(start + length) // layout.SHARD))
        for start, length in zip(origin, *shapes, strict=True)
    )
    return list(product(rows, columns))


def _on_edges(start: int, length: int, size: int) -> bool:
    """Whether pixels begin and end where shards do, or with the cube."""
    end = start + length
    return (
        start >= 0 == start % layout.SHARD
        and start < end <= size
        and (end == size or end % layout.SHARD == 0)
    )


def _cut(
    values: np.ndarray[Any, Any], shards: Sequence[tuple[int, int]], origin: tuple[int, int]
) -> Iterator[tuple[tuple[int, int], np.ndarray[Any, Any]]]:
    for row, column in shards:
        y, x = row * layout.SHARD - origin[0], column * layout.SHARD - origin[1]
        block = values[..., y : y + layout.SHARD, x : x + layout.SHARD]
        yield (row, column), block[None]


def _valid(values: np.ndarray[Any, Any], layer: Layer) -> float:
    """The part of the pixels that have data in any band."""
    valid = ~np.isnan(values) if layer.dtype.kind == "f" else values != layer.nodata
    return float(valid.any(axis=0).mean())


def _clear(pixels: Mapping[str, np.ndarray[Any, Any]]) -> float:
    """The clear part of the pixels whose class is known; NaN where none is."""
    classes = pixels.get(cloud.CLOUD_CLASS.name, np.empty(0))
    known = np.count_nonzero(classes != cloud.CLOUD_CLASS.nodata)
    return np.count_nonzero(classes == cloud.CLEAR) / known if known else np.nan


def _mean(values: np.ndarray[Any, Any]) -> float | None:
    known = values[~np.isnan(values)]
    return round(float(known.mean()), 4) if known.size else None
