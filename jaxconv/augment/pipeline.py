"""The augmentation pipeline that a config names, validated argument by argument.

A pipeline is a sequence of (transform name, arguments) in the vocabulary of albumentations 2.0.8,
and both engines run it: `host` with albumentations, `device` as one jitted function.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxconv.augment.arguments import DEVICE_ONLY, REQUIRED, TRANSFORMS, Argument
from jaxconv.augment.transform import Transform, as_tuples, unknown


def parse_pipeline(spec: Sequence, *, engine: str = "device") -> tuple[Transform, ...]:
    """Turn the pipeline of a config into checked transforms.

    Args:
        spec: (name, arguments) pairs; lists are read as tuples, since JSON has no tuples.
        engine: 'device' knows the transforms of the table; 'albumentations' knows every transform
            of the installed albumentations, which then checks the arguments of those outside it.

    Returns:
        One Transform for each pair, in order.

    Raises:
        ValueError: the spec is not a sequence of pairs; a transform or an argument is unknown (the
            nearest right name is given); an argument is missing or its value refused.

    Example:
        >>> parse_pipeline([["HorizontalFlip", {"p": 0.25}]])
        (Transform(name='HorizontalFlip', arguments={'p': 0.25}),)
    """
    if engine not in ("device", "albumentations"):
        raise ValueError(f"augment engine {engine!r}: expected 'device' or 'albumentations'")
    if isinstance(spec, (str, Mapping)) or not isinstance(spec, Sequence):
        raise ValueError(f"augmentation pipeline {spec!r}: expected (name, arguments) pairs")
    return tuple(_parse_transform(entry, engine) for entry in spec)


def _parse_transform(entry: Any, engine: str) -> Transform:
    entry = as_tuples(entry)
    if not isinstance(entry, tuple) or len(entry) != 2:
        raise ValueError(f"augmentation {entry!r}: expected a pair (name, arguments)")
    name, arguments = entry
    if not isinstance(name, str) or not isinstance(arguments, Mapping):
        raise ValueError(f"augmentation {entry!r}: expected a name and a dict of its arguments")
    if name in TRANSFORMS:
        return Transform(name, _check_arguments(name, arguments, TRANSFORMS[name]))
    if engine == "device":
        if name not in DEVICE_ONLY:
            raise ValueError(
                unknown("transform of the device engine", name, (*TRANSFORMS, *DEVICE_ONLY))
            )
        return Transform(name, _check_arguments(name, arguments, DEVICE_ONLY[name]))
    if name in DEVICE_ONLY:
        raise ValueError(f"{name}: albumentations has none; the device engine computes it")
    from jaxconv.augment.host import build_transform  # only here: it imports albumentations

    build_transform(Transform(name, arguments))
    return Transform(name, arguments)


def _check_arguments(
    name: str, given: Mapping[str, Any], table: Mapping[str, Argument]
) -> dict[str, Any]:
    for argument in given:
        if argument not in table:
            raise ValueError(unknown(f"argument of {name}", argument, table))
    checked = {}
    for argument, (default, check) in table.items():
        value = given.get(argument, default)
        if value is REQUIRED:
            raise ValueError(f"{name} needs the argument {argument!r}, given {sorted(given)}")
        try:
            checked[argument] = check(value)
        except ValueError as expected:
            raise ValueError(f"{name}: {argument}={value!r}, expected {expected}") from None
    _check_together(name, checked)
    return checked


def _check_together(name: str, arguments: Mapping[str, Any]) -> None:
    """What albumentations asks of several arguments at once."""
    if name in ("Affine", "SubpixelAffine"):
        if arguments["translate_percent"] is not None and arguments["translate_px"] is not None:
            raise ValueError(f"{name}: translate_percent and translate_px given, expected one")
        if arguments["keep_ratio"] and arguments["scale"]["x"] != arguments["scale"]["y"]:
            raise ValueError(f"{name}: keep_ratio with scale={arguments['scale']}, expected x = y")
    if name == "CoarseDropout":
        height, width = arguments["hole_height_range"], arguments["hole_width_range"]
        if isinstance(height[1], int) != isinstance(width[1], int):
            raise ValueError(
                f"CoarseDropout: hole_height_range={height} and hole_width_range={width}, "
                "expected both in pixels or both as fractions"
            )
