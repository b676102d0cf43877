"""A place to build at: a simulated archive that can be spoilt, its server, the real command.

The scenes lie across the edge of two shards, so that each slot is two tasks.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import cubestore
from cubestore import grids
from cubestore_pipelines.simulate import assets
from cubestore_pipelines.simulate.archive import Archive, make_archive, tiny_plan
from cubestore_pipelines.simulate.assets import ACCOUNT, BLOBS, COLLECTION, CONTAINER
from cubestore_pipelines.simulate.granules import ALIGNED, CUBE_NODATA, Granule, part
from cubestore_pipelines.simulate.server import Serving

PROGRAM = Path(sys.executable).with_name("cubestore")
TILE, SENSOR = "31UGQ", "sentinel-2-l2a"
BANDS = ("B02", "B04")
PLACE = ("6.49", "49.04", "6.51", "49.06")
"""Longitudes and latitudes of a box that meets the two shards with data and no other."""

BOTH = (slice(4096, 8192), slice(4096, 6144))
"""Their pixels."""

Part = tuple[slice, slice]

NORTHERN = (slice(4096, 6144), slice(4096, 6144))
NORTH = ("6.497", "49.0505", "6.503", "49.053")
"""The northern one of the two, and a box in it."""

SMALL, LARGE = 1_200, 9_000
"""Metres of ground; files of the large one do not fit into what is asked for first."""

PATIENCE = 150.0
"""Seconds after which a command hangs."""

Json = dict[str, Any]


def scenes(count: int, *, side: int = SMALL) -> tuple[Granule, ...]:
    """Return granules of as many days."""
    first = tiny_plan(side)[2]
    return tuple(later(first, 10 * number) for number in range(count))


def later(granule: Granule, days: int) -> Granule:
    """Return a granule some days later."""
    times = {name: getattr(granule, name) for name in ("time", "strip", "generated")}
    return replace(granule, **{name: time + timedelta(days) for name, time in times.items()})


def archive(directory: Path, plan: Sequence[Granule]) -> Archive:
    """Make an archive."""
    return make_archive(directory, plan)


def copied(sound: Archive, directory: Path) -> Archive:
    """Return a copy of an archive, to be spoilt."""
    shutil.copytree(sound.directory, directory)
    return Archive(directory, sound.granules)


def file_of(made: Archive, granule: Granule, asset: str = "B02") -> Path:
    """Return where the file of an asset lies."""
    return made.blobs / ACCOUNT / CONTAINER / assets.path(granule, asset)


def rewrite(made: Archive, items: Sequence[Json]) -> None:
    """Let an archive list other items."""
    document = {"type": "FeatureCollection", "features": list(items)}
    (made.directory / f"{COLLECTION}.json").write_text(json.dumps(document))


def on_disk(made: Archive) -> Path:
    """Write a catalogue of an archive whose addresses are paths; return its own."""
    catalog = made.directory / "catalogue.json"
    text = (made.directory / f"{COLLECTION}.json").read_text()
    folder = f"{made.blobs}/{ACCOUNT}/{CONTAINER}"
    catalog.write_text(text.replace(BLOBS, folder))
    return catalog


# The command.


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def report(self) -> Json:
        """What it printed."""
        found: Json = json.loads(self.stdout)
        return found

    @property
    def problems(self) -> list[str]:
        """What no command may do, whatever went wrong."""
        traceback = ["a traceback"] if "Traceback" in self.stderr else []
        lines = self.stderr.strip().splitlines()
        vague = self.status == 1 and not ("Remedy:" in self.stderr and "cubestore:" in lines[-1])
        return traceback + [f"no remedy: {lines[-1:]}"] * vague


def arguments(
    store: Path, catalog: object, *options: object, workers: int = 1, place: Sequence[str] = PLACE
) -> list[str]:
    """Return the words of a build's command."""
    words = ["build", store, "--catalog", catalog, "--sensor", SENSOR, "--tile", TILE]
    words += ["--bbox", *place, "--bands", *BANDS, "--workers", workers, "--json", *options]
    return [str(PROGRAM), *map(str, words)]


def surroundings(server: Serving | None = None) -> dict[str, str]:
    """Return the environment of a command."""
    proxies = {name for name in os.environ if name.lower().endswith("_proxy")}
    clean = {name: value for name, value in os.environ.items() if name not in proxies}
    return clean | dict(server.environment if server else {})


