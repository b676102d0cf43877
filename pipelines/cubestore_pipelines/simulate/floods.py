"""C2S-MS floods as it is published, cut from the simulated ground: so the water is known.

A chip's folder has a file a band and the water, as far as the sensor could see it. The products
that a chip is cut from are those of the simulated archive, or of none, as its event says.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore import cloud
from cubestore_pipelines.simulate import granules, ground, rasters
from cubestore_pipelines.simulate.granules import CUBE_NODATA, NODATA, Granule
from cubestore_pipelines.simulate.maps import DemTile, dem_tiles
from cubestore_pipelines.simulate.plane import part
from cubestore_pipelines.simulate.plans import CROSSING, tiny_plan
from cubestore_pipelines.simulate.plans import everything_plan as everything
from cubestore_pipelines.simulate.rasters import Patch, Square
from cubestore_pipelines.simulate.sentinel1 import POLARISATIONS, Frame

SIDE = 512
"""Pixels of 10 m along a chip's side."""

GROUND = 5_640
"""Metres of ground that an archive needs to show for the chips of `events`."""

UNLABELLED = 255
"""Of a label, where nobody could tell."""

WATER_FILE = "LabelWater.tif"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A flood that both sensors saw, and the chips that were cut from what they saw."""

    granule: Granule
    frame: Frame
    corners: tuple[tuple[int, int], ...]
    """Rows and columns of the granule's 10 m pixels where chips begin."""

    @property
    def name(self) -> str:
        """The event's folder."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.granule.product + self.frame.product))

    def grid(self, corner: tuple[int, int]) -> GeoBox:
        """Return the pixels of a chip."""
        row, column = corner
        return part(self.granule.grid(10), (slice(row, row + SIDE), slice(column, column + SIDE)))

    def folders(self, chips: Path, corner: tuple[int, int]) -> tuple[Path, Path]:
        """Return the folders of a chip's two sensors, Sentinel-2 first."""
        position = position_of(corner)
        optical = self.granule.product.replace("MSIL2A", "MSIL1C")
        event = chips / self.name
        return (
            event / "s2" / f"{optical}_{position}",
            event / "s1" / f"{self.frame.product}_{position}",
        )


def position_of(corner: tuple[int, int]) -> str:
    """Return what a chip's folders end with."""
    return f"{corner[0]:05}-{corner[1]:05}"


def plan(side: int = GROUND) -> tuple[Granule | Frame | DemTile, ...]:
    """Return the scenes of a simulated archive that shows the ground of `events`.

    Among them are a scene in two processings, one of the neighbouring tile on the same day, radar
    that covers the ground, in one frame and in two, and radar that does not.
    """
    frames = (one for one in everything(side) if isinstance(one, Frame))
    return (*tiny_plan(side, CROSSING)[:4], *frames, *dem_tiles(Square(*CROSSING, side)))


def events(side: int = GROUND) -> tuple[Event, ...]:
    """Return four floods: three of an archive's scenes, and one that no archive has.

    Two are of one granule, and of the two frames that show its ground between them.
    """
    summer, _, july, *_ = tiny_plan(side, CROSSING)
    north, south, *_, whole = (one for one in plan(side) if isinstance(one, Frame))
    row, column = (edge // 10 for edge in (summer.swath.top, summer.swath.left))
    lost = replace(summer, time=summer.time - timedelta(days=370), generated=summer.time)
    return (
        Event(
            granule=summer, frame=whole, corners=((row + 8, column + 8), (row + 44, column + 21))
        ),
        Event(granule=july, frame=north, corners=((row + 26, column + 26),)),
        Event(granule=july, frame=south, corners=((row + 26, column + 26),)),
        Event(granule=lost, frame=whole, corners=((row + 26, column + 26),)),
    )


def write_chips(directory: Path, some: Iterable[Event]) -> Path:
    """Write the chips of some floods.

    Args:
        directory: where ``c2smsfloods/chips`` is made.
        some: the floods.

    Returns:
        The folder of the events.
    """
    chips = directory / "c2smsfloods" / "chips"
    for event in some:
        for corner in event.corners:
            _write_chip(event, corner, event.folders(chips, corner))
    return chips


def optical(event: Event, grid: GeoBox) -> NDArray[np.uint16]:
    """Return Level-1C's digital numbers ``(band, y, x)``, with the offset of their baseline."""
    seen = granules.truth(event.granule, grid, ground.BANDS)["reflectance"].astype("int32")
    numbers = np.maximum(seen + event.granule.offset, 1)
    return np.where(seen == CUBE_NODATA, NODATA, numbers).astype("uint16")


def radar(event: Event, grid: GeoBox) -> NDArray[np.float32]:
    """Return vv and vh in decibels ``(band, y, x)``, NaN where there is none."""
    power = event.frame.truth(grid)["backscatter"]
    return np.asarray(10 * np.log10(power), "float32")


def water(event: Event, grid: GeoBox) -> Mapping[str, NDArray[np.uint8]]:
    """Return where there is water, as each sensor could see it: 1, 0, or 255."""
    there = (ground.kinds(grid) // ground.VARIETIES == ground.WATER).astype("uint8")
    clouds = granules.truth(event.granule, grid, ["B02"])["cloud_class"]
    hidden = (clouds != cloud.CLEAR, np.isnan(radar(event, grid)).all(axis=0))
    return {
        name: np.where(where, UNLABELLED, there).astype("uint8")
        for name, where in zip(("s2", "s1"), hidden, strict=True)
    }


def _write_chip(event: Event, corner: tuple[int, int], folders: tuple[Path, Path]) -> None:
    grid = event.grid(corner)
    labels = water(event, grid)
    for folder, names, values, sensor in (
        (folders[0], [_published(name) for name in ground.BANDS], optical(event, grid), "s2"),
        (folders[1], [name.upper() for name in POLARISATIONS], radar(event, grid), "s1"),
    ):
        for name, band in zip(names, values, strict=True):
            _write(folder / f"{name}.tif", band, grid)
        _write(folder / WATER_FILE, labels[sensor], grid)


def _published(band: str) -> str:
    """Return a band's name as the data set has it: ``B2``."""
    return band.replace("B0", "B")


def _write(path: Path, values: NDArray[Any], grid: GeoBox) -> None:
    whole = Patch(grid, (slice(0, SIDE), slice(0, SIDE)))
    rasters.write(path, values[None], whole, predictor=1)
