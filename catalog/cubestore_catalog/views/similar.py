"""Chips that are most like one, as GeoJSON."""

from collections.abc import Callable, Iterator
from functools import cache
from threading import Thread
from typing import Any

import geopandas as gpd
import numpy as np
import orjson
import shapely

import cubestore
from cubestore import Store
from cubestore.cube import cube_at
from cubestore.similarity.codes import encode
from cubestore.similarity.search import Asked, Block, search
from cubestore_catalog.stac.snapshot import path_of
from cubestore_catalog.stac.watch import state_of
from cubestore_catalog.views.chip import Chip
from cubestore_catalog.views.opened import Cache

DEFAULT_COUNT, MOST = 10, 100
"""Chips of an answer: unless told, and the most."""

KEPT = 4
"""Models whose vectors stay open."""


class Similar:
    """The embeddings of a store, opened when they are first asked for and after each commit.

    Args:
        store: on this machine's disk.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: Cache[cubestore.similarity.Neighbours] = Cache(KEPT)

    def to(self, model: str, thumbnail: Callable[[str], str], **question: Any) -> dict[str, Any]:  # noqa: ANN401 - those of Neighbours.nearest
        """Return the chips that are most like one, the most alike first.

        Args:
            model: whose embeddings; "" where the store has one model's.
            thumbnail: the address of a chip's picture, by its name.
            question: as `cubestore.similarity.Neighbours.nearest` is asked.

        Returns:
            A GeoJSON FeatureCollection.

        Raises:
            QueryError: a question that cannot be understood, or no chip to ask with.
            MismatchError: no embeddings of that model and sensor, or sets that differ.
        """
        key = (model, state_of(self._store))
        opened = self._kept.get(key, lambda: cubestore.neighbours(self._store, model=model))
        found = opened.nearest(**question)
        name = opened.sources[0][1].model
        return {
            "type": "FeatureCollection",
            "features": list(_features(found, name, self._store.path, thumbnail)),
        }


@cache
def get_ready() -> Thread:
    """Begin to compile a search: the first to ask would wait four seconds where nothing is kept."""
    compiling = Thread(target=_search_once, name="compile", daemon=True)
    compiling.start()
    return compiling


def _search_once() -> None:
    for dtype in ("float32", "int8"):
        vectors = np.ones((2, 8), dtype)
        some = [Block(vectors=vectors, codes=encode([vectors], 1, 8))]
        for exact in (False, True):
            search(some, Asked(np.ones(8)), 1, candidates=1, exact=exact)


def _features(
    found: gpd.GeoDataFrame, model: str, store: str, thumbnail: Callable[[str], str]
) -> Iterator[dict[str, Any]]:
    columns = (found[name] for name in ("chipid", "distance", "time", "geometry"))
    for chipid, distance, time, outline in zip(*columns, strict=True):
        chip = Chip.called(chipid)
        yield {
            "type": "Feature",
            "id": chipid,
            "bbox": list(outline.bounds),
            "geometry": orjson.loads(shapely.to_geojson(outline)),
            "properties": {
                "chipid": chipid,
                "distance": distance,
                "datetime": f"{time:%Y-%m-%dT%H:%M:%SZ}",
                "path": path_of(cube_at(store, chip.tile, chip.sensor)),
                "tile": chip.tile,
                "sensor": chip.sensor,
                "slot": chip.slot,
                "model": model,
                "thumbnail": thumbnail(chipid),
            },
        }
