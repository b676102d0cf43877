"""The patches that are most like one, by a model's embeddings, out of one patch set or several.

    cubestore.nearest("STORE", patches="cloudsen12/high-train", model="rcf", chip="ROI_0001")

A patch set's vectors are measured where they lie: there is no index of them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cubestore.errors import QueryError
from cubestore.index.interval import interval, span
from cubestore.index.query import box_of
from cubestore.index.selection import Box, Words, words_of
from cubestore.similarity.filters import meets
from cubestore.similarity.patch_vectors import Mask, PatchVectors, with_vectors
from cubestore.similarity.question import Point, fitting, refuse_no_direction, refuse_unclear
from cubestore.similarity.search import Asked, Found, Metric, search
from cubestore.store import Store

if TYPE_CHECKING:
    import geopandas as gpd

PATCH_WORDS = (
    "at",
    "time",
    "chip",
    "vector",
    "k",
    "metric",
    "threads",
    "bbox",
    "datetime",
    "split",
)
"""What patches can be asked by."""

SAME = 1.0
"""Metres within which two patches show the same place."""

HALF_DIAGONAL = 0.5**0.5
"""Of a square's side: what is farther from its middle lies outside."""


def nearest_patches(  # noqa: PLR0913 - a question has many parts, each by keyword
    store: Store,
    patches: Words,
    *,
    model: str = "",
    at: Point | None = None,
    time: str = "",
    chip: str = "",
    vector: npt.ArrayLike | None = None,
    k: int = 10,
    metric: Metric = "cosine",
    threads: int = 0,
    bbox: Box | None = None,
    datetime: str = "",
    split: Words | None = None,
) -> "gpd.GeoDataFrame":
    """Return the patches that are most like one, the most alike first.

    Args:
        store: that has them.
        patches: names of sets, or ``all``.
        model: whose embeddings; may be left out where the sets have one model's.
        at: longitude and latitude: the patch there is asked with, the latest of it.
        time: with ``at``: a year, month, day or moment, UTC, from which that is to be.
        chip: instead of ``at``: a patch's id, with ``-SEASON`` where it has several acquisitions.
        vector: instead of ``at``: a vector of the model.
        k: how many. The patch that is asked with is one of them, at distance 0.
        metric: ``cosine``, 1 - cos of the angle; or ``l2``, the Euclidean distance.
        threads: as many as there are processors, where 0.
        bbox: find patches whose middle lies in it: west, south, east, north.
        datetime: taken then: ``A/B``.
        split: of these splits.

    Returns:
        Columns ``chipid``, ``distance``, ``time`` (NaT where nobody knows), ``geometry``, the
        patch's middle in lon/lat, and ``patches``, its set.

    Raises:
        QueryError: a question that cannot be understood, or no patch to ask with.
        MismatchError: no embeddings of that model, or sets of vectors that differ.
    """
    found = [PatchVectors.of(*one) for one in with_vectors(store, words_of(patches), model)]
    asked = Asked(_asked(found, at, time, chip, vector), metric)
    refuse_no_direction(asked)
    blocks = [one.block(allowed(one, bbox, datetime, split)) for one in found]
    return _frame(found, search(blocks, asked, k, exact=True, threads=threads))


def _asked(
    found: Sequence[PatchVectors],
    at: Point | None,
    time: str,
    chip: str,
    vector: npt.ArrayLike | None,
) -> npt.NDArray[np.float64]:
    refuse_unclear(at, time, chip, vector)
    if vector is not None:
        return fitting(vector, found[0].embedding)
    where = _place(found, at, time) if at is not None else _called(found, chip)
    return where[0].vector(where[1])


def _called(found: Sequence[PatchVectors], chip: str) -> tuple[PatchVectors, int]:
    for one in found:
        for row in np.flatnonzero(one.ids == chip).tolist():
            return one, row
    raise QueryError(
        f"No patch called {chip!r} has an embedding",
        expected=f"an id such as {next((i for one in found for i in one.ids), 'PATCH')}",
        remedy="take it from a batch's chipid, or ask for a place with at",
    )


def _place(found: Sequence[PatchVectors], at: Point, time: str) -> tuple[PatchVectors, int]:
    """Return the patch at a place: the latest, of those whose middle is nearest."""
    far = [one.metres(at) for one in found]
    least = min((float(some.min()) for some in far if some.size), default=np.inf)
    here = [
        (one, row)
        for one, some in zip(found, far, strict=True)
        if not least > one.side * HALF_DIAGONAL
        for row in np.flatnonzero(some <= least + SAME).tolist()
        if not time or _within(one.times[row], span(time))
    ]
    if not here:
        raise QueryError(
            f"No patch at {at[0]:g} {at[1]:g}{' of ' * bool(time)}{time} has an embedding",
            expected=f"a place in one; the nearest lies {least / 1000:.1f} km away",
            remedy="ask with the id of a patch, as chip",
        )
    return max(here, key=lambda one: _moment(one[0].times[one[1]]))


def _within(moment: np.datetime64, times: tuple[int | None, int | None]) -> bool:
    first, last = times
    us = _moment(moment)
    return (first is None or us >= first) and (last is None or us <= last)


def _moment(moment: np.datetime64) -> int:
    """Return microseconds since 1970; the least number where there is no time."""
    return int(moment.astype("M8[us]").astype(np.int64))


def allowed(
    one: PatchVectors, bbox: Box | None = None, datetime: str = "", split: Words | None = None
) -> Mask | None:
    """Return which rows are asked for; None: all.

    Args:
        one: whose rows.
        bbox: those of patches whose middle lies in it: west, south, east, north.
        datetime: taken then: ``A/B``.
        split: of these splits.

    Raises:
        QueryError: a question that cannot be understood.
    """
    masks: list[Mask] = []
    if bbox is not None:
        masks.append(meets(np.tile(one.lonlat, 2), box_of(bbox)))
    if datetime:
        times = interval(datetime)
        masks.append(np.array([_within(moment, times) for moment in one.times], bool))
    if split:
        masks.append(np.isin(one.splits.astype(str), list(words_of(split))))
    return np.logical_and.reduce(masks) if masks else None


def _frame(found: Sequence[PatchVectors], rows: Found) -> "gpd.GeoDataFrame":
    import geopandas as gpd  # noqa: PLC0415 - for people alone
    import shapely  # noqa: PLC0415 - the same

    pairs = [(found[b], r) for b, r in zip(rows.block.tolist(), rows.row.tolist(), strict=True)]
    columns = {
        "chipid": [one.ids[row] for one, row in pairs],
        "distance": rows.distance,
        "time": np.array([one.times[row] for one, row in pairs], "datetime64[us]"),
        "patches": [one.patches.name for one, _ in pairs],
    }
    places = [shapely.Point(one.lonlat[row]) for one, row in pairs]
    frame = gpd.GeoDataFrame(columns, geometry=places, crs="OGC:CRS84")
    return frame.assign(time=frame["time"].dt.tz_localize("UTC"))
