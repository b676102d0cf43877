"""The lock goes with the process that took it, whatever that process started."""

import os
import signal

import pytest

from cubestore import lock
from cubestore.errors import LockedError, NotWritableError


def test_a_forked_child_does_not_hold_its_parents_lock(tmp_path):
    path, (read, write) = tmp_path / "lock", os.pipe()
    with lock.hold(path, wait=0):
        child = os.fork()
        if child == 0:  # it outlives the hold, as a worker does whose parent was killed
            os.write(write, b".")
            signal.pause()
            os._exit(0)
        os.read(read, 1)
        with pytest.raises(LockedError), lock.hold(path, wait=0):
            pass
    try:
        with lock.hold(path, wait=0):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)


def test_a_file_system_without_locks_is_told_so(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with pytest.raises(NotWritableError, match="not implemented"), lock.hold(tmp_path / "l", 0):
        pass


def test_the_lock_tells_no_arguments(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/bin/build\udcff", "https://a/b?sig=SECRET"])
    with lock.hold(tmp_path / "lock", wait=0):
        said = (tmp_path / "lock").read_text()
    assert "SECRET" not in said
    assert "build" in said
