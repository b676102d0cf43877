"""Clients that leave, dawdle or come in crowds, while the store grows: over sockets, to a process
of its own."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

import cubestore
from tests.catalog.conftest import L8, TILE
from tests.catalog.loaded import SCENES, Hasty

CUBE = f"mgrs/{TILE}/{L8}"
PLACES = 68
"""Searches that are done at once or may wait."""

KEPT = 4
"""Files that a cube which is open keeps."""

LIKE = {"op": "casei", "args": [{"property": "id"}]}
LONG = {
    "op": "or",
    "args": [{"op": "like", "args": [LIKE, f"%a%{number}%b%"]} for number in range(500)],
}
"""A filter that takes some five seconds of 3,000 items."""

SLOW_SEARCH = json.dumps({"filter": LONG}).encode()


@pytest.fixture(scope="module")
def growing(tmp_path_factory):
    """A store that grows while it is served."""
    store = cubestore.create_store(tmp_path_factory.mktemp("loaded") / "store")
    cube = store.create_cube(TILE, L8)
    grow(cube, 0)
    # A file of the cube that no socket swallows whole.
    big = Path(cube.path, "reflectance/c/99/0/0/0")
    big.parent.mkdir(parents=True)
    with big.open("wb") as file:
        file.truncate(1_000_000_000)
    return store


@pytest.fixture(scope="module")
def process(growing):
    command = [sys.executable, "-m", "tests.catalog.loaded", growing.path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        started.port = int(started.stdout.readline())
        with client(started, timeout=60) as session:
            session.get("/search")
        yield started
        started.kill()


def grow(cube, number):
    """Commit a slot, all of whose pixels are its number and 10,000."""
    with cube.write() as writer:
        arrays = {name: array for name, array in writer.arrays.items() if array.shards}
    values = {"reflectance": 10_000 + number}
    pixels = {
        name: np.full((*array.shape[1:-2], 1613, 1613), values.get(name, 0), array.dtype)
        for name, array in arrays.items()
    }
    slot = cubestore.Slot(time=f"2024-01-{number + 1:02}T10:00:00Z", item_id=f"item-{number}")
    cube.append(slot, pixels, origin=(2048, 2048))


def client(process, timeout=20):
    return httpx.Client(base_url=f"http://127.0.0.1:{process.port}", timeout=timeout)


def request(method, target, body=b""):
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {target} HTTP/1.1\r\nHost: a\r\n{length}\r\n".encode() + body


@contextlib.contextmanager
def connected(process, count, sent=b""):
    """Open some connections, and send something on each."""
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", process.port)))
            one.settimeout(20)
            one.sendall(sent)
            opened.append(one)
        yield opened


def until(true, seconds=15):
    """Wait for something, not for ever."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def files(process):
    return psutil.Process(process.pid).num_fds()


def is_cut(connection):
    """Whether the service hangs up, whatever it says before."""
    with contextlib.suppress(ConnectionError):
        while connection.recv(1 << 20):
            pass
    return True


# Clients that leave.


@pytest.mark.parametrize(
    "asked",
    [
        request("POST", "/search", SLOW_SEARCH),
        request("POST", "/search", SLOW_SEARCH)[:-1000],  # in the middle of its question
        request("GET", f"/zarr/{CUBE}/reflectance/c/99/0/0/0"),
        request("GET", f"/quicklook/{CUBE}/0.png?size=2048"),
        request("GET", f"/series/{CUBE}?lon=2.05&lat=49"),
    ],
    ids=["search", "half a search", "a gigabyte", "quicklook", "series"],
)
def test_who_leaves_frees_a_place_at_once(process, asked):
    before = files(process)
    with connected(process, PLACES + 20, asked), client(process) as session:
        until(lambda: session.get("/conformance").is_success)  # they have been read
    with client(process) as session:  # all of the searches would take minutes
        until(lambda: session.get("/search?limit=1").is_success, 10)
        assert session.get(f"/series/{CUBE}?lon=2.05&lat=49").is_success
    until(lambda: files(process) <= before + KEPT)


# Clients that dawdle.


DAWDLING = {
    "says nothing": b"",
    "a path": b"GET /conf",
    "headers": b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b",
    "a body that nobody reads": b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\na",
    "the second request": request("GET", "/") + b"GET / HT",
    "empty lines": request("GET", "/") + b"\r\n",
}


def test_who_asks_letter_by_letter_is_cut_off(process):
    """All of them at once, for each takes as long as the service has patience."""
    with ThreadPoolExecutor(len(DAWDLING)) as pool:
        assert all(pool.map(lambda said: dawdled(process, said), DAWDLING.values()))


