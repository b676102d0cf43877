"""What a property of many items is: the types of its values, and all of them where they are few."""

from collections.abc import Iterable
from dataclasses import dataclass

MOST_CHOICES = 24
"""Texts of a property that are told one by one."""


@dataclass(frozen=True, slots=True)
class Property:
    """What a property of some items is."""

    types: frozenset[type]
    choices: tuple[str, ...] = ()
    """All its texts, where they are few and come again; else none."""


def choices(values: Iterable[object]) -> tuple[str, ...]:
    """Return the texts among values, if they are few and each stands there twice on average."""
    texts = [value for value in values if isinstance(value, str)]
    found = set(texts)
    few = len(found) <= min(MOST_CHOICES, len(texts) // 2)
    return tuple(sorted(found)) if few else ()
