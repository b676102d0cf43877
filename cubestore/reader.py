"""A committed state as an xarray Dataset.

``xarray.open_zarr`` reads the same cube to the same values. This is quicker (coordinates are
decoded here, 30 arrays at once; pixels are opened when they are first looked at), decodes to
float32, and holds on to one commit: what is committed later changes nothing in the Dataset.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import xarray as xr
import zarr
from xarray.backends import BackendArray
from xarray.core import indexing
from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore, StorePath

from cubestore.encoding import Array, Json
from cubestore.errors import DamagedError, MismatchError
from cubestore.records import COMMIT, Root
from cubestore.visible import COMPUTED, visible

Values = np.ndarray[Any, Any]


def read(path: str) -> bytes:
    """Return what lies at a path or an address.

    Raises:
        FileNotFoundError: nothing.
    """
    if "://" not in path:
        return Path(path).read_bytes()
    with fsspec.open(path) as file:
        data: bytes = file.read()
        return data


def exists(path: str) -> bool:
    """Return whether something lies at a path or an address."""
    if "://" not in path:
        return Path(path).exists()
    files, place = fsspec.url_to_fs(path)
    return bool(files.exists(place))


def dataset(path: str, root: Root, *, mask_and_scale: bool) -> xr.Dataset:
    """Return the cube at ``path`` as of ``root``, slots in the order of arrival.

    Args:
        path: path or address of the group.
        root: its committed state.
        mask_and_scale: physical values in float32, NaN for nodata; False: as stored.

    Raises:
        DamagedError: a coordinate's bytes are not those that were committed.
    """
    arrays = _arrays(root)
    known = _values(path, arrays)
    pixels = [array for array in arrays if not array.is_coordinate]
    store = visible(_store(path), root.attributes.get(COMPUTED, {}))
    lazy = {a.name: _pixels(a, store, root.arrays[a.name]) for a in pixels}
    data = {
        name: xr.conventions.decode_cf_variable(name, variable, mask_and_scale=mask_and_scale)
        for name, variable in lazy.items()
    }
    commit = {COMMIT: {"number": root.number, "digest": root.digest}}
    told = {a.name: _variable(a, known[a.name]) for a in arrays if a.is_coordinate}
    return xr.Dataset(data, told, {**root.attributes, **commit})


def coordinates(path: str, root: Root) -> dict[str, Values]:
    """Return the coordinates' values as of ``root``, slots in the order of arrival.

    Args:
        path: path or address of the group.
        root: its committed state.

    Raises:
        DamagedError: a coordinate's bytes are not those that were committed.
    """
    return _values(path, _arrays(root))


def chunked(dataset: xr.Dataset, chunks: Mapping[str, int]) -> xr.Dataset:
    """Return a cube in dask chunks, whole shards where ``chunks`` says nothing of a dim.

    Coordinates stay in memory: thousands of lazy ones would take seconds to sort.

    Raises:
        MismatchError: a dim that the cube lacks.
    """
    if not set(chunks) <= set(dataset.dims):
        raise MismatchError(
            f"Chunks along {', '.join(chunks)}",
            expected=f"dims out of {', '.join(map(str, dataset.dims))}",
            remedy="leave out what the cube lacks",
        )
    lazy = {}
    for name, array in dataset.data_vars.items():
        sizes = {**array.encoding["preferred_chunks"], **chunks}
        lazy[name] = array.variable.chunk({dim: sizes[dim] for dim in array.dims})
    return dataset.assign(lazy)


_TIME_DTYPE = "datetime64[ns]"
"""As xarray decodes times."""


class _Pixels(BackendArray):
    """An array that is opened when it is first read, with the metadata of one commit."""

    def __init__(self, array: Array, store: Store, document: Json) -> None:
        self.shape = array.shape
        self.dtype = array.numpy_dtype
        self._path, self._document = StorePath(store, array.name), document

    @cached_property
    def _array(self) -> zarr.Array[Any]:
        return zarr.Array.from_dict(self._path, self._document)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:  # noqa: ANN401 - xarray's
        support = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[Any, ...]) -> Any:  # noqa: ANN401 - xarray's
        return self._array.oindex[key]


def _pixels(array: Array, store: Store, document: Json) -> xr.Variable:
    lazy = indexing.LazilyIndexedArray(_Pixels(array, store, document))
    attributes = _in_float32(array.attributes)
    encoding = {
        "preferred_chunks": dict(zip(array.dims, array.block, strict=True)),
        "coordinates": attributes.pop("coordinates", None),
    }
    return xr.Variable(array.dims, lazy, attributes, encoding)


def _in_float32(attributes: Mapping[str, Any]) -> Json:
    """JSON's scale factors are doubles, from which xarray would decode to float64."""
    packing = {"scale_factor", "add_offset"}
    return {n: np.float32(v) if n in packing else v for n, v in attributes.items()}


def _arrays(root: Root) -> list[Array]:
    return [Array.from_document(name, document) for name, document in root.arrays.items()]


def _values(path: str, arrays: Sequence[Array]) -> dict[str, Values]:
    """Return the values of those of the arrays that are coordinates."""
    axes = [array for array in arrays if array.is_coordinate]
    keys = [axis.key(index) for axis in axes for index in np.ndindex(axis.blocks())]
    data = _read_many(path, keys)
    return {axis.name: _decoded(axis, axis.assemble(data.__getitem__)) for axis in axes}


def _decoded(array: Array, values: Values) -> Values:
    return values.view("datetime64[us]").astype(_TIME_DTYPE) if _is_time(array) else values


def _is_time(array: Array) -> bool:
    return str(array.attributes.get("units", "")).startswith("microseconds since 1970")


def _variable(array: Array, values: Values) -> xr.Variable:
    dropped = {"units", "calendar"} if _is_time(array) else set()
    attributes = {n: v for n, v in array.attributes.items() if n not in dropped}
    return xr.Variable(array.dims, values, attributes)


def _read_many(path: str, keys: Sequence[str]) -> dict[str, bytes]:
    """Return what lies at those keys; from afar, many at once."""
    try:
        if "://" not in path:
            return {key: Path(path, key).read_bytes() for key in keys}
        files, root = fsspec.url_to_fs(path)
        there = files.cat([f"{root}/{key}" for key in keys])
        return {key: there[f"{root}/{key}"] for key in keys}
    except FileNotFoundError as error:
        raise DamagedError(
            f"A coordinate of {path} is missing: {error.filename or error}",
            expected="every chunk of every coordinate",
            remedy="run `cubestore verify`, and restore the key from a copy",
        ) from error


def _store(path: str) -> Store:
    if "://" in path:
        return FsspecStore.from_url(path, read_only=True)
    return LocalStore(path, read_only=True)
