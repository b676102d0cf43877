"""The simulated archive on the loopback: search, tokens and files, on one port.

Files are asked for by their published URLs: the server is the proxy for them. So the unmodified
clients of the Planetary Computer work, once `Serving.environment` is in their environment.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cubestore_catalog import Index, api
from cubestore_pipelines.simulate import linz
from cubestore_pipelines.simulate.archive import Archive
from cubestore_pipelines.simulate.blobs import DOMAIN, LIFETIME, Blobs, OpenFiles, Tokens
from cubestore_pipelines.simulate.faults import Faults, ResettableProtocol
from cubestore_pipelines.simulate.published import OPEN

STAC, TOKENS = "/api/stac/v1", "/api/sas/v1/token"
"""Paths as the Planetary Computer has them."""

HOSTS = f"/{OPEN}"
"""The path below which hosts that need no token are served under their names."""

LOOPBACK = "127.0.0.1"

_PATIENCE = 10.0
"""Seconds in which a server starts or ends."""

Requests = list[tuple[str, str, int]]


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that runs."""

    url: str
    faults: Faults
    """Where faults are injected."""
    requests: Requests = field(default_factory=list)
    """What was asked for so far: method, path or proxied URL, status (0: none was sent)."""

    @property
    def stac_url(self) -> str:
        """The landing page of the STAC API."""
        return self.url + STAC

    @property
    def linz_url(self) -> str:
        """The static catalogue of LINZ's surveys, where the archive has some."""
        return f"{self.url}{HOSTS}/{linz.HOST}/{linz.CATALOG}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What clients must have in their environment."""
        proxied = ("http_proxy", "HTTP_PROXY", "GDAL_HTTP_PROXY")
        direct = ("no_proxy", "NO_PROXY")
        return {
            "PC_SDK_SAS_URL": self.url + TOKENS,
            **dict.fromkeys(proxied, self.url),
            **dict.fromkeys(direct, f"{LOOPBACK},localhost"),
        }


@contextmanager
def serving(
    archive: Archive, *, token_lifetime: float = LIFETIME, latency: float = 0.0, port: int = 0
) -> Iterator[Serving]:
    """Serve an archive from a thread of this process while the context lasts.

    Args:
        archive: what is served.
        token_lifetime: seconds after which a token is refused.
        latency: seconds that each request waits before it is answered.
        port: of the loopback; 0 for any that is free.
    """
    listener = socket.create_server((LOOPBACK, port))
    faults = Faults(application(archive, Tokens(token_lifetime)))
    server = Serving(f"http://{LOOPBACK}:{listener.getsockname()[1]}", faults)
    running = _uvicorn(_Log(faults, server.requests, latency))
    thread = threading.Thread(target=running.run, args=([listener],), name="simulated archive")
    thread.start()
    try:
        _wait_for(running, thread)
        yield server
    finally:
        running.should_exit = True
        thread.join(_PATIENCE)
        listener.close()


def application(archive: Archive, tokens: Tokens) -> ASGIApp:
    """Return an ASGI application that serves an archive."""

    async def token(request: Request) -> Response:
        return JSONResponse(tokens.issue(**request.path_params))

    search = api(Index(archive.items), archive.collections, title="Simulated archive")
    files = OpenFiles(archive.directory / OPEN)
    routes = [
        Route(TOKENS + "/{account}/{container}", token),
        Mount(STAC, search),
        Mount(HOSTS, files),
    ]
    return _Hosts(Starlette(routes=routes), Blobs(archive.blobs, tokens), files)


@dataclass(frozen=True, slots=True)
class _Hosts:
    """Sends a request to the storage, to open files or to the services, by the host it is for."""

    services: ASGIApp
    storage: ASGIApp
    files: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts = urlsplit(scope["path"])
        proxied = parts.scheme == "http"
        headers = dict(scope["headers"])
        host = parts.netloc if proxied else headers.get(b"host", b"").decode("latin-1")
        name = host.partition(":")[0]
        stored, other = name.endswith(DOMAIN), proxied and name not in (LOOPBACK, "localhost")
        if proxied:
            others = [header for header in scope["headers"] if header[0] != b"host"]
            headers_now = [*others, (b"host", host.encode())]
            scope = {**scope, "path": parts.path, "raw_path": b"", "headers": headers_now}
        if other and not stored:
            scope = {**scope, "path": f"/{name}{parts.path}"}
            await self.files(scope, receive, send)
            return
        await (self.storage if stored else self.services)(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Log:
    """Notes every request, after it was answered, and keeps it waiting before."""

    app: ASGIApp
    requests: Requests
    latency: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        statuses: list[int] = []

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        await asyncio.sleep(self.latency)
        try:
            await self.app(scope, receive, noted)
        finally:
            self.requests.append((scope["method"], scope["path"], *(statuses or [0])))


def _uvicorn(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http=ResettableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # connections that end early are wanted here
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def _wait_for(running: uvicorn.Server, thread: threading.Thread) -> None:
    limit = time.monotonic() + _PATIENCE
    while not running.started:
        if not thread.is_alive() or time.monotonic() > limit:
            raise RuntimeError("The server of the simulated archive has not started")
        time.sleep(0.01)
