"""How much of the image one position of a network's output sees."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxconv.models.data_flow import follow
from jaxconv.models.views import PIXELS


class ReceptiveField(NamedTuple):
    """What the positions of a map see of the image; each is (vertical, horizontal)."""

    field: tuple[int, int]  # pixels from the first to the last that one position sees
    jump: tuple[Fraction, Fraction]  # pixels from what one position sees to what the next one does


def receptive_field(
    network: Callable[[jax.Array], jax.Array], input_shape: Sequence[int], dtype: Any = jnp.float32
) -> ReceptiveField:
    """The receptive field and the jump of any network's output, from its operations alone.

    The field is the extent of the pixels that one position depends on, borders aside; where
    positions differ, as after a transposed convolution, the most that one of them sees. The jump is
    the distance, in pixels, between what two neighbouring positions see: the product of the
    strides so far. Nothing is computed: the network is traced, branches and all.
    (`jaxconv.ops.geometry.receptive_field` is the arithmetic of a single layer.) Where space
    collapses (a mean, a flattening), the field stays that of the features that are pooled.

    Args:
        network: a pure function of images [1, h, w, c] to one array; of a Linen module, for one,
            `lambda images: model.init_with_output(key, images)[0]`.
        input_shape: [h, w, c] of one image.
        dtype: of the images.

    Raises:
        ValueError: the output does not depend on the images, or an operation moves pixels in a way
            that is not followed (a reversal, a resizing, a product over positions).

    Example:
        >>> import jaxconv
        >>> kernel = jnp.ones((3, 3, 1, 1))
        >>> def network(images):
        ...     x = jaxconv.conv(images, kernel, stride=2, padding=1)
        ...     return x + jaxconv.dilated_conv(x, kernel, padding=2)
        >>> field, jump = receptive_field(network, (32, 32, 1))
        >>> field, [int(pixels) for pixels in jump]
        ((11, 11), [2, 2])

    Source: the arithmetic of Araujo, Norris and Sim, "Computing receptive fields of convolutional
    neural networks" (Distill, 2019), with transposed convolutions as well.
    """
    images = jax.ShapeDtypeStruct((1, *input_shape), dtype)
    traced = jax.make_jaxpr(network)(images)
    (views, *more), _ = follow(traced.jaxpr, [(PIXELS, PIXELS)])
    if more:
        raise ValueError(f"the network returns {1 + len(more)} arrays, expected one; choose one")
    if views is None:
        raise ValueError(
            "the network moves pixels in a way that is not followed (a reversal, a resizing, a "
            "product over positions); measure it by the gradient for the images instead"
        )
    if len(views) == 0:
        raise ValueError("what the network returns does not depend on the images")
    vertical, horizontal = views
    return ReceptiveField((vertical.field, horizontal.field), (vertical.jump, horizontal.jump))
