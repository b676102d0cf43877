"""What came of a probe: a number for each metric and class, over seeds, with its interval."""

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cubestore_model.probing.interval import interval

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One metric, of all classes or of one, seed by seed."""

    metric: str
    of: str = ""
    """The class; "": over all of them."""

    values: tuple[float | None, ...]
    """Of each seed; None where there was nothing to measure."""

    @property
    def known(self) -> list[float]:
        """The numbers that there are."""
        return [value for value in self.values if value is not None]

    @property
    def mean(self) -> float | None:
        """Over the seeds that have a number."""
        return math.fsum(self.known) / len(self.known) if self.known else None

    @property
    def between(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean; None where fewer than two seeds have a number."""
        return interval(self.known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One seed's parts, and what they lack."""

    seed: int
    train: int
    val: int
    test: int
    left_out: int
    """Labelled chips that share ground with those of another part."""

    strength: float | None = None
    """Of the linear probe's penalty, chosen on the validation chips."""

    absent_from_training: tuple[str, ...] = ()
    absent_from_test: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What a probe has shown."""

    model: str
    method: str
    task: str
    labels: str
    classes: tuple[str, ...]
    chips: int
    varies: str
    """What is another with each seed: what the intervals are over."""

    runs: tuple[Run, ...]
    measures: tuple[Measure, ...]

    def measure(self, metric: str, of: str = "") -> Measure:
        """Return one measure, by its names.

        Raises:
            KeyError: it was not measured.
        """
        for one in self.measures:
            if (one.metric, one.of) == (metric, of):
                return one
        raise KeyError((metric, of))

    @property
    def absent(self) -> dict[str, list[int]]:
        """Classes that some seed's training or test chips lack -> those seeds."""
        lacking = {r.seed: {*r.absent_from_training, *r.absent_from_test} for r in self.runs}
        named = [name for name in self.classes if any(name in some for some in lacking.values())]
        return {name: [seed for seed, some in lacking.items() if name in some] for name in named}

    def records(self) -> list[dict[str, Any]]:
        """Return a row for each metric and class: ``mean``, ``low``, ``high`` and ``seeds``."""
        alike = {"model": self.model, "method": self.method, "task": self.task}
        return [{**alike, **_row(one)} for one in self.measures]

    def to_pandas(self) -> "pd.DataFrame":
        """Return `records` as a DataFrame."""
        import pandas as pd  # noqa: PLC0415 - for people alone

        return pd.DataFrame(self.records())

    def told(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        head = {n: getattr(self, n) for n in ("model", "method", "task", "labels", "chips")}
        body = {"runs": [asdict(run) for run in self.runs], "absent": self.absent}
        head |= {"varies": self.varies, "classes": list(self.classes)}
        return {**head, **body, "measures": [_row(one) for one in self.measures]}


def _row(one: Measure) -> dict[str, Any]:
    low, high = one.between or (None, None)
    return {
        "metric": one.metric,
        "class": one.of,
        "mean": one.mean,
        "low": low,
        "high": high,
        "seeds": len(one.known),
        "values": list(one.values),
    }
