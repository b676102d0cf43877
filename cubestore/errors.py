"""Every error of the store, drawn as a tree; each is also the built-in that it specialises.

CubestoreError
├── NotAStoreError (FileNotFoundError)      a path that holds no store
├── UnknownSensorError (KeyError)           a sensor id that nobody registered
├── UnknownTileError (KeyError)             a tile id that names no square of its grid
├── UnknownCubeError (KeyError)             the store has no such cube
├── UnknownPatchSetError (KeyError)         the store has no such patch set
├── CubeExistsError (FileExistsError)       creating what is already there
├── FormatError (ValueError)                a cube of another format version, or no cube of ours
├── GridMismatchError (ValueError)          bounds or shapes that do not lie on the grid
├── MismatchError (ValueError)              bands, dtypes, shapes or variables that do not match
├── SlotError (ValueError)                  a slot that the cube cannot take
├── QueryError (ValueError)                 a question to the chip index that cannot be understood
├── NoIndexError (FileNotFoundError)        chips asked for of which there is no index
├── LeakError (ValueError)                  chips of different splits that share ground
├── AdjustmentError (ValueError)            reflectance of which too little is known to adjust it
├── LockedError (TimeoutError)              another writer holds the cube
├── AbandonedError (RuntimeError)           a task whose build has ended
├── NotWritableError (OSError)              a read-only or full disk; what was committed stays
└── DamagedError (OSError)                  bytes that are not the ones that were committed
    └── ForeignWriteError                   … because something else wrote to the cube

Each says what was found, what was expected and what to do, and crosses process borders.
"""


class CubestoreError(Exception):
    """Whatever the store refuses, in the terms of the user.

    Attributes:
        found: what is there.
        expected: what should be there.
        remedy: what the user can do.
    """

    def __init__(self, found: str, *, expected: str = "", remedy: str = "") -> None:
        super().__init__(found, expected, remedy)
        self.found, self.expected, self.remedy = found, expected, remedy

    def __str__(self) -> str:
        parts = [self.found]
        if self.expected:
            parts.append(f"Expected: {self.expected}")
        if self.remedy:
            parts.append(f"Remedy: {self.remedy}")
        return " ".join(part.rstrip(".") + "." for part in parts)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.found, self.expected, self.remedy)


def _rebuild(kind: type[CubestoreError], found: str, expected: str, remedy: str) -> CubestoreError:
    return kind(found, expected=expected, remedy=remedy)


class NotAStoreError(CubestoreError, FileNotFoundError):
    """The path holds no store."""


class UnknownSensorError(CubestoreError, KeyError):
    """No sensor of that id is registered."""


class UnknownTileError(CubestoreError, KeyError):
    """The id names no square of its grid."""


class UnknownCubeError(CubestoreError, KeyError):
    """The store has no cube of that tile and sensor."""


class UnknownPatchSetError(CubestoreError, KeyError):
    """The store has no patch set of that name."""


class CubeExistsError(CubestoreError, FileExistsError):
    """The cube, patch set or store to create is already there."""


class FormatError(CubestoreError, ValueError):
    """The group is no cube, or one of a format that this version does not read."""


class GridMismatchError(CubestoreError, ValueError):
    """Bounds or shapes do not lie on the grid."""


class MismatchError(CubestoreError, ValueError):
    """Bands, dtypes, shapes or variables do not match the cube's."""


class SlotError(CubestoreError, ValueError):
    """The cube cannot take that slot."""


class QueryError(CubestoreError, ValueError):
    """The question to the chip index cannot be understood."""


class NoIndexError(CubestoreError, FileNotFoundError):
    """The store has no index of those chips."""


class LeakError(CubestoreError, ValueError):
    """Chips of different splits share ground, or lie nearer than was asked for."""


class AdjustmentError(CubestoreError, ValueError):
    """Pixels that cannot be adjusted: too little is known of them, or it was done before."""


class LockedError(CubestoreError, TimeoutError):
    """Another writer holds the cube's lock."""


class AbandonedError(CubestoreError, RuntimeError):
    """The writer that a task worked for has ended; what the task made is not wanted."""


class NotWritableError(CubestoreError, OSError):
    """The disk is read-only or full; what was committed stays."""


class DamagedError(CubestoreError, OSError):
    """Bytes of the cube are not those that were committed."""


class ForeignWriteError(DamagedError):
    """Something other than the store has written to the cube."""
