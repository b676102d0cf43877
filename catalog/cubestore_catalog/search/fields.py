"""Which members of an item are wanted: the fields extension."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cubestore_catalog.errors import RequestError

Paths = tuple[tuple[str, ...], ...]

DEFAULT: Paths = (
    *((name,) for name in ("type", "stac_version", "id", "collection", "geometry", "bbox")),
    *(("properties", name) for name in ("datetime", "start_datetime", "end_datetime")),
    *((name,) for name in ("links", "assets")),
)
"""What an item is where nothing is included by name: the fewest members with which it is valid.

The extension's own list, and ``collection``, which an item that links to its collection must have.
"""


@dataclass(frozen=True, slots=True)
class Fields:
    """The members to serve, as paths like ``properties.datetime``.

    An item is what is included and nothing else; where nothing is, all of it or the default, less
    what is excluded. Where both name a member or one within the other, the longer path decides,
    then ``include``.
    """

    include: Paths = ()
    exclude: Paths = ()
    whole: bool = True
    """Whether an item is whole where nothing is included."""

    @classmethod
    def read(cls, document: object) -> "Fields":
        """Return the fields that ``{"include": […], "exclude": […]}`` asks for.

        An ``include`` that is there and empty stands for the default, one that is missing beside an
        ``exclude`` for all.

        Raises:
            RequestError: the document is something else.
        """
        if not isinstance(document, dict):
            raise _wrong(document)
        include, exclude = (_paths(document.get(name)) for name in ("include", "exclude"))
        return cls(include, exclude, whole="include" not in document and bool(exclude))

    def of(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Return the members of an item that are wanted."""
        kept = self._begun(item)
        rules = [(path, False) for path in self.exclude] + [(path, True) for path in self.include]
        for path, wanted in sorted(rules, key=_length):
            if wanted:
                _add(kept, item, path)
            else:
                _drop(kept, path)
        return kept

    def _begun(self, item: Mapping[str, Any]) -> dict[str, Any]:
        if self.whole and not self.include:
            return {**item}
        return {} if self.include else Fields(DEFAULT).of(item)


WHOLE = Fields()


def _paths(names: object) -> Paths:
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
