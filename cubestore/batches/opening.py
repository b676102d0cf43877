"""From a store and a question to the chips that batches are made of."""

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from cubestore.batches.layers import nearest
from cubestore.batches.loading import Loading
from cubestore.batches.selection import Chips, Crossed, Rows
from cubestore.batches.sources import CubeSource, PatchSource
from cubestore.batches.streams import Stream
from cubestore.chips import ChipGrid
from cubestore.errors import DamagedError, MismatchError, NoIndexError, UnknownCubeError
from cubestore.index import file as indexfile
from cubestore.index import query
from cubestore.store import Store

log = logging.getLogger(__name__)

QUESTION = frozenset({"tile", "bbox", "datetime", "max_cloud", "max_nodata", "split", "where"})
"""What the index can be asked, beside the sensor and the size."""

REPEATS = "repeats"
COLUMNS = ("tile", "sensor", "slot", "chip_index_x", "chip_index_y", "chip_size")


def cube_stream(
    store: Store,
    sensor: str,
    loading: Loading,
    chips: pa.Table | None,
    question: Mapping[str, Any],
) -> Stream:
    """Return the chips of a sensor's cubes.

    Raises:
        UnknownCubeError: the store has no cube of it, or no chip that is asked for.
        NoIndexError: a question, and no index.
    """
    refuse_unknown(question, QUESTION)
    rows = _rows(store, sensor, loading, chips, question)
    tiles = sorted(
        {tile for tile, name in store.cubes() if name == sensor}
        if rows is None
        else set(rows["tile"].unique().to_pylist())
    )
    tiles = [tile for tile in tiles if all((tile, o) in store.cubes() for o in loading.beside)]
    if not tiles:
        raise _nothing(store, sensor)
    sources = [_source(store, tile, sensor, loading, loading.bands) for tile in tiles]
    beside = {
        other: [_source(store, tile, other, loading, None) for tile in tiles]
        for other in loading.beside
    }
    usable = [_usable(k, sources, beside, loading) for k in range(len(sources))]
    chosen = (
        _crossed(sources, usable, loading)
        if rows is None
        else _listed(sources, usable, loading, rows)
    )
    if not chosen.sizes.any():
        raise _nothing(store, sensor)
    return Stream(sources, chosen, beside=beside)


def patch_stream(
    store: Store, name: str, variable: str, loading: Loading, question: Mapping[str, Any]
) -> Stream:
    """Return the chips of a patch set: its patches, or their windows where chips are smaller.

    Args:
        store: that has it.
        name: of the set.
        variable: of the pixels.
        loading: what batches hold.
        question: ``split``: one or several, as published; none: all.

    Raises:
        UnknownPatchSetError: the store has no such set.
        UnknownCubeError: the set has no patch that is asked for.
        MismatchError: options that patches do not have, or a variable that has no pixels.
    """
    refuse_unknown(question, {"split"})
    if loading.beside:
        raise MismatchError(
            f"{' '.join(loading.beside)} beside a patch set",
            expected="no sensor beside",
            remedy="read each sensor of the set by itself: they come in one order if not shuffled",
        )
    split: str | Sequence[str] = question.get("split", ())
    source = PatchSource(store.patches(name), variable, bands=loading.bands, verify=loading.verify)
    grid = ChipGrid(shape=source.shape, size=loading.chip_size, overlap=loading.overlap)
    slots = np.flatnonzero(source.slots.live)
    wanted = [split] if isinstance(split, str) else list(split)
    if wanted:
        slots = slots[np.isin(source.split()[slots], wanted)]
    count = len(grid.rows) * len(grid.columns)
    slot, window = np.repeat(slots, count), np.tile(np.arange(count), len(slots))
    row, column = np.divmod(window, len(grid.columns))
    rows = Chips(np.zeros_like(slot), slot, grid.rows[row], grid.columns[column])
    place = source.patch(slot) * count + window
    chosen = Rows.of([grid], rows, files=source.files(slot), place=place, dates=loading.dates)
    if not chosen.sizes.any():
        raise _nothing(store, f"{name}, {variable}")
    return Stream([source], chosen, beside={})


