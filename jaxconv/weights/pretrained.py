"""The weights in the box: S9Net trained on CIFAR-10, inside the package."""

from pathlib import Path

from jaxconv.weights.card import Weights, load_weights

PRETRAINED = Path(__file__).with_name("s9_cifar10.safetensors")


def load_pretrained() -> Weights:
    """S9Net as trained on CIFAR-10: its variables, and a card with its accuracy and recipe.

    Images are float32 in [0, 1], [b, 32, 32, 3], normalised by the card.

    Example:
        >>> import numpy as np
        >>> from jaxconv import S9Net
        >>> variables, card = load_pretrained()
        >>> images = (np.zeros((1, 32, 32, 3), np.float32) - card.mean) / card.std
        >>> S9Net().apply(variables, images, train=False).shape
        (1, 10)
        >>> card.class_names[:3]
        ('airplane', 'automobile', 'bird')
    """
    return load_weights(PRETRAINED)
