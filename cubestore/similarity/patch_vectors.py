"""The vectors of patch sets that are compared, an acquisition of a patch a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import xarray as xr

from cubestore.embeddings import patch_sets
from cubestore.embeddings.definition import Embedding, variable_name
from cubestore.embeddings.stored import is_missing
from cubestore.errors import MismatchError, QueryError
from cubestore.patches import PatchSet
from cubestore.similarity.question import Point
from cubestore.similarity.search import Block
from cubestore.store import Store

Mask = npt.NDArray[np.bool_]

EVERY = "all"
"""Instead of names: every set that has embeddings of the model."""


@dataclass(frozen=True, slots=True)
class PatchVectors:
    """The vectors of one set, an acquisition of a patch a row; those that were computed."""

    patches: PatchSet
    embedding: Embedding
    side: float
    """Metres along a patch, NaN where nobody knows."""

    acquisitions: npt.NDArray[np.int64]
    """Which of the set's each row is, counted patch by patch and season by season."""

    ids: npt.NDArray[np.object_]
    """The names of chips, as batches have them: ``PATCH`` or ``PATCH-SEASON``."""

    lonlat: npt.NDArray[np.float64]
    times: npt.NDArray[np.datetime64]
    splits: npt.NDArray[np.object_]
    vectors: npt.NDArray[Any]
    """``(row, feature)`` as stored."""

    @classmethod
    def of(cls, patches: PatchSet, embedding: Embedding) -> "PatchVectors":
        """Read them."""
        data = patches.open(mask_and_scale=False)
        stored = data[embedding.variable]
        each = int(np.prod(stored.shape[1:-1]))
        vectors = stored.values.reshape(-1, stored.shape[-1])
        there = np.flatnonzero(~is_missing(vectors).any(axis=-1))
        lonlat = np.stack([data.longitude.values, data.latitude.values], axis=-1)
        return cls(
            patches=patches,
            embedding=embedding,
            side=embedding.chip_size * float(stored.attrs.get("geoemb:gsd", np.nan)),
            acquisitions=there,
            ids=_names(data.patch_id.values, stored.shape[1:-1])[there],
            lonlat=np.repeat(lonlat, each, axis=0)[there],
            times=_times(data, stored)[there],
            splits=np.repeat(data.split.values.astype(object), each)[there],
            vectors=vectors[there],
        )

    def column(self, data: xr.Dataset, name: str) -> npt.NDArray[Any] | None:
        """Return what a column of the set tells of each row; None where it has none such."""
        known = _column(data, data[self.embedding.variable], name)
        return None if known is None else known[self.acquisitions]

    def block(self, allowed: Mask | None) -> Block:
        """Return what is searched."""
        scale = self.embedding.scale or 1.0
        return Block(vectors=self.vectors, scale=scale, allowed=allowed)

    def vector(self, row: int) -> npt.NDArray[np.float64]:
        """Return a row as the number that it stands for."""
        scaled = self.vectors[row].astype(np.float32) * np.float32(self.embedding.scale or 1.0)
        found: npt.NDArray[np.float64] = scaled.astype(np.float64)
        return found

    def metres(self, at: Point) -> npt.NDArray[np.float64]:
        """Return how far the middles lie from a place."""
        lon, lat = (np.full(len(self.ids), degrees, np.float64) for degrees in at)
        _, _, far = pyproj.Geod(ellps="WGS84").inv(lon, lat, *self.lonlat.T)
        return np.asarray(far)


def with_vectors(
    store: Store, names: Sequence[str], model: str
) -> list[tuple[PatchSet, Embedding]]:
    """Return the sets with the embedding that is compared.

    Raises:
        MismatchError: a set without, or sets of vectors that lie in different spaces.
        QueryError: several models, and none is named.
    """
    found = sets_with(store, names, model)
    _refuse_others([embedding for _, embedding in found])
    return found


