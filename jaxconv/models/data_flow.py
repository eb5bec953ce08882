"""Follows what each map of a network sees of the image through the network's operations.

A receptive field belongs to the data flow, not to a list of layers: branches that meet see the
union of what each saw. So a network is traced to a jaxpr, which is followed operation by operation.

Space that collapses (a mean over all positions, a flattening) keeps the view of one position: a
receptive field is that of the features, and what is pooled is the whole image in any case. An
operation that moves pixels in a way not known here makes the view unknown; nothing is guessed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from jaxconv.models.views import View, spread, union, window

Views = tuple[View, View] | tuple[()] | None
"""(vertical, horizontal); () for what does not depend on the image; None for what is unknown."""


def mark(array: Any, number: int) -> Any:
    """`array` itself, marked so that `follow` tells what it sees."""
    return checkpoint_name(array, f"{__name__}:{number}")


def follow(jaxpr: Jaxpr, inputs: Sequence[Views]) -> tuple[list[Views], dict[int, Views]]:
    """The views of what a network returns, and of every marked array by its number.

    Args:
        jaxpr: of a network whose images and maps are [b, h, w, c].
        inputs: the views of its arguments.
    """
    marked: dict[int, Views] = {}

    def results_of(equation: JaxprEqn, given: Sequence[Views]) -> list[Views]:
        if equation.primitive.name == "name":
            owner, _, number = equation.params["name"].partition(":")
            if owner == __name__:
                marked[int(number)] = given[0]
            return [given[0]]
        if equation.primitive.name in _CALLS:
            inner = equation.params.get("jaxpr") or equation.params["call_jaxpr"]
            return inside(getattr(inner, "jaxpr", inner), given)
        return [_transfer(equation, given)] * len(equation.outvars)

    def inside(jaxpr: Jaxpr, inputs: Sequence[Views]) -> list[Views]:
        known = dict(zip(jaxpr.invars, inputs, strict=True))

        def read(variable: Any) -> Views:
            return () if isinstance(variable, Literal) else known.get(variable, ())

        for equation in jaxpr.eqns:
            given = [read(variable) for variable in equation.invars]
            known.update(zip(equation.outvars, results_of(equation, given), strict=True))
        return [read(variable) for variable in jaxpr.outvars]

    return inside(jaxpr, inputs), marked


# Operations that only call a jaxpr, with their arguments and results in its order.
_CALLS = {
    "checkpoint", "closed_call", "custom_jvp_call", "custom_vjp_call", "jit", "pjit", "remat2",
}  # fmt: skip

# fmt: off
_FIELD_KEEPING = {  # each position alone; or reduced and repeated, as the module's docstring says
    "abs", "add", "and", "ceil", "clamp", "convert_element_type", "copy", "cos", "div", "eq", "erf",
    "erf_inv", "erfc", "exp", "exp2", "expm1", "floor", "ge", "gt", "integer_pow", "is_finite",
    "le", "log", "log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg", "not",
    "optimization_barrier", "or", "pow", "reduce_precision", "rem", "round", "rsqrt", "select_n",
    "sign", "sin", "sqrt", "square", "sub", "tan", "tanh", "xor",
    "broadcast_in_dim", "squeeze", "reduce_max", "reduce_min", "reduce_prod", "reduce_sum",
}
# fmt: on


def _join(given: Iterable[Views]) -> Views:
    def join_two(a: Views, b: Views) -> Views:
        if not a or not b:
            return None
        vertical, horizontal = union(a[0], b[0]), union(a[1], b[1])
        return (vertical, horizontal) if vertical and horizontal else None

    dependent = [views for views in given if views != ()]
    return reduce(join_two, dependent) if dependent else ()


def _transfer(equation: JaxprEqn, given: Sequence[Views]) -> Views:
    """The views of what an operation returns, from those of its operands."""
    views = _join(given)
    if not views or equation.primitive.name in _FIELD_KEEPING:
        return views
    operand: Any = next(
        v.aval for v, seen in zip(equation.invars, given, strict=True) if seen != ()
    )
    result: Any = equation.outvars[0].aval
    if max(operand.ndim, result.ndim) < 3:
        return views  # space has collapsed before
    match equation.primitive.name:
        case "reshape":
            collapsed = result.ndim < 3 or result.shape[1:3] == (1, 1)
            return views if collapsed or result.shape[:3] == operand.shape[:3] else None
        case "dot_general":  # a Dense layer: a matrix of parameters mixes the channels
            (contracted, _), batch_axes = equation.params["dimension_numbers"]
            dense = contracted == (operand.ndim - 1,) and batch_axes == ((), ())
            return views if dense and given[0] != () and given[1] == () else None
        case "transpose" if equation.params["permutation"][:3] == (0, 1, 2):
            return views
        case "concatenate" if equation.params["dimension"] in (0, 3):
            return views
        case "conv_general_dilated" if not _has_channels_last(equation):
            return None
        case name if name in _WINDOW_RULES and operand.ndim == 4:
            rule = _WINDOW_RULES[name]
            return rule(views[0], equation, 0), rule(views[1], equation, 1)
    return None


def _has_channels_last(equation: JaxprEqn) -> bool:
    numbers = equation.params["dimension_numbers"]
    return numbers.lhs_spec[2:] == numbers.out_spec[2:] == (1, 2)


def _convolution(view: View, equation: JaxprEqn, axis: int) -> View:
    params = equation.params
    kernel: Any = equation.invars[1].aval
    return window(
        spread(view, params["lhs_dilation"][axis]),
        kernel_size=kernel.shape[params["dimension_numbers"].rhs_spec[2 + axis]],
        stride=params["window_strides"][axis],
        padding=params["padding"][axis][0],
        dilation=params["rhs_dilation"][axis],
    )


def _jaxconv_convolution(view: View, equation: JaxprEqn, axis: int) -> View:
    options = equation.params["window"]
    kernel: Any = equation.invars[1].aval
    return window(
        spread(view, options.input_dilation[axis]),
        kernel_size=kernel.shape[axis],
        stride=options.stride[axis],
        padding=options.padding[axis][0],
        dilation=options.dilation[axis],
    )


def _pooling(view: View, equation: JaxprEqn, axis: int) -> View:
    params = equation.params
    return window(
        spread(view, params["base_dilation"][axis + 1]),
        kernel_size=params["window_dimensions"][axis + 1],
        stride=params["window_strides"][axis + 1],
        padding=params["padding"][axis + 1][0],
        dilation=params["window_dilation"][axis + 1],
    )


def _slice(view: View, equation: JaxprEqn, axis: int) -> View:
    starts, strides = equation.params["start_indices"], equation.params["strides"] or (1,) * 4
    return window(view, kernel_size=1, stride=strides[axis + 1], padding=-starts[axis + 1])


def _pad(view: View, equation: JaxprEqn, axis: int) -> View:
    low, _, between = equation.params["padding_config"][axis + 1]
    return window(spread(view, between + 1), kernel_size=1, padding=low)


# What happens along the rows (axis 0) and along the columns (axis 1) of an image.
_WINDOW_RULES: Mapping[str, Callable[[View, JaxprEqn, int], View]] = {
    "conv_general_dilated": _convolution,
    "convolve": _jaxconv_convolution,
    "reduce_window_max": _pooling,
    "reduce_window_min": _pooling,
    "reduce_window_sum": _pooling,
    "slice": _slice,
    "pad": _pad,
}
