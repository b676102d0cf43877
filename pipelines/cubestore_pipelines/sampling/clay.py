"""Clay's samples of MGRS tiles: of each land cover some of the tiles that have most of it.

A row of a table takes the tiles in which a class has the highest share, its pool, and draws from
them; what several rows draw counts once. The tables are those of Clay's documentation
(release-notes/data_sampling.md). What its script did in v1 is another thing: it loses the 300
tiles with most built-up land, has 250 for 500 tiles of snow, and another seed. ``compat="clay"``
repeats the script (Clay-foundation/model, scripts/pipeline/landcover.py at 1fe4fdf for v1 and
scripts/landcover.py at 360a522 for v0.1), down to where it left tiles of equal share.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from cubestore_pipelines.errors import DatasetError
from cubestore_pipelines.sampling import vector
from cubestore_pipelines.sampling.worldcover import CLASSES

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

NAME, COUNT = "name", "count"
"""Columns of a table of statistics, beside one for each class: the tile, and how many classes."""

SEED, SCRIPT_SEED = 42, 23
"""Of v0.1's script and the documentation; of v1's script."""

Compat = Literal["", "clay"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: so many of the tiles with the highest values in a column."""

    column: str
    size: int
    pool: int
    lost: bool = False
    """Whether the script draws it and forgets it."""


V1 = (
    Row(COUNT, 400, 2000),
    Row("Built-up", 300, 300),
    Row("Built-up", 1000, 1500),
    Row("Herbaceous wetland", 50, 500),
    Row("Mangroves", 50, 500),
    Row("Moss and lichen", 50, 500),
    Row("Cropland", 800, 3600),
    Row("Tree cover", 150, 750),
    Row("Shrubland", 100, 500),
    Row("Grassland", 200, 500),
    Row("Bare / sparse vegetation", 50, 500),
    Row("Snow and Ice", 25, 500),
    Row("Permanent water bodies", 50, 1000),
)
"""2728 tiles when Clay v1 was made."""

SCRIPT_V1 = (
    V1[0],
    Row("Built-up", 300, 300, lost=True),
    *V1[2:11],
    Row("Snow and Ice", 25, 250),
    V1[12],
)

V01 = (
    Row(COUNT, 500, 3000),
    Row("Built-up", 400, 400),
    Row("Herbaceous wetland", 50, 500),
    Row("Mangroves", 50, 500),
    Row("Moss and lichen", 50, 500),
    Row("Cropland", 100, 500),
    Row("Tree cover", 100, 500),
    Row("Shrubland", 50, 500),
    Row("Grassland", 50, 500),
    Row("Bare / sparse vegetation", 50, 500),
    Row("Snow and Ice", 50, 500),
    Row("Permanent water bodies", 100, 1000),
)
"""1517 tiles when Clay v0.1 was made."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What came of a row."""

    column: str
    pool: int
    """Tiles that it drew from."""

    wanted: int
    drawn: int
    """Fewer than wanted where the pool is smaller."""

    new: int
    """Those that no row before it had drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class ClaySample:
    """A sample of tiles."""

    tiles: "GeoDataFrame"
    """The rows of the statistics that were drawn, as they were there, in the order of drawing."""

    rows: tuple[Drawn, ...]


def clay_v1(
    statistics: "Path | str | GeoDataFrame", *, seed: int | None = None, compat: Compat = ""
) -> ClaySample:
    """Return the tiles that Clay v1's table draws.

    Args:
        statistics: what `landcover` wrote, or a table with the same columns; pixels or shares.
        seed: None: 42, or with ``compat`` the script's own.
        compat: ``clay``: as Clay's script, see this module.

    Raises:
        DatasetError: a column is missing, a tile is there twice, or has no land cover.
    """
    if compat:
        return _sample(statistics, SCRIPT_V1, SCRIPT_SEED if seed is None else seed, _sorting_on)
    return _sample(statistics, V1, SEED if seed is None else seed, _each_afresh)


def clay_v01(
    statistics: "Path | str | GeoDataFrame", *, seed: int | None = None, compat: Compat = ""
) -> ClaySample:
    """Return the tiles that Clay v0.1's table draws. See `clay_v1`."""
    order = _sorting_on if compat else _each_afresh
    return _sample(statistics, V01, SEED if seed is None else seed, order)


