"""Which engine finds neighbours where none is named."""

import subprocess
import sys

import pytest
import torch

import cubestore
from cubestore_pipelines import engines
from tests.cubestore.test_nearest import made


@pytest.fixture
def filled(tmp_path):
    store = cubestore.create_store(tmp_path / "store")
    made(store, "31UDQ")
    return store


def test_vectors_are_counted_without_being_read(filled):
    assert engines.vectors_of(filled, "rcf") == 2 * 15**2  # slots, of chips of 256 pixels of 30 m


@pytest.mark.skipif(any(d.exists() for d in engines.DRIVERS), reason="there is a GPU's driver")
def test_without_a_gpu_signs_find_and_torch_is_left_alone(filled):
    program = (
        "import sys; from cubestore_pipelines.engines import engine_called\n"
        f"assert engine_called('auto', {filled.path!r}) == 'signs'\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("there", [True, False])
def test_a_driver_is_no_gpu_yet(tmp_path, there):
    """Where it is loaded torch is asked, and knows better."""
    driver = tmp_path / "nvidiactl"
    if there:
        driver.touch()
    assert engines.gpu_there((driver,)) is (there and torch.cuda.is_available())
