"""Items as an index holds them: what is compared as arrays, and each whole when it is asked for."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore_catalog.search.paging import Key

Item = Mapping[str, Any]

Kinds = Mapping[str, frozenset[type]]
"""Properties, and the types that their values have."""

TOP_LEVEL = ("id", "collection")
"""What of an item is compared and sorted like a property, but is none."""


class Held(Sequence[Item]):
    """Items, a row each, in any order."""

    keys: Sequence[Key]
    """What each is ordered by."""

    ends: NDArray[np.int64]
    """The last microsecond of each, since 1970."""

    shapes: NDArray[Any]
    """The footprint of each; None where it has none."""

    kinds: Mapping[str, Kinds]
    """Of each collection."""

    @abstractmethod
    def values(self, name: str) -> Sequence[object]:
        """Return what each has of a property, ``id`` or ``collection``; None where nothing."""

    @abstractmethod
    def size(self, row: int) -> int:
        """Return the bytes of an item as JSON."""
