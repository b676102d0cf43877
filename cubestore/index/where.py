"""The condition of a query: a line like SQL's or Python's, read into an Arrow expression.

    class_built > 0.2 and platform == 'sentinel-2a'
    0.1 < class_tree <= 0.5 AND NOT (split IN ('test', 'val') OR class_snow IS NULL)

Nothing is ever executed: the line is cut into tokens, a parser of a page builds the expression
out of them, and what it does not know it refuses. A column that is null meets no comparison.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.dataset as ds

from cubestore.errors import QueryError
from cubestore.index.interval import span

DEEPEST = 40
"""Parentheses and NOTs inside one another."""

LONGEST = 10_000
"""Characters."""

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])
    |(?P<text>'(?:[^']|'')*'|"[^"]*")
    |(?P<word>[A-Za-z_]\w*)
    |(?P<sign><=|>=|<>|!=|==|[=<>(),])
    )""",
    re.VERBOSE | re.ASCII,
)
_KEYWORDS = frozenset({"and", "or", "not", "in", "is", "null", "none", "true", "false"})
_EXPECTED = "comparisons of columns (= != < <= > >=, IN (…), IS NULL) with AND, OR, NOT and (…)"


def parse(text: str, columns: Mapping[str, pa.DataType]) -> ds.Expression:
    """Return the expression that a condition stands for.

    Args:
        text: the condition.
        columns: those that it may name, with their types.

    Raises:
        QueryError: a column that is not there, or anything else that is no condition.
    """
    parser = _Parser(text, columns, _tokens(text))
    expression = parser.either(0)
    if parser.kind:
        parser.refuse(f"{parser.value!r} where the condition should end")
    return expression


@dataclass(frozen=True, slots=True)
class _Operand:
    """A column, or a value that is compared with one."""

    value: Any
    column: str = ""


