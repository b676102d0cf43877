"""What the demo tells of itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done: the command that does it, and what came of it."""

    command: str
    result: str
