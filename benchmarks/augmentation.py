"""Whether the recipe's augmentations are drawn as albumentations 1.2.1 draws them.

    python -m benchmarks.augmentation draw ours.npz
    python benchmarks/augmentation.py draw-1.2.1 ours.npz theirs.npz
    python -m benchmarks.augmentation compare ours.npz theirs.npz

The guide's recipe was run with albumentations 1.2.1, which needs another environment than this
package: the second command runs there (Python 3.11, numpy<2, albumentations==1.2.1), and imports
nothing of this package. Both draw each transform of `configs/s9.py` alone, with p = 1, and all of
them together, 2,000 times for each of ten images. `compare` prints, for each, the largest
Kolmogorov-Smirnov distance of five quantities over the images, with its p-value times the number of
tests (Bonferroni), and their means.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

IMAGES, DRAWS = 10, 2000
TOGETHER = "all together"
# The guide's fill is a mean in [0, 1] on images of 0 to 255: black.
MEAN = (0.49139968, 0.48215841, 0.44653091)


def draw_ours(out: Path) -> None:
    """Draws by the device engine; the images and the results go to `out`."""
    import jax

    from configs import s9
    from jaxconv.augment.device import make_device_augment
    from jaxconv.augment.pipeline import parse_pipeline
    from jaxconv.data.cifar10 import load_cifar10

    train = load_cifar10(data_dir=None, download=False).train
    images = np.repeat(train.images[:IMAGES], DRAWS, axis=0)
    spec = [entry for entry in s9.get_config().augment.transforms if entry[0] != "Normalize"]
    pipelines = {name: [(name, {**arguments, "p": 1.0})] for name, arguments in spec}
    drawn = {}
    for number, (name, pipeline) in enumerate({**pipelines, TOGETHER: spec}.items()):
        augment = jax.jit(make_device_augment(parse_pipeline(pipeline)))
        key = jax.random.fold_in(jax.random.key(0), number)
        drawn[name.replace("SubpixelAffine", "ShiftScaleRotate")] = np.asarray(augment(key, images))
    np.savez(out, images=images, **{name: each.astype(np.uint8) for name, each in drawn.items()})


def draw_theirs(ours: Path, out: Path) -> None:
    """Draws by albumentations 1.2.1, of the images in `ours`."""
    import albumentations as A

    if A.__version__ != "1.2.1":
        sys.exit(f"error: albumentations is {A.__version__} here, expected 1.2.1")
    transforms = [
        (A.RandomCrop, {"height": 32, "width": 32}, 0.2),
        (A.HorizontalFlip, {}, 0.5),
        (A.Rotate, {"limit": 15}, 0.5),
        (A.ShiftScaleRotate, {}, 0.5),
        (A.RandomBrightnessContrast, {"brightness_limit": 1, "contrast_limit": 1}, 0.1),
        (
            A.CoarseDropout,
            {"max_holes": 1, "max_height": 16, "max_width": 16, "min_height": 1, "min_width": 1}
            | {"fill_value": MEAN},
            0.5,
        ),
    ]
    pipelines = {make.__name__: make(**options, p=1) for make, options, _ in transforms}
    pipelines[TOGETHER] = A.Compose([make(**options, p=p) for make, options, p in transforms])
    images = np.load(ours)["images"]
    drawn = {
        name: np.stack([augment(image=image)["image"] for image in images])
        for name, augment in pipelines.items()
    }
    np.savez(out, **drawn)


def quantities(drawn: np.ndarray, images: np.ndarray) -> Mapping[str, np.ndarray]:
    """What is compared of each draw [b, h, w, c], by name: [b]."""
    x, change = drawn.astype(np.float32), drawn.astype(np.float32) - images
    steps = [np.abs(np.diff(x, axis=axis)).mean((1, 2, 3)) for axis in (1, 2)]
    return {
        "root mean square change": np.sqrt((change**2).mean((1, 2, 3))),
        "mean change": change.mean((1, 2, 3)),
        "step between neighbours": np.mean(steps, axis=0),
        "share of black pixels": (drawn == 0).all(-1).mean((1, 2)),
        "mean of the centre, 4x4": x[:, 14:18, 14:18].mean((1, 2, 3)),
    }


def compare(ours: Path, theirs: Path) -> None:
    """Prints how far the distributions of the two files are apart."""
    from scipy.stats import ks_2samp

    a, b = np.load(ours), np.load(theirs)
    print(f"{'':<25} {'':<24} {'distance':>8} {'p':>8} {'ours':>9} {'theirs':>9}")
    for name in b.files:
        pairs = [quantities(file[name], a["images"]) for file in (a, b)]
        for quantity, values in pairs[0].items():
            of_images = [each.reshape(IMAGES, DRAWS) for each in (values, pairs[1][quantity])]
            tests = [ks_2samp(x, y, method="asymp") for x, y in zip(*of_images, strict=True)]
            distance = max(test.statistic for test in tests)
            p = min(1.0, min(test.pvalue for test in tests) * IMAGES)
            means = " ".join(f"{each.mean():9.4g}" for each in of_images)
            print(f"{name:<25} {quantity:<24} {distance:8.3f} {p:8.2g} {means}")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("draw").add_argument("ours", type=Path)
    for name in ("draw-1.2.1", "compare"):
        pair = verbs.add_parser(name)
        pair.add_argument("ours", type=Path)
        pair.add_argument("theirs", type=Path)
    options = parser.parse_args(argv)
    match options.verb:
        case "draw":
            draw_ours(options.ours)
        case "draw-1.2.1":
            draw_theirs(options.ours, options.theirs)
        case "compare":
            compare(options.ours, options.theirs)


if __name__ == "__main__":
    main()
