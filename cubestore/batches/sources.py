"""What chips are taken from: a cube or a patch set, held at one commit.

A source knows of each slot its time and platform, of each chip its place, and reads windows of its
variables. A patch set is a source too: a slot of it is one acquisition of one patch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np
import pyproj
import xarray as xr
from numpy.typing import NDArray

from cubestore import layout, reader
from cubestore.batches.selection import Chips, Ints
from cubestore.chips import ChipGrid, chip_id
from cubestore.cube import Cube
from cubestore.errors import MismatchError
from cubestore.patches.reading import PatchSet
from cubestore.recorded import keys_of
from cubestore.records import Root
from cubestore.shards import Verify
from cubestore.windows import Windows, windows

Places = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """What is known of each slot of a source, by index."""

    time: NDArray[np.datetime64]
    platform: Sequence[str]
    item_id: Sequence[str]
    live: NDArray[np.bool_]
    """False where another slot has superseded it."""


class Source(Protocol):
    """Chips of one sensor on one grid of pixels."""

    name: str
    """The tile's id, or the patch set's name."""

    sensor: str
    variable: str
    """The pixels'."""

    root: Root
    bands: tuple[str, ...]
    picked: Ints
    """The bands, by index."""

    wavelengths: NDArray[np.float32]
    """Centre of each band, micrometres."""

    gsd: float
    slots: Slots
    shape: tuple[int, int]
    shard: tuple[int, int]
    """Rows and columns of pixels in a file."""

    def windows(self, variable: str) -> Windows:
        """Return the windows of a variable on the pixels' grid."""

    def lead(self, slot: int) -> tuple[int, ...]:
        """Return a slot's index along the leading dims."""

    def stored(self) -> Chips:
        """Return the shards that are stored; ``y`` and ``x`` count shards, ``source`` is 0."""

    def lonlat(self, slot: Ints, y: NDArray[Any], x: NDArray[Any]) -> Places:
        """Return longitude and latitude, degrees, of places in pixels from the corner."""

    def chip_id(self, slot: int, grid: ChipGrid, y: int, x: int) -> str:
        """Return the name of the chip whose first pixel is at ``y``, ``x``."""


