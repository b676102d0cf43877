"""What batches are to hold and in which order they come."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from cubestore.batches.order import TOGETHER
from cubestore.chips import CHIP_SIZE
from cubestore.errors import MismatchError
from cubestore.shards import Verify

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "verify": ("always", "first", "never"),
    "on_error": ("raise", "skip"),
}

SENSOR = "sensor"
"""What of an epoch can be evened out beside columns of the index."""

LONG = 1e5
"""Days: longer than there are satellites."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """What batches hold, and in which order they come: all that a replay needs."""

    chip_size: int = CHIP_SIZE
    overlap: int = 0
    """Pixels that chips have in common; 0 where they come from the index."""

    bands: tuple[str, ...] | None = None
    variables: tuple[str, ...] = ()
    """What else of the cube: masks, labels, embeddings."""

    beside: tuple[str, ...] = ()
    """Other sensors, on the same ground."""

    within: float = 3.0
    """Days that a slot beside may be off."""

    dates: int = 1
    """Slots of each place."""

    jitter: bool = False
    """Take another slot of the place, drawn for each chip."""

    valid: bool = True
    """Whether batches say which pixels hold data."""

    crop: int = 0
    """Pixels of a random crop of each chip; 0: the whole chip."""

    crops: int = 1
    """Crops of each chip; they follow one another in the batch."""

    flips: bool = False
    rotations: bool = False
    batch_size: int = 32
    shuffle: bool = True
    seed: int = 0
    together: int = TOGETHER
    """Shards whose chips are mixed."""

    balance: tuple[str, ...] = ()
    """What is evened out. ``sensor``: each has as many batches as the largest, as Clay trains;
    ``platform``, ``land_cover``, ``classes`` …: chips come as often as `cubestore.splits.weights`
    of the index says, others in every epoch."""

    drop_last: bool = False
    """Leave out what does not fill a batch, and batches that not every rank would have."""

    verify: Verify = "first"
    on_error: Literal["raise", "skip"] = "raise"
    threads: int = 0
    """0: as many as there are processors for this process."""

    ahead: int = 2
    """Batches that are filled before they are asked for."""

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise MismatchError(problem, expected="batches that can be had", remedy="see `Loading`")

    def _problem(self) -> str:
        for one in fields(self):
            value, choices = getattr(self, one.name), _CHOICES.get(one.name)
            if choices and value not in choices:
                return f"{one.name} {value!r}, which is none of {', '.join(map(repr, choices))}"
            if one.type is int and (type(value) is not int or value < 0):
                return f"{one.name} of {value!r}, which is no whole number"
        if not 0 <= self.within < LONG:
            return f"slots within {self.within} days"
        return self._unfit()

    def _unfit(self) -> str:
        if min(self.batch_size, self.crops, self.dates, self.together, self.chip_size) < 1:
            return "a batch_size, crops, dates, together or chip_size below 1"
        if not 0 <= self.crop <= self.chip_size:
            return f"crops of {self.crop} pixels from chips of {self.chip_size}"
        if self.batch_size % self.crops:
            return f"batches of {self.batch_size} with {self.crops} crops of each chip"
        if self.crops > 1 and not self.crop:
            return f"{self.crops} crops of no size"
        return ""

    def ordering(self) -> tuple[object, ...]:
        """Return what decides which chips come when, and how they are drawn."""
        drawn = self.dates, self.jitter, self.crop, self.crops, self.flips, self.rotations
        order = self.shuffle, self.seed, self.together, self.balance, self.drop_last
        return self.chip_size, self.overlap, self.batch_size, *drawn, *order

    @property
    def weighed(self) -> tuple[str, ...]:
        """What the chips of a sensor are weighed by."""
        return tuple(name for name in self.balance if name != SENSOR)

    @property
    def chips(self) -> int:
        """Chips in a batch: each gives so many crops."""
        return self.batch_size // self.crops
