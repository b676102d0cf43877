"""The chips that are listed: rows of the index, or of what a user made of it."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cubestore.batches.loading import Loading
from cubestore.batches.selection import Chips, Ints, Rows
from cubestore.batches.sources import CubeSource
from cubestore.chips import ChipGrid
from cubestore.errors import DamagedError, MismatchError, NoIndexError
from cubestore.index import file as indexfile
from cubestore.index import query
from cubestore.index.landcover import CLASSES
from cubestore.splits.weights import FRACTIONS, LAND_COVER, weights
from cubestore.store import Store

log = logging.getLogger(__name__)

REPEATS, WEIGHTS = "repeats", "weights"
"""Columns that tell how often a chip comes in an epoch: so often, or as often as it weighs."""

COLUMNS = ("tile", "sensor", "slot", "chip_index_x", "chip_index_y", "chip_size")


def asked(
    store: Store,
    sensor: str,
    loading: Loading,
    chips: pa.Table | None,
    question: Mapping[str, Any],
) -> pa.Table | None:
    """Return rows of the index; None where there is none and nothing asks for it."""
    if (chips is not None or question) and loading.overlap:
        raise MismatchError(
            f"Chips of the index that overlap by {loading.overlap} pixels",
            expected="an overlap of 0: the index lists chips that do not overlap",
            remedy="leave out the question, or the overlap",
        )
    if chips is not None:
        if question:
            raise MismatchError(
                f"Both chips and {', '.join(question)}",
                expected="one of the two",
                remedy="ask `cubestore.index.scan` for the chips, and pass what it returns",
            )
        table = chips if isinstance(chips, pa.Table) else _table(chips, loading)
        refuse_unknown(dict.fromkeys(COLUMNS), table.column_names)
        return table.filter(pc.equal(table["sensor"], sensor))
    size = loading.chip_size
    files = [n for n in indexfile.names(store.path) if (n.sensor, n.size) == (sensor, size)]
    if loading.overlap or not (files or question or loading.weighed):
        return None
    columns = [*COLUMNS, *_weighing(loading)]
    try:
        rows = query.scan(store, sensor=sensor, chip_size=size, columns=columns, **question)
    except (pa.ArrowException, NoIndexError, OSError) as error:
        if isinstance(error, NoIndexError) and not files:
            raise
        raise DamagedError(
            f"The chip index of {sensor} in {store.path} cannot be read: {error}",
            expected="files that `cubestore index` has written",
            remedy="run it again",
        ) from error
    if any(query.behind(store, name) for name in files):
        log.warning("%s: %s has changed since it was indexed: cubestore index", store.path, sensor)
    return rows


def listed(
    sources: Sequence[CubeSource],
    usable: Sequence[NDArray[np.bool_]],
    loading: Loading,
    table: pa.Table,
) -> Rows:
    """Return the chips of rows of the index.

    Args:
        sources: the cubes.
        usable: of each cube, which slots may be taken.
        loading: what batches hold.
        table: the rows.
    """
    sizes = set(table["chip_size"].unique().to_pylist())
    if not sizes <= {loading.chip_size}:
        raise MismatchError(
            f"Chips of {sorted(sizes)} pixels",
            expected=f"the chip_size, {loading.chip_size}",
            remedy="index that size, or pass another chip_size",
        )
    number = _numbers(sources, table)
    there = _there(number, _column(table, "slot"), usable)
    table, number = table.filter(there), number[there]
    grids = grids_of(sources, loading)
    rows = _placed(grids, number, table)
    width = sources[0].shape[1]
    columns = -(-width // sources[0].shard[1])
    shard = rows.y // sources[0].shard[0] * columns + rows.x // sources[0].shard[1]
    return Rows.of(
        grids,
        rows,
        files=rows.slot * columns * columns + shard,
        place=rows.y * width + rows.x,
        dates=loading.dates,
        often=_often(table, loading),
    )


def grids_of(sources: Sequence[CubeSource], loading: Loading) -> list[ChipGrid]:
    """Return where the chips of each cube may lie."""
    size, overlap = loading.chip_size, loading.overlap
    return [ChipGrid(shape=one.shape, size=size, overlap=overlap) for one in sources]


def refuse_unknown(given: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse options, or columns, that there are none of."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise MismatchError(
            f"There is no {', '.join(unknown)}",
            expected=f"some of {', '.join(sorted(known))}, and the fields of Loading",
            remedy="see cubestore.batches",
        )


def _table(chips: Any, loading: Loading) -> pa.Table:  # noqa: ANN401 - a GeoDataFrame
    """Return the columns of a frame that are looked at."""
    looked_at = (*COLUMNS, REPEATS, WEIGHTS, *_weighing(loading))
    wanted = [name for name in looked_at if name in chips.columns]
    return pa.table({name: chips[name].to_numpy() for name in wanted})


def _weighing(loading: Loading) -> list[str]:
    """Return the columns that chips are weighed by, beside those that are always read."""
    found: list[str] = []
    for name in loading.weighed:
        found += CLASSES if name in {LAND_COVER, FRACTIONS} else [name]
    return [name for name in dict.fromkeys(found) if name not in COLUMNS]


def _numbers(sources: Sequence[CubeSource], table: pa.Table) -> Ints:
    """Return which source each row is of; -1: none."""
    names = pa.array([source.name for source in sources], pa.string())
    found = pc.fill_null(pc.index_in(table["tile"].cast(pa.string()), value_set=names), -1)
    numbers: Ints = found.to_numpy().astype(np.int64)
    return numbers


def _there(number: Ints, slot: Ints, usable: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Return which rows are of slots that may be taken; the cube may have been made anew."""
    there = np.zeros(len(number), bool)
    for source, good in enumerate(usable):
        mine = np.flatnonzero((number == source) & (slot < len(good)))
        there[mine] = good[slot[mine]]
    return there


