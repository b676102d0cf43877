"""The columns of a set: ids, places, times, splits, of all patches of all its sources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cubestore_pipelines.benchmarks.cloudsen12 import metadata
from cubestore_pipelines.benchmarks.cloudsen12.describe import sensors
from cubestore_pipelines.benchmarks.cloudsen12.files import RADAR
from cubestore_pipelines.benchmarks.cloudsen12.resplit import SPLITS, Compat, resplit
from cubestore_pipelines.benchmarks.cloudsen12.source import Source, folder_split

Values = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resplit:
    """Splits drawn anew, over all folders of a part."""

    shares: tuple[float, ...]
    """Of train, val and test; together 1."""

    seed: int
    compat: Compat = ""
    """by-image: see `resplit`."""

    def __str__(self) -> str:
        return "-".join(filter(None, ["resplit", str(self.seed), self.compat]))

    def published(self) -> dict[str, Any]:
        """Return how they were drawn, as JSON."""
        by = "image" if self.compat else "region of interest"
        return {"shares": list(self.shares), "seed": self.seed, "by": by}


def columns(together: Sequence[Source], drawn: Resplit | None) -> dict[str, Values]:
    """Return the columns that the store has words for.

    Args:
        together: the sources, in order.
        drawn: splits drawn anew; None: those of the folders.

    Raises:
        DatasetError: a row that is odd.
        QueryError: shares that are none.
    """
    rows = [row for source in together for row in source.rows]
    places = [source.places() for source in together]
    found = {name: np.concatenate([p[name] for p in places]) for name in places[0]}
    spare = [name for source in together for name in source.names]
    found["patch_id"] = np.array(metadata.names(rows, spare), object)
    for one in sensors(together[0].dtypes, together[0].size):
        kind = "s1" if one.layer.name == RADAR else "s2"
        found |= {one.named(name): values for name, values in _acquired(rows, kind).items()}
    return {**found, **_splits(together, rows, drawn)}


def _acquired(rows: Sequence[metadata.Row], kind: str) -> dict[str, Values]:
    """Return what the table tells of the acquisitions of a sensor, where it tells of any."""
    held = {name for row in rows for name in row.cells}
    found: dict[str, Values] = {}
    if f"{kind}_date" in held:
        found["time"] = metadata.times(rows, f"{kind}_date")
    if f"{kind}_id" in held:
        found["item_id"] = np.array([row.text(f"{kind}_id") for row in rows], object)
    for name in ("sun_azimuth", "sun_elevation"):
        if f"{kind}_view_{name}" in held:
            numbers = [row.numbers(f"{kind}_view_{name}", 1) or [np.nan] for row in rows]
            found[name] = np.array(numbers)[:, 0].astype("float32")
    return found


def _splits(
    together: Sequence[Source], rows: Sequence[metadata.Row], drawn: Resplit | None
) -> Mapping[str, Values]:
    told = [folder_split(source) for source in together for _ in source.rows]
    published = np.array([name if name in SPLITS else "" for name in told], object)
    if drawn is None:
        return {"split": published}
    regions = [row.text("roi_id") for row in rows]
    if "" in regions and not drawn.compat:
        raise rows[regions.index("")].odd("roi_id", "a region of interest, by which to split")
    new = resplit(regions, drawn.shares, seed=drawn.seed, compat=drawn.compat)
    return {"split": new.astype(object), "published_split": published}
