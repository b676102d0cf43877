"""Where the chips of a cube lie: windows of one size, placed by xbatcher, and their names.

xbatcher places the windows along each axis, and drops what is left at the end; here the axis is
lengthened first, so that the last window reaches past the edge and every pixel is in a chip.
A cube's windows are every row with every column, at every slot: none of that is ever written out.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xarray as xr
from xbatcher.generators import BatchSchema

from cubestore.errors import MismatchError
from cubestore.sensors import Sensor

CHIP_SIZE = 256
"""Pixels: what Clay, stacchip and most training sets cut their chips to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipGrid:
    """The chips of one size on a grid of pixels, counted from its north-west corner."""

    shape: tuple[int, int]
    """Rows and columns of pixels."""

    size: int = CHIP_SIZE
    """Pixels along a chip's side."""

    overlap: int = 0
    """Pixels that a chip has in common with the next one."""

    whole: bool = False
    """Whether chips that reach past the edge are left out, as stacchip leaves them out."""

    def __post_init__(self) -> None:
        if not (self.size >= 1 and 0 <= self.overlap < self.size and min(self.shape) >= 1):
            raise MismatchError(
                f"Chips of {self.size} pixels that overlap by {self.overlap} on {self.shape}",
                expected="a size of at least one pixel, and less overlap than that",
                remedy="choose another chip size or overlap",
            )

    @property
    def rows(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """First pixel row of each row of chips."""
        return _starts(self.shape[0], self.size, self.overlap, self.whole)

    @property
    def columns(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """First pixel column of each column of chips."""
        return _starts(self.shape[1], self.size, self.overlap, self.whole)

    def window(self, row: int, column: int) -> tuple[slice, slice]:
        """Return the pixels ``(y, x)`` of a chip; the last ones reach past the edge."""
        y, x = int(self.rows[row]), int(self.columns[column])
        return slice(y, y + self.size), slice(x, x + self.size)


def chip_id(
    *,
    tile: str,
    sensor: Sensor,
    platform: str,
    time: np.datetime64,
    slot: int,
    size: int,
    x: int,
    y: int,
) -> str:
    """Return a chip's name, ``TILE-SENSOR-PLATFORM-TIME-SLOT-SIZE-X-Y``.

    ``x`` and ``y`` count chips, as stacchip's do; ``slot`` is the index in the order of arrival.
    """
    moment = str(time.astype("datetime64[s]")).replace("-", "").replace(":", "")
    return "-".join([tile, sensor.id, platform, moment, *map(str, (slot, size, x, y))])


@lru_cache(maxsize=256)
def _starts(
    length: int,
    size: int,
    overlap: int,
    whole: bool,  # noqa: FBT001 - a key of the cache
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return where xbatcher's windows begin along an axis."""
    stride = size - overlap
    count = max(1, -(-(length - overlap) // stride))
    reach = length if whole else (count - 1) * stride + size
    axis = xr.DataArray(np.broadcast_to(np.int8(0), (reach,)), dims="axis")
    if reach < size:
        return np.zeros(0, np.int64)
    schema = BatchSchema(axis, {"axis": size}, {"axis": overlap}, concat_input_bins=False)
    windows = [selector["axis"] for batch in schema.selectors.values() for selector in batch]
    starts = np.array([window.start for window in windows], np.int64)
    starts.flags.writeable = False
    return starts
