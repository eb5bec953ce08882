"""What the tests of augmentation share: the documented pipeline and images to try it on."""

import numpy as np
from jaxconv.configs import s9

from jaxconv.augment.pipeline import Transform, parse_pipeline

DOCUMENTED = parse_pipeline(s9.get_config().augment.transforms)


def noise(count: int, h: int = 32, w: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, h, w, 3), dtype=np.uint8)


def blobs(count: int, h: int = 32, w: int = 32) -> np.ndarray:
    """Images about as smooth as photographs: neighbours differ by some ten grey levels."""
    rng = np.random.default_rng(1)
    waves = rng.normal(size=(count, 3, h, w))
    frequency = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None, :])
    smooth = np.fft.ifft2(np.fft.fft2(waves) * np.exp(-((frequency / 0.15) ** 2))).real
    smooth = 128 + 50 * smooth / smooth.std()
    return smooth.clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


def canonical(name: str, arguments: dict) -> Transform:
    (transform,) = parse_pipeline([(name, arguments)])
    return transform
