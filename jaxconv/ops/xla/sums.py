"""Sums in at least float32, over pixels and in pieces of the batch."""

from collections.abc import Callable
from math import gcd, prod

import jax
import jax.numpy as jnp
from jax import lax


def wide(dtype: jnp.dtype) -> jnp.dtype:
    """What is added up in: at least float32 for floating point, else the same."""
    floating = jnp.issubdtype(dtype, jnp.floating)
    return jnp.promote_types(dtype, jnp.float32) if floating else jnp.dtype(dtype)


def pieces_of(batch: int, most: int) -> int:
    """Into how many equal pieces a batch is taken; one where its size is a symbol."""
    return (gcd(batch, most) or 1) if isinstance(batch, int) else 1


def contract_pixels(x: jax.Array, y: jax.Array) -> jax.Array:
    """[b, *space, c], [b, *space, o] -> [c, o], summed over batch and space.

    In pieces: of one long product XLA transposes an operand, computing its producers once more.
    """
    pieces = pieces_of(x.shape[0], 16)
    pixels = x.shape[0] // pieces * prod(x.shape[1:-1])
    x, y = (array.reshape(pieces, pixels, array.shape[-1]) for array in (x, y))
    products = lax.dot_general(
        x, y, (((1,), (1,)), ((0,), (0,))), preferred_element_type=wide(x.dtype)
    )
    return products.sum(axis=0)


def sum_over_pixels(term: Callable[..., jax.Array], *arrays: jax.Array) -> jax.Array:
    """Sum over b and space of `term(*arrays)`, [c]; they have b in common, `term` is elementwise.

    On a CPU the batch is folded into few pieces first: XLA fuses that with the term into one fast
    loop, where a reduction of its own is a slow one, or waits for the term to be stored. A product
    with ones, which is not fused, then adds up the rows; adding all pixels so would round more.
    """
    batch = arrays[0].shape[0]
    if jax.default_backend() != "cpu" or _is_divided() or not isinstance(batch, int):
        result = term(*arrays)
        return jnp.sum(result, axis=tuple(range(result.ndim - 1)))
    length = batch // pieces_of(batch, 16)
    parts = [slice(start, start + length) for start in range(0, batch, max(length, 1))]
    terms = [term(*(array[part] for array in arrays)) for part in parts or [slice(0)]]
    folded = sum(terms[1:], terms[0])
    *_, w, c = folded.shape
    rows = folded.reshape(prod(folded.shape[:-2]), w * c)
    return (jnp.ones(len(rows), rows.dtype) @ rows).reshape(w, c).sum(axis=0)


def _is_divided() -> bool:
    """Whether XLA may divide arrays over devices here, so that pieces of a batch would travel."""
    mesh = jax.sharding.get_abstract_mesh()
    return any(size > 1 for name, size in mesh.shape.items() if name not in mesh.manual_axes)
