"""What all tests share: where the sample data lie, and what is made for them once."""

import fcntl
import gc
import os
import sys
from pathlib import Path

import pytest

# The processes that tests start shall find what is compiled, whatever the surroundings say.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Thousands of tests lie in memory; to look through them for garbage as often as Python would takes
# a tenth of their time.
gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The sample data: real pixels and catalogue records, which the repository does not hold."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CUBESTORE_DATA", beside))
    if not folder.is_dir():
        pytest.skip("needs the sample data: set CUBESTORE_DATA")
    return folder


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Return what makes a folder that no test changes, for all processes of the tests."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made_once(name, make):
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
            return make(shared / name)

    return made_once


@pytest.fixture(scope="module")
def one_thread():
    """Networks as small as those of tests are slower on several threads, which wait for others."""
    import torch  # noqa: PLC0415 - for tests of models alone

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
