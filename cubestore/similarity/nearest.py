"""The chips that are most like one, by a model's embeddings.

    cubestore.nearest("STORE", model="rcf", at=(2.35, 48.85), k=10)

Distances are exact: candidates are chosen by signs, and measured. Where many questions are asked,
`neighbours` opens the vectors once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from cubestore.errors import QueryError
from cubestore.index.selection import Box, Words, words_of
from cubestore.similarity import filters
from cubestore.similarity.by_faiss import Faiss
from cubestore.similarity.patch_sets import PATCH_WORDS, nearest_patches
from cubestore.similarity.question import (
    Chip,
    Point,
    chip_at,
    chip_called,
    covers,
    fitting,
    named,
    refuse_no_direction,
    refuse_unclear,
    refuse_words_of_cubes,
)
from cubestore.similarity.search import METRICS, Asked, Block, Finder, Found, Metric, search
from cubestore.similarity.sources import (
    Place,
    Source,
    cubes_with,
    of_one_model,
    opened,
    refuse_other_sets,
)
from cubestore.similarity.vectors import Part, Vectors, vectors_of
from cubestore.store import Store

if TYPE_CHECKING:
    import geopandas as gpd

Engine = Literal["signs", "faiss"] | Finder
"""What finds the candidates: one that has a name, or one of the caller's own."""

ENGINES = ("signs", "faiss")


def nearest(
    store: Place,
    *,
    model: str = "",
    patches: Words = (),
    **question: Any,  # noqa: ANN401 - those of Neighbours.nearest
) -> "gpd.GeoDataFrame":
    """Return the chips that are most like one, the most alike first.

    Args:
        store: a store, or the path or address of one.
        model: whose embeddings; may be left out where the store has one model's.
        patches: look among the patches of these sets, or of ``all``, instead of the cubes' chips;
            ``question`` is then that of :func:`cubestore.similarity.patch_sets.nearest_patches`.
        question: see :meth:`Neighbours.nearest`: ``at`` or ``chip``, ``k``, filters …

    Returns:
        Columns ``chipid``, ``distance``, ``time`` and ``geometry``.

    Raises:
        QueryError: a question that cannot be understood, or no chip to ask with.
        MismatchError: no embeddings of that model, sensor and tile, or sets that differ.
    """
    if patches:
        _refuse_odd(question.get("k", 1), question.get("metric", "cosine"), "signs", {})
        refuse_words_of_cubes(question, PATCH_WORDS)
        return nearest_patches(opened(store), patches, model=model, **question)
    return neighbours(store, model=model).nearest(**question)


