"""The catalogue of a store that goes on growing: read again after each commit, and swapped whole.

Whoever asks meanwhile is answered from the catalogue before: there is no moment without one.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from cubestore import Store
from cubestore_catalog.index import Item
from cubestore_catalog.watch import State, state_of

log = logging.getLogger(__name__)

Load = Callable[[Store], tuple[Iterable[Item], Iterable[Mapping[str, Any]]]]
"""A store's items and collections."""


class Live:
    """The API of a store's catalogue as it is now.

    Args:
        store: on this machine's disk.
        load: its items and collections.
        build: an application that serves them.
    """

    def __init__(
        self, store: Store, load: Load, build: Callable[..., ASGIApp], seconds: float
    ) -> None:
        self._store, self._load, self._build, self._seconds = store, load, build, seconds
        self._state: State | None = None
        self._app: ASGIApp
        self.refresh()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request from the newest catalogue."""
        await self._app(scope, receive, send)

    def refresh(self) -> bool:
        """Read the catalogue again if anything was committed; return whether it was."""
        state = state_of(self._store)
        if state == self._state:
            return False
        self._app = self._build(*self._load(self._store))
        self._state = state
        return True

    async def watch(self) -> None:
        """Refresh now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await run_in_threadpool(self.refresh)
            except Exception:  # whatever it is, the catalogue before stays
                log.exception("The catalogue could not be read again")
