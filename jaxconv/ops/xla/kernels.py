"""Ways to do the multiplying and adding: matrix products, shifted sums, gradients in pieces.

Each predicate tells for which cases a way is meant; the functions beside it compute the convolution
and the gradient of its kernel. `lowering.py` says which is taken when.
"""

from collections.abc import Callable
from math import gcd, prod

import jax
import jax.numpy as jnp
from jax import lax

from jaxconv.ops.window import DIMENSIONS, Window, definition, output_hw
from jaxconv.ops.xla.rewrites import Case

# Pointwise: a matrix product.


def is_pointwise(case: Case) -> bool:
    window = case.window
    single = case.kernel_shape[:2] == (1, 1) and window.groups == 1
    left = [
        size + sum(crop)
        for size, crop in zip(case.x_shape[1:3], _crop_and_pad(window)[0], strict=True)
    ]
    return single and window.stride == window.input_dilation == (1, 1) and min(left) >= 0


def _crop_and_pad(window: Window) -> tuple[list, list]:
    """The padding of h and w in two parts: what the input loses, and the zeros round the output."""
    crop = [(min(low, 0), min(high, 0), 0) for low, high in window.padding]
    pad = [(max(low, 0), max(high, 0), 0) for low, high in window.padding]
    return crop, pad


def _pad_space(x: jax.Array, config: list) -> jax.Array:
    if all(amount == (0, 0, 0) for amount in config):
        return x
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *config, (0, 0, 0)])


