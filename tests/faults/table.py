"""What a campaign found: a row a fault."""

import time
from dataclasses import dataclass, field

HEADERS = ("fault", "trials", "old", "new", "torn", "lost", "differ", "seconds")
SHOWN = 20
"""Failures that are told in full."""


@dataclass(slots=True)
class Row:
    """The trials of one fault."""

    fault: str
    trials: int = 0
    old: int = 0
    """Readers saw the cube as before."""

    new: int = 0
    """Readers saw the cube as after."""

    torn: int = 0
    """Readers, or verify, saw anything else."""

    lost: int = 0
    """Something acknowledged was not there."""

    differ: int = 0
    """The next run did not end with the bytes of an undisturbed one."""

    note: str = ""
    skipped: str = ""
    """Why it could not be tried."""

    failures: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether nothing went wrong."""
        wrong = self.torn or self.lost or self.differ or self.failures
        return not wrong and bool(self.trials or self.skipped)

    def see(self, state: str, wrong: list[str], where: str) -> None:
        """Count what readers saw in one trial."""
        self.trials += 1
        self.old += state == "old"
        self.new += state == "new"
        if wrong:
            self.torn += 1
            self.failures.append(f"{where}: {'; '.join(wrong[:4])}")

    def compare(self, differing: list[str], where: str) -> None:
        """Count whether the next run ended as an undisturbed one."""
        if differing:
            self.differ += 1
            self.failures.append(f"{where}: {', '.join(differing[:4])} differ")

    def lose(self, what: str) -> None:
        """Count something acknowledged that is not there."""
        self.lost += 1
        self.failures.append(what)

    def done(self) -> "Row":
        """Stop the clock and print the row."""
        self.seconds = time.monotonic() - self.began
        print(self, flush=True)
        for failure in self.failures[:SHOWN]:
            print(f"    {failure}", flush=True)
        return self

    def __str__(self) -> str:
        cells = [self.trials, self.old, self.new, self.torn, self.lost, self.differ]
        numbers = "".join(f"{cell:>8}" for cell in cells)
        return (
            f"{self.fault:<44}{numbers}{self.seconds:>9.1f}  {self.note or self.skipped}".rstrip()
        )


def header() -> str:
    """Return the names of the columns."""
    first, *rest, last = HEADERS
    return f"{first:<44}{''.join(f'{name:>8}' for name in rest)}{last:>9}"
