"""Trains on a folder of your own images: few images, weak augmentation.

    jaxconv train --config own_images --config.data.dir=DIR

DIR holds train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png alone. 40 epochs of a few hundred
images take about a minute on two cores; a few thousand images, some ten.
"""

from ml_collections import ConfigDict

from . import s9


def get_config() -> ConfigDict:
    config = s9.get_config()
    config.epochs = 40  # passes over the training images; the schedule spans them all
    config.batch_size = 32  # images per step over all devices, in training and evaluation
    config.weight_decay = 5e-4  # added to the gradient, before momentum, for every parameter
    config.dropout_rate = 0.0  # share of activations dropped after each block
    config.data.sources = ("folder",)  # the first one at hand is used
    config.augment.transforms = (  # the pipeline: (name, arguments) in order
        ("Affine", {"translate_px": (-4, 4), "border_mode": 4, "p": 1.0}),
        ("HorizontalFlip", {"p": 0.5}),
        ("Normalize", {"mean": "auto", "std": "auto"}),  # auto: of the training images
    )
    return config
