"""The demo: the whole way from a catalogue to a cube, on a simulated archive, without a network.

The archive answers on the loopback as the Planetary Computer does: the unmodified pystac-client
searches it, the unmodified SDK signs its addresses, its tokens expire. Whatever is there already
is left as it is, so that a demo that was interrupted goes on.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyproj
import shapely
from distributed import Client

import cubestore
from cubestore_catalog.publish import publish
from cubestore_pipelines import cluster, demo_alike, planfile
from cubestore_pipelines.build import Report, build
from cubestore_pipelines.choices import Choices
from cubestore_pipelines.demo_step import Step
from cubestore_pipelines.plan import plan
from cubestore_pipelines.simulate.archive import TILE, demo_plan, make_archive, shown_plan
from cubestore_pipelines.simulate.plans import CROSSING, HARBOUR, PLAINS
from cubestore_pipelines.simulate.server import Serving, serving

SENSOR = "sentinel-2-l2a"
ARCHIVE = ".archive"
"""The archive lies in the store's directory, and is no part of the store."""

TOKENS_LIVE = 20.0
"""Seconds: shorter than the demo, so that tokens expire while it reads."""

HALF = 0.13
"""Degrees of longitude and latitude about the place that Sentinel-2 shows."""

NARROW, CLOSE = 0.05, 0.01
"""The same about the places that the other satellites, and aeroplanes, show."""

SIN_TILE = "h18v04"
OTHERS = ("sentinel-1-rtc", "landsat-c2-l2", "modis-09a1", "cop-dem-glo-30", "esa-worldcover")
PAIRED = "sentinel-1-rtc=near:sentinel-2-l2a:3d"
"""The radar beside each of the optical slots."""

TOGETHER = ("sentinel-2-l2a", "sentinel-1-rtc", "landsat-c2-l2", "cop-dem-glo-30")
GSD, SIDE = 20, 256
"""Metres and pixels of the grid on which the demo puts several sensors."""

CLOUD = 0.3
"""The part of a chip that may be cloud, of those that are trained on."""

Start = Callable[[], Client]
"""Returns the workers of all builds; a demo that is there already needs none."""

__all__ = ["SENSOR", "TILE", "Step", "run"]


def run(directory: Path) -> Iterator[Step]:
    """Do what the demo does, a step at a time.

    Args:
        directory: of the store; made where it is not there.
    """
    cubestore.create_store(directory)
    archive = make_archive(directory / ARCHIVE, shown_plan(), workers=2)
    with serving(archive, token_lifetime=TOKENS_LIVE) as server, _environment(server.environment):
        found = f"{len(archive.items)} scenes, searched at {server.stac_url}"
        yield Step(f"python -m cubestore_pipelines.simulate {directory / ARCHIVE}", found)
        with cluster.when_needed(None, None) as start:
            yield from _builds(directory, _choices(server.stac_url), start)
            yield from _others(directory, server, start)
    yield _aligned(directory)
    yield from _streamed(directory)
    yield from demo_alike.vectors(directory)
    yield _catalogued(directory)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Tell the clients where the archive is, them and those of the workers."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _choices(address: str) -> Choices:
    return Choices(catalog=address, sensors=(SENSOR,), area=_around(CROSSING, HALF))


def _around(place: tuple[float, float], half: float) -> shapely.Geometry:
    longitude, latitude = place
    box = (longitude - half, latitude - half / 2, longitude + half, latitude + half / 2)
    return shapely.box(*box)


def _others(directory: Path, server: Serving, start: Start) -> Iterator[Step]:
    """Build what every other sensor shows, on both grids: a place in one command, and two more."""
    seen = Choices(
        catalog=server.stac_url,
        sensors=OTHERS,
        tiles=(TILE, SIN_TILE),
        area=_around(CROSSING, NARROW),
        select=("all", PAIRED),
    )
    kansas = replace(
        seen,
        sensors=("naip",),
        tiles=("14SNH",),
        area=_around(PLAINS, CLOSE),
        select=("all",),
    )
    wellington = replace(
        kansas,
        catalog=server.linz_url,
        sensors=("linz",),
        tiles=("60GUV",),
        area=_around(HARBOUR, CLOSE),
        profile="linz",
    )
    for chosen in (seen, kansas, wellington):
        report = build(directory, plan(directory, chosen), start=start)
        yield Step(_command("build", directory, chosen), _result(report))


