"""A small archive of scenes and a small store, and what serves them behind a real server."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest
import uvicorn
from playwright.sync_api import sync_playwright
from starlette.applications import Starlette
from starlette.routing import Mount

import cubestore
from cubestore import embeddings
from cubestore.embeddings import Embedding
from cubestore_catalog import Index, api, service

COLLECTIONS = ("optical", "radar")


def scene(number, **changes):
    """Return the n-th scene: half a day and half a degree after the one before."""
    west, south = -10 + number * 0.5, 40 + number % 7
    east, north = west + 1, south + 1
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    when = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(hours=12 * (number // 2))
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": f"scene-{number:03}",
        "collection": COLLECTIONS[number % 2],
        "bbox": [west, south, east, north],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "datetime": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eo:cloud_cover": number * 7 % 100,
            "platform": f"sat-{'abc'[number % 3]}",
            "gsd": 10,
        },
        "links": [
            {"rel": "self", "href": "https://elsewhere.example/item.json"},
            {"rel": "license", "href": "https://elsewhere.example/license"},
        ],
        "assets": {"red": {"href": f"https://elsewhere.example/{number}/red.tif"}},
    }
    return item | changes


def month(number):
    """Return a composite of a month, which has no single time."""
    start, end = f"2022-{number:02}-01T00:00:00Z", f"2022-{number:02}-28T23:59:59Z"
    times = {"datetime": None, "start_datetime": start, "end_datetime": end}
    item = scene(100 + number, id=f"month-{number:02}", collection="optical")
    return item | {"properties": item["properties"] | times}


def collection(name):
    """Return a collection as a provider wrote it."""
    extent = {
        "spatial": {"bbox": [[-180, -90, 180, 90]]},
        "temporal": {"interval": [["2022-01-01T00:00:00Z", None]]},
    }
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": name,
        "title": name.title(),
        "description": f"Scenes: {name}.",
        "license": "CC-BY-4.0",
        "extent": extent,
        "links": [{"rel": "license", "href": "https://elsewhere.example/license"}],
    }


@contextmanager
def serving(app) -> Iterator[str]:
    """Run an application on a free port of this machine."""
    # With its protocol named asyncio switches off the delay of small packets: 40 ms each.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="error", ws="none", lifespan="off", loop="asyncio")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def items():
    """Sixty scenes and three months."""
    return [scene(number) for number in range(60)] + [month(number) for number in (1, 2, 3)]


@pytest.fixture(scope="session")
def index(items):
    """The archive, searchable."""
    return Index(items)


@pytest.fixture(scope="session")
def application(index):
    """The API at the root of a server."""
    return api(index, map(collection, COLLECTIONS), title="Small archive")


@pytest.fixture(scope="session")
def address(application):
    """The URL of the API, which is mounted below a path as the great archives are."""
    with serving(Starlette(routes=[Mount("/api/stac/v1", application)])) as root:
        yield f"{root}/api/stac/v1"


L8, TILE = "landsat-c2-l2", "31UDQ"
RCF = Embedding(model="rcf", preprocessing="scaled by 1e-4", pooling="mean", dimensions=8)


def pixels_of(cube, slot):
    """The south-east shard of a slot: every band a ramp of its own, and a corner without data."""
    with cube.write() as writer:
        arrays = {name: array for name, array in writer.arrays.items() if array.shards}
    y, x = np.mgrid[:1613, :1613]
    found = {}
    for name, array in arrays.items():
        bands = array.shape[1] if "band" in array.dims else 1
        ramps = [8000 + 4 * x + 3 * y + 1000 * band + slot for band in range(bands)]
        values = np.stack(ramps) if name == "reflectance" else np.full((1, 1613, 1613), 21824)
        values = np.full_like(values, slot) if name == "cloud_class" else values
        values[:, :300, :700] = array.fill
        shaped = values if "band" in array.dims else values[0]
        found[name] = shaped.astype(array.dtype)
    return found


def filled_store(path):
    """A cube of three slots, of which the last supersedes the first, with embeddings."""
    store = cubestore.create_store(path)
    cube = store.create_cube(TILE, L8)
    vectors = np.random.default_rng(0).normal(size=(15, 15, 8)).astype("float32")
    vectors[:3] = np.nan
    for number, month in enumerate((3, 1, 2)):
        replaced = {"supersedes": "item-0"} if number == 2 else {}
        slot = cubestore.Slot(
            time=f"2024-0{month}-10T10:50:31Z",
            item_id=f"item-{number}",
            platform="landsat-8",
            **replaced,
        )
        cube.append(slot, pixels_of(cube, number), origin=(2048, 2048))
        with embeddings.write(cube, RCF) as writer:
            writer.fill(number, vectors + number, commit=cube.slot_commits()[number])
    return store


def contents(store):
    """Items by the contract of the service: one for each cube."""
    made = []
    for tile, sensor in store.cubes():
        path = f"mgrs/{tile}/{sensor}"
        properties = {
            "datetime": None,
            "start_datetime": "2024-01-10T10:50:31Z",
            "end_datetime": "2024-03-10T10:50:31Z",
            "cubestore:path": path,
            "cubestore:commit": store.cube(tile, sensor).root().number,
        }
        item = scene(0, id=f"{tile}-{sensor}", collection=sensor, properties=properties)
        assets = {"data": {"href": f"../../../{path}"}, "all": {"href": "https://a.example/b"}}
        made.append({**item, "assets": assets})
    return made, [collection(name) for name in sorted({item["collection"] for item in made})]


@pytest.fixture(scope="session")
def served_store(tmp_path_factory):
    """A store that tests only read."""
    return filled_store(tmp_path_factory.mktemp("served") / "store")


@pytest.fixture(scope="session")
def served(served_store):
    """The address of a service of that store."""
    with serving(service(served_store.path, load=contents)) as root:
        yield root


@pytest.fixture(scope="session")
def web(served):
    """A client of that service, as a browser on another machine would see it."""
    with httpx.Client(base_url=served, timeout=60) as session:
        yield session


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, started once for a module: while it runs, asyncio is its own."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Debian's chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"]
    flags.append("--host-resolver-rules=MAP plain.test 127.0.0.1")
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=chromium, args=flags)
        yield started
        started.close()
