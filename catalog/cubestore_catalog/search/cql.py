"""CQL2, as text and as JSON, cut into what arrays can answer and the rest.

The ``cql2`` package parses, and tests the items that are left one by one, some microseconds
each. What stands at the top level, joined by AND, and compares one property with a value or the
footprint with a place, needs no such loop. It also recurses without a limit: what is nested
deep ends the process, so that is refused before it is parsed.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cql2
import orjson
import shapely

from cubestore_catalog.errors import RequestError
from cubestore_catalog.search import places, times
from cubestore_catalog.search.columns import TEMPORAL, Condition

Node = Any
"""A part of a CQL2 document: whatever JSON holds."""

MOST_LONG = 16_384
"""Characters of a CQL2 text; 16 times that many ANDs overflow a stack of 8 MB."""

MOST_NESTED = 64
"""Parentheses, negations and signs in a text; 100 to 200 overflow a stack of 512 kB."""

MOST_DEEP = 32
"""Levels of a CQL2 document."""

MOST_TESTED = 65_536
"""Bytes of an expression that is tested item by item: texts of 16,384 characters have fewer."""

NUMBER = r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
POSITION = re.compile(rf"(?<=[(,])\s*{NUMBER}(?:\s+{NUMBER}){{1,3}}\s*(?=[,)])", re.ASCII)
NESTING = re.compile(r"[-(+*/^%]|\b(?:not|div)\b", re.IGNORECASE)

ALIASES: Mapping[str, str] = {
    "eq": "=",
    "neq": "<>",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
}
"""Operators as the query extension spells them, which clients use in CQL2 too."""

NAMES: Mapping[str, str] = {symbol: name for name, symbol in ALIASES.items()}
SPATIAL = (
    *("s_contains", "s_crosses", "s_disjoint", "s_equals", "s_intersects", "s_overlaps"),
    *("s_touches", "s_within"),
)
TIMELY = (
    *("t_after", "t_before", "t_contains", "t_disjoint", "t_during", "t_equals", "t_finishedBy"),
    *("t_finishes", "t_intersects", "t_meets", "t_metBy", "t_overlappedBy", "t_overlaps"),
    *("t_startedBy", "t_starts"),
)
LISTED = ("a_containedBy", "a_contains", "a_equals", "a_overlaps")
FLIPPED: Mapping[str, str] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}

ONE, TWO = range(1, 2), range(2, 3)
ARGUMENTS: Mapping[str, range] = {
    **dict.fromkeys(["not", "isNull", "casei", "accenti"], ONE),
    **dict.fromkeys([*NAMES, "like", "in", "*", "/", "%", "div", "^"], TWO),
    **dict.fromkeys([*SPATIAL, *TIMELY, *LISTED], TWO),
    "between": range(3, 4),
    **dict.fromkeys(["+", "-"], range(1, 3)),
    **dict.fromkeys(["and", "or"], range(1, sys.maxsize)),
}
"""The operators, and how many arguments each has."""


@dataclass(frozen=True, slots=True)
class Rest:
    """An expression that is tested item by item."""

    expression: cql2.Expr
    names: frozenset[str]
    """The properties that it reads."""

    def matches(self, item: Mapping[str, Any]) -> bool:
        """Return whether it is true of an item; it is not where it cannot be decided."""
        try:
            return bool(self.expression.matches(self._glance(item)))
        except Exception:  # noqa: BLE001 - cql2 raises nothing finer where a property is missing
            return False

    def _glance(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Return the little of an item that is read: converting all of it takes longest."""
        roots = {name.split(".")[0] for name in self.names}
        properties = item["properties"]
        glance = {root: item[root] for root in roots if root in item}
        known = {k: properties[k] for k in roots if k in properties}
        timed = {"datetime": times.nominal(properties)} if "datetime" in roots else {}
        return {"properties": {**known, **timed}, **glance}


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter's conjuncts, sorted by who answers them."""

    conditions: tuple[Condition, ...] = ()
    areas: tuple[shapely.Geometry, ...] = ()
    rest: tuple[Rest, ...] = ()


def bare(name: str) -> str:
    """Return a property's name without ``properties.``."""
    return name.removeprefix("properties.")


def read(document: object, language: str) -> Filter:
    """Return the filter that a text (``cql2-text``) or a JSON document (``cql2-json``) stands for.

    Raises:
        RequestError: it cannot be parsed, is nested too deep, or uses what is no operator.
    """
    if language == "cql2-text":
        document = _expression(cql2.Expr.to_json, _parsed(document))
    tree = _checked(document, MOST_DEEP)
    conjuncts = list(_conjuncts(tree))
    if not all(
        isinstance(one, bool) or (isinstance(one, dict) and "op" in one) for one in conjuncts
    ):
        raise _wrong("The filter is no condition", "an expression that is true or false")
    return _sorted(conjuncts)


def _parsed(text: object) -> cql2.Expr:
    if not isinstance(text, str) or len(text) > MOST_LONG:
        raise _wrong("The filter is no text, or too long", f"at most {MOST_LONG} characters of it")
    if len(NESTING.findall(POSITION.sub("0", text))) > MOST_NESTED:
        raise _wrong(
            "The filter is nested too deep", f"at most {MOST_NESTED} parentheses and signs"
        )
    parsed: cql2.Expr = _expression(cql2.parse_text, text)
    return parsed


