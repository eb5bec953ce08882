"""Every row of the lowering table, forced: small windows against loops, S9's against float64."""

import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.ops.window import Window, definition, output_space
from jaxconv.ops.xla import kernel_gradients, lowering
from jaxconv.ops.xla.primitives import convolve
from jaxconv.ops.xla.rewrites import Case

pytestmark = pytest.mark.usefixtures("no_case_is_small")
ROWS = {row.name: row for row in lowering.LOWERINGS}


def judge(x, kernel, window):
    """The convolution by loops over taps, in float64: stretch, pad or crop, read, sum."""
    stretch = (1, *window.input_dilation, 1)
    wide = np.zeros([1 + (n - 1) * s for n, s in zip(x.shape, stretch, strict=True)])
    wide[tuple(slice(None, None, step) for step in stretch)] = x
    far = 20  # more than any padding or crop of the drawn windows
    wide = np.pad(wide, ((0, 0), *[(far, far)] * window.axes, (0, 0)))
    reads = [slice(far - low, -far + high or None) for low, high in window.padding]
    wide = wide[(slice(None), *reads)]
    *taps, per_group, features = kernel.shape
    sizes = output_space(window, x.shape[1:-1], tuple(taps))
    y = np.zeros((x.shape[0], *sizes, features))
    for o in range(features):
        group = o // (features // window.groups)
        channels = wide[..., group * per_group : (group + 1) * per_group]
        for tap in np.ndindex(*taps):
            read = channels
            for axis, (i, n) in enumerate(zip(tap, sizes, strict=True)):
                places = i * window.dilation[axis] + window.stride[axis] * np.arange(n)
                read = np.take(read, places, axis + 1)
            y[..., o] += read @ kernel[(*tap, slice(None), o)]
    return y


def draw(rng):
    """A random window with shapes that fit it, or None where no output is left."""
    groups, per_group, more = (
        rng.choice([1, 1, 2, 3]),
        rng.choice([1, 2, 3]),
        rng.choice([1, 2, 26]),
    )
    axes = rng.choice([1, 2, 2, 2, 3])
    taps = rng.choice([(1, 1, 1), (2, 2, 2), (3, 3, 3), (1, 3, 2), (3, 2, 1), (5, 3, 1)])[:axes]
    option = lambda *values: tuple(rng.choice(values) for _ in range(axes))  # noqa: E731
    window = Window(
        option(1, 1, 2, 3),
        tuple((rng.randint(-2, 4), rng.randint(-2, 4)) for _ in range(axes))
        if rng.random() < 0.5
        else rng.choice([((1, 1), (0, 2), (1, 0)), ((0, 0),) * 3])[:axes],
        option(1, 1, 2) if rng.random() < 0.4 else (1,) * axes,
        option(1, 2, 4),
        groups,
    )
    if rng.random() < 0.5:
        window = window._replace(stride=(1,) * axes)
    space = [rng.randint(2, 7 if axes < 3 else 4) for _ in range(axes)]
    x_shape = (rng.choice([1, 3]), *space, per_group * groups)
    kernel_shape = (*taps, per_group, more * groups)
    fits = min(output_space(window, x_shape[1:-1], taps)) > 0
    return (x_shape, kernel_shape, window) if fits else None


def as_of(case):
    """The case on the backend and in the jax for which every row is meant."""
    return Case(*case, "cpu", jax_version=(0, 10))


def applies(row, case):
    """Whether a row meets such a case: lines end at theirs; that for symbols is right for all."""
    if row.name == "symbolic":
        return True
    return row.applies(as_of(case)) and (case[2].axes > 1 or row.name in ("line", "definition"))


def applicable(count):
    """`count` drawn cases for each row, by name."""
    rng, found = random.Random(4), {name: [] for name in ROWS}
    for _ in range(5000):
        case = draw(rng)
        for name, row in ROWS.items():
            if case and len(found[name]) < count and applies(row, case):
                # XLA aborts on one kind of window and misreads another: not for the plain rows.
                if name in ("canonical", "definition", "stretched") and dangerous(case):
                    continue
                found[name].append(case)
    return found


