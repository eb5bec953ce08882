"""S9Net's inference: what depends on weights alone computed once, and nothing that nobody reads.

BatchNorm stands after ReLU, so that it cannot go into its own convolution, but it can go into the
next one. With u the ReLU's output and x = u*a + b what BatchNorm makes of it, and zeros around x,

    conv(x, kernel) = conv(u, kernel * a) + conv(b everywhere but in the padding, kernel)

and the second term is a constant map: one vector inside, others at the borders.
"""

from collections.abc import Callable, Mapping
from functools import partial, reduce
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Float

from jaxconv.linen.layers import BatchNorm
from jaxconv.models.live import between, inside, whole
from jaxconv.models.plan import Block, Grids, Layer, Plan, make_plan
from jaxconv.models.s9 import S9Net
from jaxconv.ops.padding import fold_border, pad_border
from jaxconv.ops.window import Window, adjoint_kernel
from jaxconv.ops.xla.primitives import convolve
from jaxconv.ops.xla.types import spec_of

IMAGES_A_PIECE, PIECES_AT_ONCE = 32, 2
Values = jax.Array | np.ndarray  # NumPy's while `fold` works, unless it is traced


@struct.dataclass
class FoldedBlock:
    """Arrays of one block."""

    kernels: tuple[Values, ...]  # [kh, kw, c/groups, o], of the network's dtype
    constants: tuple[Values | None, ...]  # [h, w, o] or [1, 1, o], to be added
    weights: tuple[Values, Values] | None  # [c], [o]: input * first + ReLU * second


@struct.dataclass
class Folded:
    """A network made ready by `fold`: arrays, and the plan that they fit."""

    blocks: tuple[FoldedBlock, ...]
    head_kernel: Values  # [c, num_classes]
    head_bias: Values  # [num_classes]
    plan: Plan = struct.field(pytree_node=False)


def fold(
    variables: Mapping[str, Any],
    model: S9Net | None = None,
    *,
    image_size: tuple[int, int] = (32, 32),
) -> Folded:
    """What `infer` needs of a trained network; pure, so it may be traced, for example in a step.

    Args:
        variables: {"params", "batch_stats"} of the model.
        model: by default `S9Net()`; its rows, width and dtype count, its head is the variables'.
        image_size: (height, width) of the images to come.

    Raises:
        ValueError: the variables are another model's, or it takes no images of this size.

    Example:
        >>> from jaxconv import load_pretrained
        >>> variables, card = load_pretrained()
        >>> infer(fold(variables), jnp.zeros((5, 32, 32, 3))).shape
        (5, 10)
    """
    height, width = image_size
    plan = make_plan(S9Net() if model is None else model, (height, width))
    _require_kernels(variables, plan)
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(variables)):
        return _fold(variables, plan, jnp)
    with np.errstate(all="ignore"):  # small sums that need no compiling; JAX does not warn either
        return jax.tree.map(jnp.asarray, _fold(jax.device_get(variables), plan, np))


def _fold(variables: Mapping[str, Any], plan: Plan, xp: ModuleType) -> Folded:
    """`fold` by the array functions of `xp`, NumPy or its likeness in JAX."""
    params, stats = variables["params"], variables["batch_stats"]
    affine, blocks = Affine(xp.ones(3, np.float32), None), []
    shift = xp.zeros(3, np.float32)
    for block in plan.blocks:
        before, kernels, constants = affine, [], []
        for layer in block.layers:
            entry = _entry(params, layer.path)
            kernel = entry["kernel"]
            kernel = adjoint_kernel(kernel, layer.groups) if layer.transposed else kernel
            constants.append(_constant(layer, kernel, affine.shift, entry.get("bias"), xp))
            kernels.append(_scaled(kernel, affine.scale, layer.groups, xp).astype(plan.dtype))
            affine = Affine(xp.ones(kernel.shape[3], np.float32), None)
        scale, shift = _batch_norm(params[block.name]["norm"], stats[block.name]["norm"], xp)
        affine, weights = Affine(scale, shift), None
        if block.residual:
            weights = (before.scale, scale)
            shift = shift if before.shift is None else before.shift + shift
            affine = Affine(xp.ones_like(shift), shift)
        blocks.append(FoldedBlock(tuple(kernels), tuple(constants), weights))
    head = params["head"]["kernel"][0, 0]
    return Folded(tuple(blocks), affine.scale[:, None] * head, shift @ head, plan)


