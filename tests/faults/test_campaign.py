"""A part of each fault; ``make faults`` runs the whole campaign."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
CLEAN = {"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
"""The environment of a campaign: nothing of the one that tests this."""


@pytest.mark.parametrize(
    "faults",
    [
        ("kills", "recover", "twice", "moments"),
        ("damage", "crowd", "zombies", "power"),
        ("disks",),  # needs root
    ],
    ids="-".join,
)
def test_a_part_of_the_campaign_holds(faults):
    """In a process of its own: it forks, which a process with threads must not."""
    named = [word for fault in faults for word in ("--only", fault)]
    command = [sys.executable, "-m", "tests.faults", "--quick", *named]
    done = subprocess.run(command, cwd=ROOT, env=CLEAN, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if "needs root" in done.stdout:
        pytest.skip("mounting a disk needs root")
