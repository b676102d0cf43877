"""A probe, seed by seed: parted, fitted on the training chips, chosen on validation, tested.

    run(samples, method="linear", seeds=5).to_pandas()

`samples` may come from a store, or be made by hand of any vectors and labels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from cubestore_model.errors import LabelsError
from cubestore_model.probing import linear, metrics, parting
from cubestore_model.probing.knn import Neighbours
from cubestore_model.probing.metrics import Floats
from cubestore_model.probing.parting import TEST, TRAIN, VAL, Drawn
from cubestore_model.probing.samples import MAPS, ONE, SEVERAL, Samples
from cubestore_model.probing.tables import Measure, Probed, Run

BLOCK = 10_000.0
"""Metres along the blocks of ground that stay together."""

ROWS = 100_000
"""Vectors that a probe is fitted on, at most: of more, so many are drawn."""

Scorer = Callable[[Samples], Floats]
"""Chips -> how sure each class is, ``(chips, [rows, columns,] classes)``."""


class Fitting(Protocol):
    """How a method makes a scorer; it never sees the test chips."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def __call__(self, train: Samples, val: Samples, seed: int) -> Scorer:
        """Return what was fitted."""


def run(
    samples: Samples,
    *,
    method: Literal["linear", "knn"] | Fitting = "linear",
    seeds: int | Sequence[int] = 5,
    block: float = BLOCK,
    buffer: float = 0.0,
    split: str = "",
    model: str = "",
    labels: str = "",
) -> Probed:
    """Probe vectors with their labels.

    Args:
        samples: the chips.
        method: ``linear``, ``knn``, or what fits a scorer, such as `Finetuning`.
        seeds: how many, or which.
        block: metres along the blocks of ground that stay together.
        buffer: metres between chips of different parts.
        split: ``published``: part the chips as they were published, not by ground.
        model: the model's id, for the table.
        labels: what they are, for the table.

    Raises:
        LabelsError: too few labels, or too few places; no seed.
    """
    known = samples.known()
    _refuse_few(known, labels)
    numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not numbers:
        raise LabelsError(
            f"A probe with {seeds} seeds",
            expected="one at least; five tell how far a measure varies",
            remedy="give seeds (--seeds 5)",
        )
    fixed, deterministic = split == "published", isinstance(method, str)
    if fixed and deterministic:
        numbers = numbers[:1]
    rules = (Drawn(size=block, buffer=buffer, seed=seed) for seed in numbers)
    parts = {
        rule.seed: parting.as_published(known) if fixed else parting.parted(known, rule)
        for rule in rules
    }
    varies = _varies(fixed=fixed, deterministic=deterministic)
    return over(known, parts, method=method, varies=varies, model=model, labels=labels)


def over(
    samples: Samples,
    parts: Mapping[int, NDArray[Any]],
    *,
    method: Literal["linear", "knn"] | Fitting = "linear",
    varies: str,
    model: str = "",
    labels: str = "",
) -> Probed:
    """Probe vectors with parts that were made already.

    Args:
        samples: the chips, each with a label and whole vectors.
        parts: seed -> the split of each chip, such as `parting.in_turn` makes.
        method: as of `run`.
        varies: what is another with each seed, for the table.
        model: the model's id, for the table.
        labels: what they are, for the table.

    Raises:
        LabelsError: a part without chips, or of a single class to learn from.
    """
    fitting: Fitting = METHODS[method] if isinstance(method, str) else method
    done = [_once(samples, split, fitting, seed) for seed, split in parts.items()]
    return Probed(
        model=model,
        method=method if isinstance(method, str) else method.name,
        task="segmentation" if samples.kind == MAPS else "classification",
        labels=labels,
        classes=samples.classes,
        chips=len(samples),
        varies=varies,
        runs=tuple(run for run, _ in done),
        measures=_gathered([scores for _, scores in done]),
    )


def scores_of(samples: Samples, scores: Floats) -> dict[tuple[str, str], float]:
    """Return (metric, class) -> number, of scored chips; "" is over all classes that occur."""
    if samples.kind == SEVERAL:
        each = metrics.average_precisions(samples.labels, scores)
        micro = metrics.average_precision(samples.labels.ravel(), scores.ravel())
        return _named("mAP", each, samples.classes) | {("micro mAP", ""): micro}
    counts = confusion_of(samples, scores)
    overall = {("accuracy", ""): metrics.accuracy(counts)}
    if samples.kind == ONE:
        return overall | _named("macro F1", metrics.f1(counts), samples.classes)
    return (
        _named("mean IoU", metrics.iou(counts), samples.classes)
        | _named("macro F1", metrics.f1(counts), samples.classes)
        | overall
    )


def confusion_of(samples: Samples, scores: Floats) -> metrics.Counts:
    """Return how often each class was taken for each; of maps, pixel by pixel."""
    classes = len(samples.classes)
    if samples.kind != MAPS:
        return metrics.confusion(samples.labels, scores.argmax(axis=-1), classes)
    counts = np.zeros((classes, classes), np.int64)
    for truth, one in zip(samples.labels, scores, strict=True):
        counts += metrics.confusion(truth, on_pixels(one, truth.shape).argmax(axis=0), classes)
    return counts


def on_pixels(scores: Floats, shape: tuple[int, ...]) -> Floats:
    """Return the scores of patches ``(rows, columns, classes)`` on pixels: ``(classes, y, x)``."""
    patches = torch.from_numpy(np.ascontiguousarray(scores)).permute(2, 0, 1)[None]
    pixels = functional.interpolate(patches, size=shape[-2:], mode="bilinear", align_corners=False)
    return np.asarray(pixels[0])


