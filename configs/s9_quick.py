"""The recipe of s9.py in minutes on a two-core laptop: same network, same code, less of it.

    python train.py --config configs/s9_quick.py

Expected: 45 % on the drawn shapes10 (seed 0), in two minutes on two AVX-512 cores.
"""

from ml_collections import ConfigDict

from . import s9


def get_config() -> ConfigDict:
    config = s9.get_config()
    config.epochs = 4  # passes over the training images; the schedule spans them all
    config.batch_size = 128  # images a step, in training and in evaluation
    config.data.download = False  # whether cifar10 may be downloaded; its host is slow
    config.data.train_limit = 12_800  # training images to use; None is all
    config.data.test_limit = 5_000  # test images to use; None is all
    return config
