"""Loaded into the workers of a build: an interrupt is for the process that they work for."""

import signal
from typing import Any


def dask_setup(_worker: Any) -> None:  # noqa: ANN401 - dask's
    """Leave Ctrl-C, which a terminal sends to all of its processes, to the build."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