def _placed(grids: Sequence[ChipGrid], number: Ints, table: pa.Table) -> Chips:
    """Return the chips of rows, each with its first pixel."""
    row, column = _column(table, "chip_index_y"), _column(table, "chip_index_x")
    y, x = np.empty_like(row), np.empty_like(column)
    for source, grid in enumerate(grids):
        mine = number == source
        y[mine], x[mine] = grid.rows[row[mine]], grid.columns[column[mine]]
    return Chips(number, _column(table, "slot"), y, x)


def _column(table: pa.Table, name: str) -> Ints:
    values: Ints = table[name].to_numpy().astype(np.int64)
    return values


def _often(table: pa.Table, loading: Loading) -> NDArray[np.float64] | None:
    """Return how often each chip comes in an epoch, on average; None: once."""
    ways = [name for name in (REPEATS, WEIGHTS) if name in table.column_names]
    if len(ways) + bool(loading.weighed) > 1:
        raise MismatchError(
            f"Chips with {' and '.join([*ways, *loading.weighed])}",
            expected="one of a column repeats, a column weights and balance",
            remedy="multiply what is to hold together, and pass it as weights",
        )
    if not (len(table) and (ways or loading.weighed)):
        return None
    given = weights(table, loading.weighed) if loading.weighed else _given(table, ways[0])
    return given if ways == [REPEATS] else given / given.sum() * len(given)


def _given(table: pa.Table, name: str) -> NDArray[np.float64]:
    """Return a column that says how often chips come."""
    values: NDArray[np.float64] = table[name].to_numpy().astype(np.float64)
    whole = name == WEIGHTS or np.array_equal(values, np.floor(values))
    if not (np.isfinite(values).all() and (values >= 0).all() and values.any() and whole):
        raise MismatchError(
            f"Chips with {name} such as {values[:3]}",
            expected="numbers of 0 and more, not all 0; repeats are whole",
            remedy="see cubestore.splits.weights and .repeats",
        )
    return values
