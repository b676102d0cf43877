"""From a store and a question to the chips that batches are made of."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from cubestore.batches.layers import nearest
from cubestore.batches.listing import asked, grids_of, listed, refuse_unknown
from cubestore.batches.loading import Loading
from cubestore.batches.selection import Chips, Crossed, Rows
from cubestore.batches.sources import CubeSource, PatchSource
from cubestore.batches.streams import Stream
from cubestore.chips import ChipGrid
from cubestore.errors import MismatchError, UnknownCubeError
from cubestore.store import Store

log = logging.getLogger(__name__)

QUESTION = frozenset({"tile", "bbox", "datetime", "max_cloud", "max_nodata", "split", "where"})
"""What the index can be asked, beside the sensor and the size."""


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
    rows = asked(store, sensor, loading, chips, question)
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
        else listed(sources, usable, loading, rows)
    )
    if not chosen.count:
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
    if loading.weighed:
        raise MismatchError(
            f"Patches weighed by {', '.join(loading.weighed)}",
            expected="chips of cubes: patch sets are not in the chip index",
            remedy="leave it out, or sample the set's splits",
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
    if not chosen.count:
        raise _nothing(store, f"{name}, {variable}")
    return Stream([source], chosen, beside={})


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


def _crossed(
    sources: Sequence[CubeSource], usable: Sequence[NDArray[np.bool_]], loading: Loading
) -> Crossed:
    """Return every window of every slot that has a shard there."""
    grids, parts = grids_of(sources, loading), []
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


def _joined(parts: Sequence[Chips]) -> Chips:
    return Chips(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _nothing(store: Store, sensor: str) -> UnknownCubeError:
    return UnknownCubeError(
        f"{store.path} has no chips of {sensor} that are asked for",
        expected="a sensor that `cubestore info` lists, and chips of it",
        remedy="ask for less, or build it and index it again",
    )
