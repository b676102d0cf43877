"""What the catalogue costs: 2,000 cubes described, and 100,000 items served.

Run ``TMPDIR=/dev/shm python -m tests.benchmarks.catalog [SECONDS]``; it takes five minutes. The
cubes are `catalog_cubes`. The items are loaded, searched in this process and over HTTP, and served
to 32 clients, in processes of their own, who search and read for a minute. Reported are the median
and the 95th percentile, what failed, and the memory of the service before, meanwhile and at the
end. Seconds are of the clock, CPU s those of the processor: on a busy machine believe these.
"""

import multiprocessing
import os
import random
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import orjson
import psutil
import uvicorn

import cubestore
from cubestore_catalog import Index, load, served, service, serving
from cubestore_catalog.search import query
from cubestore_catalog.stac import parquet
from tests.benchmarks import catalog_cubes

ITEMS, CLIENTS, SECONDS = 100_000, 32, 60
SEARCHES = 200
CUBE = "mgrs/31UDQ/landsat-c2-l2"


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    home = Path(tempfile.mkdtemp(prefix="cubestore-benchmark-", dir=os.environ.get("TMPDIR")))
    try:
        catalog_cubes.report(home)
        store = filled(home)
        catalogued(store)
        in_process(store)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        spawn = multiprocessing.get_context("spawn")
        server = spawn.Process(target=serve, args=(store.path, port), daemon=True)
        start = time.perf_counter()
        server.start()
        address = f"http://127.0.0.1:{port}"
        wait_for(address)
        memory = psutil.Process(server.pid).memory_info().rss / 1e6
        print(f"first answer: {time.perf_counter() - start:.1f} s after the start, {memory:.0f} MB")
        over_http(address)
        crowd(spawn, address, server.pid, seconds)
        server.kill()
    finally:
        shutil.rmtree(home)


def item(number):
    """Return the n-th of items that are spread over the globe and ten years."""
    rng = random.Random(number)
    west, south = rng.uniform(-180, 179), rng.uniform(-80, 79)
    ring = [[west, south], [west + 1, south], [west + 1, south + 1], [west, south + 1]]
    when = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(minutes=rng.randrange(5_000_000))
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": f"scene-{number}",
        "collection": ("optical", "radar")[number % 2],
        "bbox": [west, south, west + 1, south + 1],
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        "properties": {
            "datetime": f"{when:%Y-%m-%dT%H:%M:%SZ}",
            "eo:cloud_cover": rng.randrange(100),
            "platform": f"sat-{'abc'[number % 3]}",
        },
        "links": [],
        "assets": {"data": {"href": f"https://a.example/{number}.tif"}},
    }


def catalogued(store):
    """Write a catalogue of items that no cube has; `cubestore catalog` would take them out."""
    folder, links = Path(store.path, "catalog"), []
    for number, name in enumerate(("optical", "radar")):
        document = {"id": name, "type": "Collection", "links": []}
        (folder / name).mkdir(parents=True)
        (folder / name / "collection.json").write_bytes(orjson.dumps(document))
        members = [item(one) for one in range(number, ITEMS, 2)]
        parquet.write(folder / name / parquet.FILE, members, document)
        links.append({"rel": "child", "href": f"{name}/collection.json"})
    (folder / "catalog.json").write_bytes(orjson.dumps({"links": links}))


def question(rng):
    """Return a search as a map asks: a box of some degrees, a year, few clouds, sorted."""
    west, south, year = rng.uniform(-170, 150), rng.uniform(-70, 60), rng.randrange(2015, 2024)
    return {
        "bbox": [west, south, west + 20, south + 10],
        "datetime": f"{year}-01-01T00:00:00Z/{year + 1}-01-01T00:00:00Z",
        "filter": {"op": "<", "args": [{"property": "eo:cloud_cover"}, 30]},
        "sortby": [{"field": "eo:cloud_cover", "direction": "asc"}],
        "limit": 100,
    }


