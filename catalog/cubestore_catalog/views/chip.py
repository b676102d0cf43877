"""Chips by their names: what a name says, and a picture of the chip in its sensor's colours."""

import re
from dataclasses import dataclass

import numpy as np

from cubestore.chips import chip_id
from cubestore.sensors import SENSORS
from cubestore_catalog.errors import UnknownRecordError
from cubestore_catalog.views import looks, where
from cubestore_catalog.views.opened import OpenedCube, OpenedCubes
from cubestore_catalog.views.png import png
from cubestore_catalog.views.quicklook import Picture
from cubestore_catalog.views.sampling import Part

DEFAULT_SIZE, MOST_SIZE = 128, 1024
"""Pixels along a picture's side: unless told, and the most."""

LARGEST = 2048
"""Pixels along a chip's side: of larger ones no picture is made."""

_NAME = re.compile(
    r"(?P<tile>\w+)-(?P<slot_of>[\w-]+)-(?P<slot>\d{1,7})-(?P<size>\d{1,5})-(?P<x>\d{1,5})-(?P<y>\d{1,5})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Chip:
    """What the name of a chip says."""

    chipid: str
    tile: str
    sensor: str
    slot: int
    size: int
    x: int
    y: int

    @classmethod
    def called(cls, chipid: str) -> "Chip":
        """Return the chip of a name.

        Raises:
            UnknownRecordError: it is no name of a chip.
        """
        match = _NAME.fullmatch(chipid)
        known = [one for one in SENSORS if match and match["slot_of"].startswith(f"{one}-")]
        if match is None or not known:
            raise _unknown(chipid)
        numbers = (int(match[part]) for part in ("slot", "size", "x", "y"))
        return cls(chipid, match["tile"], max(known, key=len), *numbers)


def picture(cubes: OpenedCubes, chip: Chip, size: int) -> Picture:
    """Return what a chip looks like, in the colours of its sensor.

    Args:
        cubes: the store's.
        chip: which.
        size: pixels along the picture's side, at most; a smaller chip is given whole.

    Raises:
        UnknownRecordError: there is no such chip.
    """
    opened = cubes.of(chip.tile, chip.sensor)
    _refuse_other(opened, chip)
    drawn = looks.natural(opened)
    corner = chip.y * chip.size, chip.x * chip.size
    stored = opened.pixels.read(chip.slot, corner, (chip.size, chip.size), drawn.bands)
    count = min(size, chip.size)
    taken = ((np.arange(count) + 0.5) * chip.size / count).astype(int)
    colours = drawn.paint(opened.pixels.physical(stored[:, taken[:, None], taken]))
    part = Part(corner[0], corner[0] + chip.size, corner[1], corner[1] + chip.size)
    return Picture(count, count, part, tuple(where.corners(opened, part)), png(colours))


def _refuse_other(opened: OpenedCube, chip: Chip) -> None:
    """Refuse a name that no chip of the cube has."""
    opened.refuse_other_slot(chip.slot)
    known = opened.known.isel(time=chip.slot)
    rows, columns = opened.grid.shape
    inside = chip.y * chip.size < rows and chip.x * chip.size < columns
    name = chip_id(
        tile=chip.tile,
        sensor=opened.cube.sensor,
        platform=str(known.platform.values),
        time=known.time.values,
        slot=chip.slot,
        size=chip.size,
        x=chip.x,
        y=chip.y,
    )
    if name != chip.chipid or not inside or not 0 < chip.size <= LARGEST:
        raise _unknown(chip.chipid)


def _unknown(chipid: str) -> UnknownRecordError:
    return UnknownRecordError(
        f"There is no chip {chipid!r:.120}",
        expected="TILE-SENSOR-PLATFORM-TIME-SLOT-SIZE-X-Y of a chip of this store",
    )
