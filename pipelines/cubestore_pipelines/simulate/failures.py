"""How each kind of fault is brought about, once a request was chosen for it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Header = tuple[bytes, bytes]

RESET = "cubestore.reset"
"""The ASGI extension with which an application resets its connection."""

LOGIN = b"<!DOCTYPE html><html><title>Sign in</title><form>User name, password</form></html>"

_PIECES = 10
_WAY = 0.05
"""Seconds for what was sent to reach the client before the connection goes."""


class Kind(StrEnum):
    """What can go wrong."""

    STATUS = "status"
    """`Fault.status` instead of the answer, with `Fault.retry_after` if given."""
    RESET = "reset"
    """The connection is reset before anything is answered."""
    RESET_MIDWAY = "reset midway"
    """The connection is reset after half of the body."""
    TRUNCATE = "truncate"
    """The connection ends after half of the body that Content-Length announced."""
    SHORT = "short"
    """Half of the body, with a Content-Length that fits it."""
    STALL = "stall"
    """Nothing follows the headers for `Fault.seconds`; then the connection ends."""
    TRICKLE = "trickle"
    """The body takes `Fault.seconds`."""
    LOGIN_PAGE = "login page"
    """Status 200 and a page in HTML."""
    REDIRECT = "redirect"
    """Status 302, to `Fault.location`."""
    WRONG_RANGE = "wrong range"
    """Content-Range names other bytes than were asked for."""
    IGNORE_RANGE = "ignore range"
    """Status 200 and the whole, whatever was asked for."""
    FLIP = "flip"
    """One bit in the middle of the body is wrong."""
    OTHER_ETAG = "other etag"
    """The ETag is another one than before."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule: which requests go wrong, and how."""

    path: str
    """What the path must look like, with ``*`` and ``?``; of proxied requests, the whole URL."""
    kind: Kind
    times: int | None = field(default=1, kw_only=True)
    """How often it happens; None for always."""
    after: int = field(default=0, kw_only=True)
    """How many requests pass unharmed before."""
    status: int = field(default=503, kw_only=True)
    retry_after: str = field(default="", kw_only=True)
    seconds: float = field(default=30.0, kw_only=True)
    location: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: tuple[Header, ...]
    body: bytes

    def with_header(self, name: bytes, value: bytes) -> "_Answer":
        others = tuple(header for header in self.headers if header[0] != name)
        return replace(self, headers=(*others, (name, value)))

    @property
    def half(self) -> bytes:
        return self.body[: len(self.body) // 2]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and the way to answer it."""

    fault: Fault
    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send

    async def answer(self) -> _Answer:
        """Return what the application would have answered."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(self.scope, self.receive, keep)
        start, *parts = messages
        body = b"".join(part.get("body", b"") for part in parts)
        return _Answer(start["status"], tuple(start["headers"]), body)

    async def start(self, answer: _Answer) -> None:
        """Send the status and the headers of an answer."""
        headers = list(answer.headers)
        await self.send(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )

    async def give(self, body: bytes, *, more: bool = False) -> None:
        """Send a part of the body."""
        await self.send({"type": "http.response.body", "body": body, "more_body": more})

    async def reply(self, answer: _Answer) -> None:
        """Send an answer, with the Content-Length that its body has."""
        sized = answer.with_header(b"content-length", str(len(answer.body)).encode())
        await self.start(sized)
        await self.give(sized.body)

    async def gone(self) -> None:
        """Wait until the client has gone."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def reset(self) -> None:
        """Reset the connection."""
        self.scope["extensions"][RESET]()


async def _status(exchange: Exchange) -> None:
    after = exchange.fault.retry_after
    headers: Iterable[Header] = [(b"retry-after", after.encode())] if after else []
    await exchange.reply(_Answer(exchange.fault.status, tuple(headers), b"as was asked for"))


async def _reset_at_once(exchange: Exchange) -> None:
    exchange.reset()
    await exchange.gone()


async def _reset_midway(exchange: Exchange) -> None:
    await _truncate(exchange)
    await asyncio.sleep(_WAY)
    exchange.reset()


async def _truncate(exchange: Exchange) -> None:
    answer = await exchange.answer()
    await exchange.start(answer)
    await exchange.give(answer.half, more=True)


async def _short(exchange: Exchange) -> None:
    answer = await exchange.answer()
    await exchange.reply(replace(answer, body=answer.half))


async def _stall(exchange: Exchange) -> None:
    await exchange.start(await exchange.answer())
    await exchange.give(b"", more=True)
    with suppress(TimeoutError):
        await asyncio.wait_for(exchange.gone(), exchange.fault.seconds)


async def _trickle(exchange: Exchange) -> None:
    answer = await exchange.answer()
    await exchange.start(answer)
    step = len(answer.body) // _PIECES + 1
    for start in range(0, len(answer.body), step):
        await asyncio.sleep(exchange.fault.seconds / _PIECES)
        await exchange.give(answer.body[start : start + step], more=True)
    await exchange.give(b"")


async def _login_page(exchange: Exchange) -> None:
    await exchange.reply(_Answer(200, ((b"content-type", b"text/html; charset=utf-8"),), LOGIN))


async def _redirect(exchange: Exchange) -> None:
    location = exchange.fault.location.encode()
    await exchange.reply(_Answer(302, ((b"location", location),), b""))


async def _wrong_range(exchange: Exchange) -> None:
    answer = await exchange.answer()
    told = dict(answer.headers).get(b"content-range", b"")
    shifted = re.sub(
        rb"[0-9]+(?=[-/])", lambda number: b"%d" % (int(number[0]) + 512), told, count=2
    )
    await exchange.reply(answer.with_header(b"content-range", shifted))


async def _ignore_range(exchange: Exchange) -> None:
    headers = [header for header in exchange.scope["headers"] if header[0] != b"range"]
    await exchange.app({**exchange.scope, "headers": headers}, exchange.receive, exchange.send)


async def _flip(exchange: Exchange) -> None:
    answer = await exchange.answer()
    body = bytearray(answer.body)
    body[len(body) // 2] ^= 1
    await exchange.reply(replace(answer, body=bytes(body)))


async def _other_etag(exchange: Exchange) -> None:
    answer = await exchange.answer()
    await exchange.reply(answer.with_header(b"etag", b'"another"'))


ACTS: Mapping[Kind, Callable[[Exchange], Awaitable[None]]] = MappingProxyType(
    {
        Kind.STATUS: _status,
        Kind.RESET: _reset_at_once,
        Kind.RESET_MIDWAY: _reset_midway,
        Kind.TRUNCATE: _truncate,
        Kind.SHORT: _short,
        Kind.STALL: _stall,
        Kind.TRICKLE: _trickle,
        Kind.LOGIN_PAGE: _login_page,
        Kind.REDIRECT: _redirect,
        Kind.WRONG_RANGE: _wrong_range,
        Kind.IGNORE_RANGE: _ignore_range,
        Kind.FLIP: _flip,
        Kind.OTHER_ETAG: _other_etag,
    }
)
"""What is done for each kind."""
