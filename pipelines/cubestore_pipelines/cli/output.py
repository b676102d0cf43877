"""How a verb's result is shown: a table for people, one JSON object for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

Json = Annotated[bool, Parameter(name="--json", negative="")]
"""The option that every verb has."""


UNFOLDED = 10_000
"""Columns of a table that a program reads: enough for a line a row."""


def plain_console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is: no colours of its own, no line broken."""
    return Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)


def show_json(result: Mapping[str, Any]) -> None:
    """Print a result as one JSON object."""
    print(json.dumps(result))  # noqa: T201 - rich would read emoji codes


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their columns."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = UNFOLDED
    console.print(table)


def show_facts(facts: Mapping[str, object]) -> None:
    """Print one thing's facts, a line each."""
    width = max(map(len, facts))
    console = plain_console()
    for name, value in facts.items():
        console.print(f"{name:<{width}}  {'' if value is None else value}")


def size(count: int | None) -> str:
    """Return a number of bytes as people write it."""
    if count is None:
        return ""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < _THOUSAND:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _THOUSAND
    return f"{amount:.1f} TB"


_THOUSAND = 1000
