"""What standard clients are let loose on: a store behind the program, and nothing else to reach."""

import json
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np

import cubestore
from cubestore import embeddings
from tests.catalog.published import MODEL, append, fill_patches, slot
from tests.cubestore.patch_sets import description, patches

RUN = "from cubestore_pipelines.cli import main; raise SystemExit(main())"
TILES = [f"31U{column}{row}" for column in "DEF" for row in "PQRS"]
OPTICAL = "sentinel-2-l2a"
SETS = ("train", "val", "test")
UNDATED = ("time", "time_s1")


def crowded_store(path):
    """Make a store of twelve cubes of one sensor, one cube with vectors, and three patch sets.

    One of the sets has vectors too. They were written on days of their own and do not tell when
    their patches were taken, so that their items have a single time, which those of cubes never
    have.
    """
    store = cubestore.create_store(path)
    for number, tile in enumerate(TILES, 1):
        cloud = {"cloud_cover": 5.0 * number, "source_url": ""}
        append(store.create_cube(tile, OPTICAL), slot(number, **cloud))
    modis = store.create_cube("h18v04", "modis-09a1")
    append(modis, slot(1, source_url=""))
    with embeddings.write(modis, MODEL) as writer:
        writer.fill(0, np.ones((10, 10, 4), "float32"), commit=1)
    for day, part in enumerate(SETS, 1):
        told = description(name=f"noise/{part}")
        with store.create_patches(told, created=f"2024-02-{day:02d}") as writer:
            pixels, columns = patches(4)
            writer.append(pixels, {n: v for n, v in columns.items() if n not in UNDATED})
    fill_patches(store.patches("noise/val"), MODEL)
    return store


@contextmanager
def program(store):
    """Serve a store as its owner would; yield the address, without a slash at its end."""
    command = [sys.executable, "-c", RUN, "serve", str(store), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield json.loads(process.stdout.readline())["url"].rstrip("/")
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)


def cut_off(monkeypatch, address):
    """Let nothing be reached but an address; return the list of what else is asked for."""
    there, resolve, refused = urlsplit(address), socket.getaddrinfo, []

    def resolved(host, port, *more, **how):
        if (host, port) == (there.hostname, there.port):
            return resolve(host, port, *more, **how)
        refused.append(f"{host}:{port}")
        raise socket.gaierror(f"{host} is out of reach")

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    return refused