def _entry(params: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    return reduce(lambda entry, name: entry[name], path.split("/"), params)


def _require_kernels(variables: Mapping[str, Any], plan: Plan) -> None:
    """The plan knows its network; the variables may be of another."""
    for layer in (layer for block in plan.blocks for layer in block.layers):
        try:
            shape = _entry(variables["params"], layer.path)["kernel"].shape
        except KeyError:
            shape = "none"
        if shape != layer.kernel_shape:
            raise ValueError(
                f"params/{layer.path}/kernel is {shape}, expected {layer.kernel_shape}; "
                "fold(variables, model) takes the S9Net that the variables belong to"
            )


class Affine(NamedTuple):
    """x = u*scale + shift, of each channel; no shift is zero."""

    scale: Values
    shift: Values | None


def _batch_norm(params: Mapping[str, Any], stats: Mapping[str, Any], xp: ModuleType):
    """Scale and shift, [c], that the running statistics make of it."""
    scale = params["scale"] / xp.sqrt(stats["var"] + BatchNorm.epsilon)
    return scale, params["bias"] - stats["mean"] * scale


def _scaled(kernel: Values, scale: Values, groups: int, xp: ModuleType) -> Values:
    """The kernel [kh, kw, c/groups, o] of inputs that are to be multiplied by scale [c]."""
    per_group = scale.reshape(groups, -1).T  # [c/groups, groups]
    return kernel * xp.repeat(per_group, kernel.shape[3] // groups, axis=1)[None, None]


def _constant(
    layer: Layer,
    kernel: Values,
    shift: Values | None,
    bias: Values | None,
    xp: ModuleType,
) -> Values | None:
    """What the layer makes of `shift` [c] at every position, plus its bias: [h, w, o]."""
    if bias is not None:
        bias = bias[None, None]
        if layer.folded is not None:  # once, not where the border is, which is added to the rest
            inner = np.ones([grid.length for grid in layer.result], np.float32)
            bias = np.pad(inner, layer.folded.pairs)[..., None] * bias
    if shift is None:
        return bias
    vertical, horizontal = (
        np.array(inside(*axis), np.float32)
        for axis in zip(layer.reads, layer.outputs, layer.size, strict=True)
    )
    of_tap = _scaled(kernel, shift, layer.groups, xp).sum(axis=2)  # [kh, kw, o]
    constant = xp.einsum("hi,wj,ijo->hwo", vertical, horizontal, of_tap)
    return constant if bias is None else constant + bias


def infer(folded: Folded, images: Float[Array, "b h w 3"]) -> Float[Array, "b classes"]:
    """The logits of `model.apply(variables, images, train=False)`, in less time.

    Differentiable in `images`. On a CPU a large batch is done in pieces that stay in its caches.

    Args:
        folded: of `fold`.
        images: [b, h, w, 3], normalised, floating point; the size that `folded` was made for.

    Returns:
        [b, num_classes], float32. They differ from those of `apply` by rounding, about 1e-5 of the
        largest.

    Raises:
        ValueError: images of another shape.
    """
    expected = (*folded.plan.image_size, 3)
    if images.ndim != 4 or images.shape[1:] != expected:
        raise ValueError(
            f"images {images.shape}: expected [b, {', '.join(map(str, expected))}]; "
            "fold(variables, image_size=(height, width)) prepares another size"
        )
    return _in_pieces(partial(_logits, folded), images)


def _logits(folded: Folded, images: Float[Array, "b h w 3"]) -> Float[Array, "b classes"]:
    blocks = folded.plan.blocks
    height, width = folded.plan.image_size
    everything = whole(height), whole(width)
    x = _pick(images.astype(folded.blocks[0].kernels[0].dtype), everything, blocks[0].inputs)
    for block, arrays in zip(blocks, folded.blocks, strict=True):
        x = _run_block(block, arrays, x)
    mean = jnp.mean(x, axis=(1, 2), dtype=folded.head_kernel.dtype)
    return (mean @ folded.head_kernel + folded.head_bias[None]).astype(jnp.float32)


def _run_block(block: Block, arrays: FoldedBlock, x: jax.Array) -> jax.Array:
    y = x
    for layer, kernel, constant in zip(block.layers, arrays.kernels, arrays.constants, strict=True):
        if layer.border is not None:
            y = pad_border(y, layer.border.pairs, layer.border.mode)
        y = convolve(y, jnp.asarray(kernel), _window(layer))
        if constant is not None:
            y = (y.astype(constant.dtype) + constant[None]).astype(y.dtype)
        if layer.folded is not None:
            y = fold_border(y, layer.folded.pairs, layer.folded.mode)
        y = _pick(y, layer.result, layer.live)
    y = jax.nn.relu(y)
    if arrays.weights is not None:
        first, second = (weight[None, None, None] for weight in arrays.weights)
        x = _pick(x, block.inputs, block.layers[-1].live)
        wide = first.dtype
        y = (x.astype(wide) * first + y.astype(wide) * second).astype(x.dtype)
    return y


def _window(layer: Layer) -> Window:
    stride, padding, dilation = zip(
        *map(between, layer.bordered, layer.outputs, layer.reads), strict=True
    )
    input_dilation = tuple(reads.input_dilation for reads in layer.reads)
    return Window(stride, padding, input_dilation, dilation, layer.groups)


def _pick(x: jax.Array, held: Grids, wanted: Grids) -> jax.Array:
    rows, columns = (grid.within(outer) for grid, outer in zip(wanted, held, strict=True))
    return x if held == wanted else x[:, rows, columns]


def _in_pieces(function: Callable[[jax.Array], jax.Array], images: jax.Array) -> jax.Array:
    """`function(images)`, on a CPU over pieces of equal size where the batch is large.

    Some pieces are computed at once, since XLA runs what does not depend on each other in parallel
    and keeps one core busy with a single small convolution; a loop does so again and again.
    """
    batch = images.shape[0]
    small = not isinstance(batch, int) or batch <= IMAGES_A_PIECE
    if small or jax.default_backend() != "cpu" or any(spec_of(images) or ()):
        return function(images)
    at_once = min(PIECES_AT_ONCE, -(-batch // IMAGES_A_PIECE))
    turns = -(-batch // (IMAGES_A_PIECE * at_once))
    length = -(-batch // (turns * at_once))
    padded = jnp.pad(images, ((0, length * turns * at_once - batch), (0, 0), (0, 0), (0, 0)))
    # A piece takes every so-many-th image, so that a batch that is spread over devices stays so.
    split = padded.reshape(length, turns, at_once, *images.shape[1:])
    logits = lax.map(partial(_at_once, function), jnp.moveaxis(split, 0, 2))
    return jnp.moveaxis(logits, 2, 0).reshape(length * turns * at_once, -1)[:batch]


def _at_once(
    function: Callable[[jax.Array], jax.Array], pieces: Float[Array, "p b h w 3"]
) -> Float[Array, "p b classes"]:
    """`function` of each piece, in as many copies of the program: a `vmap` would join them."""
    return jnp.stack([function(piece) for piece in pieces])
