"""Functions of C libraries that compiled loops call: no return to the interpreter between them.

Each time that a thread comes back for the interpreter's lock it may wait for all others: on
sixteen cores that took most of the time of a batch. The libraries are those that are loaded
anyway. What one of them does not export has the address 0, and callers have a way without.
"""

import ctypes
import sys
from collections.abc import Callable
from typing import Any, cast

import google_crc32c
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numcodecs import blosc

_WORD, _INT = (ir.IntType(64), types.int64), (ir.IntType(32), types.int32)


def _address(library: str | None, name: str) -> int:
    try:
        function = getattr(ctypes.CDLL(library), name)
    except (OSError, AttributeError):
        return 0
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _checksums() -> str | None:
    """Return what links to the library of zarr's checksums; None: they are Python's here."""
    extension = sys.modules.get(f"{google_crc32c.__name__}._crc32c")
    return extension.__file__ if extension else None


ADDRESSES = (
    _address(None, "pread"),
    _address(blosc.__file__, "blosc_decompress_ctx"),
    _address(_checksums(), "crc32c_extend"),
)
"""Of what `pread`, `decompress` and `crc32c` call, in this process."""

MEMCPY = _address(None, "memcpy")
"""Of what `copy` calls: every C library has it."""


def _function(returns: Any, *takes: Any) -> Callable[[int, tuple[int, ...]], int]:  # noqa: ANN401 - numba's
    """Return what compiled loops call, with an address, for a function of that type."""
    told = types.Tuple([one[1] for one in takes])
    function = ir.FunctionType(returns[0], [one[0] for one in takes])

    def generate(_: Any, builder: Any, __: Any, given: Any) -> Any:  # noqa: ANN401 - numba's
        address, values = given
        pointer = builder.inttoptr(address, function.as_pointer())
        return builder.call(pointer, cgutils.unpack_tuple(builder, values))

    def typed(context: Any, address: Any, values: Any) -> Any:  # noqa: ANN401, ARG001 - the same
        return returns[1](types.int64, told), generate

    return cast("Callable[[int, tuple[int, ...]], int]", intrinsic(typed))


pread = _function(_WORD, _INT, _WORD, _WORD, _WORD)
"""Of an open file, memory, bytes and an offset; how many were read: POSIX."""

decompress = _function(_INT, _WORD, _WORD, _WORD, _INT)
"""Of a chunk, memory, its bytes and a number of threads; how many it was: c-blosc 1, blosc.h."""

crc32c = _function(_INT, _INT, _WORD, _WORD)
"""Of a checksum before, memory and bytes; the CRC-32C: google/crc32c, crc32c.h."""

copy = _function(_WORD, _WORD, _WORD, _WORD)
"""Of memory to fill, memory and bytes; past the cache where they are many: ISO C's memcpy."""
