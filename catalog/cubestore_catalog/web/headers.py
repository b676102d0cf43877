"""What every answer says of itself: do not guess its type, run nothing of it, show it to anyone."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BROWSE = "/browse/"
"""Path of the page for people."""

DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Nothing that is served as data is ever a document with scripts."""

PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""MapLibre starts its workers from blobs, and decoders are WebAssembly."""


SAFE = {
    "Content-Security-Policy": DATA_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""Headers of all that is no page."""


class SafeHeaders:
    """Adds these headers to every answer of an application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with the headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        below = scope["path"].removeprefix(scope.get("root_path", ""))
        page = {"Content-Security-Policy": PAGE_POLICY} if below.startswith(BROWSE) else {}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update({**SAFE, **page})
            await send(message)

        await self.app(scope, receive, with_headers)
