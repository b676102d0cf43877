"""A tiny archive that all tests of this folder share, and a server of it."""

import http.client
import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from cubestore_pipelines.simulate.archive import make_archive, tiny_plan
from cubestore_pipelines.simulate.server import serving


@pytest.fixture(scope="session")
def archive(made_once):
    return made_once("tiny", lambda folder: make_archive(folder, tiny_plan()))


@pytest.fixture
def copied(tmp_path):
    """Return a copy of an archive, to be changed."""

    def copied(archive):
        folder = shutil.copytree(archive.directory, tmp_path / "copy")
        return replace(archive, directory=folder)

    return copied


@pytest.fixture(scope="module")
def server(archive):
    with serving(archive) as running:
        yield running


@pytest.fixture
def ask(server):
    """A plain client: status, headers and body of a URL that is asked for through the proxy."""

    def asked(url, method="GET", of=server, timeout=10, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(urlsplit(of.url).netloc, timeout=timeout)
        with closing(connection):
            connection.request(method, url, headers=named)
            with connection.getresponse() as answer:
                return answer.status, dict(answer.headers), answer.read()

    return asked


@pytest.fixture
def sign(ask):
    """What a URL becomes with a token of the server's."""

    def signed(url, **more):
        account, container = urlsplit(url).netloc.split(".")[0], urlsplit(url).path.split("/")[1]
        _, _, body = ask(f"/api/sas/v1/token/{account}/{container}", **more)
        return f"{url}?{json.loads(body)['token']}"

    return signed


@pytest.fixture
def run():
    """Run a program of a client's in a process of its own, in a server's environment."""

    def ran(code, server, *arguments):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        environment = {**os.environ, **server.environment}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return ran
