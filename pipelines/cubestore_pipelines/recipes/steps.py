"""What a step of a recipe is to the run: its setting, its result, and the options of its verb."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from distributed import Client

from cubestore_pipelines.build import Watcher
from cubestore_pipelines.errors import RecipeError

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the steps of a run share."""

    store: Path
    start: Callable[[], Client]
    """Returns the workers of all builds."""

    watcher: Watcher | None = None
    plan_only: bool = False
    limit: int | None = None
    """Tiles or places of a step, acquisitions of a sensor on a tile, patches of a set, at most."""

    catalogs: Mapping[str, str] = field(default_factory=dict)
    """Where builds search instead: of a provider, or under "" of all. An address, or the file of a
    profile that has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a step."""

    facts: Facts
    failed: int = 0
    """How much could not be used, or found nothing."""


@dataclass(frozen=True, slots=True)
class Verb:
    """What a step does, and the options that it takes."""

    function: Callable[..., Result]
    takes: Mapping[str, Any]
    """Name -> type."""

    needs: frozenset[str] = frozenset()
    """Those without which it does nothing."""

    @classmethod
    def of(cls, function: Callable[..., Result], *more: Callable[..., Any]) -> "Verb":
        """Return a verb that takes the keywords of its function, and those of ``more``.

        Where its file is to lie is told by the run: ``output`` is no option of a step.
        """
        told = [p for f in (function, *more) for p in inspect.signature(f).parameters.values()]
        named = [p for p in told if p.kind is p.KEYWORD_ONLY and p.name != "output"]
        needs = frozenset(p.name for p in named if p.default is p.empty)
        return cls(function, {p.name: p.annotation for p in named}, needs)

    def options(self, given: Facts, where: str) -> dict[str, Any]:
        """Return options as the function takes them.

        Raises:
            RecipeError: options that it does not have, values of another type, or none where it
                needs one.
        """
        if absent := sorted(self.needs - given.keys()):
            raise _unfit(f"{where}: no {absent[0]}", ", ".join(sorted(self.needs)))
        made = {}
        for name, value in given.items():
            try:
                made[name] = _fitting(value, self.takes[name])
            except KeyError:
                known = ", ".join(self.takes)
                raise _unfit(f"{where}: the option {name}", f"one of {known}") from None
            except TypeError:
                found = f"{where}: {name}: {value!r}"
                raise _unfit(found, _spelt(self.takes[name])) from None
        return made


def later(reason: str) -> Result:
    """Return what a step tells of which nothing is known before it is done."""
    return Result(facts={"later": reason})


def _fitting(value: Any, hint: Any) -> Any:  # noqa: ANN401 - what YAML holds, and any type
    """Return a value of YAML as a type takes it; numbers are texts where texts are wanted."""
    exact = isinstance(value, bool)
    for kind in _kinds(hint):
        if isinstance(kind, str) and value == kind:  # a word of a Literal
            return value
        if get_origin(kind) in (Iterable, Sequence) and isinstance(value, list):
            return [_fitting(one, get_args(kind)[0]) for one in value]
        if kind is bool and exact:
            return value
        if kind in (int, float) and isinstance(value, int | kind) and not exact:
            return value
        if kind is str and isinstance(value, str | int | float) and not exact:
            return str(value)
    raise TypeError


def _kinds(hint: Any) -> Iterator[Any]:  # noqa: ANN401 - any type
    """Yield the types of a union one by one, and the words of a Literal."""
    if get_origin(hint) in (Union, UnionType, Literal):
        for kind in get_args(hint):
            yield from _kinds(kind)
    else:
        yield hint


def _spelt(hint: Any) -> str:  # noqa: ANN401 - any type
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    kinds = list(_kinds(hint))
    told = [names.get(kind, kind) for kind in kinds if kind in names or isinstance(kind, str)]
    several = any(get_origin(kind) in (Iterable, Sequence) for kind in kinds)
    return " or ".join([*filter(None, told), *(["a list of them"] if several else [])])


def _unfit(found: str, expected: str) -> RecipeError:
    return RecipeError(
        found, expected=expected, remedy="a step has the options of its verb; see its --help"
    )
