"""What a product's pixels need before they may be interpolated: what holds no data says so.

Some products leave that to their readers. Sentinel-1 RTC is filled with zeros beyond the swath and
does not mark them; aerial photographs have a mask, or nothing, and a black that is a colour.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore.sensors import Sensor
from cubestore_pipelines.errors import HeaderError
from cubestore_pipelines.products import PHOTOGRAPHS

Pixels = NDArray[Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """How a product's pixels are cleaned, in the file's own grid."""

    clean: Callable[[Pixels, float | None, Mask | None], Pixels]
    """From pixels ``(band, y, x)``, the nodata that file or item declare, and the file's mask
    ``(y, x)``, to pixels in which :attr:`nodata` stands wherever there is none."""

    nodata: float
    kind: str
    """The numbers that such a product has: NumPy's letter for their kind."""

    masked: bool = False
    """Whether the file's own mask is asked for."""


def cleaning(sensor: Sensor) -> Cleaning | None:
    """Return how a sensor's products are cleaned; None: what they declare is the truth."""
    return _CLEANINGS.get(sensor.id)


def backscatter(pixels: Pixels, nodata: float | None, _: Mask | None) -> Pixels:
    """Return linear power with NaN where the source has NaN, nodata, zero or less.

    Raises:
        HeaderError: most of it is negative, as decibels are.
    """
    told = np.isfinite(pixels) & (pixels != 0)
    if nodata is not None:
        told &= pixels != nodata
    fine = told & (pixels > 0)
    if np.count_nonzero(fine) < np.count_nonzero(told) / 2:
        raise HeaderError(
            "The pixels are mostly below zero, as decibels are",
            expected="linear power",
            remedy="leave the item out with --skip-item, or convert it to linear power",
        )
    return np.where(fine, pixels, np.array(np.nan, pixels.dtype))


def photograph(pixels: Pixels, nodata: float | None, mask: Mask | None) -> Pixels:
    """Return a picture in which 0 is nodata, and the darkest that a camera saw is 1.

    The file's mask decides. Without one a pixel is empty where all bands have the declared nodata,
    or are 0 where none is declared: a picture is never black in all of its bands.
    """
    valid = mask if mask is not None else (pixels != (nodata or 0)).any(axis=0)
    least = np.maximum(pixels, np.ones((), pixels.dtype))
    return np.where(valid, least, np.zeros((), pixels.dtype))


_CLEANINGS: Mapping[str, Cleaning] = {
    "sentinel-1-rtc": Cleaning(clean=backscatter, nodata=np.nan, kind="f"),
    **{name: Cleaning(clean=photograph, nodata=0, kind="u", masked=True) for name in PHOTOGRAPHS},
}