def _rows(
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
        table = chips if isinstance(chips, pa.Table) else _table(chips)
        refuse_unknown(dict.fromkeys(COLUMNS), table.column_names)
        return table.filter(pa.compute.equal(table["sensor"], sensor))
    size = loading.chip_size
    files = [n for n in indexfile.names(store.path) if (n.sensor, n.size) == (sensor, size)]
    if loading.overlap or not (files or question):
        return None
    try:
        rows = query.scan(store, sensor=sensor, chip_size=size, columns=COLUMNS, **question)
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


def _table(chips: Any) -> pa.Table:  # noqa: ANN401 - a GeoDataFrame
    """Return the columns of a frame that are looked at."""
    wanted = [name for name in (*COLUMNS, REPEATS) if name in chips.columns]
    return pa.table({name: chips[name].to_numpy() for name in wanted})


def refuse_unknown(given: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse options, or columns, that there are none of."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise MismatchError(
            f"There is no {', '.join(unknown)}",
            expected=f"some of {', '.join(sorted(known))}, and the fields of Loading",
            remedy="see cubestore.batches",
        )


def _source(
    store: Store, tile: str, sensor: str, loading: Loading, bands: Sequence[str] | None
) -> CubeSource:
    return CubeSource(store.cube(tile, sensor), bands=bands, verify=loading.verify)


def _usable(
    number: int,
    sources: Sequence[CubeSource],
    beside: Mapping[str, Sequence[CubeSource]],
    loading: Loading,
) -> NDArray[np.bool_]:
    """Return which slots of a source are not superseded, and have one beside of each sensor."""
    within = np.timedelta64(timedelta(days=loading.within))
    partners = [nearest(sources[number], of[number], within) >= 0 for of in beside.values()]
    usable: NDArray[np.bool_] = np.all([sources[number].slots.live, *partners], axis=0)
    return usable


def _listed(
    sources: Sequence[CubeSource],
    usable: Sequence[NDArray[np.bool_]],
    loading: Loading,
    table: pa.Table,
) -> Rows:
    """Return the chips of rows of the index."""
    sizes = set(table["chip_size"].unique().to_pylist())
    if not sizes <= {loading.chip_size}:
        raise MismatchError(
            f"Chips of {sorted(sizes)} pixels",
            expected=f"the chip_size, {loading.chip_size}",
            remedy="index that size, or pass another chip_size",
        )
    if REPEATS in table.column_names:
        if loading.dates > 1 or loading.jitter:
            raise MismatchError(
                "Chips that come repeatedly, and other slots of their places",
                expected="one of the two",
                remedy=f"leave out the column {REPEATS}, or `dates` and `jitter`",
            )
        table = table.take(np.repeat(np.arange(len(table)), table[REPEATS].to_numpy()))
    grids = _grids(sources, loading)
    parts = [
        _of_source(k, s, g, table) for k, (s, g) in enumerate(zip(sources, grids, strict=True))
    ]
    parts = [p.some(good[p.slot]) for p, good in zip(parts, usable, strict=True)]
    rows = _joined(parts)
    width = sources[0].shape[1]
    columns = -(-width // sources[0].shard[1])
    shard = rows.y // sources[0].shard[0] * columns + rows.x // sources[0].shard[1]
    files = rows.slot * columns * columns + shard
    return Rows.of(grids, rows, files=files, place=rows.y * width + rows.x, dates=loading.dates)


def _of_source(number: int, source: CubeSource, grid: ChipGrid, table: pa.Table) -> Chips:
    mine = table.filter(pa.compute.equal(table["tile"], source.name))
    slot, y, x = (
        mine[name].to_numpy().astype(np.int64) for name in ("slot", "chip_index_y", "chip_index_x")
    )
    there = slot < len(source.slots.live)  # the cube may have been made anew
    slot, y, x = slot[there], y[there], x[there]
    return Chips(np.full_like(slot, number), slot, grid.rows[y], grid.columns[x])


def _crossed(
    sources: Sequence[CubeSource], usable: Sequence[NDArray[np.bool_]], loading: Loading
) -> Crossed:
    """Return every window of every slot that has a shard there."""
    grids, parts = _grids(sources, loading), []
    for number, (source, good) in enumerate(zip(sources, usable, strict=True)):
        stored = source.stored()
        stored = stored.some(good[stored.slot])
        parts.append(Chips(np.full_like(stored.slot, number), *stored[1:]))
    there = _joined(parts)
    if sources[0].shard[0] % loading.chip_size or loading.overlap:
        there = _reaching(there, -(-(loading.chip_size - 1) // sources[0].shard[0]))
    return Crossed(grids, sources[0].shard, there, dates=loading.dates)


def _reaching(there: Chips, back: int) -> Chips:
    """Return shards with those above and to the left, from where windows may reach into them."""
    source, slot, y, x = there
    near = [(y - down, x - right) for down, right in product(range(back + 1), repeat=2)]
    every = np.concatenate([np.stack([source, slot, *place], axis=1) for place in near])
    every = np.unique(every[(every[:, 2:] >= 0).all(axis=1)], axis=0)
    return Chips(*every.T)


def _grids(sources: Sequence[CubeSource], loading: Loading) -> list[ChipGrid]:
    size, overlap = loading.chip_size, loading.overlap
    return [ChipGrid(shape=one.shape, size=size, overlap=overlap) for one in sources]


def _joined(parts: Sequence[Chips]) -> Chips:
    return Chips(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _nothing(store: Store, sensor: str) -> UnknownCubeError:
    return UnknownCubeError(
        f"{store.path} has no chips of {sensor} that are asked for",
        expected="a sensor that `cubestore info` lists, and chips of it",
        remedy="ask for less, or build it and index it again",
    )
