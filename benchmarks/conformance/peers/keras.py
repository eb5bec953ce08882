"""Keras on JAX: `Conv1D` to `Conv3D` and `Conv1DTranspose` to `Conv3DTranspose`."""

import os
from itertools import product

os.environ["KERAS_BACKEND"] = "jax"

import keras

from benchmarks.conformance.peers.common import (
    CannotExpress,
    channels_first,
    channels_last,
    kernel_of,
    spread_padding,
)


def function(case):
    groups = case.options.get("groups", 1)
    if not case.batched:
        raise CannotExpress("layers want a batch")
    if case.transposed and groups > 1:
        raise CannotExpress("ConvTranspose layers have no groups")
    pads = transposed_padding(case) if case.transposed else {"padding": padding(case)}

    def run(x, weight, bias=None):
        options = pads | {
            "kernel_size": weight.shape[2:],
            "strides": case.per_axis("stride", 1),
            "dilation_rate": case.per_axis("dilation", 1),
            "use_bias": bias is not None,
            "data_format": "channels_last",
            "kernel_initializer": "zeros",  # random ones are floats
            "dtype": str(x.dtype),
        }
        if case.transposed:
            layer = getattr(keras.layers, f"Conv{case.axes}DTranspose")(weight.shape[1], **options)
        else:
            make = getattr(keras.layers, f"Conv{case.axes}D")
            layer = make(weight.shape[0], groups=groups, **options)
        x = channels_last(x, case.axes)
        layer.build(x.shape)
        arrays = [kernel_of(weight)] + ([] if bias is None else [bias])
        y, _ = layer.stateless_call(arrays, [], x)
        return channels_first(y, case.axes)

    return run


def padding(case):
    """The word that gives the padding of the case: "same" counts as TensorFlow's does."""
    if case.pads == ((0, 0),) * case.axes:
        return "valid"
    same = []
    sizes = zip(case.arrays[0].shape[2:], case.per_axis("stride", 1), case.reach, strict=True)
    for size, stride, reach in sizes:
        total = max((-(-size // stride) - 1) * stride + reach + 1 - size, 0)
        same.append((total // 2, total - total // 2))
    if case.pads == tuple(same):
        return "same"
    raise CannotExpress('padding is "valid" or "same"')


def transposed_padding(case):
    """The word and the output_padding that give the padding of the case.

    "valid" spreads all, and adds output_padding; "same" crops as Keras's documentation of
    output_padding says: (size - 1) * strides + kernel_size - 2 * pad + output_padding.
    """
    wanted = spread_padding(case)
    for word in ("valid", "same"):
        extras = []
        for reach, stride, pair in zip(case.reach, case.per_axis("stride", 1), wanted, strict=True):
            extras.append([e for e in range(stride) if spread(word, reach + 1, e) == pair])
        for output_padding in product(*extras):
            return {"padding": word, "output_padding": output_padding}
    raise CannotExpress('padding is "valid" or "same"')


def spread(word, taps, extra):
    """Zeros before and after the spread x, as keras.src.backend counts them."""
    if word == "valid":
        return (taps - 1, taps - 1 + extra)
    total = taps + taps % 2 - 2 + extra
    low = min(total - total // 2, taps - 1)
    return (low, total - low)
