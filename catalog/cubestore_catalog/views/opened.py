"""A cube as it was last committed, opened once for all requests that look at it."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore import Store, layout, windows
from cubestore.cube import Cube
from cubestore.index.rows import shown
from cubestore.records import Root
from cubestore_catalog.errors import RequestError, UnknownRecordError

Kept = TypeVar("Kept")
Physical = NDArray[np.float32]

KEPT = 32
"""Cubes that stay open."""


class Cache(Generic[Kept]):
    """What was made last, up to a size.

    Args:
        most: how much is kept, in whatever unit ``size`` counts.
        size: of one thing; each counts for 1 where nothing is said.
    """

    def __init__(self, most: int, size: Callable[[Kept], int] = lambda _: 1) -> None:
        self._most, self._size, self._sum = most, size, 0
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """Return what is kept under a key, made now where nothing is."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._sum += self._size(made)
            while self._sum > self._most:
                self._sum -= self._size(self._kept.popitem(last=False)[1])
        return made


@dataclass(frozen=True)
class OpenedCube:
    """A cube at one commit."""

    cube: Cube
    root: Root

    @property
    def state(self) -> tuple[str, int, str]:
        """What tells it from the cube at any other commit."""
        return self.cube.path, self.root.number, self.root.digest

    @cached_property
    def grid(self) -> GeoBox:
        """Its pixels."""
        return layout.geobox(self.cube.sensor, self.cube.tile)

    @cached_property
    def pixels(self) -> "Pixels":
        """The pixel variable."""
        return self.variable(self.cube.sensor.pixels.name)

    @cached_property
    def slots(self) -> tuple[int, ...]:
        """The slots that no other supersedes, by time."""
        times = self.known.time.values
        return tuple(sorted(self._shown[0], key=lambda slot: times[slot]))

    @property
    def known(self) -> xr.Dataset:
        """The coordinates of every slot, in the order of arrival."""
        return self._shown[1]

    def variable(self, name: str) -> "Pixels":
        """Return a variable that has shards."""
        return Pixels(self.cube.path, name, self.root.arrays[name])

    def refuse_other_slot(self, slot: int) -> None:
        """Refuse a slot that the cube does not have.

        Raises:
            UnknownRecordError: it has not.
        """
        if not 0 <= slot < (count := self.pixels.array.shape[0]):
            raise UnknownRecordError(
                f"{self.cube.tile.id} {self.cube.sensor.id} has no slot {slot}",
                expected=f"one of {count}, counted from 0",
            )

    @cached_property
    def _shown(self) -> tuple[tuple[int, ...], xr.Dataset]:
        found = shown(self.cube, self.root)
        return found.index, found.known


class Pixels:
    """A variable on ``(time, [band,] y, x)``, as physical values."""

    def __init__(self, group: str, name: str, document: dict[str, Any]) -> None:
        self.group, self.document = group, document
        self.windows = windows.windows(group, name, document)
        self.array = self.windows.array

    def read(
        self, slot: int, corner: tuple[int, int], size: tuple[int, int], bands: Sequence[int] = (0,)
    ) -> NDArray[Any]:
        """Return a window as it is stored, ``(bands, y, x)``; nodata beyond the array."""
        out = np.empty((len(bands), *size), self.array.numpy_dtype)
        self.windows.read((slot,), corner, out, np.asarray(bands, np.int64))
        return out

    def physical(self, stored: NDArray[Any]) -> Physical:
        """Return stored numbers in the variable's units, NaN where there is no data."""
        attributes = self.array.attributes
        scale = np.float32(attributes.get("scale_factor", 1))
        values: Physical = stored.astype(np.float32) * scale
        values += np.float32(attributes.get("add_offset", 0))
        if stored.dtype.kind != "f":
            values[stored == stored.dtype.type(self.array.fill)] = np.nan
        return values


class OpenedCubes:
    """The cubes of a store, those that were looked at last.

    Args:
        store: on this machine's disk.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._kept: Cache[OpenedCube] = Cache(KEPT)

    def get(self, grid: str, tile: str, sensor: str) -> OpenedCube:
        """Return a cube as it is now.

        Raises:
            UnknownRecordError: there is no such cube.
        """
        cube = self.of(tile, sensor)
        if cube.cube.tile.grid != grid:
            raise UnknownRecordError(
                f"{tile} is no tile of {grid!r:.40}", expected=f"{cube.cube.tile.grid}"
            )
        return cube

    def of(self, tile: str, sensor: str) -> OpenedCube:
        """Return a cube as it is now.

        Raises:
            UnknownTileError: no such tile.
            UnknownSensorError: no such sensor.
            UnknownCubeError: the store has no such cube.
        """
        cube = self.store.cube(tile, sensor)
        root = cube.root()
        made = OpenedCube(cube, root)
        return self._kept.get(made.state, lambda: made)


def band_numbers(opened: OpenedCube, names: Sequence[str]) -> list[int]:
    """Return where bands of those names lie.

    Raises:
        RequestError: a name that is no band of the cube.
    """
    there = opened.known.band.values.tolist()
    if strange := [name for name in names if name not in there]:
        raise RequestError(
            f"{opened.cube.sensor.id} has no band {strange[0]!r:.40}", expected=", ".join(there)
        )
    return [there.index(name) for name in names]
