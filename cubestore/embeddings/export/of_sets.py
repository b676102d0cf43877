"""Patch sets that are exported: the acquisitions that have vectors, and what the set tells of them.

A row tells of its patch in the schemas' own terms: its identifier is ``DATASET/PART/PATCH``, with
``-SEASON`` where a patch has several acquisitions; in ``v0.1``, which has room for a number alone,
``index`` counts the set's acquisitions, patch by patch and season by season.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cubestore.embeddings.definition import Embedding
from cubestore.embeddings.definition import Vectors as Floats
from cubestore.embeddings.export.content import Content, Rows, content
from cubestore.encoding import Json
from cubestore.errors import QueryError
from cubestore.index.footprints import Footprints, Numbers
from cubestore.patches import PatchSet
from cubestore.patches.outlines import outlines, square
from cubestore.similarity.patch_sets import allowed
from cubestore.similarity.patch_vectors import PatchVectors, sets_with
from cubestore.similarity.question import refuse_words_of_cubes
from cubestore.store import Store

WORDS = ("bbox", "datetime", "split")
"""What patches can be chosen by."""

CELLS = 2**24
"""Around the Earth, of the grid along which patches lie in order: 2.4 m at the equator."""


def contents(store: Store, names: Sequence[str], model: str, **which: Any) -> Iterator[Content]:  # noqa: ANN401 - WORDS
    """Return the vectors of each set that has some which are asked for.

    Args:
        store: that has them.
        names: of the sets, or ``all``.
        model: whose; "": the only one's.
        which: ``bbox``, ``datetime``, ``split``, as in :func:`cubestore.nearest`.

    Raises:
        QueryError: words of cubes, several models, or sets whose files would be called the same.
        UnknownPatchSetError: there is no such set.
        MismatchError: a set without embeddings of that model.
    """
    refuse_words_of_cubes(which, WORDS)
    found = sets_with(store, names, model)
    _refuse_same([_stem(patches.name) for patches, _ in found])
    return _each(found, which)


def _each(
    found: Sequence[tuple[PatchSet, Embedding]], which: Mapping[str, Any]
) -> Iterator[Content]:
    for patches, embedding in found:
        vectors = PatchVectors.of(patches, embedding)
        mask = allowed(vectors, **which)
        rows = np.arange(len(vectors.ids)) if mask is None else np.flatnonzero(mask)
        if len(rows):
            lon, lat = vectors.lonlat[rows].T
            x, y = ((degrees / 360 * CELLS).astype(np.int64) for degrees in (lon + 180, 90 - lat))
            yield content(SetPatches(vectors), rows, vectors.vectors[rows], x, y)


@dataclass(frozen=True)
class SetPatches:
    """The acquisitions of patches that have vectors; rows count those."""

    vectors: PatchVectors

    @property
    def embedding(self) -> Embedding:
        """What the vectors are."""
        return self.vectors.embedding

    @property
    def told(self) -> dict[str, str]:
        """The set, and whose pixels were embedded."""
        sensor = self.embedding.source_data
        return {"patches": self.vectors.patches.name, "sensor": sensor}

    @property
    def stem(self) -> tuple[str, ...]:
        """What its files are called."""
        return (_stem(self.vectors.patches.name),)

    @property
    def gsd(self) -> float:
        """Metres of a pixel."""
        return float(self._stored.attrs["geoemb:gsd"])

    @property
    def layout(self) -> Json:
        """How its patches lie: anywhere."""
        layout: Json = self._stored.attrs["geoemb:chip_layout"]
        return layout

    @property
    def created(self) -> str:
        """When the vectors were made; "" of those that came with the set."""
        return str(self._stored.attrs.get("date_created", ""))

    @cached_property
    def data(self) -> xr.Dataset:
        """The set, as stored."""
        return self.vectors.patches.open(mask_and_scale=False)

    @property
    def _stored(self) -> xr.DataArray:
        return self.data[self.embedding.variable]

    def ids(self, rows: Rows) -> list[str]:
        """Return the names of the patches, with their acquisitions and the set."""
        name = self.vectors.patches.name
        return [f"{name}/{one}" for one in self.vectors.ids[rows].tolist()]

    def numbers(self, rows: Rows, first: int) -> NDArray[Any]:  # noqa: ARG002 - of a cube's file
        """Return the numbers of the acquisitions in the set."""
        return self.vectors.acquisitions[rows]

    def times(self, rows: Rows) -> NDArray[np.datetime64]:
        """Return when they were taken, UTC; NaT where nobody knows."""
        return self.vectors.times[rows]

    def texts(self, name: str, rows: Rows) -> list[str]:
        """Return a column's texts; "" where the set has none."""
        known = self.vectors.column(self.data, name)
        return [""] * len(rows) if known is None else known[rows].tolist()

    def where(self, rows: Rows) -> dict[str, list[str]]:
        """Return the set, the patch and its split, and the sensor of each row."""
        return {
            "patches": [self.told["patches"]] * len(rows),
            "patch_id": self.data.patch_id.values[self._patches(rows)].tolist(),
            "split": self.vectors.splits[rows].tolist(),
            "sensor": [self.told["sensor"]] * len(rows),
        }

    def losses(self, rows: Rows) -> Floats:
        """Return the loss of each row."""
        losses: Floats = self.data[self.embedding.loss].values.reshape(-1)
        return losses[self.vectors.acquisitions[rows]]

    def outlines(self, rows: Rows) -> Footprints:
        """Return where the patches lie, or what of them was embedded."""
        meant = square(self.data, self.told["sensor"], self.embedding.chip_size, self.gsd)
        return outlines(self.data, self._patches(rows), meant)

    def middles(self, rows: Rows, outlines: Footprints) -> tuple[Numbers, Numbers]:  # noqa: ARG002 - a cube's chips
        """Return longitude and latitude of their middles, as the set has them."""
        longitude, latitude = self.vectors.lonlat[rows].T
        return longitude, latitude

    def _patches(self, rows: Rows) -> Rows:
        """Return the patch of each row, by number."""
        each = int(np.prod(self._stored.shape[1:-1]))
        return self.vectors.acquisitions[rows] // each


def _stem(name: str) -> str:
    """Return what a set's files are called: ``cloudsen12-high-train``."""
    return name.replace("/", "-")


def _refuse_same(stems: Sequence[str]) -> None:
    """Refuse ``a-b/c`` beside ``a/b-c``."""
    again = [stem for stem in stems if stems.count(stem) > 1]
    if again:
        raise QueryError(
            f"Several patch sets whose files would be called {again[0]}",
            expected="one of them in a directory",
            remedy="name the sets, and write each into a directory of its own",
        )