@dataclass(slots=True)
class _Parser:
    """Goes through the tokens once; each method reads what it is named for."""

    text: str
    columns: Mapping[str, pa.DataType]
    tokens: list[tuple[str, str]]
    place: int = field(default=0)

    @property
    def kind(self) -> str:
        return self.tokens[self.place][0]

    @property
    def value(self) -> str:
        return self.tokens[self.place][1]

    def either(self, depth: int) -> ds.Expression:
        found = self.both(depth)
        while self._took("or"):
            found |= self.both(depth)
        return found

    def both(self, depth: int) -> ds.Expression:
        found = self.one(depth)
        while self._took("and"):
            found &= self.one(depth)
        return found

    def one(self, depth: int) -> ds.Expression:
        if depth > DEEPEST:
            self.refuse(f"more than {DEEPEST} parentheses inside one another")
        if self._took("not"):
            return ~self.one(depth + 1)
        if self._took("("):
            found = self.either(depth + 1)
            self._need(")")
            return found
        return self._comparison()

    def _comparison(self) -> ds.Expression:
        left = self._operand()
        if self._took("is"):
            negated = self._took("not")
            if not (self._took("null") or self._took("none")):
                self.refuse(f"IS {self.value!r}")
            return self._negated(self._field(left).is_null(), negated=negated)
        negated = self._took("not")
        if self._took("in"):
            return self._negated(self._among(left), negated=negated)
        if negated or self.value not in _COMPARE:
            self.refuse(f"{self.value!r} behind {left.column or left.value!r}")
        return self._chain(left)

    def _chain(self, left: _Operand) -> ds.Expression:
        """Read ``a < b``, or ``a < b < c`` as Python reads it."""
        found = None
        while self.kind == "sign" and self.value in _COMPARE:
            compare = _COMPARE[self._next()]
            right = self._operand()
            part = compare(*self._matched(left, right))
            found, left = part if found is None else found & part, right
        return found

    def _among(self, left: _Operand) -> ds.Expression:
        column = self._field(left)
        values: list[Any] = []
        self._need("(")
        while not values or self._took(","):
            option = self._operand()
            if option.column:
                self.refuse(f"the column {option.column} in a list")
            values.append(self._cast(left.column, option.value))
        self._need(")")
        return column.isin(pa.array(values, self.columns[left.column]))

    def _operand(self) -> _Operand:
        kind, value = self.kind, self._next()
        lower = value.lower()
        if kind == "number":
            return _Operand(float(value) if set(value.lower()) & set(".e") else int(value))
        if kind == "text":
            return _Operand(value[1:-1].replace("''", "'"))
        if kind == "word" and lower not in _KEYWORDS:
            return _Operand(None, self._known(value))
        return self.refuse(f"{value!r} where a column or a value should stand")

    def _known(self, name: str) -> str:
        if name not in self.columns:
            raise QueryError(
                f"There is no column {name!r} to ask for",
                expected=f"one of {', '.join(self.columns)}",
                remedy=f"write text in quotes: '{name}'",
            )
        return name

    def _field(self, operand: _Operand) -> ds.Expression:
        if not operand.column:
            self.refuse(f"the value {operand.value!r} where a column should stand")
        return ds.field(operand.column)

    def _matched(self, left: _Operand, right: _Operand) -> tuple[Any, Any]:
        """Return both sides of a comparison, the value as its column has values."""
        named = [operand.column for operand in (left, right) if operand.column]
        if not named:
            self.refuse(f"a comparison of {left.value!r} with {right.value!r}")
        kinds = {_kind(self.columns[name]) for name in named}
        if len(kinds) > 1:
            self.refuse(f"a comparison of {' with '.join(named)}")
        return tuple(
            ds.field(one.column) if one.column else ds.scalar(self._scalar(named[0], one.value))
            for one in (left, right)
        )

    def _scalar(self, name: str, value: Any) -> pa.Scalar:  # noqa: ANN401 - a literal
        """Return a value for a comparison; a fraction is kept beside a column of whole numbers."""
        if isinstance(value, float) and pa.types.is_integer(self.columns[name]):
            return pa.scalar(value, pa.float64())
        if isinstance(value, int) and pa.types.is_integer(self.columns[name]):
            return self._integer(value)
        return pa.scalar(self._cast(name, value), self.columns[name])

    def _integer(self, value: int) -> pa.Scalar:
        """Return a number in 64 bits: a larger one than the column holds is no error."""
        if not -(2**63) <= value < 2**63:
            self.refuse(f"the number {value}")
        return pa.scalar(value, pa.int64())

    def _cast(self, name: str, value: Any) -> Any:  # noqa: ANN401 - a literal
        """Return a literal as one of the column's values."""
        kind = _kind(self.columns[name])
        if kind == "number" and isinstance(value, int | float):
            return self._fitting(name, value)
        if kind == "text" and isinstance(value, str):
            return value
        if kind == "time" and isinstance(value, str):
            moment = span(value)[0]
            return moment if pa.types.is_timestamp(self.columns[name]) else moment // _DAY
        return self.refuse(f"{name} compared with {value!r}, and {name} is a {kind}")

    def _fitting(self, name: str, value: float) -> float:
        try:
            pa.scalar(value, self.columns[name])
        except (pa.ArrowException, OverflowError):
            self.refuse(f"{name} compared with {value!r}")
        return value

    @staticmethod
    def _negated(expression: ds.Expression, *, negated: bool) -> ds.Expression:
        return ~expression if negated else expression

    def _next(self) -> str:
        value = self.value
        self.place += bool(self.kind)
        return value

    def _took(self, word: str) -> bool:
        """Go on if this is what comes next."""
        taken = self.kind in {"word", "sign"} and self.value.lower() == word
        self.place += taken
        return taken

    def _need(self, sign: str) -> None:
        if not self._took(sign):
            self.refuse(f"{self.value!r} where {sign!r} should stand")

    def refuse(self, found: str) -> NoReturn:
        """Say what cannot be understood."""
        raise _wrong(self.text, found)


_DAY = 86_400_000_000
"""Microseconds."""


def _kind(dtype: pa.DataType) -> str:
    if pa.types.is_temporal(dtype):
        return "time"
    return "text" if pa.types.is_string(dtype) else "number"


def _tokens(text: str) -> list[tuple[str, str]]:
    """Return the tokens of a line, the last one empty."""
    if len(text) > LONGEST:
        raise _wrong(f"{text[:40]}…", f"{len(text)} characters, more than {LONGEST}")
    tokens, place, end = [], 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise _wrong(text, f"{text[place:].strip()[:20]!r}")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return [*tokens, ("", "the end")]


def _wrong(text: str, found: str) -> QueryError:
    return QueryError(
        f"The condition {text!r}: {found}",
        expected=_EXPECTED,
        remedy="for example class_built > 0.2 and platform = 'sentinel-2a'",
    )
