"""A store's files by HTTP, whole or by byte range: what a Zarr reader needs, and nothing else.

Served are the keys of cubes and patch sets, the commit records beside them, and the catalogue's
GeoParquet; what else lies in a store (locks, staging, ledgers) or outside it is as absent as a key
that was never written: 404. A name is believed only if it is spelled as the store spells names, and
no symbolic link is followed.
"""

import asyncio
import html
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from cubestore import cloud, grids, layout
from cubestore.patches import PATCHES
from cubestore.records import METADATA
from cubestore.sensors import SENSORS
from cubestore_catalog.errors import UnknownRecordError
from cubestore_catalog.stac.parquet import FILE
from cubestore_catalog.stac.records import CATALOG, JSON, PARQUET

PIECE = 256 * 1024
"""Bytes that are read and sent at a time: all that a request holds in memory."""

FOREVER, ANEW = "public, max-age=31536000, immutable", "no-cache"
"""What a cache may do with a file: keep it, or ask each time whether it is still the same."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

_HOMES = "|".join([*grids.GRIDS, PATCHES])
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_RECORD = rf"{re.escape(layout.CONTROL)}/{_NAME}(?:/{_NAME})?/commits/\d{{7}}\.json"
_SERVED = re.compile(
    rf"{re.escape(METADATA)}|(?:{_HOMES})(?:/{_NAME})+|(?:{_HOMES})/(?:{_NAME}/)?{_RECORD}"
    rf"|{CATALOG}/{_NAME}/{re.escape(FILE)}",
    re.ASCII,
)
_LISTED = re.compile(rf"|(?:{_HOMES})(?:/{_NAME}){{0,2}}", re.ASCII)
"""Directories down to a cube's own: a remote store finds its cubes by them."""

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)
_TYPES = {".json": JSON, ".parquet": PARQUET}

_SHARDED = {
    layer.name
    for sensor in SENSORS.values()
    for layer in (sensor.pixels, *sensor.every_layer, cloud.CLOUD_CLASS)
}
"""Variables whose keys are never written again; embeddings and coordinates are."""


@dataclass(frozen=True, slots=True)
class ZarrFiles:
    """The files of a store, below one path.

    Args:
        store: path of the store.
    """

    store: str

    async def get(self, request: Request) -> Response:
        """Answer a request for a key.

        Raises:
            UnknownRecordError: there is no such key.
        """
        key = request.path_params["key"]
        if _LISTED.fullmatch(key.rstrip("/")):
            return HTMLResponse(await run_in_threadpool(self._listing, key.rstrip("/")))
        opening = asyncio.ensure_future(run_in_threadpool(self._opened, key))
        try:
            file = await asyncio.shield(opening)
        except asyncio.CancelledError:  # the client has left, and the file may be open already
            opening.add_done_callback(_close)
            raise
        return _answer(file, key, request)

    def _opened(self, key: str) -> BinaryIO:
        path = f"{self.store}/{key}"
        try:
            if not _SERVED.fullmatch(key) or os.path.realpath(path) != path:
                raise _absent(key)
            # A pipe that someone put there would block whoever opens it to wait for a writer.
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError:
            raise _absent(key) from None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise _absent(key)
        return os.fdopen(handle, "rb", buffering=0)

    def _listing(self, key: str) -> str:
        """Return links to what a directory holds, as file servers show them."""
        path = f"{self.store}/{key}".rstrip("/")
        try:
            names = sorted(self._names(path)) if os.path.realpath(path) == path else []
        except OSError:
            names = []
        if not names:
            raise _absent(key)
        links = (f'<a href="{html.escape(name)}">{html.escape(name)}</a><br>' for name in names)
        return "<!doctype html><title>Files</title>" + "".join(links)

    def _names(self, path: str) -> Iterator[str]:
        with os.scandir(path) as entries:
            for entry in entries:
                folder = entry.is_dir(follow_symlinks=False)
                known = _LISTED if folder else _SERVED
                real = folder or entry.is_file(follow_symlinks=False)
                if real and known.fullmatch(os.path.relpath(entry.path, self.store)):
                    yield entry.name + "/" * folder


def _close(opening: asyncio.Future[BinaryIO]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _answer(file: BinaryIO, key: str, request: Request) -> Response:
    """Return the answer for an open file; whoever sends it closes the file."""
    status = os.fstat(file.fileno())
    tag, size = f'"{status.st_mtime_ns:x}-{status.st_ino:x}-{status.st_size:x}"', status.st_size
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": _lasting(key, request.url.hostname),
        "Content-Type": _TYPES.get(os.path.splitext(key)[1], "application/octet-stream"),  # noqa: PTH122 - of a key
    }
    wanted = _wanted(request.headers, tag, size)
    if _is_known(request.headers.get("if-none-match", ""), tag):
        code, start, count = 304, 0, 0
    elif wanted is None:
        code, start, count = 200, 0, size
    elif wanted[1] <= 0:
        code, start, count = 416, 0, 0
        headers["Content-Range"] = f"bytes */{size}"
    else:
        code, (start, count) = 206, wanted
        headers["Content-Range"] = f"bytes {start}-{start + count - 1}/{size}"
    return _Part(file, start, count, code, headers)


def _wanted(headers: Headers, tag: str, size: int) -> tuple[int, int] | None:
    """Return the first byte and the count of a range; a count of 0 where nothing is there.

    None is all of it: no range, several, or one that cannot be read, which RFC 9110 says to ignore.
    """
    match = _RANGE.fullmatch(headers.get("range", "").replace(" ", ""))
    if match is None or headers.get("if-range", tag) != tag or match[0] == "bytes=-":
        return None
    if not match[1]:
        count = min(int(match[2]), size)
        return size - count, count
    start = int(match[1])
    end = min(int(match[2]) + 1, size) if match[2] else size
    if match[2] and int(match[2]) < start:
        return None
    return start, end - start


def _is_known(tags: str, tag: str) -> bool:
    return tag in [one.strip().removeprefix("W/") for one in tags.split(",")] or tags == "*"


def _lasting(key: str, host: str | None) -> str:
    """Shards never change; on this machine's own address another store may follow this one."""
    name, _, index = key.partition("/c/")
    is_shard = bool(index) and name.rpartition("/")[2] in _SHARDED
    return FOREVER if is_shard and host not in LOOPBACK else ANEW


class _Part(Response):
    """Bytes of an open file, sent piece by piece; the file is closed whatever happens."""

    def __init__(
        self, file: BinaryIO, start: int, count: int, status: int, headers: Mapping[str, str]
    ) -> None:
        length = {} if status == 304 else {"Content-Length": str(count)}  # noqa: PLR2004 - not modified: of the whole
        super().__init__(None, status)
        self.init_headers({**headers, **length})
        self._file, self._start, self._count = file, start, count

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        with self._file:
            head = {"type": "http.response.start", "status": self.status_code}
            await send({**head, "headers": self.raw_headers})
            left = 0 if scope["method"] == "HEAD" else self._count
            while left > 0:
                piece = await self._read(self._start + self._count - left, min(left, PIECE))
                left -= len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": left > 0})
            if scope["method"] == "HEAD" or not self._count:
                await send({"type": "http.response.body", "body": b""})

    async def _read(self, start: int, count: int) -> bytes:
        piece = await run_in_threadpool(partial(os.pread, self._file.fileno(), count, start))
        if not piece:
            raise OSError("The file has become shorter while it was sent")  # the client sees a cut
        return piece


def _absent(key: str) -> UnknownRecordError:
    return UnknownRecordError(
        f"There is no file {key!r:.120}", expected="a key of a cube or patch set of this store"
    )
