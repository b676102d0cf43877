"""Processes that are killed: forked from one that has imported everything and runs no thread.

Starting Python takes a second and forking it milliseconds, so a campaign of thousands of kills
takes minutes. What is killed is a process of its own, by SIGKILL: nothing is unwound or closed.
"""

import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

CHANGING = {
    "os.rename",
    "os.link",
    "os.symlink",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.truncate",
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def changes(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether an audit event comes before a change to a disk."""
    return event in CHANGING or (event == "open" and bool(arguments[2] & WRITING))


def watch(before: Callable[[str, tuple[Any, ...]], None]) -> None:
    """Call ``before`` with every change to a disk, and every fsync, that this process begins."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if changes(event, arguments):
            before(event, arguments)

    fsync = os.fsync

    def watched_fsync(handle: int) -> None:
        before("fsync", (handle,))
        fsync(handle)

    os.fsync = watched_fsync
    sys.addaudithook(hook)


def kill_before(at: int) -> None:
    """Kill this process before the change that is number ``at``, counted from 1."""
    count = 0

    def before(_event: str, _arguments: tuple[Any, ...]) -> None:
        nonlocal count
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)

    watch(before)


def fork(function: Callable[..., Any], *arguments: Any, kill_at: int = 0) -> int:
    """Start a child that calls ``function``; return its process id."""
    if threading.active_count() > 1:
        raise AssertionError("a process with threads must not fork")
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        if kill_at:
            kill_before(kill_at)
        function(*arguments)
        status = 0
    except BaseException:  # noqa: BLE001 - the child ends here, whatever it was
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def wait(child: int) -> bool:
    """Wait for a child; return whether it was killed.

    Raises:
        RuntimeError: it failed.
    """
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status) == signal.SIGKILL
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError("the child failed: see above")
    return False


def killed(function: Callable[..., Any], *arguments: Any, at: int) -> bool:
    """Run ``function`` in a child that is killed before change ``at``; False: it ended first."""
    return wait(fork(function, *arguments, kill_at=at))


def run(function: Callable[..., Any], *arguments: Any) -> None:
    """Run ``function`` in a child, undisturbed."""
    if wait(fork(function, *arguments)):
        raise RuntimeError("the child was killed")


def ask(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what ``function`` returns in a child; what it raises is raised here."""
    reading, writing = os.pipe()

    def answer() -> None:
        try:
            result = True, function(*arguments)
        except Exception as error:  # noqa: BLE001 - raised again by the parent
            result = False, error
        with open(writing, "wb") as pipe:  # noqa: PTH123 - a handle
            pickle.dump(result, pipe)

    child = fork(answer)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a handle
        data = pipe.read()
    wait(child)
    good, value = pickle.loads(data)  # noqa: S301 - our own child's
    if not good:
        raise value
    return value
