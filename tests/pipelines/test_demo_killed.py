"""The real command, killed at any moment and run again, ends where an undisturbed one ends."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("cubestore")
KILLS = 2


def contents(store):
    """Every file but the locks, which tell of processes."""
    files = (path for path in store.rglob("*") if path.is_file() and path.name != "lock")
    return {path.relative_to(store).as_posix(): path.read_bytes() for path in files}


@pytest.mark.faults
def test_a_killed_demo_is_completed_by_the_next(tmp_path):
    undisturbed = tmp_path / "undisturbed"
    subprocess.run([PROGRAM, "demo", undisturbed], check=True, capture_output=True, timeout=120)
    lines = 7
    moments = random.Random(0).sample(range(1, lines), KILLS)
    for moment in moments:
        store = tmp_path / f"killed after line {moment}"
        with subprocess.Popen([PROGRAM, "demo", store], stdout=subprocess.PIPE) as demo:
            for _ in range(moment):  # what follows a line is the next step, in full swing
                demo.stdout.readline()
            demo.send_signal(signal.SIGKILL)
        subprocess.run([PROGRAM, "demo", store], check=True, capture_output=True, timeout=120)
        assert contents(store) == contents(undisturbed), moment