def _expression(parse: Callable[[Node], Node], source: Node) -> Node:
    try:
        return parse(source)
    except Exception as error:  # its errors share no other base
        raise _wrong(f"The filter cannot be parsed: {error!s:.300}", "CQL2") from error


def _checked(node: Node, deep: int) -> Node:
    """Return an expression with its operators as CQL2 spells them, all of them known."""
    if deep == 0:
        raise _wrong("The filter is nested too deep", f"at most {MOST_DEEP} levels")
    if isinstance(node, list):
        return [_checked(one, deep - 1) for one in node]
    if not isinstance(node, dict) or "op" not in node:
        return _literal(node)
    operator, arguments = node["op"], node.get("args")
    operator = ALIASES.get(operator, operator) if isinstance(operator, str) else None
    _check_call(operator, arguments)
    return {"op": operator, "args": _checked(arguments, deep)}


def _check_call(operator: object, arguments: object) -> None:
    counts = ARGUMENTS.get(operator) if isinstance(operator, str) else None
    if counts is None:
        raise _wrong(
            f"The filter has the operator {operator!r:.60}", f"one of {', '.join(ARGUMENTS)}"
        )
    if not isinstance(arguments, list) or len(arguments) not in counts:
        raise _wrong(f"The filter's {operator} has {arguments!r:.60}", "its arguments in a list")


def _literal(node: Node) -> Node:
    """Return a value of an expression, after a look at whether it is one."""
    match node:
        case str() | bool() | int() | float() | {"property": str()}:
            return node
        case {"type": _}:
            places.geometry(node)
            return node
        case {"bbox": list(numbers)} if all(type(one) in (int, float) for one in numbers):
            places.box(numbers)
            return node
        case {"timestamp": str(text)} | {"date": str(text)}:
            times.moment(text)
            return node
        case {"interval": [_, _] as ends}:
            for end in ends:
                _literal(end if isinstance(end, dict) or end == ".." else {"date": end})
            return node
    raise _wrong(f"The filter has the value {node!r:.80}", "a number, text, property or place")


def _conjuncts(tree: Node) -> Iterator[Any]:
    if isinstance(tree, dict) and tree.get("op") == "and":
        for one in tree["args"]:
            yield from _conjuncts(one)
    else:
        yield tree


def _sorted(conjuncts: list[Any]) -> Filter:
    conditions, areas, rest = [], [], []
    for one in conjuncts:
        if (condition := _condition(one)) is not None:
            conditions.append(condition)
        elif (area := _area(one)) is not None:
            areas.append(area)
        else:
            rest.append(_rest(one))
    return Filter(tuple(conditions), tuple(areas), tuple(rest))


def _rest(node: Node) -> Rest:
    if len(orjson.dumps(node)) > MOST_TESTED:
        raise _wrong(
            "The filter has a long part that is no plain condition, or stands below OR or NOT",
            f"at most {MOST_TESTED} bytes of it",
        )
    return Rest(_expression(cql2.Expr, node), frozenset(_names(node)))


def _condition(node: Node) -> Condition | None:
    """Return a conjunct as a condition, if it compares one property with a value."""
    match node:
        case {"op": operator, "args": [{"property": str(name)}, value]} if _plain(name):
            return _compared(bare(name), operator, value)
        case {"op": operator, "args": [value, {"property": str(name)}]} if (
            _plain(name) and operator in NAMES
        ):
            return _compared(bare(name), FLIPPED.get(operator, operator), value)
    return None


def _plain(name: str) -> bool:
    return "." not in bare(name) and name not in (
        "geometry",
        "bbox",
        "assets",
        "links",
        "properties",
    )


def _compared(name: str, operator: str, value: Node) -> Condition | None:
    match operator, value:
        case "in", list() if all(isinstance(one, (str, int, float)) for one in value):
            return Condition(name, "in", tuple(value))
        case "like", str():
            return _affix(name, value)
        case _, str() | int() | float() if operator in NAMES:
            return Condition(name, NAMES[operator], value)
        case _, {"timestamp": str(text)} if operator in NAMES and name in TEMPORAL:
            return Condition(name, NAMES[operator], text)
    return None


def _affix(name: str, pattern: str) -> Condition | None:
    """Return a LIKE whose only wildcard stands first, last or both as a test of the text's ends."""
    text = pattern.strip("%")
    ends = (pattern.endswith("%"), pattern.startswith("%"))
    operators = {(True, False): "startsWith", (False, True): "endsWith", (True, True): "contains"}
    if not text or re.search(r"[%_\\]", text) or ends not in operators:
        return None
    return Condition(name, operators[ends], text)


def _area(node: Node) -> shapely.Geometry | None:
    """Return the place of a conjunct that asks for the items that meet one."""
    match node:
        case {"op": "s_intersects", "args": [{"property": "geometry"}, {"bbox": numbers}]}:
            return places.box(numbers)
        case {"op": "s_intersects", "args": [{"property": "geometry"}, {"type": _} as shape]}:
            return places.geometry(shape)
    return None


def _names(node: Node) -> Iterator[str]:
    match node:
        case {"property": str(name)}:
            yield bare(name)
        case dict() | list():
            for one in node.values() if isinstance(node, dict) else node:
                yield from _names(one)


def _wrong(found: str, expected: str) -> RequestError:
    return RequestError(found, expected=expected, remedy="see /queryables for the properties")
