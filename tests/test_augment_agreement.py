"""The device engine against albumentations: at the same parameters, and in distribution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from augmentations import DOCUMENTED, blobs, canonical, noise

from jaxconv.augment.device import MAKERS, make_device_augment
from jaxconv.augment.host import build_transform, make_host_augment
from jaxconv.augment.pipeline import Transform
from jaxconv.augment.pixel import ContrastParams, Holes
from jaxconv.augment.warp import AffineParams

# At the same parameters.


def random_maps(count: int, seed: int = 3) -> AffineParams:
    rng = np.random.default_rng(seed)
    intervals = [(-180, 180), (0.5, 2), (0.5, 2), (-30, 30), (-30, 30)]
    drawn = [rng.uniform(*interval, count) for interval in intervals]
    shifts = rng.integers(-5, 6, (2, count))
    return AffineParams(*(np.asarray(value, np.float32) for value in (*drawn, *shifts)))


def warp_by_albumentations(params: AffineParams, images: np.ndarray, border_mode: int, fill):
    from albumentations.augmentations.geometric import functional

    h, w = images.shape[1:3]
    warped = []
    for image, *values in zip(images, *params, strict=True):
        angle, scale_x, scale_y, shear_x, shear_y, shift_x, shift_y = map(float, values)
        matrix = functional.create_affine_transformation_matrix(
            translate={"x": shift_x, "y": shift_y},
            shear={"x": shear_x, "y": shear_y},
            scale={"x": scale_x, "y": scale_y},
            rotate=angle,
            shift=functional.center((h, w)),
        )
        warped.append(functional.warp_affine(image, matrix, 1, fill, border_mode, (h, w)))
    return np.stack(warped)


@pytest.mark.parametrize("fill", [0, (10, 200, 77.0)])
@pytest.mark.parametrize("border_mode", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("size", [(32, 32), (20, 37)])
def test_warp_is_that_of_albumentations(size, border_mode, fill):
    """OpenCV 5 interpolates at the exact position, as we do: equal up to the rounding of ties.

    OpenCV 4 rounds positions to 1/32 pixel: worth 255/64 levels for each axis at a hard edge,
    as to a constant border, and a level in images as smooth as photographs.
    """
    import cv2

    exact = int(cv2.__version__.split(".")[0]) >= 5
    images, params = (noise if exact else blobs)(64, *size), random_maps(64)
    affine = canonical("Affine", {"border_mode": border_mode, "fill": fill})
    ours = MAKERS["Affine"](affine.arguments).apply(params, jnp.asarray(images))
    theirs = warp_by_albumentations(params, images, border_mode, fill)
    assert ours.dtype == jnp.uint8
    difference = np.abs(np.asarray(ours, int) - theirs)
    if exact:
        assert difference.max() <= 1
        assert np.mean(difference > 0) < 0.001
    else:
        assert difference.max() <= 8
        assert np.mean(difference > 1) < 0.02


def test_warp_without_motion_is_the_identity():
    images = jnp.asarray(noise(4, 9, 14))
    still = AffineParams(*(np.full(4, value, np.float32) for value in (0, 1, 1, 0, 0, 0, 0)))
    moved = still._replace(rotate=np.array([0, 0, 90, 0], np.float32))
    apply = MAKERS["Rotate"](canonical("Rotate", {}).arguments).apply
    np.testing.assert_array_equal(apply(still, images), images)
    together = apply(moved, images)  # in a batch where another one moves
    np.testing.assert_array_equal(together[jnp.array([0, 1, 3])], images[jnp.array([0, 1, 3])])


@pytest.mark.parametrize("by_max", [True, False])
def test_brightness_and_contrast_are_those_of_albumentations(by_max):
    rng = np.random.default_rng(4)
    images = noise(64)
    params = ContrastParams(*rng.uniform([[0], [-1]], [[2], [1]], (2, 64)).astype(np.float32))
    transform = canonical("RandomBrightnessContrast", {"brightness_by_max": by_max})
    ours = np.asarray(
        MAKERS[transform.name](transform.arguments).apply(params, jnp.asarray(images))
    )
    reference = build_transform(transform)
    for image, result, factor, shift in zip(images, ours, *map(np.float64, params), strict=True):
        beta = shift * 255 if by_max else shift * image.mean()
        difference = np.abs(reference.apply(image, float(factor), float(beta)) - result.astype(int))
        assert np.isin(difference, [0, 1, 255]).all()  # 255 is -1 in uint8
        assert np.mean(difference > 0) < 0.005  # a product next to a whole number


def test_holes_crop_flips_and_normalize_are_those_of_albumentations():
    images = noise(1, 12, 17)
    cases = [
        ("CoarseDropout", {"num_holes_range": (1, 2), "fill": (1, 2.7, 255)},
         Holes(*np.array([[[2], [0]], [[9], [1]], [[3], [0]], [[17], [5]]])),
         {"holes": np.array([[3, 2, 17, 9], [0, 0, 5, 1]]), "seed": 0}),
        ("RandomCrop", {"height": 5, "width": 16},
         (np.array([7]), np.array([1])), {"crop_coords": (1, 7, 17, 12)}),
        ("HorizontalFlip", {}, np.array([True]), {}),
        ("VerticalFlip", {}, np.array([True]), {}),
        ("Normalize", {"mean": (0.1, 0.2, 0.3), "std": 0.25, "max_pixel_value": 200}, (), {}),
    ]  # fmt: skip
    for name, arguments, params, reference_params in cases:
        transform = canonical(name, arguments)
        ours = MAKERS[name](transform.arguments).apply(params, jnp.asarray(images))[0]
        theirs = build_transform(transform).apply(images[0], **reference_params)
        assert ours.dtype == theirs.dtype, name
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6, err_msg=name)


# In distribution.


def distance(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Kolmogorov-Smirnov: the largest gap between two empirical distributions, in units of 1 / √n.

    Beyond 1.95 with a probability of 0.001 where both have the same source.
    """
    ours, theirs = np.sort(ours.ravel()), np.sort(theirs.ravel())
    steps = np.concatenate([ours, theirs])
    below = [np.searchsorted(one, steps, "right") / len(one) for one in (ours, theirs)]
    size = len(ours) * len(theirs) / (len(ours) + len(theirs))
    return float(np.abs(below[0] - below[1]).max() * np.sqrt(size))


