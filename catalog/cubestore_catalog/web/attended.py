"""Work ends when nobody waits for it any more: a client that hangs up frees what it held."""

import asyncio
import contextlib

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Attended:
    """Gives a request up when its client has left."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and cancel the answer to one that nobody waits for."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        heard = asyncio.Event()

        async def hear() -> Message:
            message = await receive()
            if not message.get("more_body"):
                heard.set()
            return message

        if scope["method"] != "POST":  # nothing else has a body that anyone reads
            heard.set()
        answering = asyncio.ensure_future(self.app(scope, hear, send))
        leaving = asyncio.ensure_future(_left(heard, receive))
        try:
            await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if answering.cancel():
                await asyncio.wait((answering,))
        if not answering.cancelled():
            with contextlib.suppress(ClientDisconnect):  # in the middle of its question
                answering.result()


async def _left(heard: asyncio.Event, receive: Receive) -> None:
    """Return when the client has left, which it says behind its request."""
    await heard.wait()
    while (await receive())["type"] != "http.disconnect":
        pass