def dawdled(process, said):
    """Say something and then a letter now and then, until the service hangs up."""
    with connected(process, 1, said) as (slow,):
        ends = threading.Thread(target=is_cut, args=(slow,))
        ends.start()
        with contextlib.suppress(OSError):
            while ends.is_alive():
                slow.sendall(b"a")
                ends.join(0.1)
        ends.join(10)
        return not ends.is_alive()


def test_who_takes_nothing_of_an_answer_is_cut_off(process):
    before = files(process)
    asked = request("GET", f"/zarr/{CUBE}/reflectance/c/99/0/0/0")
    with connected(process, 10, asked) as readers:
        until(lambda: files(process) >= before + 2 * len(readers))
        until(lambda: files(process) <= before)
        assert all(map(is_cut, readers))  # and what they had taken is no whole file


def test_who_takes_an_answer_slowly_gets_all_of_it(process):
    """The service has sent it long ago, and waits for the next request."""
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # small, as over a slow line
        slow.connect(("127.0.0.1", process.port))
        slow.sendall(b"GET /search?limit=10000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        start, answer = time.monotonic(), bytearray()
        while part := slow.recv(32768):
            answer += part
            time.sleep(len(part) / 500_000)
    assert time.monotonic() - start > Hasty.asking + 1
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}\r\n".encode() in head
    assert len(json.loads(body)["features"]) > SCENES


def test_six_hundred_who_say_nothing_keep_nobody_out(process):
    """More than the service has places for: the one that came first makes room for the next."""
    before = files(process)
    memory = psutil.Process(process.pid).memory_info().rss
    with connected(process, 600) as crowd, client(process) as session:
        crowd[-1].sendall(request("GET", "/conformance"))
        assert crowd[-1].recv(12) == b"HTTP/1.1 200"
        assert session.get("/search?limit=1").is_success
        assert is_cut(crowd[0])
        until(lambda: files(process) <= before + 1)
    assert psutil.Process(process.pid).memory_info().rss < memory + 30e6


# A store that grows.


def test_what_is_read_while_the_store_grows_is_of_one_commit(process, growing):
    cube, stop, commits = growing.cube(TILE, L8), threading.Event(), 5
    with ThreadPoolExecutor(8) as pool:
        told = [
            pool.submit(look, process, stop)
            for look in (page, page, find, find, find, read, read, read)
        ]
        for number in range(1, commits):
            grow(cube, number)
            time.sleep(0.3)
        with client(process) as session:
            until(lambda: slots_told(session) == commits)
        stop.set()
        assert all(one.result() for one in told)


def slots_told(session):
    item = session.get(f"/collections/{L8}/items/{TILE}-{L8}").json()
    return len(item["properties"]["cubestore:slots"])


def find(process, stop):
    """Find the cube: as many slots as its commit has, and never fewer than before."""
    seen = [0]
    with client(process) as session:
        while not stop.is_set():
            found = session.get("/search", params={"collections": L8}).json()
            assert (found["numberMatched"], found["numberReturned"]) == (1, 1)
            told = found["features"][0]["properties"]
            assert len(told["cubestore:slots"]) == told["cubestore:commit"] >= seen[-1]
            seen.append(told["cubestore:commit"])
    return len(set(seen)) > 2


def page(process, stop):
    """Go through all pages: whatever is committed meanwhile, each item comes once."""
    rounds = 0
    with client(process) as session:
        while not stop.is_set():
            found, target = [], "/search?limit=700&fields=id"
            while target:
                answer = session.get(target).raise_for_status().json()
                assert answer["numberMatched"] == SCENES + 1
                found += [item["id"] for item in answer["features"]]
                after = [link["href"] for link in answer["links"] if link["rel"] == "next"]
                target = after[0] if after else ""
            assert len(set(found)) == len(found) == SCENES + 1
            rounds += 1
    return rounds


def read(process, stop):
    """Read the cube: what its metadata promise is there, and nothing of it changes."""
    seen = set()
    while not stop.is_set():
        store = cubestore.open_store(f"http://127.0.0.1:{process.port}/zarr")
        cube = store.cube(TILE, L8).open(mask_and_scale=False)
        last = cube.sizes["time"] - 1
        assert cube.item_id.values.tolist() == [f"item-{n}" for n in range(last + 1)]
        pixels = cube.reflectance.isel(time=last, y=slice(3000, 3010), x=slice(3000, 3010))
        assert (pixels.values == 10_000 + last).all()
        seen.add(last)
    return len(seen) > 1


def test_the_service_is_as_small_as_before(process):
    """It has not grown threads, nor files, by all of this."""
    assert psutil.Process(process.pid).num_threads() < 60 + (os.cpu_count() or 1)
    assert process.poll() is None
