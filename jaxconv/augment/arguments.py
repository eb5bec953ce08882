"""The transforms that both engines know, argument by argument as albumentations 2.0.8 names them.

SubpixelAffine alone is not one of albumentations: host.py makes it from Affine.

albumentations only warns about an argument that it does not know and goes on with the default, so
the table below decides instead, here and where albumentations is not installed. A test holds its
names, order and defaults to the signatures of albumentations itself.
"""

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

REQUIRED = object()  # stands for the default of an argument that has none
INFINITE = float("inf")
LARGEST = 1e9  # of any number: float32 and int32 hold what is computed from it
MOST_HOLES = 1024  # each costs memory and time, whatever is drawn

# The numbers of OpenCV that albumentations takes.
INTER_LINEAR = 1
BORDER_CONSTANT, BORDER_REPLICATE, BORDER_REFLECT, BORDER_WRAP, BORDER_REFLECT_101 = range(5)

Check = Callable[[Any], Any]  # a value -> its canonical form; ValueError says what was expected


class Argument(NamedTuple):
    """The default of one argument, and the check of its values."""

    default: Any
    check: Check


def _is_a(kind: type, value: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _number(low: float = -INFINITE, high: float = INFINITE, kind: type = Real) -> Check:
    noun = "an integer" if kind is Integral else "a number"
    expected = f"{noun} within [{low}, {high}]" if low > -INFINITE else noun

    def check(value: Any) -> Any:
        if not _is_a(kind, value) or not low <= value <= high or abs(value) > LARGEST:
            raise ValueError(expected)
        return int(value) if kind is Integral else value

    return check


def _one_of(*allowed: Any) -> Check:
    def check(value: Any) -> Any:
        if not any(type(value) is type(one) and value == one for one in allowed):
            raise ValueError(f"one of {', '.join(map(repr, allowed))}")
        return value

    return check


def _symmetric(value: float) -> tuple[float, float]:
    return (-abs(value), abs(value))


def _fixed(value: float) -> tuple[float, float]:
    return (value, value)


def _interval(
    low: float = -INFINITE, high: float = INFINITE, kind: type = Real, alone: Check | None = None
) -> Check:
    """(low, high) in order and within bounds; `alone` says what one number stands for."""
    expected = f"two {'integers' if kind is Integral else 'numbers'} in order"
    expected += f" within [{low}, {high}]" if low > -INFINITE else ""
    expected += ", or one number" if alone else ""

    def check(value: Any) -> tuple:
        pair = alone(value) if alone and _is_a(Real, value) else value
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ValueError(expected)
        if not all(_is_a(kind, end) and abs(end) <= LARGEST for end in pair):
            raise ValueError(expected)
        if not low <= pair[0] <= pair[1] <= high:
            raise ValueError(expected)
        return tuple(map(int, pair)) if kind is Integral else pair

    return check


def _axes(interval: Check, missing: float) -> Check:
    """{'x': interval, 'y': interval}; an interval alone is drawn from for each axis."""

    def check(value: Any) -> dict[str, tuple]:
        if not isinstance(value, Mapping):
            return {"x": interval(value), "y": interval(value)}
        if not value or set(value) - {"x", "y"}:
            raise ValueError("an interval, or {'x': interval, 'y': interval}")
        return {axis: interval(value.get(axis, missing)) for axis in ("x", "y")}

    return check


def _optional(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _channels(low: float = -INFINITE) -> Check:
    number = _number(low)

    def check(value: Any) -> Any:
        try:
            return tuple(map(number, value)) if isinstance(value, tuple) else number(value)
        except ValueError as error:
            raise ValueError(f"{error}, or one for each channel") from None

    return check


def _dropout_fill(value: Any) -> Any:
    if isinstance(value, str):
        return _one_of("random", "random_uniform", "inpaint_telea", "inpaint_ns")(value)
    return _channels()(value)


def _hole_side(value: Any) -> tuple:
    """albumentations reads a pair below 1 as fractions of the side, any other as pixels."""
    for check in (_interval(low=1, kind=Integral), _interval(low=0, high=1 - 1e-9)):
        try:
            return check(value)
        except ValueError:
            continue
    raise ValueError("two integers from 1 (pixels) or two fractions below 1, in order")


def _p(default: float) -> Argument:
    return Argument(default, _number(0, 1))


_FLAG = _one_of(True, False)
_SIDE = Argument(REQUIRED, _number(1, kind=Integral))
_MODE = _one_of(0, 1, 2, 3, 4)
_POSITIONS = ("center", "top_left", "top_right", "bottom_left", "bottom_right", "random")
_METHOD = Argument("largest_box", _one_of("largest_box", "ellipse"))
_LINEAR, _NEAREST, _BORDER = Argument(INTER_LINEAR, _MODE), Argument(0, _MODE), Argument(0, _MODE)
_FILL = Argument(0, _channels())
_LIMIT = _interval(alone=_symmetric)
_SHIFT = _interval(-1, 1, alone=_symmetric)
_FACTOR = _interval(1e-6, INFINITE, alone=_fixed)
_NORMALIZATIONS = ("standard", "image", "image_per_channel", "min_max", "min_max_per_channel")

TRANSFORMS: dict[str, dict[str, Argument]] = {
    "RandomCrop": {
        "height": _SIDE,
        "width": _SIDE,
        "pad_if_needed": Argument(False, _FLAG),
        "pad_position": Argument("center", _one_of(*_POSITIONS)),
        "border_mode": _BORDER,
        "fill": Argument(0.0, _channels()),
        "fill_mask": Argument(0.0, _channels()),
        "p": _p(1.0),
    },
    "HorizontalFlip": {"p": _p(0.5)},
    "VerticalFlip": {"p": _p(0.5)},
    "Rotate": {
        "limit": Argument((-90, 90), _LIMIT),
        "interpolation": _LINEAR,
        "border_mode": _BORDER,
        "rotate_method": _METHOD,
        "crop_border": Argument(False, _FLAG),
        "mask_interpolation": _NEAREST,
        "fill": _FILL,
        "fill_mask": _FILL,
        "p": _p(0.5),
    },
    "ShiftScaleRotate": {
        "shift_limit": Argument((-0.0625, 0.0625), _SHIFT),
        "scale_limit": Argument((-0.1, 0.1), _interval(-1 + 1e-6, INFINITE, alone=_symmetric)),
        "rotate_limit": Argument((-45, 45), _LIMIT),
        "interpolation": _LINEAR,
        "border_mode": _BORDER,
        "shift_limit_x": Argument(None, _optional(_SHIFT)),
        "shift_limit_y": Argument(None, _optional(_SHIFT)),
        "rotate_method": _METHOD,
        "mask_interpolation": _NEAREST,
        "fill": _FILL,
        "fill_mask": _FILL,
        "p": _p(0.5),
    },
    "Affine": {
        "scale": Argument((1.0, 1.0), _axes(_FACTOR, 1.0)),
        "translate_percent": Argument(None, _optional(_axes(_interval(alone=_fixed), 0.0))),
        "translate_px": Argument(None, _optional(_axes(_interval(kind=Integral, alone=_fixed), 0))),
        "rotate": Argument(0.0, _interval(alone=_fixed)),
        # An axis left out is sheared by 1 degree: albumentations 2.0.8 does so.
        "shear": Argument((0.0, 0.0), _axes(_interval(-89, 89, alone=_fixed), 1.0)),
        "interpolation": _LINEAR,
        "mask_interpolation": _NEAREST,
        "fit_output": Argument(False, _FLAG),
        "keep_ratio": Argument(False, _FLAG),
        "rotate_method": _METHOD,
        "balanced_scale": Argument(False, _FLAG),
        "border_mode": _BORDER,
        "fill": _FILL,
        "fill_mask": _FILL,
        "p": _p(0.5),
    },
    "RandomBrightnessContrast": {
        "brightness_limit": Argument((-0.2, 0.2), _LIMIT),
        "contrast_limit": Argument((-0.2, 0.2), _LIMIT),
        "brightness_by_max": Argument(True, _FLAG),
        "ensure_safe_range": Argument(False, _FLAG),
        "p": _p(0.5),
    },
    "CoarseDropout": {
        "num_holes_range": Argument((1, 2), _interval(1, MOST_HOLES, kind=Integral)),
        "hole_height_range": Argument((0.1, 0.2), _hole_side),
        "hole_width_range": Argument((0.1, 0.2), _hole_side),
        "fill": Argument(0, _dropout_fill),
        "fill_mask": Argument(None, _optional(_channels())),
        "p": _p(0.5),
    },
    "Normalize": {
        "mean": Argument((0.485, 0.456, 0.406), _channels()),
        "std": Argument((0.229, 0.224, 0.225), _channels(low=1e-12)),
        "max_pixel_value": Argument(255.0, _number(1e-12)),
        "normalization": Argument("standard", _one_of(*_NORMALIZATIONS)),
        "p": _p(1.0),
    },
}

TRANSFORMS["SubpixelAffine"] = TRANSFORMS["Affine"]

DEVICE_ONLY: dict[str, dict[str, Argument]] = {"AlternatingFlip": {}}
"""Transforms that albumentations does not have, since they follow from the epoch."""
