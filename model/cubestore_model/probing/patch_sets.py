"""Patches of a set: their vectors, and the labels that the set has of them or of their pixels."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import cubestore
from cubestore.batches.sources import PatchSource
from cubestore.embeddings import variable_name
from cubestore.errors import MismatchError
from cubestore_model.probing.asked import Asked
from cubestore_model.probing.codes import Codes, decided
from cubestore_model.probing.cubes import kept
from cubestore_model.probing.reading import Wanted, read
from cubestore_model.probing.samples import Samples

TOGETHER = 8
"""Patches that are read at once."""

ON_PIXELS = 3
"""Dims of a label that is a mask."""


def of_patches(asked: Asked, name: str) -> Samples:
    """Return the patches of a set with vectors and labels.

    Args:
        asked: whose vectors, which labels; ``sensor`` is a variable of the set.
        name: ``DATASET/PART``.

    Raises:
        UnknownPatchSetError: the store has no such set.
        MismatchError: no such pixels or labels, or none that suit the task.
    """
    data = asked.store.patches(name).open(mask_and_scale=False)
    codes = _codes(asked, data)
    held = None if asked.own or asked.tuned else _held(asked, data)
    patch, vectors, told = held or _computed(asked, data, name)
    middles = np.stack([data["longitude"].values, data["latitude"].values], axis=1)
    return Samples(
        names=tuple(map(str, data["patch_id"].values[patch])),
        lonlat=middles[patch].astype(np.float64),
        side=_side(asked, data),
        classes=codes.classes,
        labels=_labels(asked, data, codes)[patch],
        vectors=vectors,
        told=told,
        published=tuple(map(str, data["split"].values[patch])),
    )


def _codes(asked: Asked, data: xr.Dataset) -> Codes:
    """Return the classes of a label.

    Raises:
        MismatchError: there is no such label, or a word for a patch where maps are wanted.
    """
    masks = [str(n) for n, array in data.data_vars.items() if "flag_values" in array.attrs]
    words = [str(n) for n, one in data.coords.items() if one.dims == ("patch",)]
    known = masks if asked.maps else masks + words
    if asked.labels not in known:
        raise MismatchError(
            f"Labels {asked.labels!r} for {asked.task}",
            expected=f"one of {', '.join(known) or 'none: the set has no labels'}",
            remedy="name a variable with flag_values, or a column of the patches",
        )
    array = data[asked.labels]
    return Codes.of(array.attrs, array.values if array.dims == ("patch",) else None)


def _labels(asked: Asked, data: xr.Dataset, codes: Codes) -> NDArray[Any]:
    """Return the labels of all patches, a few at a time."""
    array = data[asked.labels]
    if array.dims == ("patch",):
        return codes.numbers(array.values)
    if array.ndim > ON_PIXELS:
        raise MismatchError(
            f"{asked.labels} on {array.dims}",
            expected="one map of classes a patch",
            remedy="name a label that is not of each acquisition",
        )
    starts = range(0, len(array), TOGETHER)
    parts = [array[start : start + TOGETHER].values for start in starts]
    masks = np.concatenate([kept(part, codes, maps=asked.maps) for part in parts])
    return masks if asked.maps else decided(masks, asked.present)


Found = tuple[NDArray[np.int64], NDArray[np.float32], dict[str, Any]]
"""The patch of each acquisition, its vectors, and what an encoder is told of it."""


def _held(asked: Asked, data: xr.Dataset) -> Found | None:
    """Return the vectors that the set holds of whole patches; None where it has none of them."""
    name = variable_name(asked.model) + ("_dense" if asked.maps else "")
    if name not in data or (asked.maps and not _whole(asked, data)):
        return None
    stored = xr.decode_cf(data[[name]])[name].astype(np.float32).values
    own = stored.shape[-3:] if asked.maps else stored.shape[-1:]  # the rest are acquisitions
    vectors = stored.reshape(-1, *own)
    patch = np.repeat(np.arange(len(stored)), len(vectors) // len(stored))
    return patch, vectors, {}


def _whole(asked: Asked, data: xr.Dataset) -> bool:
    """Whether vectors are of all of a patch, as maps of labels are."""
    told = data[variable_name(asked.model)].attrs.get("chip_size")
    return bool(told == data[asked.labels].shape[-1])


def _computed(asked: Asked, data: xr.Dataset, name: str) -> Found:
    """Return vectors that are computed now."""
    variable = _pixels(asked, data)
    source = PatchSource(asked.store.patches(name), variable)
    batches = cubestore.batches(
        asked.store,
        sensor=variable,
        patches=name,
        chip_size=source.shape[0],
        batch_size=TOGETHER,
        shuffle=False,
    )
    wanted = Wanted(
        encoder=asked.encoder,
        dense=asked.maps,
        tuned=asked.tuned,
        use=asked.use,
        sensor=str(data[variable].attrs.get("sensor", variable)),
    )
    found = read(batches, wanted)
    return source.patch(found.slots), found.vectors, dict(found.told)


def _pixels(asked: Asked, data: xr.Dataset) -> str:
    """Return the variable of the pixels: the one asked for, or the first the model was trained on.

    Raises:
        MismatchError: there is none.
    """
    banded = [
        str(n) for n, a in data.data_vars.items() if any(str(d)[:4] == "band" for d in a.dims)
    ]
    if asked.sensor in banded:
        return asked.sensor
    for variable in banded:
        if data[variable].attrs.get("sensor") in asked.sensors:
            return variable
    raise MismatchError(
        f"No pixels of {' or '.join(asked.sensors)}",
        expected=f"a variable of {', '.join(banded) or 'none: the set has no pixels'}",
        remedy="name one that the model was trained on with sensor= (--sensor)",
    )


def _side(asked: Asked, data: xr.Dataset) -> float:
    """Return the metres along a patch."""
    name = variable_name(asked.model)
    if name in data and "chip_size" in data[name].attrs:
        told = data[name].attrs
        return float(told["chip_size"]) * float(told.get("geoemb:gsd", 10.0))
    variable = _pixels(asked, data)
    band = next(str(d) for d in data[variable].dims if str(d)[:4] == "band")
    return float(np.nanmin(data["gsd" + band[4:]].values)) * data[variable].shape[-1]
