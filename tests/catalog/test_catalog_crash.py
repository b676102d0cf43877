"""`publish`, killed at any moment or run by two at once: readers see whole files, the next ends."""

import json
import multiprocessing
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

import cubestore
from cubestore import disk
from cubestore_catalog import ItemError, load, publish
from tests.catalog.published import append, slot

TILES = ["31UDP", "31UDQ"]
SENSOR = "sentinel-2-l2a"
MOMENTS = (0, 0.25, 0.5, 0.75)
"""Of a whole run."""


@pytest.fixture(scope="module")
def processes():
    """What makes processes that have imported everything, and runs no thread."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cubestore_catalog", "stac_geoparquet.arrow"])
    process = context.Process(target=time.sleep, args=(0,))
    process.start()
    process.join()
    return context


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = cubestore.create_store(tmp_path_factory.mktemp("crash") / "store")
    for tile in TILES:
        append(made.create_cube(tile, SENSOR), slot(1))
    append(made.create_cube("31UDQ", "landsat-c2-l2"), slot(1))
    return made


@pytest.fixture
def reader(store):
    """Who reads all files of the catalogue again and again; what was wrong of any."""
    wrong, stop = [], threading.Event()

    def read():
        while not stop.wait(0.001):
            wrong.extend(torn(store))

    reading = threading.Thread(target=read)
    reading.start()
    yield wrong
    stop.set()
    reading.join()


def torn(store):
    """Return the files of the catalogue that are no whole JSON, and what cannot be loaded."""
    folder = Path(store.path, "catalog")
    walked = (Path(home, name) for home, _, names in os.walk(folder) for name in names)
    for file in (path for path in walked if path.suffix == ".json" and path.name[0] != "."):
        try:
            json.loads(file.read_bytes())
        except FileNotFoundError:
            continue
        except ValueError as error:
            yield f"{file}: {error}"
    try:
        load(store.path)
    except ItemError as error:
        if "has no catalogue" not in str(error) and "has gone" not in str(error):
            yield str(error)


def told(store):
    """Return what the catalogue says, but for when."""
    items, collections = load(store.path)
    slots = {item["id"]: len(item["properties"]["cubestore:slots"]) for item in items}
    links = [link["href"] for one in collections for link in one["links"] if link["rel"] == "item"]
    return slots, len(links)


def left_over(store):
    """Return what was written aside, and records that nothing lists."""
    folder = Path(store.path, "catalog")
    listed = {item["id"] for item in load(store.path)[0]}
    homes = {home.parent.name for home in folder.glob("*/*/*.json")}
    return [*folder.rglob(f"*{disk.PARTIAL}"), *(homes - listed)]


def test_a_run_that_is_killed_is_ended_by_the_next(store, processes, reader):
    whole = _seconds(processes, store)
    for day, moment in enumerate(MOMENTS, 2):
        append(store.cube(TILES[0], SENSOR), slot(day))
        if moment == MOMENTS[1]:  # a collection with all that is in it
            shutil.rmtree(store.cube("31UDQ", "landsat-c2-l2").path)
        process = processes.Process(target=publish, args=(store.path,))
        process.start()
        process.join(whole * moment)
        process.kill()
        process.join()
    publish(store.path)
    assert told(store) == ({"31UDP-sentinel-2-l2a": 5, "31UDQ-sentinel-2-l2a": 1}, 2)
    assert left_over(store) == []
    assert publish(store.path).written == 0
    assert not reader
    assert not any(store.cube(*cube).verify().findings for cube in store.cubes())


def _seconds(processes, store):
    """Return how long a whole run takes."""
    process = processes.Process(target=publish, args=(store.path,))
    start = time.monotonic()
    process.start()
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - start


def test_two_runs_at_once_make_one_catalogue(store, processes, reader):
    """They begin where the killed ones ended."""
    append(store.cube(TILES[1], SENSOR), slot(2))
    both = [processes.Process(target=publish, args=(store.path,)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert told(store) == ({"31UDP-sentinel-2-l2a": 5, "31UDQ-sentinel-2-l2a": 2}, 2)
    assert publish(store.path).written == 0
    assert left_over(store) == []
    assert not reader
