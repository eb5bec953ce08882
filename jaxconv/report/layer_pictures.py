"""The inside of a network as pictures: kernels, feature maps, and heat over an image.

Each function returns uint8 pictures for `figures.gallery`. Heat and maps are shown in the colours
of "cividis", which rise evenly in lightness and are told apart with any kind of colour vision.
"""

import numpy as np
from PIL import Image


def kernel_pictures(kernel: np.ndarray) -> list[np.ndarray]:
    """One picture for each output channel: `kernel` float [kh, kw, 3, o] -> o of [kh, kw, 3].

    Zero is middle grey; the largest weight of all, up or down, is full colour.
    """
    kernel = np.asarray(kernel, np.float64)
    largest = max(np.abs(kernel).max(), 1e-12)
    return list(np.moveaxis(_to_bytes(0.5 + 0.5 * kernel / largest), 3, 0))


def map_pictures(maps: np.ndarray) -> list[np.ndarray]:
    """One picture for each channel: `maps` float [h, w, c] -> c of [h, w, 3], each from its own
    least value to its largest."""
    return [_coloured(_stretched(channel)) for channel in np.moveaxis(np.asarray(maps), 2, 0)]


def heat_over(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """`image` uint8 [h, w, 3] in grey, under `heat` float [h', w'] of any size: uint8 [h, w, 3]."""
    height, width = image.shape[:2]
    small = Image.fromarray(_stretched(heat).astype(np.float32))
    large = np.asarray(small.resize((width, height), Image.Resampling.BILINEAR)).clip(0, 1)
    grey = np.asarray(Image.fromarray(image).convert("L").convert("RGB"), np.float64) / 255
    return _to_bytes(0.45 * grey + 0.55 * _coloured(large) / 255)


def _stretched(values: np.ndarray) -> np.ndarray:
    """float64 in [0, 1], 0 where all values are one."""
    values = np.asarray(values, np.float64)
    low, high = values.min(), values.max()
    return (values - low) / max(high - low, 1e-12)


def _coloured(shares: np.ndarray) -> np.ndarray:
    from matplotlib import colormaps

    return _to_bytes(colormaps["cividis"](shares)[..., :3])


def _to_bytes(shares: np.ndarray) -> np.ndarray:
    return np.rint(255 * shares).clip(0, 255).astype(np.uint8)
