"""The catalogue of a store that goes on growing: read again after each commit, and swapped whole.

Whoever asks meanwhile is answered from the catalogue before: there is no moment without one.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from cubestore import Store
from cubestore.errors import CubestoreError
from cubestore_catalog.search.held import Item
from cubestore_catalog.stac.watch import State, state_of

log = logging.getLogger(__name__)

Load = Callable[[Store], tuple[Sequence[Item], Iterable[Mapping[str, Any]]]]
"""A store's items and collections."""


Tell = Callable[[str], None]
"""What is called with what is being done."""


class Live:
    """The API of a store's catalogue as it is now.

    Args:
        store: on this machine's disk.
        load: its items and collections.
        build: an application that serves them.
        seconds: between two looks.
        first: what is served until `load`, which may take minutes, has been through; None: nothing
            is until then.
        tell: called with what is being done, for people.
    """

    def __init__(
        self,
        store: Store,
        load: Load,
        build: Callable[..., ASGIApp],
        seconds: float,
        *,
        first: Load | None = None,
        tell: Tell = log.info,
    ) -> None:
        self._store, self._load, self._build, self._seconds = store, load, build, seconds
        self._tell = tell
        self._state: State | None = None
        self._tried: State | None = None
        self._trouble = ""
        self._app: ASGIApp
        if first is None:
            self.refresh()
        else:
            self._app = build(*first(store))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request from the newest catalogue."""
        await self._app(scope, receive, send)

    def refresh(self) -> bool:
        """Read the catalogue again if anything was committed; return whether it was."""
        state = state_of(self._store)
        if state == self._state:
            return False
        if state != self._tried:
            self._tell(
                "The catalogue is being brought up to date; that of before is served meanwhile"
            )
        self._tried = state
        items, collections = self._load(self._store)
        self._app = self._build(items, collections)
        self._state, self._trouble = state, ""
        self._tell(f"The catalogue is up to date: {len(items):,} items")
        return True

    async def watch(self) -> None:
        """Refresh at once and then now and then, until cancelled."""
        while True:
            try:
                await run_in_threadpool(self.refresh)
            except CubestoreError as error:
                self._complain(str(error))
            except Exception:  # whatever it is, the catalogue before stays
                log.exception("The catalogue could not be read again")
            await asyncio.sleep(self._seconds)

    def _complain(self, trouble: str) -> None:
        """Say what is wrong, once and not at every look."""
        if trouble != self._trouble:
            log.warning("The catalogue could not be read again: %s", trouble)
        self._trouble = trouble