def sampled_on_device(transform: Transform, count: int, size: tuple[int, int]):
    step = MAKERS[transform.name](transform.arguments)
    uniforms = jax.random.uniform(jax.random.key(5), (step.draws, count))
    return jax.tree.map(np.asarray, step.sample(uniforms, size))


def sampled_by_albumentations(transform: Transform, count: int, size: tuple[int, int]):
    reference = build_transform(transform)
    reference.set_random_seed(6)
    image = np.zeros((*size, 3), np.uint8)
    inputs = {"params": {"shape": image.shape}, "data": {"image": image}}
    return [reference.get_params_dependent_on_data(**inputs) for _ in range(count)]


MAPS = [
    ("Rotate", {"limit": (-10, 40)}),
    ("ShiftScaleRotate", {"scale_limit": (-0.3, 0.6), "shift_limit_x": 0.3, "rotate_limit": 20}),
    ("Affine", {"translate_px": {"x": (-3, 2), "y": 1}}),
    ("Affine", {"translate_percent": (-0.1, 0.3)}),
    ("Affine", {"scale": {"x": (0.5, 1.5), "y": (0.9, 1)}, "translate_px": {"x": (-3, 2)}}),
    ("Affine", {"scale": (0.5, 2), "keep_ratio": True, "rotate": 30, "translate_px": 2}),
    ("Affine", {"translate_percent": {"x": (-0.2, 0.3), "y": 0.1}, "shear": (-20, 10)}),
    ("SubpixelAffine", {"translate_percent": {"x": (-0.2, 0.3), "y": 0.1}, "shear": (-20, 10)}),
    ("SubpixelAffine", {"translate_px": {"x": (-3, 2), "y": 1}}),
]


@pytest.mark.parametrize(("name", "arguments"), MAPS)
def test_maps_are_distributed_as_those_of_albumentations(name, arguments):
    """Compared by the matrix that takes a pixel of the source to its place."""
    transform, size, count = canonical(name, {**arguments, "p": 1.0}), (20, 37), 3000
    ours = sampled_on_device(transform, count, size)
    matrices = np.stack([matrix_of(AffineParams(*one), size) for one in zip(*ours, strict=True)])
    drawn = sampled_by_albumentations(transform, count, size)
    theirs = np.stack([params["matrix"][:2] for params in drawn])
    for row in range(2):
        for column in range(3):
            values = [np.round(m[:, row, column], 4) for m in (matrices, theirs)]
            assert distance(*values) < 1.95, (row, column)


def matrix_of(params: AffineParams, size: tuple[int, int]) -> np.ndarray:
    from albumentations.augmentations.geometric import functional

    return functional.create_affine_transformation_matrix(
        translate={"x": params.shift_x, "y": params.shift_y},
        shear={"x": params.shear_x, "y": params.shear_y},
        scale={"x": params.scale_x, "y": params.scale_y},
        rotate=params.rotate,
        shift=functional.center(size),
    )[:2]


