"""Chips for those who use xbatcher itself: its generator over an opened cube."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
import xbatcher

from cubestore.chips import CHIP_SIZE
from cubestore.cube import Cube


def xbatcher_generator(
    cube: Cube,
    *,
    chip_size: int = CHIP_SIZE,
    overlap: int = 0,
    variable: str = "",
    tails: bool = True,
    mask_and_scale: bool = True,
    batch_dims: Mapping[str, int] | None = None,
    **options: Any,  # noqa: ANN401 - of xbatcher.BatchGenerator
) -> xbatcher.BatchGenerator:
    """Return xbatcher's generator of a cube's chips, slot by slot, sorted by time.

    It reads through xarray, several times slower than :func:`cubestore.batches`, and is what any
    code for xbatcher takes.

    Args:
        cube: the cube.
        chip_size: pixels along a side.
        overlap: pixels that chips have in common.
        variable: the pixels where "".
        tails: lengthen y and x with nodata, in dask chunks, so that no pixel is left out, as
            xbatcher leaves out what does not fill a chip; False: without dask, which is quicker.
        mask_and_scale: physical values with NaN, float32; False: as stored.
        batch_dims: see xbatcher; None: one slot.
        options: of ``xbatcher.BatchGenerator``.

    Raises:
        UnknownCubeError: there is no such cube.
    """
    data = cube.open(chunks={} if tails else None, mask_and_scale=mask_and_scale)
    array = data[variable or cube.sensor.pixels.name]
    if tails:
        array = _lengthened(array, chip_size, overlap)
    sides = {"y": chip_size, "x": chip_size}
    whole = {str(dim): size for dim, size in array.sizes.items() if dim not in {*sides, "time"}}
    return xbatcher.BatchGenerator(
        array,
        input_dims={**whole, **sides},
        input_overlap={"y": overlap, "x": overlap} if overlap else {},
        batch_dims=dict(batch_dims or {"time": 1}),
        **options,
    )


def _lengthened(array: xr.DataArray, size: int, overlap: int) -> xr.DataArray:
    """Return an array whose y and x end with a whole chip."""
    stride = size - overlap
    missing = {dim: -(array.sizes[dim] - overlap) % stride for dim in ("y", "x")}
    nodata = np.nan if array.dtype.kind == "f" else array.attrs.get("_FillValue", 0)
    return array.pad({dim: (0, n) for dim, n in missing.items()}, constant_values=nodata)