def neighbours(store: Place, *, model: str = "") -> "Neighbours":
    """Open the embeddings of a model, to ask many questions.

    What is committed meanwhile is not seen: open them again.

    Raises:
        MismatchError: the store has no embeddings of that model.
        QueryError: it has those of several, and none is named.
    """
    there = opened(store)
    found = cubes_with(there, model=model)
    of_one_model(found)
    return Neighbours(there, found)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The embeddings of one model, opened cube by cube when they are looked at."""

    store: Store
    sources: Sequence[Source]
    """The cubes that have them, each with what they are."""

    _opened: dict[str, Vectors] = field(default_factory=dict)
    _faiss: Faiss = field(default_factory=Faiss)

    def nearest(  # noqa: PLR0913 - a question has many parts, each by keyword
        self,
        *,
        at: Point | None = None,
        time: str = "",
        chip: str = "",
        vector: npt.ArrayLike | None = None,
        k: int = 10,
        metric: Metric = "cosine",
        exact: bool = False,
        candidates: int | None = None,
        threads: int = 0,
        engine: Engine = "signs",
        sensor: Words | None = None,
        tile: Words | None = None,
        bbox: Box | None = None,
        datetime: str = "",
        **more: Any,  # noqa: ANN401 - words for the chip index
    ) -> "gpd.GeoDataFrame":
        """Return the chips that are most like one, the most alike first.

        Args:
            at: longitude and latitude: the chip there is asked with, the latest of it.
            time: with ``at``: a year, month, day or moment, UTC, from which that is to be.
            chip: instead of ``at``: the name of a chip.
            vector: instead of ``at``: a vector of the model.
            k: how many. The chip that is asked with is one of them, at distance 0.
            metric: ``cosine``, 1 - cos of the angle; or ``l2``, the Euclidean distance.
            exact: measure all vectors; else those whose signs say that they are near.
            candidates: how many are measured then; None: 500, or 20 for each of ``k``.
            threads: as many as there are processors, where 0.
            engine: what finds the candidates; ``faiss`` where that is installed; or a function
                of a block, what is asked and how many, which returns rows: see
                `cubestore_model.Scan`.
            sensor: find chips of these alone; this and what follows as in `cubestore.chips`.
            tile: of these tiles.
            bbox: whose bounding boxes meet this: west, south, east, north.
            datetime: taken then: ``A/B``.
            more: ``max_cloud``, ``max_nodata``, ``split``, ``where``: these need the chip index.

        Returns:
            Columns ``chipid``, ``distance``, ``time`` and ``geometry`` in lon/lat. Fewer than
            ``k`` rows where there are no more.

        Raises:
            QueryError: a question that cannot be understood, or no chip to ask with.
            MismatchError: no embeddings of that sensor and tile, or sets that differ.
            NoIndexError: the chip index is needed, and not there.
        """
        _refuse_odd(k, metric, engine, more)
        self._refuse_other_size(more.pop("chip_size", None))
        asked = Asked(self._vector(at, time, chip, vector, sensor), metric)
        refuse_no_direction(asked)
        looked = self._looked_at(sensor, tile, bbox)
        parts = [(vectors, part) for vectors in looked for part in vectors.parts]
        size = self.sources[0][1].chip_size
        chips = filters.of_index(self.store, more, size)
        blocks = [_block(v, p, datetime=datetime, bbox=bbox, chips=chips) for v, p in parts]
        found = search(
            blocks,
            asked,
            k,
            exact=exact,
            candidates=candidates,
            threads=threads,
            finder=self._finder(engine),
        )
        return _frame(parts, found)

    def _finder(self, engine: Engine) -> Finder | None:
        if engine == "signs":
            return None
        return self._faiss.candidates if engine == "faiss" else engine

    def _refuse_other_size(self, size: int | None) -> None:
        made = self.sources[0][1]
        if size not in {None, made.chip_size}:
            raise QueryError(
                f"Chips of {size} pixels",
                expected=f"{made.chip_size}, of which {made.model} has embeddings",
                remedy="leave chip_size out",
            )

    def _vector(
        self,
        at: Point | None,
        time: str,
        chip: str,
        vector: npt.ArrayLike | None,
        sensor: Words | None,
    ) -> npt.NDArray[np.float64]:
        refuse_unclear(at, time, chip, vector)
        if vector is not None:
            return fitting(vector, self.sources[0][1])
        if chip:
            return self._chip_called(chip).vector
        assert at is not None  # noqa: S101 - one of the three
        sensors = None if sensor is None else set(words_of(sensor))
        there = [s for s in self.sources if sensors is None or s[0].sensor.id in sensors]
        return chip_at([self._open(one) for one in there if covers(one[0], at)], at, time).vector

    def _chip_called(self, chipid: str) -> Chip:
        there = [self._open(one) for one in self.sources if named(one[0], chipid)]
        return chip_called(there, chipid)

    def _looked_at(
        self, sensor: Words | None, tile: Words | None, bbox: Box | None
    ) -> list[Vectors]:
        model = self.sources[0][1].variable
        chosen = list(self.sources)
        if sensor is not None or tile is not None:
            chosen = cubes_with(self.store, model=model, sensor=sensor, tile=tile)
        refuse_other_sets([self.sources[0], *chosen])
        return [self._open(one) for one in chosen if filters.reaches(*one, bbox)]

    def _open(self, source: Source) -> Vectors:
        cube, embedding = source
        if cube.path not in self._opened:
            self._opened[cube.path] = vectors_of(cube, embedding.variable)
        return self._opened[cube.path]


def _block(vectors: Vectors, part: Part, **which: Any) -> Block:  # noqa: ANN401 - filters.allowed's
    allowed = filters.allowed(vectors, part.places, **which)
    scale = vectors.described.scale
    return Block(vectors=part.vectors, scale=scale, codes=part.codes, allowed=allowed)


def _frame(parts: Sequence[tuple[Vectors, Part]], found: Found) -> "gpd.GeoDataFrame":
    """Return the found chips with their names, times and outlines."""
    import geopandas as gpd  # noqa: PLC0415 - for people alone

    names, outlines = np.empty((2, len(found.row)), object)
    times = np.empty(len(found.row), "datetime64[us]")
    for block in np.unique(found.block).tolist():
        mine = found.block == block
        vectors, part = parts[block]
        places = part.places[found.row[mine]]
        names[mine], times[mine] = vectors.chipids(places), vectors.times(places)
        outlines[mine] = vectors.outlines(places).geometry
    columns = {"chipid": names, "distance": found.distance, "time": times}
    frame = gpd.GeoDataFrame(columns, geometry=outlines, crs="OGC:CRS84")
    return frame.assign(time=frame["time"].dt.tz_localize("UTC"))


def _refuse_odd(k: int, metric: str, engine: Engine, more: dict[str, Any]) -> None:
    strange = sorted(more.keys() - {*filters.BY_INDEX, "chip_size"})
    known = engine in ENGINES or callable(engine)
    if k < 1 or metric not in METRICS or not known or strange:
        raise QueryError(
            f"{k} neighbours by {', '.join([metric, str(engine), *strange])}",
            expected=f"at least one, by {' or '.join(METRICS)}, and {' or '.join(ENGINES)}; words "
            "that chips knows",
            remedy="see cubestore.similarity.Neighbours.nearest",
        )
