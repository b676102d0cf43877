"""What covers the land in each MGRS tile: the statistics from which Clay's samples are drawn.

The pixels of WorldCover in the box around each part of a tile are counted by class. A tile of
which nothing is known, or that is all water, has no row (Clay-foundation/model,
scripts/landcover.py). Boxes are those of ESA's four corners, hence those of Clay's.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from cubestore import grids
from cubestore.errors import CubestoreError
from cubestore.grids import GRIDS, Tile
from cubestore_pipelines.errors import DatasetError, PlanError
from cubestore_pipelines.sampling import vector
from cubestore_pipelines.sampling.ledger import Ledger, source
from cubestore_pipelines.sampling.outlines import outline
from cubestore_pipelines.sampling.sheets import sheets
from cubestore_pipelines.sampling.worldcover import CLASSES, Mosaic

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

GRID = "mgrs"
WATER = list(CLASSES).index(80)

Box = tuple[float, float, float, float]
Places = list[tuple[float, float, float, float]]
Progress = Callable[[int, int], None]
"""Told how many tiles of how many are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LandCover:
    """What came of the statistics."""

    output: str
    tiles: int
    """Rows of the table."""

    empty: int
    """Tiles without a row: of which nothing is known, or that are all water."""

    counted: int
    """Tiles whose pixels were read now; the others were known."""

    failures: tuple[tuple[str, str], ...] = ()
    """Tiles that could not be counted, each with the reason. Another run tries them again."""


def landcover(
    worldcover: Path | str | Sequence[Path],
    output: Path | str,
    *,
    tile: Sequence[str] = (),
    bbox: Box | None = None,
    workers: int | None = None,
    timeout: float = 30.0,
    progress: Progress | None = None,
) -> LandCover:
    """Write the land cover of MGRS tiles: how many pixels of 160 m each class has.

    What is counted stays in a file beside the table, ``OUTPUT.counted``; a second run reads only
    what is not there yet.

    Args:
        worldcover: a folder of WorldCover's GeoTIFFs, some of them, or a catalogue of them as
            ``--catalog`` takes it.
        output: the table, FlatGeobuf or GeoParquet.
        tile: MGRS tiles; none: all that the sheets have a part in.
        bbox: west, south, east and north in degrees; tiles with a part in it.
        workers: threads; None: one a processor.
        timeout: seconds that a server may take to answer.
        progress: told how it goes on.

    Raises:
        DatasetError: a sheet is not as it was published, or there is none.
        UnknownTileError: there is no such tile.
        PlanError: a tile is of another grid, or the output of no format that is known.
        NotWritableError: the disk takes no more; what was counted stays.
    """
    output = Path(output)
    vector.check(output)
    wanted = _wanted(tile, bbox)
    area = None if wanted is None else shapely.union_all([outline(one) for one in wanted])
    mosaic = Mosaic(sheets(worldcover, area, timeout=timeout))
    run = _Run(mosaic, Ledger(output), workers or os.cpu_count() or 1, progress)
    rows = run.count(GRIDS[GRID].candidates(mosaic.boxes) if wanted is None else wanted)
    filled = {one: counts for one, counts in rows.items() if _has_land(counts)}
    vector.write(table(filled), output)
    return LandCover(
        output=str(output),
        tiles=len(filled),
        empty=len(rows) - len(filled),
        counted=run.counted,
        failures=tuple(sorted(run.failures)),
    )


def table(rows: dict[Tile, Sequence[int]]) -> "GeoDataFrame":
    """Return the statistics of tiles as a table: ``name``, ``count``, a column for each class.

    Args:
        rows: pixels of each of `CLASSES` by tile.
    """
    import geopandas  # noqa: PLC0415 - half a second, for those who need it

    counts = np.array(list(rows.values()), np.int64).reshape(-1, len(CLASSES))
    columns: dict[str, Any] = {"name": [one.id for one in rows], "count": (counts > 0).sum(axis=1)}
    columns |= dict(zip(CLASSES.values(), counts.T, strict=True))
    outlines = [outline(one) for one in rows]
    return geopandas.GeoDataFrame(columns, geometry=outlines, crs="EPSG:4326")


def _has_land(counts: Sequence[int]) -> bool:
    return sum(counts) > counts[WATER]


class _Run:
    """Counts tiles on threads, and keeps what was counted."""

    def __init__(
        self, mosaic: Mosaic, ledger: Ledger, workers: int, progress: Progress | None
    ) -> None:
        self._mosaic, self._ledger, self._workers = mosaic, ledger, workers
        self._progress = progress or (lambda _done, _total: None)
        self.counted, self.failures = 0, list[tuple[str, str]]()

    def count(self, tiles: Iterable[Tile]) -> dict[Tile, Sequence[int]]:
        """Return the pixels of each class of the tiles that a sheet has a part in, by id."""
        rows: dict[Tile, Sequence[int]] = {}
        missing: list[tuple[Tile, Places, str]] = []
        for one, places, told in self._met(tiles):
            known = self._ledger.known(one.id, told)
            rows |= {one: known} if known else {}
            missing += [] if known else [(one, places, told)]
        with self._ledger:
            rows |= self._counted(missing)
        return {one: rows[one] for one in sorted(rows, key=lambda one: one.id)}

    def _met(self, tiles: Iterable[Tile]) -> Iterator[tuple[Tile, Places, str]]:
        for one in tiles:
            places = [part.bounds for part in outline(one).geoms]
            if there := self._mosaic.over(places):
                yield one, places, source(there)

    def _counted(self, missing: Sequence[tuple[Tile, Places, str]]) -> dict[Tile, Sequence[int]]:
        rows: dict[Tile, Sequence[int]] = {}
        with ThreadPoolExecutor(self._workers) as pool:
            tasks = {pool.submit(self._mosaic.counts, todo[1]): todo for todo in missing}
            try:
                for number, task in enumerate(as_completed(tasks), 1):
                    one, _, told = tasks[task]
                    rows |= self._kept(one, told, task)
                    self._progress(number, len(missing))
            finally:
                pool.shutdown(cancel_futures=True)
        return rows

    def _kept(self, one: Tile, told: str, task: Future[Any]) -> dict[Tile, Sequence[int]]:
        try:
            counts = task.result()[list(CLASSES)].tolist()
        except DatasetError:
            raise
        except CubestoreError as error:
            self.failures.append((one.id, str(error)))
            return {}
        self._ledger.add(one.id, told, counts)
        self.counted += 1
        return {one: counts}


def _wanted(tile: Sequence[str], bbox: Box | None) -> list[Tile] | None:
    """Return the tiles that were named; None where none were."""
    if not tile and bbox is None:
        return None
    found = [grids.tile(one) for one in tile]
    if others := [one.id for one in found if one.grid != GRID]:
        raise PlanError(
            f"The land cover of {', '.join(others)}",
            expected="Sentinel-2 tiles, like 31UDQ",
            remedy="leave out tiles of other grids",
        )
    found += grids.tiles_in(*bbox, grid=GRID) if bbox else []
    return list(dict.fromkeys(found))
