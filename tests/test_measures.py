"""Each measure of a classifier against its definition, written out slowly."""

import numpy as np
import pytest

from jaxconv.report import measures


def random_case(seed, n=300, k=5):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, k, n).astype(np.int32)
    logits = generator.normal(size=(n, k)) + 2 * np.eye(k)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities.astype(np.float32), labels


SEEDS = pytest.mark.parametrize("seed", range(5))


@SEEDS
def test_confusion_matrix_counts_each_pair(seed):
    probabilities, labels = random_case(seed)
    outputs = probabilities.argmax(axis=1)
    matrix = measures.confusion_matrix(labels, outputs, num_classes=6)
    for i in range(6):
        for j in range(6):
            assert matrix[i, j] == sum(
                1 for a, b in zip(labels, outputs, strict=True) if (a, b) == (i, j)
            )
    assert np.trace(matrix) == sum(labels == outputs)


@SEEDS
def test_recall_and_precision_are_accuracies_of_a_selection(seed):
    probabilities, labels = random_case(seed)
    outputs = probabilities.argmax(axis=1)
    matrix = measures.confusion_matrix(labels, outputs, num_classes=5)
    for i in range(5):
        assert measures.recall(matrix)[i] == np.mean(outputs[labels == i] == i)
        assert measures.precision(matrix)[i] == np.mean(labels[outputs == i] == i)


def test_classes_that_do_not_occur_have_no_recall_or_precision():
    matrix = measures.confusion_matrix(np.array([0, 0]), np.array([0, 1]), num_classes=3)
    np.testing.assert_array_equal(measures.recall(matrix), [0.5, np.nan, np.nan])
    np.testing.assert_array_equal(measures.precision(matrix), [1, 0, np.nan])
    np.testing.assert_array_equal(measures.row_shares(matrix)[1:], np.zeros((2, 3)))


def test_confusion_matrix_refuses_what_is_no_class():
    with pytest.raises(ValueError, match=r"predictions must be in 0\.\.2, got 1\.\.3"):
        measures.confusion_matrix(np.array([0, 1]), np.array([1, 3]), num_classes=3)
    with pytest.raises(ValueError, match=r"labels must be in 0\.\.2, got -1\.\.1"):
        measures.confusion_matrix(np.array([-1, 1]), np.array([1, 2]), num_classes=3)
    with pytest.raises(ValueError, match=r"one length, got shapes \(2,\) and \(1,\)"):
        measures.confusion_matrix(np.array([0, 1]), np.array([1]), num_classes=3)


@SEEDS
@pytest.mark.parametrize("bins", [1, 10, 15])
def test_calibration_error_is_the_mean_gap_of_the_bins(seed, bins):
    probabilities, labels = random_case(seed)
    members = [[] for _ in range(bins)]
    for row, label in zip(probabilities, labels, strict=True):
        confidence = float(row.max())
        place = next(b for b in range(bins) if confidence <= (b + 1) / bins)
        members[place].append((confidence, row.argmax() == label))
    expected = 0.0
    for bin_members in filter(None, members):
        confidence, hit = np.mean(bin_members, axis=0)
        expected += len(bin_members) / len(labels) * abs(confidence - hit)
    measured = measures.expected_calibration_error(probabilities, labels, bins=bins)
    assert measured == pytest.approx(expected, rel=1e-9)
    assert measures.reliability(probabilities, labels, bins=bins).examples.tolist() == [
        len(bin_members) for bin_members in members
    ]


def test_calibration_error_of_the_sure():
    labels = np.array([0, 1, 2, 0])
    sure = np.eye(3)[labels]
    assert measures.expected_calibration_error(sure, labels) == 0
    assert measures.expected_calibration_error(sure, (labels + 1) % 3) == 1
    assert measures.reliability(sure, labels).examples[-1] == 4
    assert measures.expected_calibration_error(np.zeros((0, 3)), np.zeros(0, int)) == 0


@SEEDS
def test_the_extremes_are_those_of_a_full_sort(seed):
    probabilities, labels = random_case(seed)
    confidence, outputs = probabilities.max(axis=1), probabilities.argmax(axis=1)
    wrong = sorted(np.flatnonzero(outputs != labels), key=lambda i: -confidence[i])
    right = sorted(np.flatnonzero(outputs == labels), key=lambda i: confidence[i])
    for count in (0, 3, 10_000):
        mistakes = measures.most_confident_mistakes(probabilities, labels, count=count)
        hits = measures.least_confident_hits(probabilities, labels, count=count)
        assert mistakes.tolist() == wrong[:count]
        assert hits.tolist() == right[:count]


def test_one_of_each_takes_the_classes_in_turn():
    labels = np.array([2, 2, 0, 2, 1, 0])
    assert measures.one_of_each(labels, count=6).tolist() == [2, 4, 0, 5, 1, 3]
    assert measures.one_of_each(labels, count=2).tolist() == [2, 4]
    assert measures.one_of_each(labels, count=20).size == 6


def test_shades_follow_the_share_of_the_row_whatever_its_size():
    hits, mistakes = measures.confusion_shades(np.array([[8, 2, 0], [10, 60, 30], [0, 0, 0]]))
    np.testing.assert_allclose(hits, np.diag([0.8, 0.6, 0]))
    np.testing.assert_allclose(mistakes, [[0, 0.5, 0], [0.25, 0, 0.75], [0, 0, 0]])


def test_logits_and_wrong_shapes_are_refused():
    probabilities, labels = random_case(0)
    measures.require_probabilities(probabilities, labels, 5)
    with pytest.raises(ValueError, match="apply a softmax to logits first"):
        measures.require_probabilities(np.log(probabilities), labels, 5)
    with pytest.raises(ValueError, match="must sum to 1"):
        measures.require_probabilities(probabilities * np.nan, labels, 5)
    with pytest.raises(ValueError, match=r"must have shape \(300, 6\), got \(300, 5\)"):
        measures.require_probabilities(probabilities, labels, 6)
