"""What is measured of a probe equals scikit-learn's and scipy's, ties and absent classes too."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn import linear_model, neighbors
from sklearn import metrics as reference

from cubestore_model.probing import interval, knn, linear, metrics

CLASSES = 4
tables = st.integers(1, 40).flatmap(
    lambda n: hnp.arrays("int64", (2, n), elements=st.integers(0, CLASSES - 1))
)


@given(tables)
def test_scores_of_classes_equal_scikit_learns(table):
    truth, predicted = table
    counts = metrics.confusion(truth, predicted, CLASSES)
    np.testing.assert_array_equal(
        counts, reference.confusion_matrix(truth, predicted, labels=range(CLASSES))
    )
    assert metrics.accuracy(counts) == pytest.approx(reference.accuracy_score(truth, predicted))
    ours = [metrics.mean(one(counts)) for one in (metrics.f1, metrics.iou)]
    f1 = reference.f1_score(truth, predicted, average="macro", zero_division=0)
    iou = reference.jaccard_score(truth, predicted, average="macro", zero_division=0)
    assert ours == pytest.approx([f1, iou])
    occur = np.union1d(truth, predicted)
    each = reference.f1_score(truth, predicted, average=None, labels=occur, zero_division=0)
    np.testing.assert_allclose(metrics.f1(counts)[occur], each)
    assert np.isnan(np.delete(metrics.f1(counts), occur)).all()


@given(
    st.integers(1, 40).flatmap(
        lambda n: st.tuples(
            hnp.arrays(bool, n), hnp.arrays("float64", n, elements=st.sampled_from([0.0, 0.5, 1.0]))
        )
    )
)
def test_average_precision_equals_scikit_learns_with_ties(table):
    truth, scores = table
    found = metrics.average_precision(truth, scores)
    if truth.any():
        assert found == pytest.approx(reference.average_precision_score(truth, scores))
    else:
        assert np.isnan(found)


def test_pixels_that_nobody_knows_count_nowhere():
    truth = np.array([[0, 1, metrics.UNKNOWN], [1, 1, metrics.UNKNOWN]])
    counts = metrics.confusion(truth, np.array([[0, 1, 0], [0, 1, 1]]), 2)
    assert counts.tolist() == [[1, 0], [1, 2]]
    assert np.isnan(metrics.accuracy(np.zeros((2, 2), int)))
    assert np.isnan(metrics.mean(metrics.iou(np.zeros((2, 2), int))))


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 30, 99])
def test_students_quantiles_are_those_of_the_tables(freedom):
    assert interval.quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)


def test_an_interval_is_scipys_and_one_number_has_none():
    values = [0.71, 0.64, 0.8, 0.77, 0.69]
    wanted = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert interval.interval(values) == pytest.approx(wanted)
    assert interval.interval([0.7]) is None


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 120)
    vectors = (rng.normal(size=(120, 6)) + np.eye(3, 6)[targets] * 2).astype("float32")
    return vectors, targets


@pytest.mark.parametrize("strength", [1.0, 1e-2, 1e-4])
def test_the_linear_probe_is_scikit_learns_regression(rows, strength):
    vectors, targets = rows
    scaled = (vectors.astype(float) - vectors.mean(0, float)) / vectors.astype(float).std(0)
    wanted = linear_model.LogisticRegression(
        C=1 / (strength * len(targets)), tol=1e-10, max_iter=10_000
    ).fit(scaled, targets)
    probe = linear.fit(vectors, targets, 3, strength)
    logits = probe(vectors)
    logits -= logits.max(axis=1, keepdims=True)
    made = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(made, wanted.predict_proba(scaled), atol=2e-6)


def test_of_several_classes_a_chip_each_has_a_regression_of_its_own(rows):
    vectors, numbers = rows
    targets = np.stack([numbers == 0, (numbers == 1) | (vectors[:, 5] > 0)], axis=1)
    scaled = (vectors.astype(float) - vectors.mean(0, float)) / vectors.astype(float).std(0)
    logits = linear.fit(vectors, targets, 2, 1e-2)(vectors)
    for k in range(2):
        one = linear_model.LogisticRegression(C=1 / (1e-2 * 120), tol=1e-10, max_iter=10_000)
        np.testing.assert_allclose(
            logits[:, k], one.fit(scaled, targets[:, k]).decision_function(scaled), atol=1e-4
        )


def test_the_probe_is_the_same_every_time_and_a_constant_feature_is_no_harm(rows):
    vectors, targets = rows
    constant = np.concatenate([vectors, np.full((120, 1), 7, "float32")], axis=1)
    first, second = (linear.fit(constant, targets, 3, 1e-2)(constant) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, linear.fit(vectors, targets, 3, 1e-2)(vectors), atol=1e-6)


def test_the_strength_is_the_one_that_validation_prefers(rows):
    vectors, targets = rows
    liked = linear.chosen(vectors, targets, 3, lambda probe: -abs(np.log10(probe.strength) + 3))
    assert liked.strength == pytest.approx(1e-3)
    assert linear.chosen(vectors, targets, 3, lambda _: 0.5).strength == linear.STRENGTHS[0]


def test_neighbours_vote_as_scikit_learns_do(rows):
    vectors, targets = rows
    wanted = neighbors.KNeighborsClassifier(
        20, metric="cosine", algorithm="brute", weights=lambda far: np.exp((1 - far) / 0.07)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted.fit(vectors[:90].astype(float), targets[:90])
    votes = knn.Neighbours(vectors[:90], targets[:90], 3)(vectors[90:])
    np.testing.assert_allclose(votes, wanted.predict_proba(vectors[90:].astype(float)), atol=1e-4)
    several = targets[:90, None] == np.arange(3)
    np.testing.assert_array_equal(votes, knn.Neighbours(vectors[:90], several, 3)(vectors[90:]))
    few = knn.Neighbours(vectors[:5], targets[:5], 3)(vectors[90:])
    np.testing.assert_allclose(few.sum(axis=1), 1)
