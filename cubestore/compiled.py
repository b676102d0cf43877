"""How loops are compiled: by numba, when first called, without the interpreter's lock."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function when it is called, and keep it on disk where a folder can be written."""
    return _built(function, {"contract"})


def summing(function: Function) -> Function:
    """Do as `compiled` does, and let terms of a sum be added in any order: many at once."""
    return _built(function, {"contract", "reassoc"})


def _built(function: Function, freedoms: set[str]) -> Function:
    build = partial(njit, nogil=True, error_model="numpy", fastmath=freedoms)
    try:
        return cast("Function", build(cache=True)(function))
    except RuntimeError:
        return cast("Function", build()(function))
