"""A client's connection, and how long it may keep the service waiting.

uvicorn hangs up on who is silent after an answer. For who never asks, asks letter by letter, or
takes nothing of an answer it waits for ever, and a few hundred of those keep out all others.
Where many wait, who has waited longest makes room for the next.
"""

import asyncio
import math
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

ASKING = 20.0
"""Seconds until a request's headers have arrived, from the connection or from the answer before."""

TAKING = 60.0
"""Seconds between two looks whether a client takes its answer."""

SLOWEST = 1000
"""Bytes a second that it takes at least."""

WAITING = 384
"""Connections from which no request has come."""


class Connection(H11Protocol):
    """A connection that is cut when one of its times is over, or its place is needed."""

    asking: ClassVar[float] = ASKING
    taking: ClassVar[float] = TAKING

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*arguments, **options)
        self._clock: asyncio.TimerHandle | None = None
        self._left = 0
        """Bytes that the client was still to take when the clock was set."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request."""
        super().connection_made(transport)
        self._allow(self.asking)
        self._make_room()

    def data_received(self, data: bytes) -> None:
        """Stop the clock once a request is whole, and not for a part of one."""
        super().data_received(data)
        if self._is_answering() and not self.flow.write_paused:
            self._stop()

    def on_response_complete(self) -> None:
        """Wait for the next request, which may have come already."""
        super().on_response_complete()
        if not self._is_answering():
            self._allow(self.asking)

    def pause_writing(self) -> None:
        """Wait until the client takes what was sent."""
        super().pause_writing()
        self._allow(self.taking)

    def resume_writing(self) -> None:
        """Go on; of an answer that is complete some may be left, beside the next request."""
        super().resume_writing()
        if self._is_answering():
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop()
        super().connection_lost(exc)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _make_room(self) -> None:
        waiting = [one for one in self.connections if isinstance(one, Connection) and one.waits]
        if len(waiting) > WAITING:
            min(waiting, key=Connection.until).transport.abort()

    @property
    def waits(self) -> bool:
        """Whether it waits for a request."""
        return not (self._is_answering() or self.transport.is_closing())

    def until(self) -> float:
        """Return when its time is over, by the loop's clock."""
        return self._clock.when() if self._clock else math.inf

    def _allow(self, seconds: float) -> None:
        self._stop()
        self._left = self.transport.get_write_buffer_size()
        self._clock = self.loop.call_later(seconds, self._end, seconds)

    def _end(self, seconds: float) -> None:
        """Cut the connection, unless an answer is on its way, if slowly."""
        taken = self._left - self.transport.get_write_buffer_size()
        if self._left and taken >= SLOWEST * seconds:
            self._allow(self.taking)
        else:
            self.transport.abort()

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
