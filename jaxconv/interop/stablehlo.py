"""A network as one compiled-anywhere file: StableHLO, as `jax.export` serialises it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from jaxconv.files import write_whole

PLATFORMS = ("cpu", "cuda")


def save_stablehlo(
    path: str | Path,
    predict: Callable[[jax.Array], jax.Array],
    *,
    image_shape: Sequence[int] = (32, 32, 3),
    platforms: Sequence[str] = PLATFORMS,
) -> None:
    """Writes `predict` with all its weights; JAX alone reads it back, without this package:

        jax.export.deserialize(bytearray(pathlib.Path(path).read_bytes())).call(images)

    Args:
        predict: a pure function of images uint8 [b, h, w, c], for any b.
        image_shape: [h, w, c].
        platforms: where the file is to run; they need not be here.
    """
    from jax import export

    batch = export.symbolic_shape(f"b, {', '.join(map(str, image_shape))}")
    exported = export.export(jax.jit(predict), platforms=platforms)(
        jax.ShapeDtypeStruct(batch, np.uint8)
    )
    write_whole(Path(path), bytes(exported.serialize()))