def dangerous(case):
    return any(ROWS[name].applies(as_of(case)) for name in ("cropped", "lengthened"))


CASES = applicable(count=5)
CASES["ragged"] += [
    ((3, 6, 5, channels), (3, 2, channels, 40), Window(stride, ((1, 1), (0, 1)), (1, 1), (1, 1), 1))
    for channels in (3, 32)
    for stride in ((1, 1), (2, 1), (2, 2))
]


def test_every_row_has_cases():
    assert min(len(cases) for cases in CASES.values()) >= 3


@pytest.mark.parametrize("name", ROWS)
def test_row_equals_loops(name):
    row = ROWS[name]
    for number, (x_shape, kernel_shape, window) in enumerate(CASES[name]):
        rng = np.random.default_rng(number)
        x, kernel = rng.normal(size=x_shape), rng.normal(size=kernel_shape)
        wanted = judge(x, kernel, window)
        cotangent = rng.normal(size=wanted.shape)
        with jax.enable_x64(True):
            y = row.forward(jnp.asarray(x), jnp.asarray(kernel), window, jnp.float64)
            gradient = row.kernel_gradient(
                jnp.asarray(x), jnp.asarray(cotangent), window, kernel_shape
            )
        np.testing.assert_allclose(y, wanted, rtol=1e-9, atol=1e-9, err_msg=str(window))
        # The kernel gradient is the adjoint of the map from kernels to outputs.
        other = rng.normal(size=kernel_shape)
        left = np.vdot(cotangent, judge(x, other, window))
        np.testing.assert_allclose(np.vdot(gradient, other), left, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("dtype", "columns"), [("float32", 8), ("bfloat16", 8), ("float64", 7)])
def test_a_column_more_is_asked_for_where_eigen_computes_it(dtype, columns):
    window = Window((1, 1), ((0, 0), (1, 1)), (1, 1), (1, 1), 1)
    with jax.enable_x64(True):
        x, kernel = jnp.ones((2, 9, 7, 3), dtype), jnp.ones((3, 3, 3, 40), dtype)
        lowered = jax.jit(lambda *given: ROWS["ragged"].forward(*given, window, dtype)).lower(
            x, kernel
        )
    assert f"tensor<2x7x{columns}x40x" in lowered.as_text()


