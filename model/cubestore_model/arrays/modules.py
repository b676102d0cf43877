"""Whose an array is, NumPy's or CuPy's, and how it goes to torch and back: without a copy.

CuPy is an option (``pip install 'cubestore[gpu]'``) and is never imported before an array on a GPU
is met. It launches on a stream of its own; what is shared with torch goes along torch's.
"""

import sys
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

Array = Any
"""NumPy's or CuPy's: they have the same operators, and no type in common."""


def module_of(array: Array) -> ModuleType:
    """Return the module that an array is of: numpy, or cupy."""
    return sys.modules["cupy"] if type(array).__module__.startswith("cupy") else np


@lru_cache
def has_cupy() -> bool:
    """Whether CuPy is installed."""
    return find_spec("cupy") is not None


def of_tensor(tensor: Tensor) -> Array:
    """Return a tensor's memory as an array: NumPy's on the CPU, CuPy's on a GPU."""
    if tensor.device.type == "cpu":
        return tensor.numpy()
    import cupy  # noqa: PLC0415 - for GPUs alone

    with on_stream(tensor.device):  # so that nobody waits for another stream
        return cupy.from_dlpack(tensor)


def as_tensor(array: Array) -> Tensor:
    """Return an array's memory as a tensor, on the device that it is on."""
    if module_of(array) is np:
        return torch.from_numpy(array)
    shared: Tensor = torch.utils.dlpack.from_dlpack(array)
    return shared


def on_stream(device: torch.device) -> AbstractContextManager[Any]:
    """Make CuPy launch where torch does, so that each sees what the other has done before."""
    if device.type == "cpu":
        return nullcontext()
    import cupy  # noqa: PLC0415 - for GPUs alone

    stream: AbstractContextManager[Any] = cupy.cuda.Stream.from_external(
        torch.cuda.current_stream(device)
    )
    return stream
