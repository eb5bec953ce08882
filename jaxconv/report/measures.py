"""What a classifier gets right and wrong, as small functions of arrays.

Throughout: `n` examples, `k` classes, `labels` and `predictions` int [n] in 0..k-1,
`probabilities` float [n, k] whose rows sum to 1.
"""

from typing import NamedTuple

import numpy as np


class Reliability(NamedTuple):
    """Examples binned by confidence, the probability of the predicted class."""

    edges: np.ndarray  # float64 [bins + 1], from 0 to 1
    examples: np.ndarray  # int64 [bins]: how many are in each
    confidence: np.ndarray  # float64 [bins], the mean in each bin; NaN where the bin is empty
    accuracy: np.ndarray  # float64 [bins], the share of hits in each bin; NaN where empty


def confusion_matrix(
    labels: np.ndarray, predictions: np.ndarray, *, num_classes: int
) -> np.ndarray:
    """Counts examples by (true class, predicted class): int64 [k, k].

    Raises:
        ValueError: the shapes differ, or an entry is not in 0..k-1.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape or labels.ndim != 1:
        raise ValueError(
            f"labels and predictions must be two vectors of one length, "
            f"got shapes {labels.shape} and {predictions.shape}"
        )
    for name, values in (("labels", labels), ("predictions", predictions)):
        if values.size and not (values.min() >= 0 and values.max() < num_classes):
            raise ValueError(
                f"{name} must be in 0..{num_classes - 1}, got {values.min()}..{values.max()}"
            )
    cells = labels.astype(np.int64) * num_classes + predictions
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def row_shares(matrix: np.ndarray) -> np.ndarray:
    """Divides each row by its sum: float64 [k, k]; a row of zeros stays zero."""
    return matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)


def confusion_shades(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns how strongly to colour hits and mistakes, cell by cell: float64 [k, k], twice.

    Hits run from 0 to 1, the share of their row; mistakes to 0.75, for the largest share of one.
    """
    shares = row_shares(matrix)
    on_diagonal = np.eye(len(matrix), dtype=bool)
    mistakes = np.where(on_diagonal, 0, shares)
    # Dark text stays legible on vermilion up to three quarters of its full strength.
    strength = 0.75 * mistakes / max(mistakes.max(initial=0), 1e-9)
    return np.where(on_diagonal, shares, 0), strength


def recall(matrix: np.ndarray) -> np.ndarray:
    """Share of each true class that was predicted so: float64 [k]; NaN for an absent class."""
    return _ratio(np.diagonal(matrix), matrix.sum(axis=1))


def precision(matrix: np.ndarray) -> np.ndarray:
    """Share of each predicted class that was right: float64 [k]; NaN if never predicted."""
    return _ratio(np.diagonal(matrix), matrix.sum(axis=0))


def reliability(probabilities: np.ndarray, labels: np.ndarray, *, bins: int = 10) -> Reliability:
    """Bins examples by confidence, bins of equal width, each open below and closed above.

    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017), section 2.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    hit = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    return Reliability(
        edges,
        count,
        _ratio(np.bincount(place, weights=confidence, minlength=bins), count),
        _ratio(np.bincount(place, weights=hit, minlength=bins), count),
    )


def expected_calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, *, bins: int = 10
) -> float:
    """Mean over examples of |accuracy - confidence| of their bin, in [0, 1]; 0 for no examples."""
    binned = reliability(probabilities, labels, bins=bins)
    gaps = np.abs(np.nan_to_num(binned.accuracy - binned.confidence))
    return float(np.sum(binned.examples * gaps) / max(binned.examples.sum(), 1))


def most_confident_mistakes(
    probabilities: np.ndarray, labels: np.ndarray, *, count: int
) -> np.ndarray:
    """Indices of wrong predictions, the most confident first: int64 [at most count]."""
    confidence, hit = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    order = np.argsort(-confidence, kind="stable")
    return order[~hit[order]][:count]


def least_confident_hits(
    probabilities: np.ndarray, labels: np.ndarray, *, count: int
) -> np.ndarray:
    """Indices of right predictions, the least confident first: int64 [at most count]."""
    confidence, hit = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    order = np.argsort(confidence, kind="stable")
    return order[hit[order]][:count]


def one_of_each(labels: np.ndarray, *, count: int) -> np.ndarray:
    """Indices of the first example of each class, then the second of each, and so on.

    int64 [at most count]: a fair first look at a data set whatever its order.

    >>> one_of_each(np.array([7, 7, 7, 1, 1]), count=4).tolist()
    [3, 0, 4, 1]
    """
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rank[members] = np.arange(len(members))
    return np.lexsort((labels, rank))[:count]


def require_probabilities(probabilities: np.ndarray, labels: np.ndarray, num_classes: int) -> None:
    """Refuses what the functions above would quietly misread.

    Raises:
        ValueError: a shape does not fit, or the rows do not sum to 1 (logits, for example).
    """
    expected = (len(labels), num_classes)
    if probabilities.shape != expected:
        raise ValueError(f"probabilities must have shape {expected}, got {probabilities.shape}")
    totals = probabilities.sum(axis=1, dtype=np.float64)
    if not np.all(np.abs(totals - 1) < 1e-2):
        raise ValueError(
            f"rows of probabilities must sum to 1, got sums from {totals.min():.3g} to "
            f"{totals.max():.3g}; apply a softmax to logits first"
        )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return part / np.asarray(whole, np.float64)
