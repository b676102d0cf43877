"""How the verbs of ``sample`` write what was drawn, and tell of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from cubestore_pipelines.cli.output import show_facts, show_json

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

Output = Annotated[Path, Parameter(name=["--output", "-o"])]
"""The file that a verb writes."""


def write(table: "GeoDataFrame", output: Path) -> None:
    """Write a table, whose format its name tells."""
    from cubestore_pipelines.sampling import vector  # noqa: PLC0415 - a second to load

    vector.write(table, output)


def check(output: Path, *others: str) -> None:
    """Refuse a name that does not tell the format, before there is anything to write."""
    from cubestore_pipelines.sampling import vector  # noqa: PLC0415 - a second to load

    vector.check(output, *others)


def show(facts: Mapping[str, Any], *, json: bool) -> None:
    """Tell what came of it."""
    show_json(facts) if json else show_facts(facts)


def kinds(table: "GeoDataFrame") -> dict[str, int]:
    """Return how many rows of a table there are of each kind."""
    counts = table["kind"].value_counts(sort=False)
    return {str(kind): int(count) for kind, count in counts.items()}
