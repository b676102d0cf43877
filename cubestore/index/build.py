"""The chip index of a store: what is in each chip of each slot, kept up with the cubes' commits.

    cubestore.index_store("STORE")                  # again: only slots with new pixels are counted

A row is a chip of a slot that has at least one pixel of data; superseded slots have none. A slot
is counted again when a later commit has written pixels of it; the rows of all others are taken
over from the file that is there. What that file describes is in it: while the cube's commit and
that of the tile's land cover are still the same, nothing is read but its end.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from cubestore import disk, layout, lock
from cubestore.chips import CHIP_SIZE, ChipGrid
from cubestore.committed import Committed, State, committed
from cubestore.cube import WAIT, Cube
from cubestore.encoding import Array
from cubestore.errors import MismatchError, UnknownCubeError
from cubestore.grids import tile as tile_of
from cubestore.index import file as indexfile
from cubestore.index.file import FOLDER, VERSION, Described, Name
from cubestore.index.fractions import Counter
from cubestore.index.landcover import land_cover
from cubestore.index.rows import Counted, Rows, Shown, arrange, old_rows, shown
from cubestore.index.rules import known, rule
from cubestore.index.split import SplitRule, keep, kept, split_files
from cubestore.records import Root
from cubestore.sensors import sensor as sensor_of
from cubestore.sensors.worldcover import ESA_WORLDCOVER
from cubestore.store import Store, open_store

Progress = Callable[[str, str, int, int], None]
"""Told of tile, sensor, slots counted, and slots to count."""

_LARGEST = 2**16
"""Chips along an axis that their indexes can count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What became of one cube's file."""

    tile: str
    sensor: str
    chip_size: int
    path: str
    chips: int
    """Rows of the file."""

    counted: int
    """Slots whose pixels were read."""

    kept: int
    """Slots whose rows were taken over."""

    state: str
    """``written``, ``unchanged``, or ``removed``: the cube is gone."""


def index_store(  # noqa: PLR0913 - options, each by keyword
    store: Store | str | os.PathLike[str],
    *,
    sensors: str | Iterable[str] | None = None,
    tiles: str | Iterable[str] | None = None,
    chip_size: int = CHIP_SIZE,
    compat: str = "",
    split: SplitRule | None = None,
    workers: int | None = None,
    wait: float = WAIT,
    progress: Progress | None = None,
) -> list[Indexed]:
    """Bring the chip index of a store up to date: ``STORE/index/chips/*.parquet``, GeoParquet.

    Args:
        store: on a file system.
        sensors: only these; None: all that the store has.
        tiles: only these.
        chip_size: pixels along a chip's side. Files of other sizes stay as they are.
        compat: ``stacchip`` counts as stacchip did: each product's own mask, chips at the edge
            left out, and those of which more than half is nodata. See `rules`.
        split: give the chips of the whole index their split by this rule, from now on; None: by
            the one that is kept, if any is.
        workers: threads; None: one a processor.
        wait: seconds to wait for another who indexes the store.
        progress: told how it goes on.

    Returns:
        What was done, cube by cube.

    Raises:
        UnknownCubeError: a tile or sensor that the store has no cube of.
        MismatchError: chips too small to be numbered.
        QueryError: another ``compat``, or a sensor named that it does not know.
        LockedError: another process indexes the store.
        LeakError: splits of a file that share ground.
        DamagedError: bytes of a cube are not those that were committed.
        NotWritableError: the store is not on a file system, or the disk is full or read-only.
    """
    opened = store if isinstance(store, Store) else open_store(store)
    folder = _folder(opened)
    if workers is not None and workers < 1:
        raise MismatchError(
            f"{workers} workers", expected="at least one", remedy="leave it out for one a processor"
        )
    wanted = _wanted(opened, sensors, tiles, compat)
    with disk.writable(folder):
        disk.sync(disk.make_directory(folder))
    with (
        lock.hold(folder.parent / ".lock", wait),
        ThreadPoolExecutor(workers or os.cpu_count()) as executor,
    ):
        disk.sweep(folder)
        task = _Task(opened, folder, compat, executor, progress)
        done = [task.renew(opened.cube(*cube), chip_size) for cube in wanted.cubes]
        done += [task.drop(name) for name in wanted.gone]
        rule = split or kept(folder)
        if rule:
            split_files(folder, rule)
        if split:  # once it has been found to work
            keep(folder, split)
        return done


@dataclass(frozen=True, slots=True)
class _Wanted:
    cubes: Sequence[tuple[str, str]]
    gone: Sequence[Name]
    """Files of cubes that are no longer there."""


def _folder(store: Store) -> Path:
    remedy = "index the store where it was written; the index is read from anywhere"
    return disk.path_of(store.path, remedy=remedy) / FOLDER


def _wanted(
    store: Store,
    sensors: str | Iterable[str] | None,
    tiles: str | Iterable[str] | None,
    compat: str,
) -> _Wanted:
    """Return the cubes that are to be indexed, and what is to be removed."""
    chosen = _listed(sensors), _listed(tiles)
    for one in chosen[0] or ():
        rule(sensor_of(one), compat)
    chosen = chosen[0], None if chosen[1] is None else [tile_of(one).id for one in chosen[1]]
    rule(sensor_of("sentinel-2-l2a"), compat)  # or refuse the way of counting
    everything = store.cubes()
    asked = [c for c in everything if _among(c[1], chosen[0]) and _among(c[0], chosen[1])]
    files = [n for n in indexfile.names(store.path) if (n.tile, n.sensor) not in everything]
    gone = [n for n in files if _among(n.sensor, chosen[0]) and _among(n.tile, chosen[1])]
    if not asked and not gone and any(chosen):
        raise UnknownCubeError(
            f"{store.path} has no cube of {' '.join(w for c in chosen if c for w in c)}",
            expected="one that `cubestore info` lists",
            remedy="build it first",
        )
    return _Wanted([c for c in asked if known(sensor_of(c[1]), compat)], gone)


