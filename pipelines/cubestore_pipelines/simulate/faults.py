"""Faults on request: what archives and networks do on bad days, over real sockets.

    faults.inject(Fault("*_B04_10m.tif", Kind.STATUS, times=2, status=503, retry_after="1"))

The first rule that fits a request is followed; the others wait for the next.
"""

import asyncio
import socket
import struct
from dataclasses import replace
from fnmatch import fnmatchcase
from threading import Lock
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from cubestore_pipelines.simulate.failures import ACTS, RESET, Exchange, Fault, Kind

__all__ = ["Fault", "Faults", "Kind", "ResettableProtocol"]


class Faults:
    """ASGI middleware that follows the rules which it is given while it serves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._rules: list[Fault] = []
        self._lock = Lock()
        self.happened: list[tuple[str, Kind]] = []
        """The paths that went wrong, and how, in order."""

    def inject(self, *rules: Fault) -> None:
        """Add rules after those there are."""
        with self._lock:
            self._rules.extend(rules)

    def clear(self) -> None:
        """Forget all rules."""
        with self._lock:
            self._rules.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or fail to."""
        fault = self._next(scope["path"])
        if fault is None:
            await self._app(scope, receive, send)
            return
        self.happened.append((scope["path"], fault.kind))
        await ACTS[fault.kind](Exchange(fault, self._app, scope, receive, send))

    def _next(self, path: str) -> Fault | None:
        """Return the rule for a request, and count it."""
        with self._lock:
            for index, rule in enumerate(self._rules):
                if fnmatchcase(path, rule.path) and rule.times != 0:
                    self._rules[index] = _counted(rule)
                    return None if rule.after else rule
        return None


class ResettableProtocol(H11Protocol):
    """uvicorn's HTTP, whose applications can reset the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Hand the transport to the application."""
        super().connection_made(transport)
        app = self.app

        async def resettable(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
            extensions = {**scope.get("extensions", {}), RESET: lambda: _reset(transport)}
            await app({**scope, "extensions": extensions}, receive, send)

        self.app = resettable


def _counted(rule: Fault) -> Fault:
    if rule.after:
        return replace(rule, after=rule.after - 1)
    return rule if rule.times is None else replace(rule, times=rule.times - 1)


def _reset(transport: asyncio.Transport) -> None:
    """Close a connection so that the other side sees an error, not an end."""
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
