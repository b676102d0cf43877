"""Patches -> the arrays and columns that the writer of a patch set takes."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cubestore_pipelines.benchmarks.ssl4eo import metadata
from cubestore_pipelines.benchmarks.ssl4eo.parts import Part
from cubestore_pipelines.benchmarks.ssl4eo.patch import Acquisition, Patch

Arrays = dict[str, np.ndarray[Any, Any]]
Seasons = Sequence[Sequence[Acquisition | None]]
"""Of each patch, one sensor's."""

GRID = ("west", "north", "pixel_width", "pixel_height")
"""Degrees, of the pixels of 10 m of each acquisition, as v1's files have them."""

NEVER = np.datetime64("NaT", "us")


def stacked(patches: Sequence[Patch], parts: Sequence[Part]) -> tuple[Arrays, Arrays]:
    """Return the pixels and the columns of some patches.

    Raises:
        DatasetError: the offset is to be removed where nobody knows whether it is there.
    """
    pixels: Arrays = {}
    columns = _places(patches)
    for part in parts:
        of = [patch.seasons[part.modality.name] for patch in patches]
        rows = zip(patches, of, strict=True)
        pixels[part.variable] = np.stack(
            [np.stack([part.stored(one, patch.row) for one in some]) for patch, some in rows]
        )
        columns |= {part.named(name): values for name, values in _columns(part, of)}
        if part.pixels().layers:
            masks = [[one.cloud_mask for one in some if one] for some in of]
            pixels[part.named("cloud_mask")] = np.array(masks, "uint8")
    return pixels, columns


def _places(patches: Sequence[Patch]) -> Arrays:
    return {
        "patch_id": np.array([patch.patch_id for patch in patches], object),
        "longitude": np.array([patch.longitude for patch in patches]),
        "latitude": np.array([patch.latitude for patch in patches]),
        "crs": np.array([patch.crs for patch in patches], object),
        "transform": np.array([patch.transform for patch in patches]),
        "split": np.array([patch.split for patch in patches], object),
    }


def _columns(part: Part, of: Seasons) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Yield the columns of a variable's acquisitions; the sharpest has those of its sensor."""
    yield "time", np.array([[one.time if one else NEVER for one in some] for some in of])
    yield "item_id", _texts(of, lambda one: one.item_id)
    for name, unknown in _known(part).items():
        values = [[one.known[name] if one else unknown for one in some] for some in of]
        yield name, np.array(values, object if isinstance(unknown, str) else type(unknown))
    if part.sharpest and part.modality.optical:
        yield from _offsets(part, of)


def _offsets(part: Part, of: Seasons) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Yield what was added to the numbers, and what they have too much as they are stored."""
    takes = part.choices.remove_offset
    numbers = np.array([[one.excess.number if one else 0 for one in some] for some in of], "int16")
    yield "dn_offset", -numbers if takes else np.zeros_like(numbers)
    yield "dn_excess", np.zeros_like(numbers) if takes else numbers
    how = "removed" if takes else "numbers as published"
    yield "dn_offset_source", _texts(of, lambda one: f"{one.excess.source}; {how}")


def _known(part: Part) -> Mapping[str, str | int | float]:
    """Return the columns that a version tells of a sensor, and what says that it is unknown."""
    if not part.sharpest:
        return {"platform": ""} if part.modality.version == "v1" else {}
    if part.modality.version == "v1":
        names = metadata.columns(optical=part.modality.optical)
        return {name: metadata.UNKNOWN[name] for name in names} | dict.fromkeys(GRID, math.nan)
    return {} if part.modality.optical else {"platform": ""}


def _texts(of: Seasons, text: Callable[[Acquisition], str]) -> np.ndarray[Any, Any]:
    return np.array([[text(one) if one else "" for one in some] for some in of], object)
