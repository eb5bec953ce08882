"""Sums in at least float32, over pixels and in pieces of the batch."""

from collections.abc import Callable
from math import gcd, prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

PIECES = 16  # of a batch, or of its images


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


def sum_over_pixels(
    term: Callable[..., jax.Array], *arrays: jax.Array, pieces: int = PIECES
) -> jax.Array:
    """Sum over b and space of `term(*arrays)`, [c]; they have b in common, `term` is elementwise.

    On a CPU the batch, and of a small one the first axis of space, is folded into `pieces` first:
    XLA fuses that with the term into one fast loop, where a reduction of its own is a slow one, or
    waits for the term to be stored. A product with ones, which is not fused, then adds up the rows;
    adding all pixels so would round more.

    A term with one number a channel asks for 4 pieces: with 16 of them LLVM does not vectorise the
    loop where the number of channels is a power of two, and it takes four times as long.
    """
    batch, flat = arrays[0].shape[0], arrays[0].ndim == 2  # without space
    rows = 1 if flat else max(array.shape[1] for array in arrays)
    symbolic = not (isinstance(batch, int) and isinstance(rows, int))
    if jax.default_backend() != "cpu" or _is_divided() or symbolic:
        result = term(*arrays)
        return jnp.sum(result, axis=tuple(range(result.ndim - 1)))
    examples = _parts(batch, pieces_of(batch, pieces))
    strips = _parts(rows, pieces_of(rows, pieces // len(examples)))
    terms = [
        term(*(array[part] if flat else _taken(array, part, strip) for array in arrays))
        for part in examples
        for strip in strips
    ]
    folded = sum(terms[1:], terms[0])
    *_, w, c = folded.shape
    lines = folded.reshape(prod(folded.shape[:-2]), w * c)
    return (jnp.ones(len(lines), lines.dtype) @ lines).reshape(w, c).sum(axis=0)


def _parts(size: int, pieces: int) -> list[slice]:
    length = size // pieces
    return [slice(start, start + length) for start in range(0, size, max(length, 1))] or [slice(0)]


def _taken(array: jax.Array, part: slice, strip: slice) -> jax.Array:
    """Some rows of some examples; of one row for all, that."""
    return array[part] if array.shape[1] == 1 else array[part, strip]


def _is_divided() -> bool:
    """Whether XLA may divide arrays over devices here, so that pieces of a batch would travel."""
    mesh = jax.sharding.get_abstract_mesh()
    return any(size > 1 for name, size in mesh.shape.items() if name not in mesh.manual_axes)
