"""The configurations that PyTorch is asked for: edge cases by hand, and drawn ones.

A case is plain data in this project's terms: the function's name, the shape of x [b, h, w, c], the
shapes of its kernels [kh, kw, in, out], and its options exactly as they are passed.
"""

import random

_X = [2, 6, 9, 4]
_EDGES = {
    "conv": [
        (_X, [[3, 3, 4, 3]], {}),
        (_X, [[3, 3, 4, 3]], {"stride": 2, "padding": 1}),  # differs from SAME
        (_X, [[3, 2, 4, 3]], {"stride": [2, 3], "padding": [1, 0], "dilation": [1, 2]}),
        (_X, [[1, 1, 4, 3]], {"stride": 3}),  # stride > kernel
        (_X, [[2, 2, 4, 3]], {"stride": [4, 5], "padding": 1}),
        (_X, [[2, 2, 4, 3]], {"padding": 4}),  # padding > kernel
        (_X, [[2, 3, 4, 3]], {"padding": [5, 0], "stride": [3, 1]}),
        (_X, [[3, 3, 1, 4]], {"groups": 4, "padding": 1}),
        (_X, [[3, 3, 1, 8]], {"groups": 4, "padding": 1, "stride": 2}),
        (_X, [[3, 3, 2, 6]], {"groups": 2, "dilation": 2, "padding": 2}),
        (_X, [[3, 3, 2, 6]], {"groups": 2, "dilation": 2, "padding": 1, "stride": 2}),
        (_X, [[3, 3, 4, 3]], {"dilation": 2, "padding": 1, "stride": 2}),  # as in S9Net
        (_X, [[3, 3, 4, 3]], {"dilation": 4, "padding": 3, "stride": 6}),  # common factor 2
        (_X, [[3, 3, 4, 3]], {"dilation": 3, "padding": 5, "stride": 3}),
        (_X, [[3, 3, 4, 3]], {"dilation": [2, 3], "padding": [2, 3], "stride": [2, 3]}),
        (_X, [[6, 9, 4, 3]], {}),  # the kernel covers the image: one output pixel
        (_X, [[5, 1, 4, 3]], {"stride": [1, 2]}),
        ([1, 1, 1, 1], [[1, 1, 1, 1]], {}),
        ([1, 1, 7, 2], [[1, 3, 2, 2]], {}),
        ([3, 3, 3, 5], [[3, 3, 5, 4]], {"padding": 1}),  # as the last blocks of S9Net
        ([2, 5, 6, 3], [[3, 3, 3, 20]], {"padding": 1}),  # RGB, as the first block
        ([2, 7, 5, 3], [[5, 4, 3, 32]], {"padding": 2, "stride": [1, 2]}),
        ([1, 4, 6, 5], [[2, 3, 5, 24]], {"dilation": [2, 1]}),
    ],
    "pointwise_conv": [
        (_X, [[1, 1, 4, 7]], {}),
        (_X, [[1, 1, 4, 1]], {"padding": 1}),
        (_X, [[1, 1, 4, 3]], {"stride": 2}),
        (_X, [[1, 1, 4, 3]], {"stride": [4, 1], "padding": [0, 3]}),
        ([1, 1, 1, 5], [[1, 1, 5, 2]], {}),
    ],
    "depthwise_conv": [
        (_X, [[3, 3, 1, 4]], {"padding": 1}),
        (_X, [[3, 3, 1, 8]], {"padding": 1}),  # multiplier 2
        (_X, [[2, 3, 1, 12]], {"padding": [0, 2], "stride": [2, 1]}),
        (_X, [[3, 3, 1, 4]], {"stride": 2, "dilation": 2, "padding": 1}),
        (_X, [[3, 3, 1, 4]], {"stride": 4}),
        (_X, [[2, 2, 1, 4]], {"padding": 5}),
        (_X, [[6, 9, 1, 4]], {}),
        ([2, 5, 6, 1], [[3, 3, 1, 3]], {"padding": 1}),  # one channel is also dense
    ],
    "depthwise_separable_conv": [
        (_X, [[3, 3, 1, 4], [1, 1, 4, 5]], {"padding": 1}),
        (_X, [[3, 3, 1, 4], [1, 1, 4, 5]], {"padding": 1, "pointwise_padding": 1}),  # as in S9Net
        (_X, [[3, 3, 1, 8], [1, 1, 8, 3]], {"padding": 1, "stride": [1, 2]}),
        (_X, [[3, 2, 1, 4], [1, 1, 4, 5]], {"dilation": [2, 1], "pointwise_padding": [0, 2]}),
        (_X, [[3, 3, 1, 4], [1, 1, 4, 5]], {"dilation": 2, "stride": 2, "padding": 1}),
    ],
    "dilated_conv": [
        (_X, [[3, 3, 4, 3]], {}),  # dilation 2 where none is given
        (_X, [[3, 3, 4, 3]], {"dilation": 1}),
        (_X, [[3, 3, 4, 3]], {"dilation": 2, "stride": 2, "padding": 1}),
        (_X, [[3, 3, 4, 3]], {"dilation": [1, 4], "stride": [3, 2]}),
        (_X, [[2, 2, 4, 3]], {"dilation": 5, "padding": [3, 1]}),
    ],
    "spatially_separable_conv": [
        (_X, [[3, 1, 4, 1], [1, 3, 1, 5]], {}),
        (_X, [[3, 1, 4, 2], [1, 5, 2, 3]], {"stride": [2, 3], "padding": [1, 2]}),
        (_X, [[2, 1, 4, 3], [1, 3, 3, 2]], {"stride": [4, 1], "padding": [3, 5]}),
        (_X, [[1, 1, 4, 3], [1, 1, 3, 2]], {"stride": 2}),
    ],
    "transpose_conv": [
        ([1, 3, 3, 1], [[3, 3, 1, 1]], {}),  # the document's picture: 3x3 -> 5x5
        ([2, 3, 4, 4], [[3, 3, 3, 4]], {"stride": 2, "padding": 1, "output_padding": 1}),
        ([2, 3, 4, 4], [[2, 2, 3, 4]], {"stride": 2}),
        ([2, 3, 4, 4], [[2, 3, 3, 4]], {"stride": [4, 5]}),  # gaps: stride > kernel
        ([2, 3, 4, 4], [[2, 3, 3, 4]], {"stride": [4, 5], "output_padding": [3, 4]}),
        ([2, 5, 6, 4], [[3, 3, 3, 4]], {"padding": 3}),  # a crop: padding > kernel - 1
        ([2, 5, 6, 4], [[1, 2, 3, 4]], {"padding": [2, 3], "stride": [2, 3]}),
        ([2, 5, 6, 4], [[3, 2, 3, 4]], {"dilation": [2, 3], "padding": [5, 4], "stride": 2}),
        ([2, 3, 4, 4], [[3, 3, 2, 4]], {"groups": 2, "stride": 2, "output_padding": [1, 0]}),
        ([2, 3, 4, 4], [[3, 3, 1, 4]], {"groups": 4, "stride": 2, "padding": 1}),
        ([2, 3, 4, 4], [[3, 3, 2, 4]], {"groups": 4, "dilation": 2, "output_padding": 1}),
        ([2, 3, 4, 4], [[3, 3, 3, 4]], {"dilation": 3, "output_padding": 2}),  # op > stride
        (
            [2, 4, 3, 6],
            [[3, 2, 2, 6]],
            {"groups": 3, "stride": [2, 3], "dilation": [3, 2], "padding": 2, "output_padding": 2},
        ),
        ([2, 3, 4, 4], [[3, 3, 3, 4]], {"stride": 4, "dilation": 2, "padding": 3}),
        ([2, 1, 1, 3], [[4, 3, 2, 3]], {"stride": 3}),
        # the rest: XLA aborts on the first three, gives garbage for the others, if asked as it is
        ([2, 2, 4, 2], [[3, 2, 3, 2]], {"stride": 2, "padding": [2, 1]}),
        ([2, 1, 3, 1], [[4, 2, 2, 1]], {"stride": [1, 2], "padding": 1}),
        ([2, 3, 5, 2], [[4, 3, 3, 2]], {"stride": 2, "padding": [3, 0]}),
        (
            [2, 9, 7, 4],
            [[3, 1, 3, 4]],
            {"stride": [1, 2], "dilation": [1, 4], "padding": [2, 1], "output_padding": [0, 3]},
        ),
        (
            [2, 7, 9, 4],
            [[1, 3, 3, 4]],
            {"stride": [2, 1], "dilation": [4, 1], "padding": [1, 2], "output_padding": [3, 0]},
        ),
        ([2, 4, 4, 4], [[1, 1, 3, 4]], {"stride": 4, "padding": 1, "output_padding": 0}),
    ],
}
_DRAWN = {
    "conv": 60,
    "pointwise_conv": 10,
    "depthwise_conv": 30,
    "depthwise_separable_conv": 20,
    "dilated_conv": 15,
    "spatially_separable_conv": 15,
    "transpose_conv": 65,
}