HEADLINE = {ONE: "macro F1", SEVERAL: "mAP", MAPS: "mean IoU"}
"""What a probe is chosen by, on the validation chips."""


def worth(samples: Samples, scores: Floats) -> float:
    """Return how good scores are, by the headline; NaN where nothing can be measured."""
    return scores_of(samples, scores)[HEADLINE[samples.kind], ""]


def _once(known: Samples, parts: NDArray[Any], fitting: Fitting, seed: int) -> tuple[Run, Any]:
    some = {name: known.take(np.flatnonzero(parts == name)) for name in (TRAIN, VAL, TEST)}
    absent = {n: _absent(part) for n, part in some.items()}
    _refuse_unusable(some, absent, seed)
    scorer = fitting(some[TRAIN], some[VAL], seed)
    done = Run(
        seed=seed,
        train=len(some[TRAIN]),
        val=len(some[VAL]),
        test=len(some[TEST]),
        left_out=len(known) - sum(map(len, some.values())),
        strength=getattr(scorer, "strength", None),
        absent_from_training=absent[TRAIN],
        absent_from_test=absent[TEST],
    )
    return done, scores_of(some[TEST], scorer(some[TEST]))


class Rowwise:
    """A scorer of vectors, for chips and for patches alike."""

    def __init__(self, score: Callable[[NDArray[np.float32]], Floats]) -> None:
        """Take what scores ``(rows, dimensions)``."""
        self._score = score
        self.strength: float | None = getattr(score, "strength", None)

    def __call__(self, samples: Samples) -> Floats:
        """Return the scores of chips."""
        shape = samples.vectors.shape
        return self._score(samples.vectors.reshape(-1, shape[-1])).reshape(*shape[:-1], -1)


@dataclass(frozen=True, slots=True)
class Called:
    """A method that is a function."""

    name: str
    fit: Callable[[Samples, Samples, int], Scorer]

    def __call__(self, train: Samples, val: Samples, seed: int) -> Scorer:
        """Return what was fitted."""
        return self.fit(train, val, seed)


def _linear(train: Samples, val: Samples, seed: int) -> Scorer:
    def judge(probe: linear.Linear) -> float:
        return worth(val, Rowwise(probe)(val))

    return Rowwise(linear.chosen(*_some(train, seed), len(train.classes), judge))


def _knn(train: Samples, val: Samples, seed: int) -> Scorer:  # noqa: ARG001 - nothing is chosen
    return Rowwise(Neighbours(*_some(train, seed), len(train.classes)))


METHODS: dict[str, Fitting] = {
    one.name: one for one in (Called("linear", _linear), Called("knn", _knn))
}


def _some(train: Samples, seed: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return rows of the training chips, drawn where there are too many."""
    vectors, targets = train.rows()
    if len(vectors) <= ROWS:
        return vectors, targets
    drawn = np.sort(np.random.default_rng(seed).choice(len(vectors), ROWS, replace=False))
    return vectors[drawn], targets[drawn]


def _named(metric: str, each: Floats, classes: Sequence[str]) -> dict[tuple[str, str], float]:
    single = metric.rpartition(" ")[2].removeprefix("m")
    of = {(single, name): float(v) for name, v in zip(classes, each, strict=True)}
    return {(metric, ""): metrics.mean(each), **of}


def _gathered(found: Sequence[dict[tuple[str, str], float]]) -> tuple[Measure, ...]:
    known = partial(map, lambda v: None if np.isnan(v) else v)
    return tuple(
        Measure(metric=metric, of=of, values=tuple(known(one[metric, of] for one in found)))
        for metric, of in found[0]
    )


def _varies(*, fixed: bool, deterministic: bool) -> str:
    if fixed:
        return "nothing: one run" if deterministic else "the head's first weights and the order"
    head = "" if deterministic else ", the head's first weights and the order"
    return "which blocks of ground train, validate and test" + head


def _absent(samples: Samples) -> tuple[str, ...]:
    counts = samples.occurring()
    return tuple(n for n, count in zip(samples.classes, counts, strict=True) if not count)


def _refuse_few(known: Samples, labels: str) -> None:
    there = [f"{n} in {c}" for n, c in zip(known.classes, known.occurring(), strict=True) if c]
    if len(known) < len(parting.SHARES) or len(there) < (1 if known.kind == SEVERAL else 2):
        raise LabelsError(
            f"{len(known)} labelled chips{f' of {labels}' if labels else ''}: "
            f"{', '.join(there) or 'no class'}",
            expected="at least three chips, of two classes",
            remedy="label more, or build more of the place",
        )


def _refuse_unusable(
    some: dict[str, Samples], absent: dict[str, tuple[str, ...]], seed: int
) -> None:
    empty = [name for name, part in some.items() if not len(part)]
    train = some[TRAIN]
    taught = len(train.classes) - len(absent[TRAIN])
    enough = taught >= (1 if train.kind == SEVERAL else 2)
    if empty or not enough:
        told = ", ".join(f"{len(part)} for {name}" for name, part in some.items())
        raise LabelsError(
            f"Seed {seed}: {told} chips; {taught} classes to learn from",
            expected="chips for each, and two classes among those of training",
            remedy="choose smaller blocks (--block), no buffer, or label more places",
        )
