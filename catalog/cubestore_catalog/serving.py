"""A store, served until it is interrupted."""

import logging
import os
import socket
import sys
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from cubestore_catalog import served
from cubestore_catalog.errors import PortError
from cubestore_catalog.service import SECONDS, service
from cubestore_catalog.web.connections import Connection
from cubestore_catalog.web.live import Tell

HOST, PORT = "127.0.0.1", 8000
"""This machine alone."""

MOST_CONNECTIONS = 512
"""Beyond them a client is answered 503: a process has 1,024 files, each of these takes two."""

MOST_HEADER = 64 * 1024
"""Bytes of a request's first line and headers: a CQL2 text is at most a quarter of it."""

IDLE = 15
"""Seconds that a connection may stay open without a request."""

TURN = 0.001
"""Seconds that a thread computes while another waits for its turn: Python's own 5 ms make whoever
only sends bytes wait for each search in turn, several times for each answer."""

LEAVE = 3
"""Seconds that requests have to end once the service is told to."""


def serve(
    store: str | os.PathLike[str],
    *,
    host: str = HOST,
    port: int = PORT,
    seconds: float = SECONDS,
    url: str = "",
    ready: Callable[[str], None] = lambda _: None,
    tell: Tell = lambda _: None,
) -> None:
    """Serve a store until the process is interrupted: see `cubestore_catalog.service`.

    It listens at once, with the catalogue that the store has; what was committed since is brought
    into it meanwhile.

    Args:
        store: path of the store.
        host: address to listen at; the default is reached from this machine alone.
        port: 0 takes one that is free.
        seconds: what a request has.
        url: the address by which others see it, through a proxy; "": the one that they ask.
        ready: called with the service's address when it listens.
        tell: called with what is being done, for people.

    Raises:
        AddressError: nothing can be seen at ``url``.
        NotAStoreError: there is none.
        PortError: the address cannot be listened at.
    """
    application = service(store, first=served.standing, seconds=seconds, url=url, tell=tell)
    with listening(host, port) as listener:
        name = f"[{host}]" if ":" in host else host
        sys.setswitchinterval(TURN)
        ready(f"http://{name}:{listener.getsockname()[1]}/")
        uvicorn.Server(configured(application)).run(sockets=[listener])


def configured(application: Starlette, protocol: type[Connection] = Connection) -> uvicorn.Config:
    """Return how an application is served, with limits to all that a client may take.

    Args:
        application: what is served.
        protocol: the connections.
    """
    return uvicorn.Config(
        application,
        loop="asyncio",
        http=protocol,
        ws="none",
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=MOST_HEADER,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=LEAVE,
    )


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        PortError: it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named asyncio switches off the delay of small packets: 40 ms each.
    listener = socket.socket(family, proto=socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise PortError(
            f"Cannot listen at {host}:{port}: {error}",
            expected="an address of this machine, and a port from 0 to 65535 that is free",
            remedy="choose another with --port, or 0 for any that is free",
        ) from error
    return listener
