"""The workers of a build: any dask scheduler's, or processes of this machine."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator

import dask
from distributed import Client, LocalCluster

from cubestore_pipelines.deadline import within
from cubestore_pipelines.errors import PlanError
from cubestore_pipelines.gdal import ENVIRONMENT
from cubestore_pipelines.interrupts import kept_from_workers, waiting

PATIENCE = 30.0
"""Seconds in which a scheduler answers, if it is one."""

MEMORY = "1GB"
"""Of a worker: a shard of ten bands takes 84 MB, and as much again while it is encoded."""

CONFIG = {
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.nanny.pre-spawn-environ": {
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_MMAP_THRESHOLD_": str(2**25),
        "MALLOC_TRIM_THRESHOLD_": str(2**28),
        **ENVIRONMENT,
    },
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.tick.limit": "60s",
    "distributed.scheduler.worker-ttl": "60s",
    "distributed.comm.timeouts.connect": "30s",
}
"""Processes are spawned, never forked; GDAL learns what it may load before it is loaded. Nobody
looks at dask's profile of the workers, which would be taken a hundred times a second. A worker
that gives no sign of life is replaced, and what it did is done again: dask would wait ten minutes,
and a shard takes seconds."""


@contextlib.contextmanager
def client(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """Connect to a scheduler, or start workers on this machine.

    Args:
        scheduler: its address; None: processes of this machine, ended with the build.
        workers: how many; None: one a processor.

    Raises:
        PlanError: the scheduler does not answer.
    """
    with dask.config.set(CONFIG):
        if scheduler is not None:
            with _connected(scheduler) as there:
                yield there
            return
        with contextlib.ExitStack() as stack:
            with waiting(), kept_from_workers():
                here = _started(stack, workers or len(os.sched_getaffinity(0)))
            yield here


def _started(stack: contextlib.ExitStack, count: int) -> Client:
    """Start processes on this machine, which end with the stack."""
    cluster = LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        processes=True,
        memory_limit=MEMORY,
        silence_logs=logging.CRITICAL,  # what fails is told by the build
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
    )
    here: Client = stack.enter_context(Client(stack.enter_context(cluster)))
    return here


@contextlib.contextmanager
def when_needed(scheduler: str | None, workers: int | None) -> Iterator[Callable[[], Client]]:
    """Yield what starts the workers when they are first asked for: a no-op needs none.

    Args:
        scheduler: as of :func:`client`.
        workers: the same.
    """
    started: list[Client] = []
    with contextlib.ExitStack() as stack:

        def start() -> Client:
            if not started:
                started.append(stack.enter_context(client(scheduler, workers)))
            return started[0]

        yield start


def _connected(scheduler: str) -> Client:
    try:
        return within(PATIENCE, lambda: Client(scheduler, timeout=PATIENCE))
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        raise PlanError(
            f"No dask scheduler answers at {scheduler}: {error}",
            expected="an address such as tcp://10.0.0.4:8786",
            remedy="start one with `dask scheduler`, or leave out --scheduler",
        ) from None