def make_cases() -> list[dict]:
    """All cases, in a fixed order."""
    cases = []
    for function, edges in _EDGES.items():
        cases += [_case(function, *edge) for edge in edges]
        source = random.Random(function)
        cases += [_draw_case(function, source) for _ in range(_DRAWN[function])]
    return cases


def _case(function, x, kernels, options):
    return {"function": function, "x": x, "kernels": kernels, "options": options}


def _draw_case(function, source):
    while True:
        case = _case(function, *_PROPOSALS[function](source))
        if all(1 <= n <= 13 for n in _output_hw(case)):
            return case


def _size(source, low, high):
    return low + int(source.random() * (high + 1 - low))  # random() alone is promised to be stable


def _option(source, low, high):
    """An int, or a pair of them."""
    if source.random() < 0.35:
        return _size(source, low, high)
    return [_size(source, low, high), _size(source, low, high)]


def _x(source, channels):
    return [_size(source, 1, 2), _size(source, 3, 7), _size(source, 4, 9), channels]


def _window(source, *, dilation=True):
    options = {"stride": _option(source, 1, 3), "padding": _option(source, 0, 3)}
    if source.random() < 0.15:
        options["padding"] = _option(source, 4, 6)
    return options | ({"dilation": _option(source, 1, 3)} if dilation else {})


