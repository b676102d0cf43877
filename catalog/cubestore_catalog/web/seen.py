"""Where others see the service, when they reach it through a proxy.

A proxy may show a service under another scheme, host and path than it asks itself, and what it
tells of that differs from one to the next. So the address is given, and every link begins with it.
"""

from urllib.parse import SplitResult, unquote, urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from cubestore_catalog.errors import AddressError


class Seen:
    """Tells an application by which address it is seen.

    Args:
        app: what is served.
        address: by which it is seen; the proxy hands its path on, or takes it off.
    """

    def __init__(self, app: ASGIApp, address: SplitResult) -> None:
        self.app, self.scheme = app, address.scheme
        self.host, self.root = address.netloc.encode("idna"), unquote(address.path).rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on as if it had been sent to that address."""
        await self.app(self._told(scope) if scope["type"] == "http" else scope, receive, send)

    def _told(self, scope: Scope) -> Scope:
        path = scope["path"]
        others = [(name, value) for name, value in scope["headers"] if name != b"host"]
        return {
            **scope,
            "scheme": self.scheme,
            "headers": [(b"host", self.host), *others],
            "root_path": self.root,
            "path": path if path.startswith(f"{self.root}/") else self.root + path,
        }


def parts_of(url: str) -> SplitResult:
    """Return the parts of an address by which a service can be seen.

    Raises:
        AddressError: a service cannot be seen there.
    """
    try:
        parts = urlsplit(url)
        whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        parts.netloc.encode("idna")
    except ValueError:
        whole = False
    if not whole or parts.query or parts.fragment or parts.username is not None:
        raise AddressError(
            f"A service cannot be seen at {url!r:.200}",
            expected="an address as https://example.org/cubes",
        )
    return parts
