"""How good predictions are: accuracy, F1, intersection over union, average precision.

Each equals scikit-learn's, to rounding. A class of which there is nothing to measure is NaN here;
whoever averages says over which classes, and names the others.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

UNKNOWN = -1
"""The class of a chip or pixel that nobody knows; it counts nowhere."""


def confusion(truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int) -> Counts:
    """Return how often each class was taken for each, ``(classes, classes)``: true ones in rows."""
    known = truth != UNKNOWN
    pairs = truth[known].astype(np.int64) * classes + predicted[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def accuracy(counts: Counts) -> float:
    """Return the part that was right; NaN of nothing."""
    return float(_ratio(np.trace(counts), counts.sum()))


def f1(counts: Counts) -> Floats:
    """Return each class's F1; NaN of one that neither is nor was predicted."""
    right = np.diag(counts)
    return _ratio(2 * right, counts.sum(axis=0) + counts.sum(axis=1))


def iou(counts: Counts) -> Floats:
    """Return each class's intersection over union; NaN of one that neither is nor was predicted."""
    right = np.diag(counts)
    return _ratio(right, counts.sum(axis=0) + counts.sum(axis=1) - right)


def average_precision(truth: NDArray[np.bool_], scores: Floats) -> float:
    """Return the precision averaged over what is recalled, step by step; NaN where nothing is true.

    Equal scores are one step, in whatever order they come.

    Args:
        truth: ``(chips,)``.
        scores: ``(chips,)``: the higher, the surer.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    right = np.cumsum(truth[order])[ends]
    gained = np.diff(right, prepend=0)
    return float(_ratio((gained * right / (ends + 1)).sum(), truth.sum()))


def average_precisions(truth: NDArray[np.bool_], scores: Floats) -> Floats:
    """Return each class's average precision, of ``(chips, classes)``."""
    return np.array([average_precision(*pair) for pair in zip(truth.T, scores.T, strict=True)])


def mean(values: Floats) -> float:
    """Return the mean over the classes that could be measured; NaN where none could."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _ratio(part: NDArray[np.generic] | float, whole: NDArray[np.generic] | float) -> Floats:
    counts = np.asarray(whole, np.float64)
    ratios = np.full(counts.shape, np.nan)
    np.divide(part, counts, out=ratios, where=counts > 0)
    return ratios