class CubeSource:
    """The chips of one cube."""

    def __init__(
        self, cube: Cube, *, bands: Sequence[str] | None = None, verify: Verify = "first"
    ) -> None:
        """Read the cube's metadata and coordinates, and no pixel.

        Raises:
            UnknownCubeError: there is no such cube.
            MismatchError: bands that it does not hold.
        """
        self.cube, self.verify = cube, verify
        self.root: Root = cube.root()
        known = reader.dataset(cube.path, self.root, mask_and_scale=False)
        self.name, self.sensor, self.variable = (
            cube.tile.id,
            cube.sensor.id,
            cube.sensor.pixels.name,
        )
        held = [str(band) for band in known.band.values]
        self.bands = tuple(held if bands is None else bands)
        self.picked = _picked(held, self.bands, cube.path)
        self.wavelengths = known.center_wavelength.values[self.picked].astype(np.float32)
        self.gsd = float(cube.sensor.gsd)
        self.slots = _slots(known, "time")
        self.geobox = layout.geobox(cube.sensor, cube.tile)
        self.shape: tuple[int, int] = (self.geobox.shape.y, self.geobox.shape.x)
        self.shard = (layout.SHARD, layout.SHARD)
        self._windows: dict[str, Windows] = {}

    def windows(self, variable: str) -> Windows:
        """Return the windows of a variable on the pixels' grid.

        Raises:
            MismatchError: the cube has no such variable on its pixels.
        """
        if variable not in self._windows:
            document = self.root.arrays.get(variable)
            if document is None or document["dimension_names"][-2:] != ["y", "x"]:
                raise MismatchError(
                    f"{self.cube.path} has no {variable} on y and x",
                    expected=f"one of {', '.join(_maps(self.root))}",
                    remedy="see `cubestore info`",
                )
            self._windows[variable] = windows(
                self.cube.path, variable, document, verify=self.verify, committed=self._was_stored
            )
        return self._windows[variable]

    def lead(self, slot: int) -> tuple[int, ...]:
        """Return a slot's index along the leading dims."""
        return (int(slot),)

    def stored(self) -> Chips:
        """Return the shards of the pixels that are stored, of slots that are not superseded."""
        if self._stored_keys is None:  # any may be there
            found = list(np.ndindex(len(self.slots.live), *self._shards))
        else:
            mine = (key.split("/") for key in self._stored_keys)
            found = [
                (int(index[0]), int(index[-2]), int(index[-1]))
                for name, _, *index in mine
                if name == self.variable
            ]
        slot, row, column = np.array(sorted(found), np.int64).reshape(-1, 3).T
        live = self.slots.live[slot]
        return Chips(np.zeros_like(slot), slot, row, column).some(live)

    def lonlat(self, slot: Ints, y: NDArray[Any], x: NDArray[Any]) -> Places:  # noqa: ARG002 - a patch set's differ
        """Return longitude and latitude, degrees, of places in pixels from the corner."""
        a, _, c, _, e, f = self.geobox.affine[:6]
        across, up = c + a * np.asarray(x, float), f + e * np.asarray(y, float)
        return np.stack(_lonlat(self.cube.tile.crs.proj).transform(across, up), axis=-1)

    def chip_id(self, slot: int, grid: ChipGrid, y: int, x: int) -> str:
        """Return the name of the chip whose first pixel is at ``y``, ``x``."""
        return chip_id(
            tile=self.name,
            sensor=self.cube.sensor,
            platform=self.slots.platform[slot],
            time=self.slots.time[slot],
            slot=slot,
            size=grid.size,
            x=int(np.searchsorted(grid.columns, x)),
            y=int(np.searchsorted(grid.rows, y)),
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave open files to the process that opened them."""
        return {**self.__dict__, "_windows": {}}

    @property
    def _shards(self) -> tuple[int, int]:
        """Rows and columns of shards."""
        return -(-self.shape[0] // self.shard[0]), -(-self.shape[1] // self.shard[1])

    @cached_property
    def _stored_keys(self) -> frozenset[str] | None:
        return keys_of(self.cube.records(self.root))

    def _was_stored(self, key: str) -> bool:
        return key in (self._stored_keys or ())


class PatchSource:
    """The chips of one sensor of a patch set."""

    def __init__(
        self,
        patches: PatchSet,
        variable: str,
        *,
        bands: Sequence[str] | None = None,
        verify: Verify = "first",
    ) -> None:
        """Read the set's metadata and coordinates, and no pixel.

        Args:
            patches: the set.
            variable: of the pixels; its bands, times and sensor are taken.
            bands: names; None: all.
            verify: when chunks are compared with their checksums.
        """
        self.patches, self.verify, self.variable = patches, verify, variable
        self.root: Root = patches.root()
        known = patches.open(mask_and_scale=False)
        banded = {n: d for n in known.data_vars for d in known[n].dims if str(d)[:4] == "band"}
        if variable not in banded:
            raise MismatchError(
                f"{patches.path} has no pixels {variable}",
                expected=f"one of {', '.join(map(str, banded))}",
                remedy="name the variable as the sensor",
            )
        array, band = known[variable], str(banded[variable])
        suffix = band.removeprefix("band")
        held = [str(name) for name in known[band].values]
        self.name, self.sensor = patches.name, str(array.attrs.get("sensor", variable))
        self.bands = tuple(held if bands is None else bands)
        self.picked = _picked(held, self.bands, patches.path)
        self.wavelengths = known[f"center_wavelength{suffix}"].values[self.picked].astype("f4")
        self._seasons = next((n for d, n in array.sizes.items() if str(d)[:6] == "season"), 0)
        self.slots = _slots(known, f"time{suffix}", suffix, self._acquisitions(known))
        self.shape: tuple[int, int] = (array.shape[-2], array.shape[-1])
        self.shard = self.shape
        self._known = known.drop_vars(list(known.data_vars))
        across = known.sizes[_first_axis(known)] / self.shape[1]
        grids = np.asarray(known["transform"].values, float) * [
            across,
            across,
            1,
            across,
            across,
            1,
        ]
        self._grids = grids
        finest = float(np.nanmin(known[f"gsd{suffix}"].values))
        metres = not (np.isnan(grids[:, 0]).any() or _in_degrees(known["crs"].values))
        self.gsd = float(grids[0, 0]) if metres else finest
        self._windows: dict[str, Windows] = {}

    def windows(self, variable: str) -> Windows:
        """Return the windows of a variable on the pixels' grid.

        Raises:
            MismatchError: the set has no such variable on that grid.
        """
        if variable not in self._windows:
            axes = self.root.arrays[self.variable]["dimension_names"][-2:]
            document = self.root.arrays.get(variable)
            if document is None or document["dimension_names"][-2:] != axes:
                raise MismatchError(
                    f"{self.patches.path} has no {variable} on the grid of {self.variable}",
                    expected=f"one of {', '.join(_maps(self.root, axes))}",
                    remedy="see `PatchSet.info`",
                )
            self._windows[variable] = windows(
                self.patches.path,
                variable,
                document,
                verify=self.verify,
                committed=self._was_stored,
            )
        return self._windows[variable]

    def lead(self, slot: int) -> tuple[int, ...]:
        """Return a slot's index along the leading dims: the patch, and its acquisition."""
        return divmod(int(slot), self._seasons) if self._seasons else (int(slot),)

    def stored(self) -> Chips:
        """Return every acquisition of every patch."""
        slots = np.flatnonzero(self.slots.live)
        nothing = np.zeros_like(slots)
        return Chips(nothing, slots, nothing, nothing)

    def lonlat(self, slot: Ints, y: NDArray[Any], x: NDArray[Any]) -> Places:
        """Return longitude and latitude, degrees; of a patch without a grid those of its middle."""
        patch = self.patch(np.asarray(slot))
        a, b, c, d, e, f = self._grids[patch].T
        across, up = a * x + b * y + c, d * x + e * y + f
        crs = np.asarray(self._known.crs.values[patch], object)
        middle = (self._known.longitude.values[patch], self._known.latitude.values[patch])
        places = np.stack(middle, axis=-1).astype(float)
        for name in sorted({str(one) for one in crs} - {""}):
            mine = (crs == name) & ~np.isnan(across)
            found = _lonlat(pyproj.CRS(name)).transform(across[mine], up[mine])
            places[mine] = np.stack(found, axis=-1)
        return places

    def chip_id(self, slot: int, grid: ChipGrid, y: int, x: int) -> str:
        """Return the patch's id, with its acquisition and window where it has several."""
        patch, *season = self.lead(slot)
        name = str(self._known.patch_id.values[patch])
        window = [] if (grid.size, grid.size) >= self.shape else [x, y]
        return "-".join(map(str, [name, *season, *window]))

    def patch(self, slot: Ints) -> Ints:
        """Return the patch of each slot."""
        return slot // max(1, self._seasons)

    def files(self, slot: Ints) -> Ints:
        """Return a number for the file that each slot's pixels lie in."""
        of_file: int = self.windows(self.variable).array.block[0]
        return self.patch(slot) // of_file

    def split(self) -> NDArray[np.str_]:
        """Return the split of each slot, as published."""
        splits = np.array([str(split) for split in self._known.split.values], np.str_)
        return np.repeat(splits, max(1, self._seasons))

    def __getstate__(self) -> dict[str, Any]:
        """Leave open files to the process that opened them."""
        return {**self.__dict__, "_windows": {}}

    @cached_property
    def _stored_keys(self) -> frozenset[str] | None:
        return keys_of(self.patches.records(self.root))

    def _was_stored(self, key: str) -> bool:
        return key in (self._stored_keys or ())

    def _acquisitions(self, known: xr.Dataset) -> int:
        return known.sizes["patch"] * max(1, self._seasons)


def _in_degrees(crs: NDArray[Any]) -> bool:
    """Whether any patch lies on degrees, whose pixels tell no metres."""
    return any(pyproj.CRS(name).is_geographic for name in set(map(str, crs)) - {""})


def _slots(known: xr.Dataset, time: str, suffix: str = "", count: int | None = None) -> Slots:
    """Return what the coordinates tell of each slot; patches may tell little."""
    total = known.sizes["time"] if count is None else count

    def column(name: str) -> NDArray[Any]:
        values = known[name].values if name in known.coords else np.full(total, "")
        each = total // max(1, values.size)
        return np.repeat(values.reshape(-1), each) if values.size < total else values.reshape(-1)

    times = column(time) if time in known.coords else np.full(total, "NaT", "M8[us]")
    items = [str(one) for one in column(f"item_id{suffix}")]
    replaced = {str(one) for one in column("supersedes")} - {""}
    return Slots(
        time=times.astype("M8[us]"),
        platform=[str(one) for one in column(f"platform{suffix}")],
        item_id=items,
        live=np.array([item not in replaced for item in items], bool),
    )


def _picked(held: Sequence[str], wanted: Sequence[str], path: str) -> Ints:
    """Return which bands are wanted, by index."""
    if not wanted or not set(wanted) <= set(held):
        raise MismatchError(
            f"Bands {list(wanted)} of {path}",
            expected=f"some of {list(held)}",
            remedy="leave `bands` out for all that it holds",
        )
    return np.array([held.index(name) for name in wanted], np.int64)


def _maps(root: Root, axes: Sequence[str] = ("y", "x")) -> list[str]:
    """Return the variables on those axes."""
    return [n for n, d in root.arrays.items() if d["dimension_names"][-2:] == [*axes]]


def _first_axis(known: xr.Dataset) -> str:
    """Return the axis that transforms are given for: that of the first sensor's grid."""
    return "x" if "x" in known.sizes else next(str(d) for d in known.sizes if str(d)[:1] == "x")


@lru_cache(maxsize=64)
def _lonlat(crs: pyproj.CRS) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
