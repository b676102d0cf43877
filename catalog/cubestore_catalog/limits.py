"""How much a request may take: its time, and how many others work meanwhile.

A thread cannot be stopped from outside. So long work asks now and then whether its time is over
(`check`), and a worker whose request was given up keeps its place until it has ended: requests
that take too long never pile up threads. The time of a client that has left is over at once.
"""

import asyncio
import contextvars
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from cubestore_catalog.errors import OverloadError

Result = TypeVar("Result")

GRACE = 1.0
"""Seconds that work has to notice that its time is over."""


@dataclass(slots=True)
class _Time:
    """When the time of a request is over."""

    end: float = math.inf


_time: contextvars.ContextVar[_Time] = contextvars.ContextVar("time", default=_Time())  # noqa: B039 - never changed


def check() -> None:
    """Go on, if the time of the request that this thread works for is not over.

    Raises:
        OverloadError: it is.
    """
    if time.monotonic() > _time.get().end:
        raise _too_slow()


class Workers:
    """Threads that work for requests, a few at once; some more may wait.

    Args:
        threads: how many work at once.
        waiting: how many may wait for one.
        seconds: what a request has, the waiting included.
    """

    def __init__(self, threads: int, waiting: int, seconds: float) -> None:
        self.seconds = seconds
        self._most = threads + waiting
        self._pending = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="serve")

    async def run(self, work: Callable[..., Result], *arguments: object) -> Result:
        """Return what a call returns that is made by a worker.

        Who is cancelled while waiting leaves the queue, or tells the worker to end.

        Raises:
            OverloadError: too many wait already, or the call takes too long.
        """
        if self._pending >= self._most:
            raise OverloadError(
                "The service is busy",
                expected=f"at most {self._most} such requests at once",
                remedy="try again in a moment",
            )
        self._pending += 1
        left = _Time(time.monotonic() + self.seconds)
        submitted = self._pool.submit(
            contextvars.copy_context().run, _timed, left, work, *arguments
        )
        future = asyncio.wrap_future(submitted)
        future.add_done_callback(self._ended)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self.seconds + GRACE)
        except TimeoutError as error:
            raise error if isinstance(error, OverloadError) else _too_slow() from error
        except asyncio.CancelledError:
            left.end = -math.inf
            submitted.cancel()
            raise

    def close(self) -> None:
        """Let no one wait any longer."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ended(self, future: "asyncio.Future[Result]") -> None:
        self._pending -= 1
        if not future.cancelled():
            future.exception()  # looked at: nobody may be waiting for it any more


def _timed(left: _Time, work: Callable[..., Result], *arguments: object) -> Result:
    _time.set(left)
    check()
    return work(*arguments)


def _too_slow() -> OverloadError:
    return OverloadError(
        "The request takes longer than it may", remedy="ask for less, or try again in a moment"
    )