@pytest.mark.parametrize("sampled", ["device", "albumentations"])
def test_only_subpixel_affine_shifts_by_fractions_of_a_pixel(sampled):
    """As albumentations 1.2.1 did: uniform over the interval, 1.15 px where it is ±2 px."""
    size, count = (32, 32), 2000
    for name, spread in [("SubpixelAffine", 2 / 3**0.5), ("Affine", 0.5**0.5)]:
        transform = canonical(name, {"translate_percent": (-0.0625, 0.0625), "p": 1.0})
        if sampled == "device":
            params = sampled_on_device(transform, count, size)
            shifts = np.stack([params.shift_x, params.shift_y])
        else:
            drawn = sampled_by_albumentations(transform, count, size)
            shifts = np.stack([params["matrix"][:2, 2] for params in drawn], axis=1)
        assert (name == "Affine") == np.array_equal(shifts, np.rint(shifts))
        assert abs(shifts).max() < 2
        np.testing.assert_allclose(shifts.std(axis=1), spread, rtol=0.06)


def test_contrast_is_distributed_as_that_of_albumentations():
    limits = {"brightness_limit": (-0.3, 0.9), "contrast_limit": (-0.2, 0.7), "p": 1.0}
    transform = canonical("RandomBrightnessContrast", limits)
    ours = sampled_on_device(transform, 3000, (8, 8))
    theirs = sampled_by_albumentations(transform, 3000, (8, 8))
    assert distance(ours.factor, np.array([params["alpha"] for params in theirs])) < 1.95
    assert distance(ours.shift, np.array([params["beta"] / 255 for params in theirs])) < 1.95


@pytest.mark.parametrize(
    "sides",
    [{"hole_height_range": (1, 16), "hole_width_range": (3, 40)},
     {"hole_height_range": (0.1, 0.5), "hole_width_range": (0.2, 0.9)}],
)  # fmt: skip
def test_holes_are_distributed_as_those_of_albumentations(sides):
    transform = canonical("CoarseDropout", {"num_holes_range": (1, 3), **sides, "p": 1.0})
    size, count = (20, 37), 3000
    holes = sampled_on_device(transform, count, size)
    drawn = [params["holes"] for params in sampled_by_albumentations(transform, count, size)]
    real = (holes.bottom > holes.top) | (np.arange(3)[:, None] == 0)
    counts = real.sum(0), np.array([len(one) for one in drawn])
    if isinstance(sides["hole_height_range"][0], int):
        assert distance(*counts) < 1.95
    left, top, right, bottom = np.concatenate([one[:1] for one in drawn]).T
    expected = {"top": top, "bottom": bottom, "left": left, "right": right}
    for edge, values in expected.items():
        assert distance(getattr(holes, edge)[0], values) < 1.95, edge


def test_crops_are_distributed_as_those_of_albumentations():
    transform = canonical("RandomCrop", {"height": 15, "width": 37})
    row, column = sampled_on_device(transform, 3000, (20, 40))
    drawn = sampled_by_albumentations(transform, 3000, (20, 40))
    x, y, _, _ = np.array([params["crop_coords"] for params in drawn]).T
    assert distance(row, y) < 1.95
    assert distance(column, x) < 1.95


@pytest.mark.parametrize("last", [0.0, 1 - 2.0**-23])  # of the numbers that uniform gives
def test_the_ends_of_the_unit_interval_stay_inside(last):
    for name, arguments in [
        ("RandomCrop", {"height": 15, "width": 37}),
        ("CoarseDropout", {"hole_height_range": (1, 99), "hole_width_range": (1, 7)}),
    ]:
        step = MAKERS[name](canonical(name, {**arguments, "p": 1.0}).arguments)
        params = step.sample(jnp.full((step.draws, 1), last), (20, 40))
        assert all(bool(((value >= 0) & (value <= 40)).all()) for value in params), name
        if name == "RandomCrop":
            assert [int(value[0]) for value in params] == ([0, 0] if last == 0 else [5, 3])
        else:
            assert int(params.bottom.max()) <= 20


def test_documented_pipeline_has_the_pixel_distribution_of_albumentations():
    """By the mean, spread and lowest value of each image, and by single pixels."""
    images = blobs(2000)
    ours = np.asarray(jax.jit(make_device_augment(DOCUMENTED))(jax.random.key(3), images))
    theirs = make_host_augment(DOCUMENTED, seed=3)(images, 0, range(2000))
    assert ours.dtype == theirs.dtype == np.float32
    for statistic in (np.mean, np.std, np.min, np.ptp):
        values = [statistic(one, axis=(1, 2, 3)) for one in (ours, theirs)]
        assert distance(*values) < 1.95, statistic.__name__
    for row, column in [(0, 0), (16, 15), (31, 20)]:
        assert distance(ours[:, row, column, 1], theirs[:, row, column, 1]) < 1.95
