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
from numcodecs import blosc

from cubestore.compiled import instruction

_INT, _WORD = 32, 64
"""Bits of C's numbers: an int, and an address, a size or an offset."""


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


def _function(returns: int, *takes: int) -> Callable[[int, tuple[int, ...]], int]:
    """Return what loops call, with an address, for a function that takes and returns such numbers.

    Args:
        returns: its bits.
        takes: their bits.
    """

    def typed(_: Any, __: Any, ___: Any) -> Any:  # noqa: ANN401 - numba's
        from llvmlite import ir  # noqa: PLC0415 - with numba, for those who call a loop
        from numba import types  # noqa: PLC0415 - the same

        numbers = {_INT: types.int32, _WORD: types.int64}
        told = types.Tuple([numbers[bits] for bits in takes])
        function = ir.FunctionType(ir.IntType(returns), [ir.IntType(bits) for bits in takes])

        def generate(_: Any, builder: Any, __: Any, given: Any) -> Any:  # noqa: ANN401 - the same
            pointer = builder.inttoptr(given[0], function.as_pointer())
            values = [builder.extract_value(given[1], k) for k in range(len(takes))]
            return builder.call(pointer, values)

        result: Any = numbers[returns]
        return result(types.int64, told), generate

    return cast("Callable[[int, tuple[int, ...]], int]", instruction(typed))


pread = _function(_WORD, _INT, _WORD, _WORD, _WORD)
"""Of an open file, memory, bytes and an offset; how many were read: POSIX."""

decompress = _function(_INT, _WORD, _WORD, _WORD, _INT)
"""Of a chunk, memory, its bytes and a number of threads; how many it was: c-blosc 1, blosc.h."""

crc32c = _function(_INT, _INT, _WORD, _WORD)
"""Of a checksum before, memory and bytes; the CRC-32C: google/crc32c, crc32c.h."""

copy = _function(_WORD, _WORD, _WORD, _WORD)
"""Of memory to fill, memory and bytes; past the cache where they are many: ISO C's memcpy."""
