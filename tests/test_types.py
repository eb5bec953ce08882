"""The axes that signatures promise, checked at run time in a process of its own.

`python tests/test_types.py` is that process: what it imports of `CHECKED` checks the arguments and
the result of every call. For users nothing is checked, and nothing is paid.
"""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

CHECKED = [
    "jaxconv.ops",
    "jaxconv.linen",
    "jaxconv.nnx",
    "jaxconv.models.s9",
    "jaxconv.models.inference",
    "jaxconv.training.objective",
    "jaxconv.training.step",
    "jaxconv.interop.kernels",
]


def test_functions_and_modules_take_and_give_what_they_promise(tmp_path):
    done = subprocess.run(
        [sys.executable, __file__],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("kept in 7 convolutions, 2 layers, 2 networks")


def checked(function):
    """beartype, to which an int is a float, as it is to a type checker."""
    from beartype import BeartypeConf, beartype

    return beartype(conf=BeartypeConf(is_pep484_tower=True))(function)


def walk_functions(variant):
    """Every use as a function: with a batch and without, biased, differentiated, mapped, run."""
    import jax
    import jax.numpy as jnp

    def cubes(*arrays, **options):
        return (variant.function(*arrays, **options) ** 3).sum()

    for sample in variant.samples + variant.others:
        arrays = [jnp.asarray(array, "bfloat16") for array in sample.arrays()]
        y = jax.eval_shape(partial(variant.function, **sample.options), *arrays)
        biased = partial(variant.function, bias=jnp.ones(y.shape[-1:], y.dtype), **sample.options)
        assert jax.eval_shape(biased, arrays[0][0], *arrays[1:]).shape == y.shape[1:]
        gradient = jax.grad(partial(cubes, **sample.options), tuple(range(len(arrays))))
        jax.eval_shape(gradient, *arrays)
    second = jax.vmap(jax.jacfwd(gradient), (0, *[None] * (len(arrays) - 1)))
    jax.eval_shape(second, jnp.stack([arrays[0]] * 2), *arrays[1:])
    jax.jit(gradient)(*arrays)
    assert variant.function(*arrays, **sample.options).shape == y.shape


def walk_modules(variant):
    """A use of each number of axes of space as a Linen and as an NNX module."""
    import jax
    import jax.numpy as jnp
    from flax import nnx
    from variants import make_layer

    import jaxconv.nnx

    for sample in (variant.samples[0], *variant.others[:2]):
        x = jnp.ones(sample.x)
        layer = make_layer(variant, sample, use_bias=True)
        y, variables = jax.eval_shape(layer.init_with_output, jax.random.key(0), x)
        jax.eval_shape(jax.grad(lambda v, x=x, f=layer: f.apply(v, x).sum()), variables)
        options = variant.layer(sample) | sample.options
        options["out_features"] = options.pop("features")
        if variant.name == "pointwise":
            options["axes"] = x.ndim - 2
        module = getattr(jaxconv.nnx, variant.module.__name__)
        made = partial(module, x.shape[-1], **options, use_bias=True)
        given = nnx.eval_shape(lambda x, made=made: made(rngs=nnx.Rngs(0))(x), x)
        assert given.shape == y.shape


def walk_layers():
    """BatchNorm and Dropout, of rows and of volumes, in training and not."""
    import jax
    import jax.numpy as jnp
    from flax import nnx

    import jaxconv.nnx

    for shape in ((4, 3), (4, 2, 5, 3)):
        x, mask = jnp.ones(shape), jnp.array([1, 1, 1, 0])
        norm = jaxconv.BatchNorm()
        variables = norm.init(jax.random.key(0), x, train=True)
        norm.apply(variables, x, train=True, mask=mask, mutable=["batch_stats"])
        norm.apply(variables, x, train=False)
        jaxconv.nnx.BatchNorm(3)(x, mask=mask)
        jaxconv.Dropout(0.5).apply({}, x, train=True, rngs={"dropout": jax.random.key(0)})
        jaxconv.nnx.Dropout(0.5, rngs=nnx.Rngs(0))(x)


def walk_networks():
    """S9Net, Linen and NNX, a step of its training, its folded inference."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax
    from flax import nnx

    import jaxconv.nnx
    from jaxconv.interop.kernels import kernel_from_torch, kernel_to_torch
    from jaxconv.models.inference import fold, infer
    from jaxconv.training import step

    variables = jax.tree.map(jnp.asarray, jaxconv.load_pretrained().variables)
    images = jnp.ones((3, 32, 32, 3))
    logits = jaxconv.S9Net().apply(variables, images, train=False)
    assert infer(fold(variables), images).shape == logits.shape == (3, 10)
    jax.eval_shape(lambda v, x: infer(fold(v), x), variables, images)
    jax.eval_shape(jax.grad(lambda x: infer(fold(variables), x).sum()), images)
    nnx.eval_shape(lambda x: jaxconv.nnx.S9Net(rngs=nnx.Rngs(0))(x), images)

    model, optimizer = jaxconv.S9Net(dtype=jnp.bfloat16), optax.sgd(0.1)
    state = step.init_train_state(model, optimizer, jax.random.key(0), (32, 32, 3))
    batch = {"image": images, "label": jnp.zeros(3, int), "mask": jnp.ones(3, bool)}
    train_step = step.make_train_step(model, optimizer, step.identity_augment)
    jax.eval_shape(train_step, state, batch, jax.random.key(0))
    jax.eval_shape(step.make_eval_step(model), state, batch)
    jax.eval_shape(step.make_predict_step(model), state, images)
    assert kernel_to_torch(kernel_from_torch(np.ones((8, 3, 5, 7)))).shape == (8, 3, 5, 7)


def plant_mistakes():
    """Wrong axes on the way in and on the way out must be seen, or the walk shows nothing."""
    import jax
    import jax.numpy as jnp
    from jaxtyping import TypeCheckError

    import jaxconv
    from jaxconv.ops import standard

    def refused(call):
        try:
            call()
        except TypeCheckError:
            return True
        return False

    key, x, kernel = jax.random.key(0), jnp.ones((2, 5, 5, 3)), jnp.ones((3, 3, 3, 4))
    assert refused(lambda: jaxconv.conv(x, kernel, bias=jnp.ones((1, 4))))
    assert refused(lambda: jaxconv.S9Net().init(key, x[..., :2], train=False))
    right, standard.convolve_with_bias = standard.convolve_with_bias, lambda x, *_: x
    assert refused(lambda: jaxconv.conv(x, kernel))
    assert refused(lambda: jaxconv.Conv(4).init_with_output(key, x))
    standard.convolve_with_bias = right
    assert jaxconv.conv(x, kernel).shape == (2, 3, 3, 4)


def main():
    from jaxtyping import install_import_hook

    with install_import_hook(CHECKED, "test_types.checked"):
        import variants

        for variant in variants.VARIANTS:
            walk_functions(variant)
            walk_modules(variant)
        walk_layers()
        walk_networks()
    plant_mistakes()
    print(f"kept in {len(variants.VARIANTS)} convolutions, 2 layers, 2 networks")


if __name__ == "__main__":
    main()
