"""Every transformation of JAX on every variant: each is held to what plain composition gives."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from variants import VARIANTS, difference

from jaxconv import conv, transpose_conv

pytestmark = pytest.mark.usefixtures("no_case_is_small")

USES = [
    pytest.param(variant, sample, id=f"{variant.name}-{len(sample.x) - 2}d")
    for variant in VARIANTS
    for sample in (variant.samples[-1], variant.others[0])
]
each_of_two_uses = pytest.mark.parametrize(("variant", "sample"), USES)


def parts(variant, sample):
    """The function of its arrays, the arrays, directions and the gradient of a curved loss."""
    arrays, directions = (tuple(sample.arrays(seed, np.float32)) for seed in (1, 2))

    def function(*arrays):
        return variant.function(*arrays, **sample.options)

    def loss(*arrays):
        return jnp.sum(jnp.sin(function(*arrays)))

    return function, arrays, directions, jax.grad(loss, range(len(arrays)))


def require_equal(given, expected):
    for ours, theirs in zip(jax.tree.leaves(given), jax.tree.leaves(expected), strict=True):
        assert difference(ours, theirs) < 1e-5


@each_of_two_uses
def test_forward_and_reverse_mode_in_any_order(variant, sample):
    function, arrays, directions, gradient = parts(variant, sample)
    places = range(len(arrays))

    @jax.jit
    def run(arrays, directions):
        y, tangent = jax.jvp(function, arrays, directions)
        _, linear = jax.linearize(function, *arrays)
        _, pullback = jax.vjp(function, *arrays)
        _, curved = jax.jvp(gradient, arrays, directions)

        def slope(*arrays):
            loss = lambda *arrays: jnp.sum(jnp.sin(function(*arrays)))  # noqa: E731
            return jax.jvp(loss, arrays, directions)[1]

        back = jax.linear_transpose(lambda x: function(x, *arrays[1:]), arrays[0])(y)
        remade = jax.checkpoint(function, policy=jax.checkpoint_policies.dots_saveable)
        _, again = jax.vjp(remade, *arrays)
        looped = jax.lax.scan(lambda carry, _: (carry, pullback(y)), 0, None, length=2)[1]
        one, other = (tangent, curved, back, again(y)), (linear(*directions),)
        other = (*other, jax.grad(slope, places)(*arrays), pullback(y)[:1], pullback(y))
        return one, other, looped, pullback(y)

    one, other, looped, once = run(arrays, directions)
    require_equal(one, other)
    require_equal(looped, jax.tree.map(lambda array: jnp.stack([array, array]), once))


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_hessian_times_a_direction(variant):
    function, (x, *kernels), (_, *directions), _ = parts(variant, variant.others[0])

    def loss(kernel):
        return jnp.sum(jnp.sin(function(x, *kernels[:-1], kernel)))

    @jax.jit
    def run(kernel, direction):
        _, expected = jax.jvp(jax.grad(loss), (kernel,), (direction,))
        return jnp.tensordot(jax.hessian(loss)(kernel), direction, kernel.ndim), expected

    require_equal(*run(kernels[-1], directions[-1]))


@each_of_two_uses
def test_vmap_over_x_kernels_or_both_equals_a_loop(variant, sample):
    function, arrays, others, gradient = parts(variant, sample)
    many = [np.stack([a, b, a - 2 * b]) for a, b in zip(arrays, others, strict=True)]
    rest = len(arrays) - 1

    @jax.jit
    def run(many, arrays):
        results = []
        for axes in ((0, *[None] * rest), (None, *[0] * rest), (0,) * (rest + 1)):
            mixed = [m if axis == 0 else a for m, a, axis in zip(many, arrays, axes, strict=True)]
            both = lambda *arrays: (function(*arrays), gradient(*arrays))  # noqa: E731
            together = jax.vmap(both, axes)(*mixed)
            apart = [
                both(*[a[i] if axis == 0 else a for a, axis in zip(mixed, axes, strict=True)])
                for i in range(3)
            ]
            results.append((together, jax.tree.map(lambda *a: jnp.stack(a), *apart)))
        return results

    for together, apart in run(many, arrays):
        require_equal(together, apart)


@pytest.mark.parametrize("space", [False, True], ids=["batch", "batch and space"])
@each_of_two_uses
def test_export_with_symbolic_sizes(variant, sample, space):
    function, arrays, _, gradient = parts(variant, sample)
    x, *kernels = arrays
    names = ["b", *"dhw"[-(x.ndim - 2) :]] if space else ["b"]
    limits = [f"{name} >= 8" for name in names[1:]]
    sizes = export.symbolic_shape(", ".join(names), constraints=limits)
    shape = (*sizes, *x.shape[len(sizes) :])
    given = np.random.default_rng(5).standard_normal(
        (3, *range(9, 8 + len(names)), *x.shape[len(names) :]), dtype=np.float32
    )
    both = lambda *arrays: (function(*arrays), gradient(*arrays))  # noqa: E731
    types = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays]
    types[0] = jax.ShapeDtypeStruct(shape, np.float32)
    exported = export.deserialize(export.export(jax.jit(both))(*types).serialize())
    require_equal(jax.jit(exported.call)(given, *kernels), jax.jit(both)(given, *kernels))


DEBUGGING = {
    "without-jit": jax.disable_jit,
    "strict-dtypes": lambda: jax.numpy_dtype_promotion("strict"),
}


@pytest.mark.parametrize("setting", DEBUGGING)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float8_e4m3fn])
@pytest.mark.parametrize("function", [conv, transpose_conv])
def test_settings_for_debugging_change_nothing(setting, dtype, function):
    x, kernel = jnp.ones((2, 5, 5, 3), dtype), jnp.ones((3, 3, 3, 3), dtype)
    options = {"padding": 1, "bias": jnp.ones(3, dtype)}
    expected = jax.jit(lambda x: function(x, kernel, **options))(x)
    with DEBUGGING[setting]():
        given, gradient = jax.vjp(lambda x: function(x, kernel, **options), x)
        assert gradient(given)[0].dtype == dtype
    np.testing.assert_array_equal(np.float32(given), np.float32(expected))


@pytest.mark.parametrize("of", [(0, None), (None, 0), (0, 0)])
@pytest.mark.parametrize("groups", [1, 2])
def test_vmap_over_nothing_gives_nothing(of, groups):
    """Values and gradients of zero examples, as of any function of JAX."""
    x, kernel = jnp.ones((5, 5, 4)), jnp.ones((3, 3, 4 // groups, 6))

    def loss(x, kernel):
        return conv(x, kernel, padding=1, groups=groups).sum()

    given = [
        array if axis is None else jnp.zeros((0, *array.shape))
        for array, axis in zip((x, kernel), of, strict=True)
    ]
    found = jax.vmap(jax.value_and_grad(loss, (0, 1)), of)(*given)
    shapes = [each.shape for each in jax.tree.leaves(found)]
    assert shapes == [(0,), (0, *x.shape), (0, *kernel.shape)]
    summed = jax.grad(lambda *given: jax.vmap(loss, of)(*given).sum(), (0, 1))(*given)
    chex.assert_trees_all_equal(summed, tuple(map(jnp.zeros_like, given)))


@each_of_two_uses
def test_numpy_arrays_have_the_dtypes_of_jax(variant, sample):
    """float64 is float32 there, unless jax_enable_x64 says otherwise."""
    wide = tuple(np.asarray(array, np.float64) for array in sample.arrays(1, np.float32))
    function = parts(variant, sample)[0]
    narrow = jax.tree.map(jnp.asarray, wide)
    assert narrow[0].dtype == jnp.float32
    chex.assert_trees_all_equal(function(*wide), function(*narrow))
    mixed = (wide[0], *narrow[1:])
    chex.assert_trees_all_equal(function(*mixed), function(*narrow))