def split_highest(
    data: "GeoDataFrame", col: str, size: int, pool: int = 1000, seed: int = SEED
) -> "GeoDataFrame":
    """Return some of the rows with the highest values in a column, drawn at random.

    Between equal values the tile's name decides, so that neither the order of the rows nor the
    processor does: numpy's quicksort, which Clay's script relies on, leaves that open.

    Args:
        data: with a column ``name``.
        col: the column.
        size: how many; all of the pool where it has no more.
        pool: from how many of the highest.
        seed: of pandas' ``sample``.
    """
    ranked = data.sort_values([col, NAME], ascending=[False, True])
    return _draw(ranked, size, pool, seed)


def shares(statistics: "GeoDataFrame") -> "GeoDataFrame":
    """Return statistics with each class as a share of all classes of its tile."""
    names = list(CLASSES.values())
    parts = statistics[names].astype(float)
    return statistics.assign(**parts.div(parts.sum(axis=1), axis=0))


Order = Callable[["GeoDataFrame", Sequence[Row], int], Iterator[tuple[Row, "GeoDataFrame"]]]


def _each_afresh(
    data: "GeoDataFrame", rows: Sequence[Row], seed: int
) -> Iterator[tuple[Row, "GeoDataFrame"]]:
    for row in rows:
        yield row, split_highest(data, row.column, row.size, row.pool, seed)


def _sorting_on(
    data: "GeoDataFrame", rows: Sequence[Row], seed: int
) -> Iterator[tuple[Row, "GeoDataFrame"]]:
    """Draw as the script does, which sorts what the row before has sorted."""
    for row in rows:
        data = data.sort_values(row.column, ascending=False)
        drawn = _draw(data, row.size, row.pool, seed)
        if not row.lost:
            yield row, drawn


def _draw(ranked: "GeoDataFrame", size: int, pool: int, seed: int) -> "GeoDataFrame":
    highest = ranked[:pool]
    return highest.sample(min(size, len(highest)), random_state=seed)


def _sample(
    statistics: "Path | str | GeoDataFrame", rows: Sequence[Row], seed: int, order: Order
) -> ClaySample:
    table = _table(statistics)
    taken: dict[int, None] = {}
    told = []
    for row, drawn in order(shares(table), rows, seed):
        before = len(taken)
        taken |= dict.fromkeys(drawn.index.tolist())
        pool = min(row.pool, len(table))
        told.append(Drawn(row.column, pool, row.size, len(drawn), len(taken) - before))
    return ClaySample(table.loc[list(taken)].reset_index(drop=True), tuple(told))


def _table(statistics: "Path | str | GeoDataFrame") -> "GeoDataFrame":
    """Return a table of statistics whose rows are numbered, and each one tile's."""
    if isinstance(statistics, Path | str):
        what, table = str(statistics), vector.read(Path(statistics))
    else:
        what, table = "The table of statistics", statistics
    absent = [one for one in (NAME, COUNT, *CLASSES.values()) if one not in table]
    if absent:
        raise _refusal(f"{what} has no column {absent[0]!r}")
    if table.empty:
        raise _refusal(f"{what} has no tiles")
    table = table.reset_index(drop=True)
    twice = table.index[table[NAME].duplicated()]
    if len(twice):
        raise _refusal(f"{what}, row {twice[0]}: tile {table[NAME][twice[0]]} is there twice")
    values = table[list(CLASSES.values())].to_numpy(float)
    wrong = np.flatnonzero(~((values >= 0).all(axis=1) & (values.sum(axis=1) > 0)))
    if len(wrong):
        raise _refusal(f"{what}, row {wrong[0]}: tile {table[NAME][wrong[0]]} has no land cover")
    return table


def _refusal(found: str) -> DatasetError:
    return DatasetError(
        found,
        expected=f"a tile a row, with {NAME}, {COUNT} and the pixels or shares of each class",
        remedy="make one with `cubestore sample landcover`",
    )
