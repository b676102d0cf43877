"""What is refused before anyone looks at it: methods that write, and control characters."""

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cubestore_catalog.web.answers import answer

READING = ("GET", "HEAD", "OPTIONS")

SEARCH = "/search"
"""Where a long question may be posted."""


class Gate:
    """Lets requests through that only read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        refusal = _refusal(scope) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)


def _refusal(scope: Scope) -> Response | None:
    posted = scope["method"] == "POST" and scope["path"].endswith(SEARCH)
    if scope["method"] not in READING and not posted:
        refusal = _refused("MethodNotAllowed", "The method may write", ", ".join(READING), 405)
        refusal.headers["Allow"] = ", ".join(READING)
        return refusal
    if not scope["path"].isprintable():
        return _refused("RequestError", "The path has control characters", "none", 400)
    return None


def _refused(code: str, found: str, expected: str, status: int) -> Response:
    return answer({"code": code, "description": f"{found}. Expected: {expected}."}, status=status)
