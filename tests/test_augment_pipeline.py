"""A pipeline is checked by name and value, with albumentations itself as the judge of the table."""

import inspect
import json
import subprocess
import sys

import pytest

from jaxconv.augment.arguments import REQUIRED, TRANSFORMS
from jaxconv.augment.host import albumentations, build_transform
from jaxconv.augment.pipeline import Transform, parse_pipeline

CROP = {"height": 8, "width": 8}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_table_is_the_signature_of_albumentations(name):
    theirs = "Affine" if name == "SubpixelAffine" else name
    parameters = inspect.signature(getattr(albumentations(), theirs)).parameters
    expected = {
        argument: REQUIRED if parameter.default is parameter.empty else parameter.default
        for argument, parameter in parameters.items()
    }
    if name == "ShiftScaleRotate":  # typed and validated as a number of OpenCV, written without
        assert expected["border_mode"] == 0
    table = {argument: default for argument, (default, _) in TRANSFORMS[name].items()}
    assert table == expected
    assert list(table) == list(expected)


def test_albumentations_is_the_version_that_the_table_describes():
    assert albumentations().__version__ == "2.0.8"


# Every form of value that the table lets through: albumentations takes it without a word.
ACCEPTED = [
    ("RandomCrop", {**CROP, "pad_if_needed": True, "pad_position": "random", "fill": (1, 2, 3)}),
    ("HorizontalFlip", {"p": 0}),
    ("VerticalFlip", {"p": 1}),
    ("Rotate", {"limit": 15, "border_mode": 4, "fill": 7.5, "fill_mask": (1.0,)}),
    ("Rotate", {"limit": (-5, 30), "crop_border": True, "rotate_method": "ellipse"}),
    ("ShiftScaleRotate", {"shift_limit": 0.1, "scale_limit": 0.2, "rotate_limit": (0, 5)}),
    ("ShiftScaleRotate", {"shift_limit_x": (-0.5, 0), "shift_limit_y": 0.25, "border_mode": 2}),
    ("Affine", {"scale": 1.5, "rotate": 10, "shear": 3, "translate_px": 2, "interpolation": 2}),
    ("Affine", {"scale": {"x": (0.5, 2)}, "translate_percent": {"y": -0.1}, "shear": {"x": 9}}),
    ("Affine", {"scale": (0.9, 1.1), "keep_ratio": True, "translate_px": {"x": (-3, 3)}}),
    ("SubpixelAffine", {"scale": (0.9, 1.1), "translate_percent": (-0.1, 0.1), "p": 0.3}),
    ("RandomBrightnessContrast", {"brightness_limit": 1, "contrast_limit": (-0.5, 1.5)}),
    ("CoarseDropout", {"num_holes_range": (1, 1), "hole_height_range": (1, 16),
                       "hole_width_range": (2, 2), "fill": "random", "fill_mask": 0}),
    ("CoarseDropout", {"hole_height_range": (0, 0.5), "hole_width_range": (0.2, 0.2)}),
    ("Normalize", {"mean": 0.5, "std": 0.25, "max_pixel_value": 1}),
    ("Normalize", {"normalization": "min_max"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments"), ACCEPTED)
def test_what_the_table_accepts_albumentations_takes_in_canonical_form(name, arguments):
    ((_, canonical),) = pipeline = parse_pipeline([(name, arguments)], engine="albumentations")
    assert list(canonical) == list(TRANSFORMS[name])
    as_given = build_transform(Transform(name, arguments)).get_transform_init_args()
    assert build_transform(pipeline[0]).get_transform_init_args() == as_given
    assert parse_pipeline(pipeline) == pipeline


def test_limits_are_completed_and_lists_from_json_are_tuples():
    spec = [
        ["Rotate", {"limit": 15, "p": 0.25}],
        ["Affine", {"scale": 1.5, "translate_px": {"x": [-3, 3]}}],
        ["ShiftScaleRotate", {"scale_limit": 0.1}],
    ]
    rotate, affine, shift = parse_pipeline(json.loads(json.dumps(spec)))
    assert rotate.arguments["limit"] == (-15, 15)
    assert rotate.arguments["border_mode"] == 0  # albumentations 2 fills with black by default
    assert affine.arguments["scale"] == {"x": (1.5, 1.5), "y": (1.5, 1.5)}
    assert affine.arguments["translate_px"] == {"x": (-3, 3), "y": (0, 0)}
    assert shift.arguments["scale_limit"] == (-0.1, 0.1)


REFUSED = [
    ("HorizontalFlip", "augmentation pipeline 'HorizontalFlip': expected (name, arguments) pairs"),
    ([7], "augmentation 7: expected a pair (name, arguments)"),
    ([("HorizontalFlip",)], "augmentation ('HorizontalFlip',): expected a pair (name, arguments)"),
    ([("HorizontalFlip", 0.5)], "expected a name and a dict of its arguments"),
    ([("HorizontalFlop", {})], "did you mean 'HorizontalFlip'?"),
    ([("GaussNoise", {})], "unknown transform of the device engine 'GaussNoise': expected one of "
                           "RandomCrop, HorizontalFlip, VerticalFlip, Rotate,"),
    ([("CoarseDropout", {"max_holes": 1})], "unknown argument of CoarseDropout 'max_holes'"),
    ([("CoarseDropout", {"fill_value": 1})], "did you mean 'fill'?"),
    ([("Rotate", {"value": 0})], "unknown argument of Rotate 'value': expected one of limit,"),
    ([("AlternatingFlip", {"p": 0.5})], "unknown argument of AlternatingFlip 'p'"),
    ([("RandomCrop", {"height": 8})], "RandomCrop needs the argument 'width', given ['height']"),
    ([("RandomCrop", {**CROP, "height": 8.0})], "height=8.0, expected an integer within [1, inf]"),
    ([("RandomCrop", {**CROP, "width": True})], "width=True, expected an integer within [1, inf]"),
    ([("RandomCrop", {**CROP, "pad_if_needed": 1})], "pad_if_needed=1, expected one of True, Fa"),
    ([("VerticalFlip", {"p": 1.5})], "VerticalFlip: p=1.5, expected a number within [0, 1]"),
    ([("VerticalFlip", {"p": float("nan")})], "p=nan, expected a number within [0, 1]"),
    ([("VerticalFlip", {"p": "0.5"})], "VerticalFlip: p='0.5', expected a number within [0, 1]"),
    ([("Rotate", {"limit": (9, -9)})], "limit=(9, -9), expected two numbers in order, or one nu"),
    ([("Rotate", {"limit": (1, 2, 3)})], "limit=(1, 2, 3), expected two numbers in order, or on"),
    ([("Rotate", {"border_mode": 5})], "border_mode=5, expected one of 0, 1, 2, 3, 4"),
    ([("Rotate", {"fill": "black"})], "fill='black', expected a number, or one for each channel"),
    ([("ShiftScaleRotate", {"shift_limit": 2})], "shift_limit=2, expected two numbers in order w"),
    ([("Affine", {"scale": 0})], "Affine: scale=0, expected two numbers in order within"),
    ([("Affine", {"scale": {"z": 1}})], "expected an interval, or {'x': interval, 'y': interval}"),
    ([("Affine", {"translate_px": 0.5})], "translate_px=0.5, expected two integers in order, or"),
    ([("Affine", {"translate_px": 1, "translate_percent": 0.1})], "translate_px given, expected"),
    ([("Affine", {"keep_ratio": True, "scale": {"x": 2}})], "keep_ratio with scale={'x': (2, 2), "),
    ([("SubpixelAffine", {"translate_px": 1, "translate_percent": 0.1})], "SubpixelAffine: transl"),
    ([("CoarseDropout", {"num_holes_range": (0, 1)})], "expected two integers in order within [1,"),
    ([("CoarseDropout", {"num_holes_range": (1, 10**9)})], "two integers in order within [1, 1024"),
    ([("CoarseDropout", {"hole_width_range": (1.0, 3.0)})], "integers from 1 (pixels) or two frac"),
    ([("CoarseDropout", {"hole_width_range": (1, 3)})], "expected both in pixels or both as frac"),
    ([("CoarseDropout", {"fill": "white"})], "fill='white', expected one of 'random', "),
    ([("Normalize", {"mean": (0.5, 1e308, 0.5)})], "mean=(0.5, 1e+308, 0.5), expected a number, o"),
    ([("Normalize", {"max_pixel_value": 1e30})], "max_pixel_value=1e+30, expected a number within"),
    ([("Rotate", {"limit": (0, 10**30)})], "expected two numbers in order, or one number"),
    ([("RandomCrop", {"height": 10**400, "width": 3})], "expected an integer within"),
    ([("Normalize", {"std": (0.2, 0.0, 0.2)})], "std=(0.2, 0.0, 0.2), expected a number within"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "message"), REFUSED)
def test_refusals_say_in_one_line_what_was_expected(spec, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the message is compared below
        parse_pipeline(spec)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


REFUSED_BY_ALBUMENTATIONS = [
    ([("AlternatingFlip", {})], "AlternatingFlip: albumentations has none; the device engine com"),
    ([("GausNoise", {})], "unknown transform of albumentations 'GausNoise'; did you mean 'Gauss"),
    ([("OneOf", {})], "unknown transform of albumentations 'OneOf'"),
    ([("GaussNoise", {"var_limit": 9})], "unknown argument of GaussNoise 'var_limit': expected"),
    ([("GaussianBlur", {"p": 2})], "GaussianBlur: p=2, input should be less than or equal to 1"),
    ([("Resize", {"height": 8})], "Resize: width="),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "message"), REFUSED_BY_ALBUMENTATIONS)
def test_other_transforms_are_checked_by_albumentations(spec, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the message is compared below
        parse_pipeline(spec, engine="albumentations")
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_other_transforms_keep_their_arguments_as_given():
    spec = [["GaussianBlur", {"sigma_limit": [0.5, 1.0]}]]
    expected = (Transform("GaussianBlur", {"sigma_limit": (0.5, 1.0)}),)
    assert parse_pipeline(spec, engine="albumentations") == expected


def test_unknown_engine_is_refused():
    with pytest.raises(ValueError, match="engine 'gpu': expected 'device' or 'albumentations'"):
        parse_pipeline([], engine="gpu")


def test_device_engine_works_where_albumentations_is_absent():
    program = """
import sys
sys.modules["albumentations"] = sys.modules["cv2"] = None  # importing them fails
import jax, numpy as np
from jaxconv.augment.device import make_device_augment
from jaxconv.augment.pipeline import parse_pipeline
augment = make_device_augment(parse_pipeline([("Rotate", {"limit": 15}), ("Normalize", {})]))
print(augment(jax.random.key(0), np.zeros((2, 4, 4, 3), np.uint8)).shape)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("(2, 4, 4, 3)\n", "")