PIECED = {  # x [h, w, c], taps, features
    "image": ((5, 6, 3), (3, 3), 4, Window((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1)),
    "stride": ((9, 8, 2), (2, 4), 3, Window((3, 2), ((0, 1), (3, 2)), (1, 1), (2, 1), 1)),
    "one row of taps": ((6, 5, 2), (1, 3), 3, Window((1, 1), ((0, 0), (1, 1)), (1, 1), (1, 1), 1)),
    "groups": ((5, 4, 6), (3, 2), 9, Window((1, 1), ((1, 1), (0, 1)), (1, 1), (1, 2), 3)),
    "stretched": ((4, 3, 2), (2, 3), 3, Window((2, 2), ((1, 0), (2, 1)), (2, 3), (1, 1), 1)),
    "volume": ((4, 5, 3, 2), (2, 3, 1), 4, Window((1,) * 3, ((1, 0),) * 3, (1,) * 3, (1,) * 3, 2)),
}


@pytest.mark.parametrize("batch", [1, 4, 7, 16])
@pytest.mark.parametrize("name", PIECED)
def test_a_kernel_gradient_in_pieces_is_that_of_the_batch(name, batch, monkeypatch):
    """Whole turns of two pieces, some images left over, and runs of a least length."""
    space, taps, features, window = PIECED[name]
    shape = (*taps, space[-1] // window.groups, features)
    sizes = output_space(window, space[:-1], taps)
    monkeypatch.setattr(kernel_gradients, "PIXELS_A_PIECE", 2 * np.prod(sizes).item())
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        x = jnp.asarray(rng.normal(size=(batch, *space)))
        cotangent = jnp.asarray(rng.normal(size=(batch, *sizes, features)))
        expected = kernel_gradients.definition_kernel_gradient(x, cotangent, window, shape)
        for least_run in (1, 4 * sizes[-1]):
            given = kernel_gradients.canonical_kernel_gradient(
                x, cotangent, window, shape, least_run
            )
            np.testing.assert_allclose(given, expected, rtol=1e-9, atol=1e-9)


def test_pieces_vary_as_their_operands_do(monkeypatch):
    """Inside shard_map the sums of a loop must have the types of what is added."""
    monkeypatch.setattr(kernel_gradients, "PIXELS_A_PIECE", 64)
    window = Window((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1)
    auto, parts = (jax.sharding.AxisType.Auto,), jax.P("rows")
    mesh = jax.make_mesh((1,), ("rows",), axis_types=auto)
    x, cotangent = jnp.ones((8, 6, 6, 3)), jnp.ones((8, 6, 6, 5))

    def gradient(x, cotangent):
        return kernel_gradients.canonical_kernel_gradient(x, cotangent, window, (3, 3, 3, 5))[None]

    of_device = jax.jit(jax.shard_map(gradient, mesh=mesh, in_specs=parts, out_specs=parts))
    np.testing.assert_allclose(of_device(x, cotangent), gradient(x, cotangent), rtol=1e-6)


SAME, SHRINK = ((1, 1), (1, 1)), {"stride": (2, 2), "dilation": (2, 2)}
S9_LAYERS = {  # x [h, w, c], kernel, padding, options
    "block1": ((32, 32, 3), (3, 3, 3, 32), SAME, {}),
    "block2 depthwise": ((32, 32, 32), (3, 3, 1, 32), SAME, {"groups": 32}),
    "block2 pointwise": ((32, 32, 32), (1, 1, 32, 32), SAME, {}),
    "block3": ((34, 34, 32), (3, 3, 32, 32), SAME, SHRINK),
    "block4": ((16, 16, 32), (3, 3, 32, 40), SAME, {}),
    "block5": ((16, 16, 40), (3, 3, 40, 40), SAME, {}),
    "block6": ((16, 16, 40), (3, 3, 40, 40), SAME, SHRINK),
    "block7": ((7, 7, 40), (3, 3, 40, 40), SAME, {}),
    "block9": ((7, 7, 40), (3, 3, 40, 40), SAME, SHRINK),
    "block11": ((3, 3, 64), (3, 3, 64, 64), SAME, {}),
}


def relative_error(layer, batch):
    """The largest error of value and gradients in float32, against stock XLA in float64."""
    (h, w, c), kernel_shape, padding, options = S9_LAYERS[layer]
    window = Window((1, 1), padding, (1, 1), (1, 1), 1)._replace(**options)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, h, w, c))
    kernel = rng.normal(size=kernel_shape)
    cotangent = rng.normal(
        size=(batch, *output_space(window, (h, w), kernel_shape[:2]), kernel_shape[3])
    )

    def passes(convolution, dtype):
        def run(x, kernel, cotangent):
            y, pullback = jax.vjp(lambda x, kernel: convolution(x, kernel, window), x, kernel)
            return y, *pullback(cotangent)

        arrays = (jnp.asarray(array, dtype) for array in (x, kernel, cotangent))
        return [np.asarray(result) for result in jax.jit(run)(*arrays)]

    ours = passes(convolve, jnp.float32)
    with jax.enable_x64(True):
        truth = passes(definition, jnp.float64)
    return max(
        float(np.abs(got - true).max() / np.abs(true).max())
        for got, true in zip(ours, truth, strict=True)
    )


@pytest.mark.parametrize("layer", S9_LAYERS)
def test_layers_at_real_size(layer):
    assert relative_error(layer, batch=64) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("layer", S9_LAYERS)
def test_layers_at_the_batch_of_the_recipe(layer):
    assert relative_error(layer, batch=512) < 1e-5
