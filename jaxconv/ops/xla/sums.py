"""Sums in at least float32, over pixels and in pieces of the batch."""

from collections.abc import Callable, Sequence
from math import gcd, prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxconv.ops.xla.types import vary_alike

PIECES = 16  # of a batch, in a contraction
FOLDS = 8  # of a batch, or of its images, in a sum


def wide(dtype: jnp.dtype) -> jnp.dtype:
    """What is added up in: at least float32 for floating point, else the same."""
    floating = jnp.issubdtype(dtype, jnp.floating)
    # NumPy's rule: that of JAX is a setting, by which it may refuse two dtypes.
    return np.promote_types(dtype, np.float32) if floating else jnp.dtype(dtype)


def pieces_of(batch: int, most: int) -> int:
    """Into how many equal pieces a batch is taken; one where its size is a symbol."""
    return (gcd(batch, most) or 1) if isinstance(batch, int) else 1


def contract_pixels(x: jax.Array, y: jax.Array) -> jax.Array:
    """[b, *space, c], [b, *space, o] -> [c, o], summed over batch and space.

    In pieces: of one long product XLA transposes an operand, computing its producers once more.
    """
    pieces = pieces_of(x.shape[0], PIECES)
    pixels = x.shape[0] // pieces * prod(x.shape[1:-1])
    x, y = (array.reshape(pieces, pixels, array.shape[-1]) for array in (x, y))
    products = lax.dot_general(
        x, y, (((1,), (1,)), ((0,), (0,))), preferred_element_type=wide(x.dtype)
    )
    return products.sum(axis=0)


def sums_over_pixels(
    terms: Callable[..., Sequence[jax.Array]], *arrays: jax.Array
) -> list[jax.Array]:
    """The sums over b and space of each of `terms(*arrays)`, elementwise and alike in shape: [c].

    On a CPU the batch, and of a small one the first axis of space, is folded into few pieces first,
    in one loop with the terms: alone, a reduction is slow in XLA, or its terms are stored first. A
    product with ones, which is not fused, then adds up what was folded; adding all pixels so would
    round more. Several short sums take less time in one loop than one by one; LLVM does not
    vectorise a long loop, which then takes several times as long.

    Args:
        terms: of the arrays with two axes more, [piece, b, piece, *space, c], or as they are.
        arrays: [b, *space, c], with b in common; the first axis of space may be 1.
    """
    batch, flat = arrays[0].shape[0], arrays[0].ndim == 2  # without space
    rows = 1 if flat else max(array.shape[1] for array in arrays)
    if _stays_whole(batch, rows):
        results = terms(*arrays)
        return [jnp.sum(each, axis=tuple(range(each.ndim - 1))) for each in results]
    examples = pieces_of(batch, FOLDS)
    strips = pieces_of(rows, FOLDS // examples)

    def split(array):
        space = [1] if flat else array.shape[1:-1]
        pieces = strips if space[0] > 1 else 1
        cut = [examples, batch // examples, pieces, space[0] // pieces, *space[1:]]
        return array.reshape(*cut, array.shape[-1])

    return [_sum_of_lines(each) for each in _fold(*vary_alike(*terms(*map(split, arrays))))]


@jax.custom_jvp
def _fold(*arrays: jax.Array) -> tuple[jax.Array, ...]:
    """Arrays [i, b, j, ...], of one shape, each summed over i and j: in one loop for all."""
    zeros = tuple(np.zeros((), array.dtype) for array in arrays)
    return tuple(lax.reduce(arrays, zeros, _add_each, (0, 2)))


@_fold.defjvp
def _fold_jvp(arrays, tangents):
    # A reduction of several arrays at once has no transpose.
    return _fold(*arrays), tuple(jnp.sum(tangent, axis=(0, 2)) for tangent in tangents)


def _add_each(a: tuple[jax.Array, ...], b: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
    return tuple(map(lax.add, a, b))


def _sum_of_lines(folded: jax.Array) -> jax.Array:
    """[..., w, c] -> [c], by a product with ones."""
    *_, w, c = folded.shape
    lines = folded.reshape(prod(folded.shape[:-2]), w * c)
    return (jnp.ones(len(lines), lines.dtype) @ lines).reshape(w, c).sum(axis=0)


def _stays_whole(batch: int, rows: int) -> bool:
    """Whether the sums are left to XLA: where sizes are symbols, and where no CPU alone has all."""
    symbolic = not (isinstance(batch, int) and isinstance(rows, int))
    return jax.default_backend() != "cpu" or _is_divided() or symbolic


def _is_divided() -> bool:
    """Whether XLA may divide arrays over devices here, so that pieces of a batch would travel."""
    mesh = jax.sharding.get_abstract_mesh()
    return any(size > 1 for name, size in mesh.shape.items() if name not in mesh.manual_axes)
