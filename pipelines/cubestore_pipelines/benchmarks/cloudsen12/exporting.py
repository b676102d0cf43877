"""A patch set of CloudSEN12 -> the memmap layout that it came from, bit for bit."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import xarray as xr

import cubestore
from cubestore.errors import MismatchError
from cubestore_pipelines.benchmarks.cloudsen12 import metadata
from cubestore_pipelines.benchmarks.cloudsen12.padding import CANVAS, Padding
from cubestore_pipelines.benchmarks.cloudsen12.sets import AT_ONCE, DATASET
from cubestore_pipelines.errors import DatasetError


def export_cloudsen12(store: str, name: str, directory: str | Path) -> list[Path]:
    """Write a set's memmaps and ``metadata.csv`` again, a folder each that it came from.

    Args:
        store: path or address of the store.
        name: of the set, ``cloudsen12/high-train``.
        directory: where the folders go.

    Returns:
        The folders.

    Raises:
        MismatchError: the set did not come from memmaps.
        DatasetError: a folder is there already.
    """
    patches = cubestore.open_store(store).patches(name)
    told = patches.root().attributes.get(DATASET, {})
    sources = told.get("sources", [])
    if not sources or any("folder" not in source for source in sources):
        raise MismatchError(
            f"{patches.path} did not come from memmaps",
            expected="a set that `cubestore import cloudsen12` made of .dat files",
            remedy="open it with xarray and write what you need",
        )
    data, done, folders = patches.open(mask_and_scale=False), 0, []
    for source in sources:
        mine = data.isel(patch=slice(done, done + source["patches"]))
        folders.append(Path(directory, source["folder"]))
        with _new(folders[-1]):
            _write(folders[-1], source, told["image"], mine)
            columns = {n: mine[held].values.tolist() for n, held in told["columns"].items()}
            metadata.write(folders[-1] / metadata.FILE, columns)
        done += source["patches"]
    return folders


@contextlib.contextmanager
def _new(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise DatasetError(
            f"{folder} is there already",
            expected="a folder that is free",
            remedy="remove it, or name another directory",
        ) from None
    yield


def _write(folder: Path, source: Mapping[str, Any], size: int, data: xr.Dataset) -> None:
    with contextlib.ExitStack() as stack:
        files = {n: stack.enter_context((folder / n).open("xb")) for n in source["files"]}
        for first in range(0, source["patches"], AT_ONCE):
            some = data.isel(patch=slice(first, first + AT_ONCE))
            read: dict[str, xr.DataArray] = {}
            for name, told in source["files"].items():
                variable = told["variable"]
                if variable not in read:
                    read[variable] = some[variable].load()
                place = Padding(source["padding"][0], source["padding"][1], size)
                _append(files[name], read[variable], told, place)


def _append(file: BinaryIO, held: xr.DataArray, told: Mapping[str, str], place: Padding) -> None:
    band = [dim for dim in held.dims if str(dim).startswith("band")]
    images = held.sel({band[0]: told["band"]}).values if band else held.values
    around = bytes.fromhex(told["around"])
    fill = np.frombuffer(around, images.dtype)[0] if around else images.dtype.type(0)
    assert images.shape[1:] == (place.size, place.size) and place.size <= CANVAS  # noqa: S101, PT018
    file.write(place.paste(images, fill).tobytes())
