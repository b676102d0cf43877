"""Numbers or words that a store has for classes -> the classes of a probe, counted from 0."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore_model.probing.metrics import UNKNOWN
from cubestore_model.probing.samples import MAJORITY

CODES = 256
"""Of a byte: as which masks are stored."""


@dataclass(frozen=True, slots=True)
class Codes:
    """What stands for each class."""

    values: tuple[Any, ...]
    classes: tuple[str, ...]

    @classmethod
    def of(cls, attributes: Mapping[str, Any], values: NDArray[Any] | None = None) -> "Codes":
        """Return those that a variable's flags name, or else every value that occurs.

        Args:
            attributes: of the variable: ``flag_values`` and ``flag_meanings``.
            values: all that occur; "" and NaN are none.
        """
        if "flag_values" in attributes:
            meanings = str(attributes["flag_meanings"]).split()
            return cls(tuple(np.ravel(attributes["flag_values"]).tolist()), tuple(meanings))
        found = [
            v for v in np.unique([] if values is None else values).tolist() if v not in ("", None)
        ]
        found = [v for v in found if v == v]  # noqa: PLR0124 - NaN is no class
        return cls(tuple(found), tuple(map(str, found)))

    def numbers(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Return the class of each value; -1 where it is none of these."""
        found = np.full(values.shape, UNKNOWN, np.int64)
        for number, value in enumerate(self.values):
            found[values == value] = number
        return found


def decided(shares: NDArray[np.floating], present: float | None) -> NDArray[Any]:
    """Return the labels of chips of which classes cover these shares.

    Args:
        shares: ``(chips, classes)``: parts of the chip; NaN where nobody knows.
        present: a class is there where it covers more than this; None: the class of most counts.

    Returns:
        ``(chips,)`` numbers of classes, -1 where too little is known; or ``(chips, classes)``.
    """
    known = np.nan_to_num(shares)
    if present is not None:
        return np.asarray(known > present)
    return np.where(known.sum(axis=1) >= MAJORITY, known.argmax(axis=1), UNKNOWN)
