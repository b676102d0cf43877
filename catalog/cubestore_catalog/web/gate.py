"""What is answered at once: which methods there are, and no to what may write or is ambiguous."""

from starlette.datastructures import Headers
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
        at_once = _answer(scope, Headers(scope=scope)) if scope["type"] == "http" else None
        await (at_once or self.app)(scope, receive, send)


def _answer(scope: Scope, headers: Headers) -> Response | None:
    allowed = (*READING, "POST") if scope["path"].endswith(SEARCH) else READING
    if scope["method"] not in allowed:
        refusal = _refused("MethodNotAllowed", "The method may write", ", ".join(allowed), 405)
        refusal.headers["Allow"] = ", ".join(allowed)
        return refusal
    if scope["method"] == "OPTIONS" and "access-control-request-method" not in headers:
        return Response(status_code=204, headers={"Allow": ", ".join(allowed)})
    if {"content-length", "transfer-encoding"} <= {*headers}:  # a proxy before us may differ
        refusal = _refused("RequestError", "The body has two lengths", "one", 400)
        refusal.headers["Connection"] = "close"  # nor is it known where the next request begins
        return refusal
    if not scope["path"].isprintable():
        return _refused("RequestError", "The path has control characters", "none", 400)
    return None


def _refused(code: str, found: str, expected: str, status: int) -> Response:
    return answer({"code": code, "description": f"{found}. Expected: {expected}."}, status=status)
