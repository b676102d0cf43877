"""How a build is watched: a bar on a terminal, plain lines elsewhere."""

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from cubestore.errors import CubestoreError
from cubestore_pipelines.cli.output import plain_console, size
from cubestore_pipelines.failures import Failure, LeftOut, Refusal
from cubestore_pipelines.shard import Outcome


class Watcher:
    """Tells people how a build goes on."""

    def __init__(self, console: Console, progress: Progress | None) -> None:
        self._console, self._progress = console, progress
        self._task: TaskID | None = None
        self._bytes = self._slots = self._of = 0

    def begun(self, tile: str, sensor: str, *, slots: int, shards: int) -> None:
        """Begin a bar, or tell what will be done."""
        self._slots, self._of = 0, slots
        if self._progress is not None:
            self._task = self._progress.add_task(f"{tile} {sensor}", total=shards, done="")
        self._console.print(f"{tile} {sensor}: {slots} slots, {shards} shards to read")

    def read(self, outcome: Outcome) -> None:
        """Move the bar on."""
        self._bytes += outcome.size
        self._move(1)

    def committed(self, tile: str, sensor: str, item_id: str) -> None:
        """Tell of a slot."""
        self._slots += 1
        self._move(0)
        self._console.print(f"{tile} {sensor}: committed {item_id}")

    def _move(self, shards: int) -> None:
        if self._progress is not None and self._task is not None:
            done = f"{self._slots}/{self._of} slots, {size(self._bytes)}"
            self._progress.update(self._task, advance=shards, done=done)

    def failed(self, failure: Failure | Refusal) -> None:
        """Tell of what could not be used."""
        told = CubestoreError(failure.found, expected=failure.expected, remedy=failure.remedy)
        self._console.print(f"failed: {told}")

    def left_out(self, measured: LeftOut) -> None:
        """Tell of what is cloudier or emptier than wanted."""
        cloud = "" if measured.cloud is None else f"{measured.cloud:.1f} % cloud, "
        said = f"{measured.item}: {cloud}{measured.nodata:.1f} % without data"
        self._console.print(f"left out: {said}. The next run looks for another.")


@contextlib.contextmanager
def watched() -> Iterator[Watcher]:
    """Watch a build on standard error."""
    console = plain_console(stderr=True)
    if not console.is_terminal:
        yield Watcher(console, None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("shards, {task.fields[done]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Watcher(console, progress)
