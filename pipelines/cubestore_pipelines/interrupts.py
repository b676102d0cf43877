"""Ctrl-C, which a terminal sends to all of a command's processes, at any moment.

What would break when it is left halfway lets an interrupt wait. Processes that work for a command
are never interrupted: the command ends them.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """Let an interrupt wait until the block ends; it is raised then, in place of what fails."""
    if threading.current_thread() is not threading.main_thread():  # none is raised in others
        yield
        return
    came: list[int] = []
    usual = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if came:
            signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def kept_from_workers() -> Iterator[None]:
    """Block interrupts in the threads and processes that are begun in the block, and in theirs.

    They inherit it, however late they are begun. The tracker of the processes' resources is begun
    before: whoever begins it lifts the block from its own thread, and so from the first worker.
    """
    resource_tracker.ensure_running()
    usual = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, usual)