def _streamed(directory: Path) -> Iterator[Step]:
    """Index the chips of the store, and go through some of them as a training would."""
    done = cubestore.index_store(directory)
    listed = f"{sum(one.chips for one in done)} chips of {len(done)} cubes listed"
    yield Step(f"cubestore index {directory}", listed)
    batches = cubestore.batches(directory, sensor=SENSOR, max_cloud=CLOUD)
    started = time.perf_counter()
    chips = sum(len(batch["chipid"]) for batch in batches)
    result = f"{chips} chips of 256 x 256 in {time.perf_counter() - started:.1f} s"
    yield Step(f"cubestore batches {directory} --sensor {SENSOR} --max-cloud {CLOUD}", result)


def _catalogued(directory: Path) -> Step:
    """Describe all of it as STAC."""
    done = publish(directory)
    told = f"{done.items} items of {len(done.collections)} collections, STAC and GeoParquet"
    return Step(f"cubestore catalog {directory}", told)


def _aligned(directory: Path) -> Step:
    """Put several sensors on one grid, as a program would."""
    tile = cubestore.tile(TILE)
    to_tile = pyproj.Transformer.from_crs("EPSG:4326", str(tile.crs), always_xy=True)
    x, y = to_tile.transform(*CROSSING)
    column, row = (int(n / GSD) - SIDE // 2 for n in (x - tile.bounds.left, tile.bounds.top - y))
    window = (slice(row, row + SIDE), slice(column, column + SIDE))
    found = cubestore.open_store(directory).align(TILE, TOGETHER, GSD, window)
    code = f"store.align({TILE!r}, {list(TOGETHER)}, gsd={GSD}, window=…)"
    pixels = {
        name: dict(found[name].sizes) for name in found.data_vars if "band" in str(found[name].dims)
    }
    return Step(code, "; ".join(f"{name} {tuple(size.values())}" for name, size in pixels.items()))


def _builds(directory: Path, choices: Choices, start: Start) -> Iterator[Step]:
    first = replace(choices, datetime="2023", select=("least-cloudy-per-quarter",))
    file = directory / ARCHIVE / "plan.json"
    made = plan(directory, first)
    planfile.save(made, file)
    facts = made.summary()
    yield Step(_command("plan", directory, first, f"-o {file}"), f"{facts['slots']} slots chosen")
    yield Step(
        f"cubestore build {directory} --plan {file}",
        _result(build(directory, planfile.load(file), start=start)),
    )
    reprocessed = tuple(one.item_id for one in demo_plan() if one.baseline == "05.00")
    rest = replace(choices, datetime="2021", skip_items=reprocessed)
    for chosen in (rest, choices, choices):
        report = build(directory, plan(directory, chosen), start=start)
        yield Step(_command("build", directory, chosen), _result(report))


def _command(verb: str, directory: Path, choices: Choices, more: str = "") -> str:
    """Return the command that makes the same choices."""
    box = choices.area.bounds if choices.area is not None else ()
    words = [f"cubestore {verb} {directory} --catalog {choices.catalog}"]
    words += [f"--sensor {sensor}" for sensor in choices.sensors]
    words += [f"--tile {tile}" for tile in choices.tiles]
    words.append("--bbox " + " ".join(f"{edge:.3f}" for edge in box))
    words += [f"--profile {choices.profile}"] if choices.profile else []
    words += [f"--datetime {choices.datetime}"] if choices.datetime else []
    words += [f"--select {rule}" for rule in choices.select if rule != "all"]
    words += [f"--skip-item {item}" for item in choices.skip_items]
    return " ".join([*words, more]).strip()


def _result(report: Report) -> str:
    done = f"{len(report.committed)} slots committed, {report.unchanged} were there"
    return f"{done}, {len(report.failures)} failed" if report.failures else done
