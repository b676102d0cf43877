"""What covers the land in each chip: the areas of WorldCover's classes, whatever the pixel size.

A class of 10 m lies in a chip of 1 m pixels or of Landsat's in part, and counts by that part.
Fractions are of the whole chip; where no land cover is known they do not add up to 1. A chip of
which nothing is known has none.
"""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore import layout, reader
from cubestore.chips import ChipGrid
from cubestore.committed import Shard, State, chunks, committed
from cubestore.cube import Cube
from cubestore.encoding import Array
from cubestore.sensors.worldcover import ESA_WORLDCOVER

CLASSES: Mapping[str, int] = MappingProxyType(
    {
        "class_tree": 10,
        "class_shrub": 20,
        "class_grass": 30,
        "class_crop": 40,
        "class_built": 50,
        "class_bare": 60,
        "class_snow": 70,
        "class_water": 80,
        "class_wetland": 90,
        "class_mangrove": 95,
        "class_moss": 100,
    }
)
"""Column -> WorldCover's code."""


@dataclass(frozen=True, slots=True)
class LandCover:
    """The newest land cover of a tile."""

    state: State
    group: Path
    array: Array
    grid: GeoBox
    slot: int
    shards: tuple[Shard, ...]

    def fractions(self, grid: GeoBox, chips: ChipGrid, executor: Executor) -> NDArray[np.float32]:
        """Return the fractions of each class in each chip, (row, column, class); NaN: unknown."""
        shape = len(chips.rows), len(chips.columns)
        total = np.zeros((*shape, len(CLASSES)))
        task = partial(self._areas, grid, chips)
        for row, column, part in executor.map(task, self.shards):
            height, width, _ = part.shape
            total[row : row + height, column : column + width] += part
        known = total.any(axis=-1, keepdims=True)
        pixels = (chips.size * grid.affine.a / self.grid.affine.a) ** 2
        return np.where(known, total / pixels, np.nan).astype(np.float32)

    def _areas(
        self, grid: GeoBox, chips: ChipGrid, shard: Shard
    ) -> tuple[int, int, NDArray[np.float64]]:
        """Return the first chip that a shard meets, and the areas in those that it meets."""
        from cubestore.index import tally  # noqa: PLC0415 - numba takes a second to load

        axes = [
            _Axis(_overlaps(self._span(shard, axis), *self._scale(grid, chips, axis)))
            for axis in (0, 1)
        ]
        out = np.zeros((*(axis.chips for axis in axes), len(CLASSES)))
        for y, x, values in chunks(self.group, self.array, self.slot, shard):
            rows, columns = axes[0].part(y), axes[1].part(x)
            tally.areas(values[0], _table(), rows, columns, out)
        return axes[0].first, axes[1].first, out

    def _span(self, shard: Shard, axis: int) -> range:
        """Return the pixels that a shard covers along an axis."""
        side, length = self.array.block[axis - 2], self.array.shape[axis - 2]
        return range(shard[axis] * side, min(length, (shard[axis] + 1) * side))

    def _scale(self, grid: GeoBox, chips: ChipGrid, axis: int) -> tuple[float, float, int]:
        """Return the first chip's edge and a chip's side, in pixels of the land cover."""
        own, other = self.grid.affine, grid.affine
        edges = ((own.f - other.f) / own.a, (other.c - own.c) / own.a)
        counts = len(chips.rows), len(chips.columns)
        return edges[axis], chips.size * other.a / own.a, counts[axis]


def land_cover(cube: Cube) -> LandCover | None:
    """Return the newest land cover of a cube; None where it has no slot."""
    root = cube.root()
    slots = reader.dataset(cube.path, root, mask_and_scale=False)
    shown = np.flatnonzero(~np.isin(slots.item_id.values, slots.supersedes.values))
    if not len(shown):
        return None
    slot = int(shown[np.argmax(slots.time.values[shown])])
    told = committed(cube, root)
    name = ESA_WORLDCOVER.pixels.name
    return LandCover(
        state=told.state,
        group=Path(cube.path),
        array=Array.from_document(name, root.arrays[name]),
        grid=layout.geobox(cube.sensor, cube.tile),
        slot=slot,
        shards=tuple(sorted(told.shards.get(slot, {}).get(name, ()))),
    )


def _overlaps(pixels: range, edge: float, side: float, count: int) -> NDArray[np.float64]:
    """Return (pixel, chip, part of the pixel that lies in the chip) wherever one does."""
    start = np.arange(pixels.start, pixels.stop, dtype=float)
    first = np.floor((start - edge) / side)
    found = []
    for step in range(int(np.ceil(1 / side)) + 1):
        chip = first + step
        left = np.maximum(start, edge + chip * side)
        right = np.minimum(start + 1, edge + (chip + 1) * side)
        meets = (right > left) & (chip >= 0) & (chip < count)
        found.append(np.stack([start, chip, right - left], axis=-1)[meets])
    return np.concatenate(found)


class _Axis:
    """The chips that a shard meets along an axis."""

    def __init__(self, overlaps: NDArray[np.float64]) -> None:
        chips = overlaps[:, 1]
        self.first = int(chips.min()) if len(chips) else 0
        self.chips = int(chips.max()) + 1 - self.first if len(chips) else 0
        self._overlaps, self._parts = overlaps, dict[int, NDArray[np.float64]]()

    def part(self, start: int) -> NDArray[np.float64]:
        """Return a chunk's overlaps, counted from its first pixel and from the first chip."""
        if start not in self._parts:
            pixels = self._overlaps[:, 0]
            inside = self._overlaps[(pixels >= start) & (pixels < start + layout.CHUNK)]
            self._parts[start] = np.ascontiguousarray(inside - (start, self.first, 0))
        return self._parts[start]


@cache
def _table() -> NDArray[np.uint8]:
    """Return the place of each code among the classes; behind the last where it is none."""
    table = np.full(256, len(CLASSES), np.uint8)
    table[list(CLASSES.values())] = np.arange(len(CLASSES))
    table.flags.writeable = False
    return table
