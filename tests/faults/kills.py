"""The process is killed before each change that it makes to the disk."""

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from tests.faults import look, process
from tests.faults.operations import OPERATIONS, Operation, committed, cube, operation
from tests.faults.table import Row


class Stage:
    """An operation with the cube before and after it, to be tried many times."""

    def __init__(self, base: Path, what: Operation) -> None:
        self.operation = what
        self.before, self.after, self.trial = (base / n for n in ("before", "after", "trial"))
        base.mkdir(parents=True, exist_ok=True)
        process.run(what.prepare, self.before)
        if self.before.exists():
            shutil.copytree(self.before, self.after)
        process.run(what.run, self.after)
        self.number = committed(self.before)
        self.old: look.Sight = process.ask(look.sight, self.before)
        self.new: look.Sight = process.ask(look.sight, self.after)
        self.bytes_after = look.tree(self.after)

    def begin(self) -> Path:
        """Return a fresh copy of the cube before."""
        shutil.rmtree(self.trial, ignore_errors=True)
        if self.before.exists():
            shutil.copytree(self.before, self.trial)
        return self.trial

    def look(self, row: Row, where: str, *, settled: bool = True) -> str:
        """See what readers see after a fault; return which cube it is.

        Args:
            row: where it is counted.
            where: what was done.
            settled: False: ``verify`` may find files that the next run will write again.
        """
        seen = process.ask(look.sight, self.trial)
        if not settled:
            seen = replace(seen, report=None)
        state, wrong = look.judge(seen, self.old, self.new, self.operation)
        row.see(state, wrong, where)
        return state

    def repeat_at(self, store: Path) -> None:
        """Run the operation on a store where it may have been done."""
        self.operation.repeat(store, self.number)

    def repeat(self, row: Row, where: str) -> None:
        """Let the next run complete, and compare every byte."""
        try:
            process.run(self.repeat_at, self.trial)
        except RuntimeError as error:
            row.compare([f"the next run: {error}"], where)
        else:
            row.compare(look.differing(look.tree(self.trial), self.bytes_after), where)


def each(base: Path, every: int = 1) -> Iterator[Row]:
    """Kill every operation before each of its changes."""
    for what in OPERATIONS:
        row, stage = Row(f"kill before each change: {what.name}"), Stage(base / what.name, what)
        for at in points(what.run, stage.begin, every):
            stage.look(row, f"change {at}")
            stage.repeat(row, f"change {at}")
        yield row.done()


def points(
    function: Callable[[Path], None], begin: Callable[[], Path], every: int
) -> Iterator[int]:
    """Yield each change before which ``function`` was killed, until it ends before that."""
    at = 1
    while process.killed(function, begin(), at=at):
        yield at
        at += every


def recovery(
    base: Path, every: int = 1, appends: Sequence[int] = range(9, 1000, 40)
) -> Iterator[Row]:
    """Kill ``recover`` before each of its changes.

    Args:
        base: where.
        every: try only every so manyth change.
        appends: the change before which the append was killed that is recovered from.
    """
    stage, row = Stage(base, operation("append")), Row("kill before each change: recover")
    undisturbed = look.tree(stage.before)
    for first in appends:
        interrupted = base / "interrupted"
        shutil.rmtree(interrupted, ignore_errors=True)
        shutil.copytree(stage.before, interrupted)
        if not process.killed(stage.operation.run, interrupted, at=first):
            break

        def begin(source: Path = interrupted) -> Path:
            shutil.rmtree(stage.trial, ignore_errors=True)
            return shutil.copytree(source, stage.trial)

        for at in points(_recover, begin, every):
            where = f"append at {first}, recover at {at}"
            if stage.look(row, where) == "old":
                process.run(_recover, stage.trial)
                row.compare(look.differing(look.tree(stage.trial), undisturbed), where)
            stage.repeat(row, where)
    yield row.done()


def twice(base: Path, trials: int = 300) -> Iterator[Row]:
    """Kill an operation, then the run that follows, then once more, and let the next complete."""
    rng, row = random.Random(2), Row("kill three runs in a row")
    stages = cache(lambda what: Stage(base / what.name, what))
    for _ in range(trials):
        stage = stages(rng.choice(OPERATIONS))
        where = stage.operation.name
        stage.begin()
        for _ in range(3):
            at = rng.randint(1, 220)
            where += f", at {at}"
            process.killed(stage.repeat_at, stage.trial, at=at)
        stage.look(row, where)
        stage.repeat(row, where)
    yield row.done()


def _recover(store: Path) -> None:
    cube(store).recover()
