"""The double of a cloud's blob storage: tokens that expire, and files by range for who has one.

It answers as Azure does: 409 where there is no token, 403 where it is wrong or has expired, and a
short document in XML with the reason.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

DOMAIN = ".blob.core.windows.net"

LIFETIME = 45 * 60.0
"""Seconds that a token of the Planetary Computer lives, in its own region."""

_ACCOUNT = re.compile("[a-z0-9]{3,24}")
_RANGE = re.compile("bytes=([0-9]*)-([0-9]*)")

_REASONS = {
    304: "NotModified",
    403: "AuthenticationFailed",
    404: "BlobNotFound",
    405: "UnsupportedHttpVerb",
    409: "PublicAccessNotPermitted",
    412: "ConditionNotMet",
    416: "InvalidRange",
}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Issues the tokens for containers, and checks them."""

    lifetime: float = LIFETIME
    """Seconds."""
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def issue(self, account: str, container: str) -> dict[str, str]:
        """Return a token as the service does that signs for the Planetary Computer."""
        now = datetime.now(UTC)
        end = _written(now + timedelta(seconds=self.lifetime))
        claims = {"st": _written(now), "se": end, "sp": "rl", "sv": "2024-05-04", "sr": "c"}
        token = urlencode({**claims, "sig": self._signature(account, container, claims)})
        return {"msft:expiry": end, "token": token}

    def check(self, account: str, container: str, query: Mapping[str, str]) -> int:
        """Return 200 for a token that is good, 409 for none, 403 for any other."""
        if "sig" not in query:
            return 409
        claims = {key: value for key, value in query.items() if key != "sig"}
        genuine = hmac.compare_digest(
            self._signature(account, container, claims).encode(), query["sig"].encode()
        )
        valid = genuine and datetime.now(UTC) < datetime.fromisoformat(claims["se"])
        return 200 if valid else 403

    def _signature(self, account: str, container: str, claims: Mapping[str, str]) -> str:
        text = repr((account, container, sorted(claims.items())))
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Blobs:
    """An ASGI application that serves folders as storage accounts.

    The account is taken from the request's host, ``ACCOUNT.blob.core.windows.net``.
    """

    root: Path
    """A folder of accounts, of containers, of blobs."""
    tokens: Tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        response = await self._answer(Request(scope))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        account = request.headers.get("host", "").split(".")[0]
        container, _, name = request.url.path.lstrip("/").partition("/")
        if request.method not in ("GET", "HEAD"):
            return _refusal(405)
        status = self.tokens.check(account, container, dict(parse_qsl(request.url.query)))
        if status != 200:  # noqa: PLR2004 - HTTP's OK
            return _refusal(status)
        path = self._find(account, container, name)
        return _refusal(404) if path is None else await run_in_threadpool(_serve, path, request)

    def _find(self, account: str, container: str, name: str) -> Path | None:
        """Return a blob's file, unless its name leads out of its container."""
        if not _ACCOUNT.fullmatch(account) or not container.strip(".") or "\0" in name:
            return None
        folder = (self.root / account / container).resolve()
        path = (folder / name).resolve()
        return path if path.is_relative_to(folder) and path.is_file() else None


@dataclass(frozen=True, slots=True)
class OpenFiles:
    """An ASGI application that serves folders as the hosts that they are named after, to anyone."""

    root: Path
    """A folder of hosts."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for ``/HOST/PATH``, below which this may be mounted."""
        request = Request(scope)
        below = scope["path"].removeprefix(scope.get("root_path", ""))
        response = await self._answer(request, below.lstrip("/"))
        await response(scope, receive, send)

    async def _answer(self, request: Request, name: str) -> Response:
        if request.method not in ("GET", "HEAD"):
            return _refusal(405)
        path = (self.root / name).resolve() if "\0" not in name else self.root
        found = path.is_relative_to(self.root.resolve()) and path.is_file()
        return await run_in_threadpool(_serve, path, request) if found else _refusal(404)


def _written(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}Z"


def _serve(path: Path, request: Request) -> Response:
    """Return a file, or the part of it that is asked for."""
    about = path.stat()
    size, etag = about.st_size, f'"{about.st_mtime_ns:x}-{about.st_size:x}"'
    if request.headers.get("if-match", etag) not in (etag, "*"):
        return _refusal(412)
    if request.headers.get("if-none-match") == etag:
        return _refusal(304, {"etag": etag})
    headers = {"etag": etag, "accept-ranges": "bytes", "content-type": "application/octet-stream"}
    wanted = _wanted(request.headers, size, etag)
    if wanted is None:
        return Response(_read(path, 0, size), 200, headers)
    first, last = wanted
    if first > last:
        return _refusal(416, {"content-range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {first}-{last}/{size}"
    return Response(_read(path, first, last - first + 1), 206, headers)


def _wanted(headers: Mapping[str, str], size: int, etag: str) -> tuple[int, int] | None:
    """Return the first and last byte of the range, empty where there is none of it.

    None asks for the whole: no range, one that is not understood, or one of another version.
    """
    match = _RANGE.fullmatch(headers.get("range", ""))
    if not match or match[0] == "bytes=-" or headers.get("if-range", etag) != etag:
        return None
    if not match[1]:
        return max(0, size - int(match[2])), size - 1
    return int(match[1]), min(int(match[2] or size), size - 1)


def _read(path: Path, start: int, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(count)


def _refusal(status: int, headers: Mapping[str, str] | None = None) -> Response:
    reason = _REASONS[status]
    document = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{reason}</Code></Error>'
    given = {"x-ms-error-code": reason, **(headers or {})}
    body = None if status == 304 else document  # noqa: PLR2004 - HTTP's "not modified"
    return Response(body, status, given, media_type="application/xml")
