"""Trains S9Net in a few minutes on a CPU: part of the data, and a light recipe.

    jaxconv train --config s9_quick

Expected: 84 % on the drawn shapes10, 65 % on CIFAR-10 (means of three seeds), in two minutes of one
core with AVX-512.

Five short epochs leave no time to learn from images as strongly changed as those of s9.py: here
they are mirrored only, no activation is dropped, and small batches take more steps.
"""

from ml_collections import ConfigDict

from . import s9


def get_config() -> ConfigDict:
    config = s9.get_config()
    config.epochs = 5  # passes over the training images; the schedule spans them all
    config.batch_size = 64  # images per step over all devices, in training and evaluation
    config.dropout_rate = 0.0  # share of activations dropped after each block
    config.data.download = False  # whether cifar10 may be downloaded; its host is slow
    config.data.train_limit = 12_800  # training images to use; None is all
    config.data.test_limit = 5_000  # test images to use; None is all
    config.augment.transforms = (  # the pipeline: (name, arguments) in order
        ("HorizontalFlip", {"p": 0.5}),
        config.augment.transforms[-1],  # Normalize
    )
    return config
