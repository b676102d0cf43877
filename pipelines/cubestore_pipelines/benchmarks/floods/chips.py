"""One chip as it was published: its files, what is known of it, its pixels as they are stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore_pipelines.benchmarks.floods import rasters
from cubestore_pipelines.benchmarks.floods.granules import OpticalGranule, RadarGranule
from cubestore_pipelines.benchmarks.floods.rasters import SIDE, UNLABELLED

OPTICAL, RADAR = "reflectance", "backscatter_s1"
"""Variables of the pixels."""

OPTICAL_BANDS = 13
RADAR_BANDS = 2

Pixels = dict[str, NDArray[Any]]
"""Variable -> ``([band,] y, x)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A chip's files, and what its data set tells of it."""

    id: str
    event: str
    split: str = ""
    optical: tuple[Path, ...] = ()
    """One file of 13 bands, or 13 of one; none where the source lacks them."""

    radar: tuple[Path, ...] = ()
    """The same, of two bands: vv, vh."""

    labels: Mapping[str, Path] = field(default_factory=dict)
    """Variable -> file; those that are not named are not there."""

    dn_offset: int = 0
    """What is added to the digital numbers of Sentinel-2."""

    granules: tuple[OpticalGranule, RadarGranule] | None = None
    """What the products are called, where their names are told."""

    columns: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else is known of it: name of the column -> value."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a chip, and where it lies."""

    pixels: Pixels
    grid: GeoBox


def read(chip: Chip, codes: Mapping[int, int], masks: tuple[str, ...]) -> Reading:
    """Return a chip's pixels and labels, and where they lie; nodata for what it lacks.

    Args:
        chip: whose files are read.
        codes: the classes of its labels -> those of the patch set.
        masks: the variables of the labels.

    Raises:
        DatasetError: a file is not as it was published, or lies elsewhere than the others.
    """
    drawn = read_labels(chip, codes)
    optical = rasters.bands(chip.optical, chip.id, OPTICAL_BANDS)
    radar = rasters.bands(chip.radar, chip.id, RADAR_BANDS)
    for file in (*optical, *radar):
        rasters.refuse_other_grid(file, drawn.grid)
    pixels = _empty(masks) | drawn.pixels
    if optical:
        numbers = [rasters.reflectance(file, chip.dn_offset) for file in optical]
        pixels[OPTICAL] = np.concatenate(numbers)
    if radar:
        pixels[RADAR] = np.concatenate([rasters.decibels(file) for file in radar])
    return Reading(pixels, drawn.grid)


def read_labels(chip: Chip, codes: Mapping[int, int]) -> Reading:
    """Return a chip's labels alone, which tell where it lies.

    Raises:
        DatasetError: a file is not as it was published, or lies elsewhere than the others.
    """
    files = {name: rasters.read(path, chip.id) for name, path in chip.labels.items()}
    grid = next(iter(files.values())).grid
    for file in files.values():
        rasters.refuse_other_grid(file, grid)
    return Reading({n: rasters.labels(file, codes) for n, file in files.items()}, grid)


def columns(chip: Chip, reading: Reading) -> dict[str, Any]:
    """Return what a patch set tells of a chip: whose it is, where it lies, how much has data."""
    pixels = reading.pixels
    valid = {
        "valid_fraction": (pixels[OPTICAL] != rasters.NODATA).any(axis=0).mean(),
        "valid_fraction_s1": (~np.isnan(pixels[RADAR])).any(axis=0).mean(),
    }
    told = {"patch_id": chip.id, "event": chip.event, "split": chip.split}
    return {**told, **place(reading.grid), **chip.columns, "dn_offset": chip.dn_offset, **valid}


def place(grid: GeoBox) -> dict[str, Any]:
    """Return the columns of where a chip lies: its middle, its CRS, its pixels."""
    crs = str(grid.crs)
    middle = grid.affine * (SIDE / 2, SIDE / 2)
    longitude, latitude = _to_degrees(crs).transform(*middle)
    return {
        "longitude": longitude,
        "latitude": latitude,
        "crs": crs,
        "transform": list(grid.affine)[:6],
    }


def _empty(masks: tuple[str, ...]) -> Pixels:
    return {
        OPTICAL: np.full((OPTICAL_BANDS, SIDE, SIDE), rasters.NODATA, "int16"),
        RADAR: np.full((RADAR_BANDS, SIDE, SIDE), np.nan, "float32"),
        **{name: np.full((SIDE, SIDE), UNLABELLED, "uint8") for name in masks},
    }


@cache
def _to_degrees(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