def _kernel_hw(source):
    return [_size(source, 1, 4), _size(source, 1, 4)]


def _propose_conv(source):
    groups, per_group = _size(source, 1, 3), _size(source, 1, 3)
    kernel = [*_kernel_hw(source), per_group, groups * _size(source, 1, 2)]
    return _x(source, groups * per_group), [kernel], _window(source) | {"groups": groups}


def _propose_pointwise(source):
    channels = _size(source, 1, 6)
    kernel = [1, 1, channels, _size(source, 1, 6)]
    return _x(source, channels), [kernel], _window(source, dilation=False)


def _propose_depthwise(source):
    channels = _size(source, 1, 4)
    kernel = [*_kernel_hw(source), 1, channels * _size(source, 1, 3)]
    return _x(source, channels), [kernel], _window(source)


def _propose_depthwise_separable(source):
    x, [depthwise], options = _propose_depthwise(source)
    pointwise = [1, 1, depthwise[3], _size(source, 1, 5)]
    return x, [depthwise, pointwise], options | {"pointwise_padding": _option(source, 0, 2)}


def _propose_dilated(source):
    channels = _size(source, 1, 4)
    kernel = [*_kernel_hw(source), channels, _size(source, 1, 4)]
    options = _window(source) | {"dilation": _option(source, 1, 4)}
    return _x(source, channels), [kernel], options


def _propose_spatially_separable(source):
    channels, middle = _size(source, 1, 4), _size(source, 1, 3)
    column = [_size(source, 1, 4), 1, channels, middle]
    row = [1, _size(source, 1, 4), middle, _size(source, 1, 4)]
    return _x(source, channels), [column, row], _window(source, dilation=False)


def _propose_transpose(source):
    groups, per_group = _size(source, 1, 3), _size(source, 1, 2)
    kernel = [*_kernel_hw(source), per_group, groups * _size(source, 1, 3)]
    options = _window(source) | {"groups": groups}
    smallest = [
        max(s, d) for s, d in zip(_both(options["stride"]), _both(options["dilation"]), strict=True)
    ]
    options["output_padding"] = [_size(source, 0, limit - 1) for limit in smallest]
    x = [_size(source, 1, 2), _size(source, 2, 5), _size(source, 2, 6), kernel[3]]
    return x, [kernel], options


_PROPOSALS = {
    "conv": _propose_conv,
    "pointwise_conv": _propose_pointwise,
    "depthwise_conv": _propose_depthwise,
    "depthwise_separable_conv": _propose_depthwise_separable,
    "dilated_conv": _propose_dilated,
    "spatially_separable_conv": _propose_spatially_separable,
    "transpose_conv": _propose_transpose,
}


def _both(value):
    return [value, value] if isinstance(value, int) else value


def _output_hw(case):
    """Output height and width, to keep the cases small; PyTorch's own shapes are what is stored."""
    options = {"stride": 1, "padding": 0, "dilation": 1, "output_padding": 0} | case["options"]
    sizes = []
    for axis in (0, 1):
        n, k = case["x"][1 + axis], max(kernel[axis] for kernel in case["kernels"])
        s, p, d, extra = (
            _both(options[name])[axis]
            for name in ("stride", "padding", "dilation", "output_padding")
        )
        reach = d * (k - 1) + 1
        if case["function"] == "transpose_conv":
            sizes.append((n - 1) * s - 2 * p + reach + extra)
        else:
            sizes.append((n + 2 * p - reach) // s + 1 if n + 2 * p >= reach else 0)
    return sizes
