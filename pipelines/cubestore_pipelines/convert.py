"""A product's numbers -> the numbers that a cube stores."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore.sensors import Layer, Sensor
from cubestore_pipelines import offset
from cubestore_pipelines.errors import HeaderError
from cubestore_pipelines.scene import Scene

Pixels = NDArray[Any]
ITEM_BITS = 16


FILLED: Mapping[str, Mapping[str, tuple[str, int]]] = {
    "landsat-c2-l2": {"saturation": ("quality", 1)},
    "landsat-c2-l1": {"saturation": ("quality", 1)},
}
"""Sensor -> layer -> the layer, and its bits, that tell where there is nothing: QA_RADSAT has 0
there, as where nothing is saturated."""


def product_nodata(sensor: Sensor) -> float | None:
    """Return the product's nodata, where neither a file nor its item tell."""
    return 0 if sensor.id in offset.EVIDENCE else sensor.pixels.nodata


@dataclass(frozen=True, slots=True)
class Numbers:
    """What was read of a band."""

    pixels: Pixels
    """``(y, x)``, as in the file, or cleaned."""

    nodata: float | None


def store_pixels(found: Numbers, scene: Scene, sensor: Sensor, out: Pixels, name: str) -> None:
    """Write a band as the cube stores it.

    Args:
        found: the band.
        scene: which offset is in its numbers.
        sensor: what the cube's numbers are.
        out: ``(y, x)``, of the cube's dtype.
        name: for errors: the item and its asset.

    Raises:
        HeaderError: the file's numbers are of a kind that the product has not.
    """
    if sensor.id in offset.EVIDENCE:
        _store_reflectance(found, scene.dn_offset, out, name)
    else:
        _store_as_it_is(found, sensor.pixels, out, name)


def _store_reflectance(found: Numbers, dn_offset: int, out: Pixels, name: str) -> None:
    """Take the offset out and put nodata in; nothing is clipped but what int16 cannot hold."""
    if found.pixels.dtype.kind not in "ui" or found.pixels.dtype.itemsize > ITEM_BITS // 8:
        raise _unfit(found, "integers of 16 bits", name)
    kind = np.dtype(f"{found.pixels.dtype.kind}{ITEM_BITS // 8}")
    numbers = found.pixels.astype(kind, copy=False)
    if _fits(numbers, dn_offset):
        _shift(numbers.view(out.dtype), dn_offset, found.nodata, out)
    else:
        table = _table(kind.char, dn_offset, found.nodata)
        np.take(table, numbers.view("u2"), out=out, mode="clip")


def _fits(numbers: Pixels, dn_offset: int) -> bool:
    """Whether int16 holds the offset, and every number with and without it."""
    most = np.iinfo("i2").max
    if not numbers.size or abs(dn_offset) > most:
        return False
    least, greatest = int(numbers.min()), int(numbers.max())
    return least + dn_offset >= -most and max(greatest, greatest + dn_offset) <= most


def _shift(numbers: Pixels, dn_offset: int, nodata: float | None, out: Pixels) -> None:
    """Do what the table does, where nothing is clipped, in a fifth of its time."""
    np.add(numbers, out.dtype.type(dn_offset), out=out)
    for empty in {0, nodata or 0}:
        np.copyto(out, np.iinfo(out.dtype).min, where=numbers == empty)


@cache
def _table(kind: str, dn_offset: int, nodata: float | None) -> Pixels:
    """Return what each 16-bit number becomes. 0 is nodata in every Sentinel-2 product."""
    numbers = np.arange(2**ITEM_BITS, dtype="u2").view(kind).astype("i4")
    limits = np.iinfo("i2")
    table: Pixels = np.clip(numbers + dn_offset, limits.min + 1, limits.max).astype("i2")
    table[(numbers == 0) | (numbers == (0 if nodata is None else nodata))] = limits.min
    table.flags.writeable = False
    return table


def _store_as_it_is(found: Numbers, layer: Layer, out: Pixels, name: str) -> None:
    if not np.can_cast(found.pixels.dtype, layer.dtype, "safe"):
        raise _unfit(found, layer.dtype.name, name)
    out[:] = found.pixels
    if _differs(found, layer):
        out[found.pixels == found.nodata] = layer.nodata


def _differs(found: Numbers, layer: Layer) -> bool:
    """Whether the file marks with another number than the cube what has no data."""
    return found.nodata is not None and found.nodata == found.nodata != layer.nodata


def store_mask(found: Numbers, layer: Layer, out: Pixels, name: str) -> None:
    """Write a mask untouched, in the cube's dtype.

    Raises:
        HeaderError: a value that the dtype cannot hold.
    """
    if layer.dtype.kind == "f":
        _store_as_it_is(found, layer, out, name)
        return
    pixels, limits = found.pixels, np.iinfo(layer.dtype.name)
    wide = not np.can_cast(pixels.dtype, layer.dtype, "safe")
    if wide and (
        pixels.dtype.kind == "f" or pixels.min() < limits.min or pixels.max() > limits.max
    ):
        raise _unfit(found, f"classes that {layer.dtype.name} holds", name)
    out[:] = pixels
    if _differs(found, layer):
        out[pixels == found.nodata] = layer.nodata


def empty_beyond(sensor: Sensor, masks: Mapping[str, Pixels]) -> None:
    """Put nodata into layers that have no word for it, where another layer says so."""
    for name, (other, bit) in FILLED.get(sensor.id, {}).items():
        if name in masks and other in masks:
            layer = next(one for one in sensor.optional_layers if one.name == name)
            masks[name][masks[other] & bit != 0] = layer.nodata


def _unfit(found: Numbers, expected: str, name: str) -> HeaderError:
    return HeaderError(
        f"{name} holds {found.pixels.dtype.name}",
        expected=expected,
        remedy="leave the item out with --skip-item, or map another asset with --profile",
    )
