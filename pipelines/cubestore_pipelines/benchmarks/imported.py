"""What an import made."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One thing that an import made, or found there as it would make it."""

    name: str
    """Of the patch set, ``DATASET/PART``; or of the variable of embeddings."""

    patches: int
    """How many it holds."""

    left_out: tuple[str, ...] = ()
    """What the source has and the set does not, each with the reason."""
