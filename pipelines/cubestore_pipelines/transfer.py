"""Bytes over HTTP: by range, several at once, tried again within a budget, never for ever.

A file is pinned by what its first answer said: every later range must come from the same ETag and
size. Redirects are followed by hand, each one checked. A connection to a host that is not trusted
must end at a public address, whatever its name resolved to.
"""

import contextlib
import functools
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin

import urllib3

from cubestore_pipelines.addresses import Policy
from cubestore_pipelines.connections import AT_ONCE, manager
from cubestore_pipelines.deadline import within
from cubestore_pipelines.errors import AssetError

HEAD = 2**16
"""Bytes asked for first: the header of a COG of a Sentinel-2 band fits."""

WHOLE = 64 * 2**20
"""Bytes of a file that is taken whole from a server that knows no ranges."""

PIECE = 2**21
"""Bytes of one request of many."""

TRIES, FIRST_PAUSE, LONGEST_PAUSE = 5, 0.25, 10.0
"""Of one request; pauses in seconds, each twice the one before."""

SLOWEST = 2**13
"""Bytes a second that an answer must bring once its time is up."""

CONNECT = 10.0
REDIRECTS = 5
OK, PARTIAL, UNAUTHORIZED, FORBIDDEN, CONFLICT = 200, 206, 401, 403, 409
CHANGED, BEYOND = 412, 416
TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
MOVED = {301, 302, 303, 307, 308}
REFUSALS = {UNAUTHORIZED, FORBIDDEN, CONFLICT}
"""What a server says whose token is missing or has expired; Azure says 409."""


class _TransientError(Exception):
    """An answer that may be better the next time."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class _RefusalError(Exception):
    """An answer that asks for a token, or for a fresh one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server gave."""

    status: int
    headers: Any
    data: bytes


@dataclass(slots=True)
class RemoteFile:
    """A file on a server, read by ranges.

    Raises:
        AssetError: from every method, when the server does not give what was asked for.
    """

    url: str
    """Unsigned."""

    sign: Callable[[str], str]
    """What makes an address that the server accepts, fresh each time it is called."""

    policy: Policy
    timeout: float = 30.0
    catalogued: bool = True
    """Whether it is a file that an item names, not a document of the catalogue."""

    size: int = 0
    etag: str = ""
    head: bytes = b""
    _signed: str = ""
    _whole: bytes | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self) -> "RemoteFile":
        """Ask for the first bytes, and pin the file by what the answer says."""
        answer = self._ask(f"bytes=0-{HEAD - 1}")
        self.etag = answer.headers.get("ETag", "")
        if answer.status == OK:
            self._whole = answer.data
            self.size = len(answer.data)
        elif answer.status == BEYOND:
            self.size = 0
        else:
            self.size = _total(answer, self.url)
        self.head = answer.data[:HEAD] if answer.status != BEYOND else b""
        return self

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of some ranges (offset, length), asked for side by side."""
        if self._whole is not None:
            return [self._whole[offset : offset + length] for offset, length in ranges]
        pieces = [(k, *piece) for k, one in enumerate(ranges) for piece in _pieces(*one)]
        if len(pieces) == 1:
            return [self._piece(*pieces[0][1:])]
        parts: list[list[bytes]] = [[] for _ in ranges]
        fetched = _pool().map(lambda piece: self._piece(*piece[1:]), pieces)
        for (k, *_), data in zip(pieces, fetched, strict=True):
            parts[k].append(data)
        return [part[0] if len(part) == 1 else b"".join(part) for part in parts]

    @property
    def held(self) -> int:
        """Bytes of it that are in memory."""
        return len(self.head) + len(self._whole or b"")

    def keep(self) -> bytes:
        """Return the whole file, and read from it what is asked for later."""
        if self._whole is None:
            self._whole = self.read([(0, self.size)])[0]
        return self._whole

    def _piece(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size)
        if offset >= end:
            return b""
        if end <= len(self.head):
            return self.head[offset:end]
        answer = self._ask(f"bytes={offset}-{end - 1}")
        if answer.status != PARTIAL or _total(answer, self.url) != self.size:
            raise self._changed(f"answers {answer.status} of {answer.headers.get('Content-Range')}")
        if len(answer.data) != end - offset or not _starts_at(answer, offset):
            told = answer.headers.get("Content-Range")
            raise self._changed(f"gives {told} where bytes {offset}-{end - 1} are asked for")
        return answer.data

    def _ask(self, range_: str) -> Answer:
        """Ask for a range; with a fresh signature where the old one is not accepted."""
        headers = {"Range": range_, "Accept-Encoding": "identity"}
        if self.etag and not self.etag.startswith("W/"):
            headers["If-Match"] = self.etag
        with self._lock:
            signed = self._signed = self._signed or self.sign(self.url)
        try:
            return self._checked(_persist(signed, headers, self))
        except _RefusalError:
            with self._lock:
                signed = self._signed = self.sign(self.url)
        try:
            return self._checked(_persist(signed, headers, self))
        except _RefusalError as error:
            raise AssetError(
                f"{self.url} is not given: {error}",
                expected="a server that accepts the address as it is signed",
                remedy="check the provider's keys in the environment, and this machine's clock"
                if signed != self.url
                else "it is not signed: tell with `sign` in a --profile how it is to be",
            ) from None

    def _checked(self, answer: Answer) -> Answer:
        if answer.status == CHANGED:
            raise self._changed(f"is no longer the version {self.etag}")
        if answer.status not in {OK, PARTIAL, BEYOND}:
            raise AssetError(
                f"{self.url} is not given: the server answers {answer.status}",
                expected="the file",
                remedy="leave the item out with --skip-item, or report it to the provider",
            )
        if self.etag and answer.headers.get("ETag", self.etag) != self.etag:
            raise self._changed(f"is no longer the version {self.etag}")
        if answer.status == OK and self.etag and self._whole is None and self.size:
            raise self._changed("is given whole where a range is asked for")
        return answer

    def _changed(self, found: str) -> AssetError:
        return AssetError(
            f"{self.url} {found}, while it is read",
            expected=f"ranges of one file of {self.size} bytes",
            remedy="run the build again; if that changes nothing, report it to the provider",
        )


