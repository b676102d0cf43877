"""One pixel through time, as JSON."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cubestore import cloud
from cubestore_catalog import limits
from cubestore_catalog.views import where
from cubestore_catalog.views.opened import OpenedCube, Pixels, band_numbers


def series(opened: OpenedCube, at: where.Position, bands: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a cube has at a place: of each slot that no other supersedes, by time.

    Args:
        opened: the cube.
        at: longitude and latitude.
        bands: which; none: all.

    Raises:
        RequestError: a place that is not in the cube, or a band that it lacks.
    """
    pixel = where.pixel_at(opened, at)
    names = list(bands) or opened.known.band.values.tolist()
    values = _values(opened.pixels, opened.slots, pixel, band_numbers(opened, names))
    known = opened.known.isel(time=list(opened.slots))
    return {
        "lon": at[0],
        "lat": at[1],
        "x": pixel.x,
        "y": pixel.y,
        "row": pixel.row,
        "column": pixel.column,
        "units": opened.pixels.array.attributes.get("units", ""),
        "time": [f"{time}Z" for time in np.datetime_as_string(known.time.values, unit="s")],
        "slot": list(opened.slots),
        "item_id": known.item_id.values.tolist(),
        "cloud_class": _clouds(opened, pixel),
        "bands": dict(zip(names, opened.pixels.physical(values), strict=True)),
    }


def _values(
    pixels: Pixels, slots: Sequence[int], pixel: where.Pixel, bands: Sequence[int]
) -> np.ndarray[Any, Any]:
    """Return ``(bands, slots)``, as stored."""
    found = np.full((len(bands), len(slots)), pixels.array.fill, pixels.array.numpy_dtype)
    for place, slot in enumerate(slots):
        limits.check()
        found[:, place] = pixels.read(slot, (pixel.row, pixel.column), (1, 1), bands)[:, 0, 0]
    return found


def _clouds(opened: OpenedCube, pixel: where.Pixel) -> list[int] | None:
    if cloud.CLOUD_CLASS.name not in opened.root.arrays:
        return None
    classes = opened.variable(cloud.CLOUD_CLASS.name)
    found: list[int] = _values(classes, opened.slots, pixel, (0,))[0].tolist()
    return found
