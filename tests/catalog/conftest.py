"""A small archive of scenes, and its API behind a real server."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from cubestore_catalog import Index, api

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
