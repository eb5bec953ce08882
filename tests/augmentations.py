"""What the tests of augmentation share: the documented pipeline and images to try it on."""

import numpy as np

from jaxconv.augment.pipeline import Transform, parse_pipeline

DOCUMENTED = parse_pipeline(
    [
        ("RandomCrop", {"height": 32, "width": 32, "p": 0.2}),
        ("HorizontalFlip", {"p": 0.5}),
        ("Rotate", {"limit": 15, "border_mode": 4, "p": 0.5}),
        ("SubpixelAffine", {"scale": (0.9, 1.1), "translate_percent": (-0.0625, 0.0625), "p": 0.5,
                            "rotate": (-45, 45), "keep_ratio": True, "border_mode": 4}),
        ("RandomBrightnessContrast", {"brightness_limit": 1, "contrast_limit": 1, "p": 0.1}),
        ("CoarseDropout", {"num_holes_range": (1, 1), "hole_height_range": (1, 16),
                           "hole_width_range": (1, 16), "p": 0.5}),
        ("Normalize", {"mean": (0.49, 0.48, 0.45), "std": (0.25, 0.24, 0.26)}),
    ]
)  # fmt: skip


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