def pointwise(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    crop, pad = _crop_and_pad(window)
    product = lax.dot_general(
        _pad_space(x, crop),
        kernel[0, 0],
        (((3,), (0,)), ((), ())),
        preferred_element_type=_wide(x.dtype),
    )
    return _pad_space(product.astype(x.dtype), pad)


def pointwise_kernel_gradient(x, cotangent, window, kernel_shape):
    crop, pad = _crop_and_pad(window)
    unpad = [(-low, -high, 0) for low, high, _ in pad]
    x, cotangent = _pad_space(x, crop), _pad_space(cotangent, unpad)
    return _contract_pixels(x, cotangent).astype(x.dtype).reshape(kernel_shape)


def _contract_pixels(x: jax.Array, y: jax.Array) -> jax.Array:
    """[b, h, w, c], [b, h, w, o] -> [c, o], summed over batch and space.

    In pieces: of one long product XLA transposes an operand, computing its producers once more.
    """
    pieces = gcd(x.shape[0], 16) or 1
    x, y = (array.reshape(pieces, -1, array.shape[3]) for array in (x, y))
    products = lax.dot_general(
        x, y, (((1,), (1,)), ((0,), (0,))), preferred_element_type=_wide(x.dtype)
    )
    return products.sum(axis=0)


# Depthwise: one multiply-add for each tap, over all channels at once.

MOST_TAPS = 64  # each is written out in the program


def is_depthwise(case: Case) -> bool:
    kh, kw, per_group, out = case.kernel_shape
    alone = per_group == 1 or out == case.window.groups
    return case.window.groups > 1 and alone and kh * kw <= MOST_TAPS


def _taps(x: jax.Array, window: Window, kernel_shape: tuple[int, ...]):
    """For each tap (i, j): what it reads of x, [b, h', w', c]."""
    config = [
        (low, high, dilation - 1)
        for (low, high), dilation in zip(window.padding, window.input_dilation, strict=True)
    ]
    h, w = output_hw(window, x.shape[1:3], kernel_shape[:2])
    x = _pad_space(x, config)
    (stride_h, stride_w), (dilation_h, dilation_w) = window.stride, window.dilation
    for i in range(kernel_shape[0]):
        rows = slice(i * dilation_h, i * dilation_h + (h - 1) * stride_h + 1, stride_h)
        for j in range(kernel_shape[1]):
            columns = slice(j * dilation_w, j * dilation_w + (w - 1) * stride_w + 1, stride_w)
            yield i, j, x[:, rows, columns]


def _wide(dtype: jnp.dtype) -> jnp.dtype:
    return jnp.promote_types(dtype, jnp.float32)


def depthwise(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    kh, kw, per_group, out = kernel.shape
    multiplier = out // window.groups
    # Either per_group or multiplier is 1: kernel [kh, kw, groups * max of the two].
    flat = jnp.swapaxes(kernel.reshape(kh, kw, per_group, window.groups, multiplier), 2, 3)
    flat = flat.reshape(kh, kw, -1).astype(_wide(x.dtype))
    wide = jnp.repeat(x, multiplier, axis=3) if multiplier > 1 else x
    total = sum(
        part.astype(flat.dtype) * flat[i, j][None, None, None]
        for i, j, part in _taps(wide, window, kernel.shape)
    )
    if per_group > 1:
        total = total.reshape(*total.shape[:3], window.groups, per_group).sum(axis=4)
    return total.astype(x.dtype)


def depthwise_kernel_gradient(x, cotangent, window, kernel_shape):
    kh, kw, per_group, out = kernel_shape
    multiplier = out // window.groups
    wide = jnp.repeat(x, multiplier, axis=3) if multiplier > 1 else x
    cotangent = jnp.repeat(cotangent, per_group, axis=3) if per_group > 1 else cotangent
    sums = [_inner(part, cotangent) for _, _, part in _taps(wide, window, kernel_shape)]
    split = jnp.stack(sums).reshape(kh, kw, window.groups, per_group, multiplier)
    return jnp.swapaxes(split, 2, 3).reshape(kernel_shape).astype(x.dtype)


def _inner(x: jax.Array, y: jax.Array) -> jax.Array:
    """Sum over b, h, w of x * y, [c], in at least float32."""
    wide = _wide(x.dtype)
    return sum_over_pixels(lambda x, y: x.astype(wide) * y.astype(wide), x, y)


def sum_over_pixels(term: Callable[..., jax.Array], *arrays: jax.Array) -> jax.Array:
    """Sum over b, h, w of `term(*arrays)`, [c]; the arrays have b in common, `term` is elementwise.

    On a CPU the batch is folded into few pieces first: XLA fuses that with the term into one fast
    loop, where a reduction of its own is a slow one, or waits for the term to be stored. A product
    with ones, which is not fused, then adds up the rows; adding all pixels so would round more.
    """
    if jax.default_backend() != "cpu" or _is_divided():
        return jnp.sum(term(*arrays), axis=(0, 1, 2))
    batch = arrays[0].shape[0]
    length = batch // (gcd(batch, 16) or 1)
    parts = [slice(start, start + length) for start in range(0, batch, max(length, 1))]
    terms = [term(*(array[part] for array in arrays)) for part in parts or [slice(0)]]
    folded = sum(terms[1:], terms[0])
    _, _, w, c = folded.shape
    rows = folded.reshape(-1, w * c)
    return (jnp.ones(len(rows), rows.dtype) @ rows).reshape(w, c).sum(axis=0)


def _is_divided() -> bool:
    """Whether XLA may divide arrays over devices here, so that pieces of a batch would travel."""
    mesh = jax.sharding.get_abstract_mesh()
    return any(size > 1 for name, size in mesh.shape.items() if name not in mesh.manual_axes)


# Small: less work than it costs to arrange it.

LEAST_MULTIPLY_ADDS = 2**15


def is_small_on_cpu(case: Case) -> bool:
    b, h, w, _ = case.x_shape
    out_h, out_w = output_hw(case.window, (h, w), case.kernel_shape[:2])
    return is_on_cpu(case) and b * out_h * out_w * prod(case.kernel_shape) < LEAST_MULTIPLY_ADDS


# An odd number of channels on a CPU, before jax 0.12: one more, of zeros.


def is_odd_on_cpu(case: Case) -> bool:
    _, _, channels, features = case.kernel_shape
    plain = case.window.groups == 1 and case.window.input_dilation == (1, 1)
    slow = channels % 2 == 1 < channels and 16 < features <= 32
    return is_on_cpu(case) and plain and slow and case.jax_version < (0, 12)


def widened(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    zero, one_more = jnp.zeros((), x.dtype), (0, 1, 0)
    x = lax.pad(x, zero, [(0, 0, 0)] * 3 + [one_more])
    return definition(x, lax.pad(kernel, zero, [(0, 0, 0)] * 2 + [one_more, (0, 0, 0)]), window)


# Any other kernel on a CPU: its gradient as one more convolution, in pieces.

PIXELS_A_PIECE = 4096
MOST_PIECES = 32


def is_on_cpu(case: Case) -> bool:
    return case.backend == "cpu"


def is_stretched_on_cpu(case: Case) -> bool:
    window = case.window
    return is_on_cpu(case) and window.input_dilation != (1, 1) == window.stride


def canonical_kernel_gradient(x, cotangent, window, kernel_shape):
    """Convolves x with the cotangent, batch and channels exchanged, in pieces of the batch.

    Outputs stand `stride` apart, so that the cotangent is a kernel with that dilation.
    """
    batch, pixels = x.shape[0], prod(cotangent.shape[1:3])
    if batch == 0:
        return jnp.zeros(kernel_shape, x.dtype)
    kh, kw, per_group, _ = kernel_shape
    pieces = min(-(-batch * pixels // PIXELS_A_PIECE), MOST_PIECES, batch)
    length = -(-batch // pieces)
    wide = _wide(x.dtype)
    total = jnp.zeros((), wide)
    for start in range(0, batch, length):
        part = slice(start, start + length)
        gradient = lax.conv_general_dilated(
            _batch_as_channels(x[part], window.groups, per_group).astype(wide),
            jnp.transpose(cotangent[part], (1, 2, 0, 3)).astype(wide),
            window.dilation,
            window.padding,
            lhs_dilation=window.input_dilation,
            rhs_dilation=window.stride,
            dimension_numbers=DIMENSIONS,
            feature_group_count=window.groups,
        )
        total = total + gradient[:, :kh, :kw]  # a stride may leave pixels that no output reads
    return jnp.transpose(total, (1, 2, 0, 3)).astype(x.dtype)


def _batch_as_channels(x: jax.Array, groups: int, per_group: int) -> jax.Array:
    """[b, h, w, groups*c] -> [c, h, w, groups*b]."""
    b, h, w, _ = x.shape
    split = jnp.transpose(x.reshape(b, h, w, groups, per_group), (4, 1, 2, 3, 0))
    return split.reshape(per_group, h, w, groups * b)


def definition_kernel_gradient(x, cotangent, window, kernel_shape):
    """The gradient that JAX derives from `definition`."""
    zero = jnp.zeros(kernel_shape, x.dtype)
    _, pullback = jax.vjp(lambda kernel: definition(x, kernel, window), zero)
    return pullback(cotangent)[0]