def fetch(url: str, *, timeout: float, most: int, policy: Policy) -> bytes:
    """Return a document, whole.

    Raises:
        AssetError: it is not given, or larger than ``most`` bytes.
    """
    whole = RemoteFile(url, str, policy, timeout, catalogued=False)
    try:
        answer = whole._checked(_persist(url, {}, whole, most=most))  # noqa: SLF001 - the same module
    except _RefusalError as error:
        raise AssetError(
            f"{url} is not given: {error}", expected="a document", remedy="check the address"
        ) from None
    return answer.data


def _persist(url: str, headers: dict[str, str], file: RemoteFile, *, most: int = WHOLE) -> Answer:
    """Ask until there is an answer, or the tries are used up."""
    for attempt in itertools.count(1):
        try:
            return _follow(url, headers, file, most)
        except (_TransientError, urllib3.exceptions.HTTPError, OSError) as error:
            if refusal := _refusal_in(error):
                raise refusal from None
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            if attempt == TRIES:
                raise AssetError(
                    f"{file.url} is not given: {_unsigned(reason)}",
                    expected=f"an answer within {TRIES} tries",
                    remedy="run the build again later: what is committed stays",
                ) from None
            pause = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE)
            time.sleep(max(pause, min(getattr(error, "pause", 0.0), LONGEST_PAUSE)))
    raise AssertionError("the loop above ends by itself")


def _refusal_in(error: BaseException) -> AssetError | None:
    """Return the refusal that an error is, or that urllib3 has wrapped."""
    inside = (error, error.__cause__, *error.args)
    return next((one for one in inside if isinstance(one, AssetError)), None)


def _unsigned(text: str) -> str:
    """Leave out of an error what may be a signature."""
    return " ".join(word.partition("?")[0] for word in text.split())


def _follow(url: str, headers: dict[str, str], file: RemoteFile, most: int) -> Answer:
    """Ask, and go where redirects lead, as far as that is allowed."""
    for _ in range(REDIRECTS + 1):
        answer = _once(url, headers, file, most)
        if answer.status not in MOVED:
            return _sorted_out(answer)
        url = urljoin(url, answer.headers.get("Location", ""))
    raise AssetError(
        f"{file.url} is redirected more than {REDIRECTS} times",
        expected="the file",
        remedy="report it to the provider",
    )


def _sorted_out(answer: Answer) -> Answer:
    if answer.status in TRANSIENT:
        raise _TransientError(f"the server answers {answer.status}", _retry_after(answer))
    if answer.status in REFUSALS:
        raise _RefusalError(f"the server answers {answer.status}")
    return answer


def _retry_after(answer: Answer) -> float:
    told = answer.headers.get("Retry-After", "")
    if told.isdigit():
        return float(told)
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    return 0.0


def _once(url: str, headers: dict[str, str], file: RemoteFile, most: int) -> Answer:
    host = file.policy.check(url).hostname or ""
    trusted = file.policy.trusts(host)
    ask = functools.partial(
        manager(url, trusted=trusted, file=file.catalogued).request,
        "GET",
        url,
        headers=headers,
        redirect=False,
        retries=False,
        preload_content=False,
        timeout=urllib3.Timeout(connect=CONNECT, read=file.timeout),
    )
    response = within(CONNECT + 2 * file.timeout, ask)  # a header may trickle too
    try:
        data = _body(response, file, most) if response.status in {OK, PARTIAL} else b""
        answer = Answer(response.status, response.headers, data)
    except BaseException:
        response.close()
        raise
    if answer.status in {OK, PARTIAL}:
        response.release_conn()
    else:
        response.close()  # what else it may say is not waited for
    return answer


def _body(response: Any, file: RemoteFile, most: int) -> bytes:  # noqa: ANN401 - urllib3's
    """Read a body; a trickle is as bad as a stall."""
    deadline, parts, count = time.monotonic() + file.timeout, [], 0
    while part := response.read1(2**18):
        parts.append(part)
        count += len(part)
        late = time.monotonic() - deadline
        if late > 0 and count < late * SLOWEST:
            raise _TransientError(f"only {count} bytes came in {file.timeout + late:.0f} s")
        if count > most:
            raise AssetError(
                f"{file.url} is larger than {most} bytes, and its server gives it whole",
                expected="a server that answers range requests",
                remedy="copy the file, and name the copy in an item of your own",
            )
    return b"".join(parts)


def _total(answer: Answer, url: str) -> int:
    """Return the size of the file that a range is of."""
    told = str(answer.headers.get("Content-Range", "")).rpartition("/")[2]
    if not told.isdigit():
        raise AssetError(
            f"{url}: the server's Content-Range is {answer.headers.get('Content-Range')!r}",
            expected="bytes first-last/size",
            remedy="report it to the provider",
        )
    return int(told)


def _starts_at(answer: Answer, offset: int) -> bool:
    return str(answer.headers.get("Content-Range", "")).startswith(f"bytes {offset}-")


def _pieces(offset: int, length: int) -> Iterator[tuple[int, int]]:
    """Cut a long range, so that its parts come side by side."""
    for start in range(offset, offset + max(length, 1), PIECE):
        yield start, min(PIECE, offset + length - start)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="range")