def run(command: Sequence[str], server: Serving | None = None, **more: Any) -> Done:
    """Run a command to its end.

    Raises:
        TimeoutExpired: it hangs.
    """
    more = {"timeout": PATIENCE, "env": surroundings(server), **more}
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    return Done(done.returncode, done.stdout, done.stderr)


def build(
    store: Path,
    catalog: object,
    *options: object,
    server: Serving | None = None,
    timeout: float = PATIENCE,
    **more: Any,
) -> Done:
    """Run a build to its end."""
    return run(arguments(store, catalog, *options, **more), server, timeout=timeout)


# What came of it.


def cube(store: Path) -> Path:
    """Return the cube's group."""
    return store / "mgrs" / TILE / SENSOR


def ledger(store: Path) -> list[Json]:
    """Return what is written down of failures."""
    path = store / "mgrs" / TILE / ".control" / SENSOR / "ledger.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def slots(store: Path) -> dict[str, np.datetime64]:
    """Return the items of each slot that plain xarray sees, and its time."""
    if not (cube(store) / "zarr.json").exists():
        return {}
    data = xr.open_zarr(cube(store), chunks=None, mask_and_scale=False)
    return dict(zip(map(str, data.item_id.values), data.time.values, strict=True))


def wrong(store: Path, made: Archive, area: Part = BOTH) -> list[str]:
    """Return in what the slots that plain xarray sees differ from the truth, in whole shards."""
    if not slots(store):
        return []
    data = xr.open_zarr(cube(store), chunks=None, mask_and_scale=False)
    names = [str(name) for name in data.band.values]
    found = []
    for index, item_id in enumerate(map(str, data.item_id.values)):
        seen = data.isel(time=index, y=area[0], x=area[1])
        for name, values in _expected(made, item_id, tuple(names), area).items():
            different = np.count_nonzero(seen[name].values != values)
            found += [f"{item_id}: {different} pixels of {name}"] * bool(different)
    return found


def _expected(
    made: Archive, item_id: str, names: tuple[str, ...], area: Part
) -> dict[str, np.ndarray]:
    """Return the truth on some shards: of the scene's surroundings, and nodata elsewhere."""
    parts, (rows, columns) = _truth(made, item_id, names)
    height = area[0].stop - area[0].start
    whole = {}
    for name, values in parts.items():
        nodata = {"reflectance": CUBE_NODATA, "quality": 0}.get(name, 255)
        shape = (*values.shape[:-2], *(span.stop - span.start for span in BOTH))
        all_rows = np.full(shape, nodata, values.dtype)
        all_rows[..., rows, columns] = values
        whole[name] = all_rows[..., :height, :]
    return whole


@cache
def _truth(
    made: Archive, item_id: str, names: tuple[str, ...]
) -> tuple[dict[str, np.ndarray], tuple[slice, slice]]:
    """Return the truth of a slot about its scenes, and where that is on both shards."""
    windows = [made.granule(one).window(10) for one in item_id.split()]
    spans = [
        slice(min(s.start for s in axis) - ALIGNED, max(s.stop for s in axis) + ALIGNED)
        for axis in zip(*windows, strict=True)
    ]
    grid = part(grids.tile(TILE).geobox(10), (spans[0], spans[1]))
    rows, columns = (
        slice(span.start - both.start, span.stop - both.start)
        for span, both in zip(spans, BOTH, strict=True)
    )
    return made.truth(grid, *item_id.split(), bands=names), (rows, columns)


def damage(store: Path) -> list[str]:
    """Return what ``verify`` finds."""
    if not (cube(store) / "zarr.json").exists():
        return []
    found = [f for report in cubestore.open_store(store).verify() for f in report.findings]
    return [f"verify: {one}" for one in found if one.state != "unfinished"]


# Servers that nobody should trust.


@dataclass(slots=True)
class Visits:
    """A server of one's own, and who came."""

    port: int
    paths: list[str] = field(default_factory=list)


Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


@contextlib.contextmanager
def hosting(answer: Answer, host: str = "127.0.0.1") -> Iterator[Visits]:
    """Serve whatever a function writes."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            visits.paths.append(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with contextlib.suppress(OSError):
                answer(self, body)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    visits = Visits(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield visits
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def give(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    """Answer with a body."""
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def give_json(handler: BaseHTTPRequestHandler, document: Mapping[str, Any]) -> None:
    """Answer with JSON."""
    give(handler, json.dumps(document).encode(), Content_Type="application/json")
