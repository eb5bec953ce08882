"""A made-up run for the tests of the report: small, seeded, with every kind of row and image."""

from collections.abc import Sequence

import numpy as np

from jaxconv.report.results import Results

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def make_rows(epochs: int) -> list[dict[str, float]]:
    return [
        {
            "epoch": epoch,
            "step": 98 * epoch,
            "lr": 0.1 / epoch,
            "momentum": 0.95 - 0.1 / epoch,
            "train_loss": 2.0 / epoch,
            "train_accuracy": 70.0 - 40 / epoch,
            "test_loss": 1.8 / epoch,
            "test_accuracy": 80.0 - 45 / epoch,
            "seconds": 11.0,
            "images_per_second": 4500.0,
        }
        for epoch in range(1, epochs + 1)
    ]


def make_images(n: int, *, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Distinct noise images: uint8 [n, 32, 32, channels]."""
    return np.random.default_rng(seed).integers(0, 256, (n, 32, 32, channels), dtype=np.uint8)


def make_results(
    *, wrong: int = 30, names: Sequence[str] = NAMES, channels: int = 3, epoch: int = 3
) -> Results:
    """200 test images, the last `wrong` of which are taken for the next class."""
    labels = (np.arange(200) % len(names)).astype(np.int32)
    outputs = np.where(np.arange(200) >= 200 - wrong, (labels + 1) % len(names), labels)
    sureness = np.random.default_rng(1).uniform(0.4, 0.99, (200, 1))
    share = (1 - sureness) / (len(names) - 1)
    chosen = np.eye(len(names), dtype=bool)[outputs]
    images = make_images(200, channels=channels)
    return Results(
        dataset_name="shapes10",
        dataset_reason="first of shapes10",
        class_names=names,
        train_images=images[::-1],
        train_labels=labels[::-1],
        test_images=images,
        test_labels=labels,
        probabilities=np.where(chosen, sureness, share).astype(np.float32),
        augmentations=[("Original", images[0]), ("HorizontalFlip", images[0][:, ::-1])],
        epoch=epoch,
        parameters=193_376,
    )