def _listed(words: str | Iterable[str] | None) -> list[str] | None:
    """Return one or several as a list; None and none: all."""
    if words is None:
        return None
    return [words] if isinstance(words, str) else list(words) or None


def _among(word: str, words: Sequence[str] | None) -> bool:
    return words is None or word in words


@dataclass(frozen=True, slots=True)
class _Task:
    """Renews files of one store's index."""

    store: Store
    folder: Path
    compat: str
    executor: Executor
    progress: Progress | None

    def renew(self, cube: Cube, size: int) -> Indexed:
        """Bring the file of a cube up to date."""
        name = Name(cube.tile.grid, cube.tile.id, cube.sensor.id, size)
        root, cover = cube.root(), covering(self.store, cube)
        what = Described(
            version=VERSION,
            commit=(root.number, root.digest),
            land_cover=state(cover),
            compat=self.compat,
        )
        there = indexfile.described(self.store.path, name)
        if there == what:
            return self._done(name, "unchanged")
        chips = _chips(cube, size, self.compat)
        since = there.commit if there and there.counts_as(what) else None
        counted = self._counted(cube, root, chips, name, since)
        cover_of = land_cover(cover) if cover else None
        content = arrange(cube, chips, counted, cover_of, self.executor)
        indexfile.write(self.folder, name, content.tables(), content.metadata(name, what))
        return self._done(name, "written", counted=counted.counted, kept=counted.kept)

    def drop(self, name: Name) -> Indexed:
        """Remove the file of a cube that is gone."""
        indexfile.remove(self.folder, name)
        return self._done(name, "removed")

    def _counted(
        self, cube: Cube, root: Root, chips: ChipGrid, name: Name, since: State | None
    ) -> Counted:
        """Return the cube's chips: of slots with new pixels counted, of others as they were."""
        counting = rule(cube.sensor, self.compat)
        arrays = {n: Array.from_document(n, root.arrays[n]) for n in counting.layers}
        pixels = cube.sensor.pixels.name
        counter = Counter(
            group=Path(cube.path),
            pixels=Array.from_document(pixels, root.arrays[pixels]),
            masks=arrays,
            grid=chips,
            rule=counting,
        )
        old = None if since is None else old_rows(self.store.path, name, counter.row)
        told = committed(cube, root, None if old is None else since)
        slots = shown(cube, root)
        new = {slot: told.shards[slot] for slot in slots.index if slot in told.shards}
        parts = [] if old is None or told.since is None else [_kept(old, told, slots)]
        for done, (_, rows) in enumerate(counter.rows(new, self.executor), 1):
            parts.append(rows)
            if self.progress:
                self.progress(cube.tile.id, cube.sensor.id, done, len(new))
        rows = np.concatenate([np.zeros(0, counter.row), *parts])
        kept = len(slots.index) - len(new) if told.since else 0
        return Counted(rows, slots, told.commits, counted=len(new), kept=kept)

    def _done(self, name: Name, became: str, counted: int = 0, kept: int = 0) -> Indexed:
        path = self.folder / name.file
        return Indexed(
            tile=name.tile,
            sensor=name.sensor,
            chip_size=name.size,
            path=str(path),
            chips=0 if became == "removed" else pq.read_metadata(path).num_rows,
            counted=counted,
            kept=kept,
            state=became,
        )


def covering(store: Store, cube: Cube) -> Cube | None:
    """Return the WorldCover cube of a cube's tile."""
    if cube.tile.grid != ESA_WORLDCOVER.grid:
        return None
    try:
        return store.cube(cube.tile.id, ESA_WORLDCOVER.id)
    except UnknownCubeError:
        return None


def state(cube: Cube | None) -> State | None:
    """Return the newest commit of a cube: number and digest."""
    if cube is None:
        return None
    root = cube.root()
    return root.number, root.digest


def _chips(cube: Cube, size: int, compat: str) -> ChipGrid:
    """Return the chips of a cube.

    Raises:
        MismatchError: there are more of them along a side than can be numbered.
    """
    shape = layout.geobox(cube.sensor, cube.tile).shape
    grid = ChipGrid(shape=(shape.y, shape.x), size=size, whole=rule(cube.sensor, compat).whole)
    if max(len(grid.rows), len(grid.columns)) > _LARGEST:
        raise MismatchError(
            f"Chips of {size} pixels on the {shape.y} x {shape.x} of {cube.sensor.id}",
            expected=f"at most {_LARGEST} along a side",
            remedy="choose a larger chip size",
        )
    return grid


def _kept(old: Rows, told: Committed, slots: Shown) -> Rows:
    """Return the rows of slots that are shown, and whose pixels are those that were counted."""
    since = told.since[0] if told.since else -1
    same = [slot for slot in slots.index if told.commits[slot] <= since]
    return old[np.isin(old["slot"], same)]
