"""What a report shows of a trained network, beside the files of its run directory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxconv.report import measures


@dataclass(frozen=True)
class Results:
    """What a report shows beside the files of its run directory.

    Raises:
        ValueError: `probabilities` do not fit `test_labels` and `class_names`, or do not sum to 1.
    """

    dataset_name: str
    dataset_reason: str  # why this data set and no other, in one line
    class_names: Sequence[str]
    train_images: np.ndarray  # uint8 [m, h, w, c], c 1 or 3
    train_labels: np.ndarray  # int [m]
    test_images: np.ndarray  # uint8 [n, h, w, c]
    test_labels: np.ndarray  # int [n]
    probabilities: np.ndarray  # float [n, k], of the test images
    augmentations: Sequence[tuple[str, np.ndarray]]  # a name and uint8 [h, w, c], each
    epoch: int  # how many epochs had made the weights behind `probabilities`
    parameters: int  # count of trained numbers in the network

    def __post_init__(self) -> None:
        measures.require_probabilities(self.probabilities, self.test_labels, len(self.class_names))

    @property
    def outputs(self) -> np.ndarray:
        """Predicted classes: int64 [n]."""
        return self.probabilities.argmax(axis=1)

    @property
    def matrix(self) -> np.ndarray:
        """Counts by true and predicted class: int64 [k, k]."""
        classes = len(self.class_names)
        return measures.confusion_matrix(self.test_labels, self.outputs, num_classes=classes)

    @property
    def accuracy(self) -> float:
        """Share of the test images whose predicted class is the correct one."""
        return float(np.mean(self.outputs == self.test_labels))

    @property
    def calibration_error(self) -> float:
        """Mean gap between confidence and accuracy, in [0, 1]."""
        return measures.expected_calibration_error(self.probabilities, self.test_labels)
