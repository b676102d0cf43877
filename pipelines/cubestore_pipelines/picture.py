"""Rasters and pictures as files, each put in place in one step."""

import os
import uuid
import warnings
from pathlib import Path
from typing import Any

import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from cubestore import disk


def png(levels: NDArray[Any], path: str | os.PathLike[str]) -> None:
    """Write a picture.

    Args:
        levels: ``(y, x, channel)``, 0 to 255: red, green and blue, and opacity where there is one.
        path: of the file; one that is there is replaced.

    Raises:
        NotWritableError: the disk is read-only or full.
    """
    raster(path, levels.transpose(2, 0, 1), "PNG")


def raster(
    path: str | os.PathLike[str],
    bands: NDArray[Any],
    driver: str,
    *,
    tags: dict[str, str] | None = None,
    **options: Any,  # noqa: ANN401 - rasterio's
) -> None:
    """Write a raster of ``(band, y, x)``.

    Args:
        path: of the file; one that is there is replaced.
        bands: its values.
        driver: GDAL's name of the format.
        tags: what the file says of itself.
        options: of ``rasterio.open``.

    Raises:
        NotWritableError: the disk is read-only or full.
    """
    target = Path(path)
    count, height, width = bands.shape
    profile = {"count": count, "height": height, "width": width, "dtype": bands.dtype.name}
    aside = target.with_name(f".{uuid.uuid4().hex}.{target.name}")
    with disk.writable(target.parent), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a picture is not
        disk.make_directory(target.parent)
        try:
            with rasterio.open(aside, "w", driver=driver, **profile, **options) as file:
                file.write(bands)
                file.update_tags(**(tags or {}))
            aside.replace(target)
        finally:
            for left in (aside, aside.with_name(f"{aside.name}.aux.xml")):
                left.unlink(missing_ok=True)
