"""What changed, for other software and for the eye: a GeoTIFF of distances, a picture of them."""

import os

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cubestore_pipelines.picture import png, raster

PICTURE_SIDE = 800
"""Pixels of a picture, at least, along its longer side."""

BRIGHT = 0.99
"""The share of the chips that are not drawn as bright as can be."""

RAMP = np.array(
    [(0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191)], np.float64
)
"""From none to most: five colours of magma, by N. Smith and S. van der Walt (CC0)."""


def geotiff(change: xr.DataArray, path: str | os.PathLike[str]) -> None:
    """Write distances as a GeoTIFF on the grid of chips, NaN where nothing is known.

    Args:
        change: as `cubestore.change` returns it.
        path: of the file; one that is there is replaced.

    Raises:
        NotWritableError: the disk is read-only or full.
    """
    box = change.odc.geobox
    options = {"crs": box.crs.to_wkt(), "transform": box.affine, "nodata": np.nan}
    tags = {name: str(value) for name, value in change.attrs.items()}
    raster(path, change.values[None], "GTiff", tags=tags, compress="deflate", **options)


def picture(change: xr.DataArray, path: str | os.PathLike[str]) -> None:
    """Write distances as a PNG, dark where little changed; transparent where nothing is known.

    Args:
        change: as `cubestore.change` returns it.
        path: of the file; one that is there is replaced.

    Raises:
        NotWritableError: the disk is read-only or full.
    """
    times = -(-PICTURE_SIDE // max(change.shape))
    drawn = np.repeat(np.repeat(_colours(change.values), times, axis=0), times, axis=1)
    png(drawn, path)


def _colours(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return red, green, blue and opacity, ``(y, x, 4)``."""
    known = np.isfinite(values)
    most = float(np.quantile(values[known], BRIGHT)) if known.any() else 0.0
    share = np.clip(np.nan_to_num(values / most if most > 0 else values * 0), 0, 1)
    steps = np.linspace(0, 1, len(RAMP))
    mixed = [np.interp(share, steps, channel) for channel in RAMP.T]
    return np.stack([*mixed, known * 255.0], axis=-1).round().astype(np.uint8)
