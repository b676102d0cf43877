"""Which members of an item are wanted: the fields extension."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cubestore_catalog.errors import RequestError

ALWAYS = ("type", "id", "collection")
"""What an item keeps when a few members are asked for: what tells it from others."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The members to serve, as paths like ``properties.datetime``.

    With ``include`` an item is these and what tells it from others; without, it is whole. Where
    both name a member or one within the other, the longer path decides, then ``include``.
    """

    include: tuple[tuple[str, ...], ...] = ()
    exclude: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def read(cls, document: object) -> "Fields":
        """Return the fields that ``{"include": […], "exclude": […]}`` asks for.

        Raises:
            RequestError: the document is something else.
        """
        if not isinstance(document, dict):
            raise _wrong(document)
        return cls(_paths(document.get("include")), _paths(document.get("exclude")))

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude)

    def of(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Return the members of an item that are wanted."""
        kept = {name: item[name] for name in ALWAYS if name in item} if self.include else {**item}
        rules = [(path, False) for path in self.exclude] + [(path, True) for path in self.include]
        for path, wanted in sorted(rules, key=_length):
            if wanted:
                _add(kept, item, path)
            else:
                _drop(kept, path)
        return kept


WHOLE = Fields()


def _paths(names: object) -> tuple[tuple[str, ...], ...]:
    names = names or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _wrong(names)
    return tuple(tuple(name.split(".")) for name in names)


def _length(rule: tuple[tuple[str, ...], bool]) -> int:
    return len(rule[0])


def _add(kept: dict[str, Any], source: Mapping[str, Any], path: tuple[str, ...]) -> None:
    """Copy a member, and on the way to it the objects that it lies in."""
    name, *rest = path
    if name not in source:
        return
    if not rest or not isinstance(source[name], dict):
        kept[name] = source[name]
    elif kept.get(name) is not source[name]:
        _add(kept.setdefault(name, {}), source[name], tuple(rest))


def _drop(kept: dict[str, Any], path: tuple[str, ...]) -> None:
    """Leave a member out, copying the objects on the way: they are the index's own."""
    name, *rest = path
    if not rest:
        kept.pop(name, None)
    elif isinstance(kept.get(name), dict):
        kept[name] = dict(kept[name])
        _drop(kept[name], tuple(rest))


def _wrong(found: object) -> RequestError:
    return RequestError(
        f"The parameter fields is {found!r:.120}",
        expected='{"include": ["id"], "exclude": ["assets"]}, or id,-assets',
    )
