"""Ctrl-C at awkward moments: it waits for what must not be left halfway, and no worker gets it."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

import cubestore
from cubestore_pipelines.interrupts import kept_from_workers, waiting
from cubestore_pipelines.simulate.server import serving
from tests.faults import builds, site


def blocks_interrupts(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("SigBlk:")[2].split()[0], 16) >> (signal.SIGINT - 1) & 1


def interrupted(done, failure=None):
    """Do something in two halves, between which an interrupt comes."""
    with waiting():
        signal.raise_signal(signal.SIGINT)
        done.append("the second half")
        if failure:
            raise failure


@pytest.mark.parametrize(
    "failure",
    [
        None,
        ImportError("numpy._core.multiarray failed to import"),  # what an interrupt may look like
    ],
)
def test_an_interrupt_waits_until_the_block_ends_and_goes_before_its_failure(failure):
    done = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(done, failure)
    assert done == ["the second half"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_thread_that_nobody_can_interrupt_runs_the_block():
    done = []

    def run():
        with waiting():
            done.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert done


def test_processes_are_kept_from_interrupts_however_late_they_are_begun():
    later, blocked = threading.Event(), []

    def begin():
        later.wait()
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
            blocked.append(blocks_interrupts(process.pid))
            process.kill()

    thread = threading.Thread(target=begin)
    with kept_from_workers():
        thread.start()
    later.set()
    thread.join()
    assert blocked == [True]
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())


# The program.


def importing(running):
    """Wait until NumPy is being imported, which tells interrupts as a broken installation."""
    while "_multiarray_umath" not in Path(f"/proc/{running.process.pid}/maps").read_text():
        time.sleep(0.005)


def beginning(running):
    """Wait until there is a worker, which has just been begun."""
    while not running.workers():
        time.sleep(0.005)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = site.archive(tmp_path_factory.mktemp("interrupts"), site.scenes(1))
    with serving(made, latency=0.1) as running:
        yield running


@pytest.mark.faults
@pytest.mark.parametrize("moment", [importing, beginning])
def test_a_build_that_is_interrupted_as_it_starts_ends_quietly(server, tmp_path, moment):
    store = tmp_path / "store"
    with builds.started(store, server) as running:
        moment(running)
        workers = running.workers()
        assert all(blocks_interrupts(worker.pid) for worker in workers)
        running.signal_all(signal.SIGINT)
        done = running.end()
    assert done.status == 130
    assert done.stderr.splitlines()[-1].startswith("cubestore: interrupted. What was committed")
    assert "Traceback" not in done.stderr
    assert not done.stdout
    assert not psutil.wait_procs(workers, timeout=10)[1]
    if workers:
        cubestore.open_store(store).cube(site.TILE, site.SENSOR).recover(wait=0)  # the lock is free