def filled(home):
    store = cubestore.create_store(home / "store")
    cube = store.create_cube("31UDQ", "landsat-c2-l2")
    with cube.write() as writer:
        arrays = {name: array for name, array in writer.arrays.items() if array.shards}
    noise = np.random.default_rng(0)
    pixels = {
        name: noise.integers(1, 200, (*array.shape[1:-2], 1613, 1613)).astype(array.dtype)
        for name, array in arrays.items()
    }
    slot = cubestore.Slot(time="2024-01-10T10:50:31Z", item_id="item", platform="landsat-8")
    cube.append(slot, pixels, origin=(2048, 2048))
    return store


def in_process(store):
    index = catalog_cubes.costs(f"load {ITEMS:,} items", lambda: Index(load(store.path)[0]))
    rng = random.Random(0)
    report(
        "search, in process",
        [timed(index.search, query.from_post(question(rng))) for _ in range(SEARCHES)],
    )


def over_http(address):
    rng = random.Random(0)
    with httpx.Client(base_url=address, timeout=60) as session:
        session.get("/conformance")
        taken = [timed(session.post, "/search", json=question(rng)) for _ in range(SEARCHES)]
    report("search, over HTTP", taken)


def serve(path, port):
    sys.setswitchinterval(serving.TURN)
    listener = serving.listening("127.0.0.1", port)
    config = serving.configured(service(path, load=served.standing))
    uvicorn.Server(config).run(sockets=[listener])


def wait_for(address):
    while True:
        try:
            httpx.get(f"{address}/conformance", timeout=60)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return


def crowd(spawn, address, process, seconds):
    """Let clients in four processes search and read for a while."""
    memory, stop = [], threading.Event()
    watching = threading.Thread(target=watch, args=(process, memory, stop))
    watching.start()
    with spawn.Pool(4) as pool:
        jobs = [(address, seed, CLIENTS // 4, seconds) for seed in range(4)]
        done = pool.starmap(clients, jobs)
    stop.set()
    watching.join()
    searches = [one for told in done for one in told["search"]]
    ranges = [one for told in done for one in told["range"]]
    failed = [one for told in done for one in told["failed"]]
    report(f"search, {CLIENTS} clients", searches)
    report(f"range of 64 kB, {CLIENTS} clients", ranges)
    print(f"{(len(searches) + len(ranges)) / seconds:,.0f} requests/s")
    print(f"failed: {len(failed)} {failed[:3]}")
    tenth = max(1, len(memory) // 10)
    first, last = (
        statistics.mean(part) / 1e6 for part in (memory[tenth : 2 * tenth], memory[-tenth:])
    )
    print(f"memory: {memory[0] / 1e6:.0f} MB idle, {first:.0f} MB early, {last:.0f} MB late")


def watch(process, memory, stop):
    known = psutil.Process(process)
    while not stop.wait(0.5):
        memory.append(known.memory_info().rss)


def clients(address, seed, count, seconds):
    told = {"search": [], "range": [], "failed": []}
    threads = [
        threading.Thread(target=client, args=(address, 100 * seed + n, seconds, told))
        for n in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def client(address, seed, seconds, told):
    rng, end = random.Random(seed), time.monotonic() + seconds
    with httpx.Client(base_url=address, timeout=60) as session:
        while time.monotonic() < end:
            what = rng.choice(("search", "range"))
            start = time.perf_counter()
            try:
                answer = search(session, rng) if what == "search" else part(session, rng)
                answer.raise_for_status()
            except httpx.HTTPError as error:
                told["failed"].append(repr(error))
            told[what].append(time.perf_counter() - start)


def search(session, rng):
    return session.post("/search", json=question(rng))


def part(session, rng):
    start = rng.randrange(1_000_000)
    headers = {"Range": f"bytes={start}-{start + 65535}"}
    return session.get(f"/zarr/{CUBE}/reflectance/c/0/0/1/1", headers=headers)


def timed(call, *arguments, **options):
    start = time.perf_counter()
    call(*arguments, **options)
    return time.perf_counter() - start


def report(what, seconds):
    median, late = np.percentile(seconds, (50, 95)) * 1000
    print(f"{what}: {len(seconds):,}, median {median:.1f} ms, 95 % within {late:.1f} ms")


if __name__ == "__main__":
    main()
