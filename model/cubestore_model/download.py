"""Weights from where they are published: fetched once, gone on with after a break, checked.

A file appears under its name when all of it is there and is what was published; what has come so
far lies beside it as ``.part``.
"""

import fcntl
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from cubestore_model.errors import NotFetchedError, WeightsError
from cubestore_model.weights import sha256

Watch = Callable[[int, int | None], None]
"""Told how many bytes have come, and of how many where that is known."""

FOLDER = "CUBESTORE_WEIGHTS"
"""The environment's word for where weights are kept."""

PIECE = 2**20
"""Bytes that are read at once."""

PATIENCE = 30.0
"""Seconds without a byte."""

PARTIAL = 206
BEYOND = 416
"""HTTP: the part that was asked for; nothing lies where it would begin."""


def folder() -> Path:
    """Return where weights are kept: ``$CUBESTORE_WEIGHTS``, else in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get(FOLDER) or cache / "cubestore" / "weights")


def fetch(url: str, path: Path, *, digest: str = "", watch: Watch | None = None) -> None:
    """Fetch a file.

    Args:
        url: where it is published; https or http.
        path: where it is to lie.
        digest: its SHA-256, or how that begins; "" where it was not published.
        watch: called as bytes come.

    Raises:
        NotFetchedError: the address cannot be reached, or the file not written.
        WeightsError: what came is not what was published.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not path.exists():  # another process may have fetched it meanwhile
                _append(url, file, watch)
                _refuse_others(url, part, digest)
                part.replace(path)
    except WeightsError:
        part.unlink()
        raise
    except (OSError, ValueError, http.client.HTTPException) as error:
        if part.exists() and not part.stat().st_size:
            part.unlink()
        raise not_here(url, path, error) from error


def not_here(url: str, path: Path, error: Exception) -> NotFetchedError:
    """Return the error that says what to fetch and where to put it."""
    return NotFetchedError(
        f"The weights are not on this machine, and {url} cannot be fetched: {error}",
        expected=f"the file {path}",
        remedy=f"fetch {url} where there is a network and put it there, or pass its path as "
        "weights (--weights FILE)",
    )


def _append(url: str, file: BinaryIO, watch: Watch | None) -> None:
    """Fetch what is still lacking."""
    if not url.startswith(("https://", "http://")):
        raise ValueError("only https and http are fetched")
    have = file.seek(0, os.SEEK_END)
    request = urllib.request.Request(url, headers={"User-Agent": "cubestore"})  # noqa: S310 - checked above
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib.request.urlopen(request, timeout=PATIENCE)  # noqa: S310 - checked above
    except urllib.error.HTTPError as error:
        if error.code == BEYOND and have:
            return  # all of it has come before
        raise
    with answer:
        if answer.status != PARTIAL:
            have = file.truncate(0)
        _copy(answer, file, have, watch)


def _copy(answer: http.client.HTTPResponse, file: BinaryIO, have: int, watch: Watch | None) -> None:
    """Append an answer to what was there."""
    rest = answer.headers.get("Content-Length")
    total = None if rest is None else have + int(rest)
    while piece := answer.read(PIECE):
        have += file.write(piece)
        if watch:
            watch(have, total)
    file.flush()
    if total is not None and have != total:
        raise OSError(f"{have} of {total} bytes came; the same call goes on")


def _refuse_others(url: str, part: Path, digest: str) -> None:
    """Refuse what is not what was published."""
    found = sha256(part)
    with part.open("rb") as file:
        page = file.read(1) == b"<"
    if page or not found.startswith(digest):
        what = "a page of a web site" if page else f"a file of SHA-256 {found}"
        raise WeightsError(
            f"{url} gave {what}",
            expected=f"weights{f', SHA-256 {digest}' if digest else ''}",
            remedy="fetch them with a browser, and pass their path as weights (--weights FILE)",
        )