def sets_with(store: Store, names: Sequence[str], model: str) -> list[tuple[PatchSet, Embedding]]:
    """Return the sets with their embedding of a model, or of the only one.

    Raises:
        UnknownPatchSetError: there is no such set.
        MismatchError: one that is named, or every one, has none, or of parts of patches alone.
        QueryError: several models, and none is named.
    """
    every = EVERY in names
    sets = [store.patches(name) for name in (store.patch_sets() if every else names)]
    held = [(one, patch_sets.listed(one)) for one in sets]
    there = sorted({name for _, some in held for name in some})
    wanted = [n for n in there if not model or n in {model, variable_name(model)}]
    found = [(one, some[n]) for one, some in held for n in wanted if n in some]
    if len(wanted) > 1:
        raise QueryError(
            f"Embeddings called {', '.join(wanted)}",
            expected="one model in a question",
            remedy="give model",
        )
    if not found or (len(found) < len(sets) and not every):
        without = [one for one, some in held if not set(wanted) & set(some)]
        who = f"{store.path} has no patch set" if every else ", ".join(o.name for o in without)
        raise _lacking(f"{who} with{'' if every else 'out'}", without, model, there)
    return found


def _lacking(who: str, sets: Sequence[PatchSet], model: str, there: Sequence[str]) -> MismatchError:
    """Return the refusal of sets without embeddings of a model."""
    parts = sorted({name for one in sets for name in _of_parts(one, model)})
    return MismatchError(
        f"{who} embeddings{' of ' * bool(model)}{model}"
        + f", but of parts of patches: {', '.join(parts)}" * bool(parts),
        expected=f"those of {', '.join(there)}" if there else "patch sets with embeddings",
        remedy="compute them with `cubestore embed --patches`, or name another model",
    )


def _of_parts(patches: PatchSet, model: str) -> list[str]:
    """Return the variables of vectors of parts of patches that may be meant."""
    meant = {f"{variable_name(model)}_dense", model} if model else set()
    dense = [name for name in patches.root().arrays if name.endswith("_dense")]
    return [name for name in dense if not model or name in meant]


def _refuse_others(embeddings: Sequence[Embedding]) -> None:
    names = ("weights_sha256", "pooling", "dimensions")
    spaces = {tuple(getattr(one, name) for name in names) for one in embeddings}
    if len(spaces) > 1:
        raise MismatchError(
            f"Vectors of {embeddings[0].model} with {len(spaces)} sets of {', '.join(names)}",
            expected="one space: what differs cannot be compared",
            remedy="ask each patch set by itself",
        )


def _names(ids: npt.NDArray[Any], seasons: tuple[int, ...]) -> npt.NDArray[np.object_]:
    if not seasons:
        return ids.astype(object)
    each = range(seasons[0])
    return np.array([f"{name}-{n}" for name in ids.tolist() for n in each], object)


def _times(data: xr.Dataset, stored: xr.DataArray) -> npt.NDArray[np.datetime64]:
    """Return when each acquisition was taken; NaT where nobody knows."""
    known = _column(data, stored, "time")
    if known is None:
        return np.full(int(np.prod(stored.shape[:-1])), "NaT", "M8[us]")
    return known.astype("M8[us]")


def _column(data: xr.Dataset, stored: xr.DataArray, name: str) -> npt.NDArray[Any] | None:
    """Return what a column tells of each acquisition; None where there is none of the sensor's."""
    count, lead = int(np.prod(stored.shape[:-1])), stored.dims[:-1]
    suffixes = [str(d).removeprefix("season") for d in lead[1:]] or _suffixes(data, stored)
    known = next((data[name + o] for o in suffixes if name + o in data.coords), None)
    if known is None:
        return None
    values = known.values
    return np.repeat(values, count // values.size) if values.size < count else values.reshape(-1)


def _suffixes(data: xr.Dataset, stored: xr.DataArray) -> list[str]:
    """Return the suffixes that the columns of a sensor of one acquisition may have."""
    sensor = stored.attrs.get("geoemb:source_data")
    mine = [a for a in data.data_vars.values() if a.attrs.get("sensor", "") == sensor]
    bands = [str(d) for array in mine for d in array.dims if str(d).startswith("band")]
    return [name.removeprefix("band") for name in bands] or [""]
