"""The verb that tells what pixels are like: means, deviations, percentiles, band by band."""

import contextlib
from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter
from rich.progress import Progress, TaskID

import cubestore
from cubestore.cube import Cube
from cubestore.stats.statistics import PERCENTS, BandStatistics, Statistics
from cubestore.stats.survey import Watch, measured
from cubestore.stats.survey import stats as pooled
from cubestore_pipelines.cli.output import Json, plain_console, show_json, show_table

COLUMNS = ("sensor", "cubes", "band", "unit", "pixels", "mean", "std", "min", "max")

Named = Annotated[tuple[str, ...], Parameter(negative="")]
"""An option that is given once for each name."""


def stats(
    store: str,
    /,
    *,
    sensor: Named = (),
    tile: Named = (),
    exact: bool = False,
    keep: bool = True,
    json: Json = False,
) -> None:
    """Show each band's mean, deviation and percentiles of stored values, nodata left out.

    Example: cubestore stats STORE --sensor sentinel-2-l2a

    Args:
        store: path or address of the store.
        sensor: only this sensor; repeatable. Without it, all that measure.
        tile: only this tile; repeatable.
        exact: read all pixels for the percentiles of several cubes, instead of interpolating
            between those that each cube keeps.
        keep: keep them in the cubes, where nothing is read again until pixels come.
        json: print one JSON object.
    """
    opened = cubestore.open_store(store)
    wanted = measured(opened, sensor, [cubestore.tile(name).id for name in tile])
    with _watched() as watch:
        found = [
            pooled(opened, one, tiles, exact=exact, keep=keep, watch=watch)
            for one, tiles in wanted.items()
        ]
    if json:
        show_json({"store": store, "statistics": [one.to_json() for one in found]})
    else:
        percents = [f"{percent} %" for percent in PERCENTS]
        show_table([*COLUMNS, *percents], [row for one in found for row in _rows(one)])


def _rows(found: Statistics) -> Iterator[list[object]]:
    sign = "" if found.exact_percentiles else "~"
    for unit, bands in (("stored", found.bands), ("dB", found.decibels)):
        for band in bands:
            head = [found.sensor, len(found.cubes), band.name, unit, band.count]
            numbers = [_short(value) for value in _numbers(band)]
            yield [*head, *numbers, *(sign + _short(value) for value in band.percentiles)]


def _numbers(band: BandStatistics) -> tuple[float, ...]:
    return band.mean, band.std, band.min, band.max


def _short(value: float) -> str:
    return f"{value:.6g}"


@contextlib.contextmanager
def _watched() -> Iterator[Watch | None]:
    """Show a bar a cube on a terminal."""
    console = plain_console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Progress(console=console) as progress:
        yield _Bars(progress)


class _Bars:
    """A bar for each cube that is read."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, cube: Cube, done: int, of: int) -> None:
        if cube.path not in self._tasks:
            name = f"{cube.tile.id} {cube.sensor.id}"
            self._tasks[cube.path] = self._progress.add_task(name, total=of)
        self._progress.update(self._tasks[cube.path], completed=done)
