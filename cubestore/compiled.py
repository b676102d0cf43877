"""How loops are compiled: by numba, when first called, without the interpreter's lock.

Numba itself is loaded then too, and so by none who calls no loop: most commands do not.
"""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])
Build = Callable[[Callable[..., Any]], Callable[..., Any]]


def compiled(function: Function) -> Function:
    """Compile a function when it is called, and keep it on disk where a folder can be written."""
    return cast("Function", _Loop(function, partial(_compiled, freedoms={"contract"})))


def summing(function: Function) -> Function:
    """Do as `compiled` does, and let terms of a sum be added in any order: many at once."""
    return cast("Function", _Loop(function, partial(_compiled, freedoms={"contract", "reassoc"})))


def instruction(function: Function) -> Function:
    """Make what LLVM has an instruction for known to loops. See `numba.extending.intrinsic`."""
    return cast("Function", _Loop(function, _known))


class _Loop:
    """A function that is yet to be compiled, with the others of its module that it may call."""

    def __init__(self, function: Callable[..., Any], build: Build) -> None:
        self.function, self.build = function, build

    def __call__(self, *arguments: Any) -> Any:  # noqa: ANN401 - the function's own
        return self.ready(*arguments)

    @cached_property
    def ready(self) -> Callable[..., Any]:
        """What numba made of it, and it of all that its module has."""
        _make_ready(self.function.__globals__)
        return self.built

    @cached_property
    def built(self) -> Callable[..., Any]:
        """What numba made of it."""
        return self.build(self.function)


def _make_ready(module: dict[str, Any]) -> None:
    """Put what numba made of them in the place of all loops that those of a module may call."""
    loops = {name: one for name, one in module.items() if isinstance(one, _Loop)}
    module.update({name: one.built for name, one in loops.items()})
    for one in loops.values():
        _make_ready(one.function.__globals__)


def _compiled(function: Callable[..., Any], freedoms: set[str]) -> Callable[..., Any]:
    from numba import njit  # noqa: PLC0415 - a fifth of a second, for those who call a loop

    build = partial(njit, nogil=True, error_model="numpy", fastmath=freedoms)
    try:
        return cast("Callable[..., Any]", build(cache=True)(function))
    except RuntimeError:
        return cast("Callable[..., Any]", build()(function))


def _known(function: Callable[..., Any]) -> Callable[..., Any]:
    from numba.extending import intrinsic  # noqa: PLC0415 - the same

    return cast("Callable[..., Any]", intrinsic(function))
