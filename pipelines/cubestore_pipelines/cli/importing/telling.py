"""What all verbs of ``import`` tell: how it goes on, what was made, and what could not be taken."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.progress import Progress as Bars

from cubestore_pipelines.benchmarks.imported import Imported, Progress
from cubestore_pipelines.cli.output import plain_console, show_json, show_table, size
from cubestore_pipelines.cli.status import DONE, IN_PART


@contextlib.contextmanager
def watched() -> Iterator[Progress]:
    """Show a bar a set on a terminal, and a line a set elsewhere."""
    console = plain_console(stderr=True)
    if not console.is_terminal:
        yield (
            lambda name, done, of: (
                console.print(f"{name}: {of} patches gone through") if done == of else None
            )
        )
        return
    with Bars(console=console) as bars:
        tasks = {}

        def move(name: str, done: int, of: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=of)
            bars.update(tasks[name], completed=done)

        yield move


def show(store: Path, done: Sequence[Imported], *, json: bool) -> int:
    """Print what was made; return the exit status: done, or in part where something is left out."""
    if json:
        show_json({"store": str(store), "sets": [asdict(one) for one in done]})
    else:
        rows = [[one.name, one.patches, size(one.bytes), len(one.left_out)] for one in done]
        show_table(("set", "patches", "bytes", "left_out"), rows)
    console = plain_console(stderr=True)
    for one in done:
        for text in one.notes:
            console.print(f"{one.name}: {text}")
        for text in one.left_out:
            console.print(f"{one.name}: left out {text}")
    return IN_PART if any(one.left_out for one in done) else DONE
