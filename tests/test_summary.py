"""The layer table equals the documented one, and its receptive fields are what gradients show."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxconv import (
    Conv,
    DepthwiseSeparableConv,
    DilatedConv,
    PointwiseConv,
    S9Net,
    SpatiallySeparableConv,
    TransposeConv,
)
from jaxconv.linen.layers import BatchNorm, Dropout, GlobalAvgPool, ReLU
from jaxconv.models.summary import COLUMNS, format_summary, summarize
from jaxconv.models.views import PIXELS, spread, union, window
from jaxconv.ops.geometry import receptive_field

BLOCKS = (  # (Conv2d parameters of a block's layers, features, size)
    ((864,), 32, (32,)),
    ((288, 1024), 32, (32, 34)),
    ((9216,), 32, (16,)),
    ((11520,), 40, (16,)),
    ((14400,), 40, (16,)),
    ((14400,), 40, (7,)),
    ((14400,), 40, (7,)),
    ((14400,), 40, (7,)),
    ((14400,), 40, (3,)),
    ((23040,), 64, (3,)),
    ((36864,), 64, (3,)),
    ((36864,), 64, (3,)),
)


def documented_table() -> str:
    """The table of the guide, laid out here by hand: 20, 25 and 15 columns."""
    layers = []
    for convolutions, features, sizes in BLOCKS:
        for parameters, size in zip(convolutions, sizes, strict=True):
            layers.append(("Conv2d", features, size, parameters))
        for kind, parameters in (("ReLU", 0), ("BatchNorm2d", 2 * features), ("Dropout", 0)):
            layers.append((kind, features, sizes[-1], parameters))
    layers += [("AdaptiveAvgPool2d", 64, 1, 0), ("Conv2d", 10, 1, 640)]
    lines = ["-" * 64, "        Layer (type)               Output Shape         Param #", "=" * 64]
    for number, (kind, features, size, parameters) in enumerate(layers, start=1):
        shape = f"[-1, {features}, {size}, {size}]"
        lines.append(f"{kind}-{number}".rjust(20) + shape.rjust(27) + f"{parameters:,}".rjust(16))
    lines += ["=" * 64, "Total params: 193,376", "Trainable params: 193,376"]
    lines += ["Non-trainable params: 0", "-" * 64, "Input size (MB): 0.01"]
    lines += ["Forward/backward pass size (MB): 3.50", "Params size (MB): 0.74"]
    return "\n".join([*lines, "Estimated Total Size (MB): 4.25", "-" * 64])


def measured_field(model: nn.Module, size: int, features: int = 2) -> tuple[int, int]:
    """Rows and columns of the image with a gradient for one position, the most of all positions."""
    x = jax.random.uniform(jax.random.key(0), (1, size, size, features))
    variables = model.init(jax.random.key(1), x)
    positive = jax.tree.map(lambda value: jnp.abs(value) + 0.1, variables)

    def position(image, row, column):
        return jnp.sum(model.apply(positive, image)[0, row, column])

    height, width = model.apply(variables, x).shape[1:3]
    middle = [(height // 2 + i, width // 2 + i) for i in range(6)]
    gradient = jax.jit(jax.grad(position))
    seen = [np.any(np.asarray(gradient(x, *place))[0], axis=-1) for place in middle]
    rows = [np.flatnonzero(image.any(axis=1)) for image in seen]
    columns = [np.flatnonzero(image.any(axis=0)) for image in seen]
    return tuple(max(np.ptp(axis) + 1 for axis in axes if len(axis)) for axes in (rows, columns))


class Chain(nn.Module):
    """The layers one after the other; two branches where a layer is a pair of tuples."""

    layers: tuple

    @nn.compact
    def __call__(self, x):
        for layer in self.layers:
            if isinstance(layer, tuple):
                left, right = x, x
                for part in layer[0]:
                    left = part.copy()(left)
                for part in layer[1]:
                    right = part.copy()(right)
                x = left + right
            else:
                x = layer.copy()(x)
        return x


def last_row(model: nn.Module, size: int = 64, features: int = 2):
    return summarize(model, (size, size, features))[-1]


def test_the_documented_table_character_for_character():
    text = format_summary(summarize(S9Net(), (32, 32, 3)), (32, 32, 3))
    assert text == documented_table()


def test_the_columns_keep_the_table_and_add_the_documented_totals():
    rows = summarize(S9Net(), (32, 32, 3))
    text = format_summary(rows, (32, 32, 3), ["receptive_field", "jump", "macs", "memory"])
    plain = documented_table().splitlines()
    assert [line[:64].rstrip() for line in text.splitlines()][: len(plain)] == plain
    assert "Receptive field (pixels): 105" in text
    assert "Jump (pixels): 8" in text
    assert "Multiply-adds: 14,476,160" in text
    assert rows[-1].receptive_field == (105, 105)
    assert rows[-1].jump == (8, 8)
    assert sum(row.multiply_adds for row in rows) == 14_476_160
    assert sum(row.parameters for row in rows if row.kind == "Conv2d") == 192_320


def test_bfloat16_halves_the_output_bytes_but_no_parameter():
    full, half = (summarize(S9Net(dtype=d), (32, 32, 3)) for d in (jnp.float32, jnp.bfloat16))
    assert [row.parameters for row in full] == [row.parameters for row in half]
    assert full[0].memory_bytes == 2 * half[0].memory_bytes == 32 * 32 * 32 * 4


def test_the_receptive_field_of_s9_is_the_extent_of_its_input_gradient():
    size = 201
    model = S9Net(dropout_rate=0.0)
    images = jax.random.uniform(jax.random.key(0), (1, size, size, 3))
    variables = jax.tree.map(jnp.abs, model.init(jax.random.key(1), images, train=False))

    def features_at(image, row):
        _, state = model.apply(
            variables,
            image,
            train=False,
            capture_intermediates=lambda module, _: module.name == "block12",
            mutable=["intermediates"],
        )
        (features,) = state["intermediates"]["block12"]["__call__"]
        return jnp.sum(features[0, row, row])

    seen = np.any(np.asarray(jax.jit(jax.grad(features_at))(images, 12))[0], axis=(1, 2))
    following = np.any(np.asarray(jax.jit(jax.grad(features_at))(images, 13))[0], axis=(1, 2))
    rows = summarize(model, (size, size, 3))
    assert int(np.ptp(np.flatnonzero(seen))) + 1 == 105 == rows[-1].receptive_field[0]
    assert np.flatnonzero(following)[0] - np.flatnonzero(seen)[0] == 8 == rows[-1].jump[0]


CHAINS = {
    "options differ by axis": Chain(
        (Conv(3, (3, 5), stride=(2, 1), padding=(1, 0), dilation=(1, 2)), Conv(2, (1, 3)))
    ),
    "depthwise separable": Chain((DepthwiseSeparableConv(3, dilation=3, pointwise_padding=2),)),
    "spatially separable": Chain((SpatiallySeparableConv(3, (5, 3), stride=(1, 2)), Conv(2))),
    "stride beyond kernel": Chain((Conv(2, 2, stride=4), Conv(2, 3))),
    "branches of different reach": Chain(
        (((Conv(2, 3, padding=1),), (DilatedConv(2, 5, dilation=2, padding=4),)), Conv(2, 3))
    ),
    "branches through a transposed one": Chain(
        (((TransposeConv(2, 3),), (Conv(2, 5, padding=3),)), Conv(2, 3))
    ),
    "transposed": Chain((Conv(2, 3, stride=2), TransposeConv(2, 3, stride=2, output_padding=1))),
    "transposed to other phases": Chain(
        (TransposeConv(2, 2, stride=3, dilation=2, padding=1), Conv(2, 3, stride=2), Conv(2))
    ),
    "transposed with taps that never meet": Chain((TransposeConv(2, 2, stride=2, dilation=3),)),
    "transposed with groups": Chain((TransposeConv(4, 4, stride=2, groups=2), Conv(2, 2))),
    "up and down to a residual": Chain(
        (((TransposeConv(2, 2, stride=2), Conv(2, 2, stride=2)), (Conv(2, 3, padding=1),)),)
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_receptive_fields_are_the_extent_of_the_input_gradient(name):
    model = CHAINS[name]
    # A sum after the last layer is no row of its own: the ReLU's row says what it sees.
    read = last_row(Chain((*model.layers, ReLU())), 40)
    assert read.receptive_field == measured_field(model, 40)


def test_a_chain_agrees_with_the_recurrence_of_geometry():
    view, field, jump = PIXELS, 1, 1
    for kernel_size, stride, padding, dilation in ((3, 1, 1, 1), (3, 2, 1, 2), (5, 3, 0, 2)):
        options = {"kernel_size": kernel_size, "dilation": dilation}
        view = window(view, stride=stride, padding=padding, **options)
        field, jump = receptive_field(field, jump, **options), jump * stride
        assert (view.field, view.jump) == (field, jump)


def test_a_transposed_stride_halves_the_jump():
    assert last_row(Chain((TransposeConv(2, 4, stride=2, padding=1),))).jump == (
        Fraction(1, 2),
        Fraction(1, 2),
    )


def test_views_with_different_jumps_have_no_union():
    coarse = window(PIXELS, kernel_size=1, stride=2)
    assert union(PIXELS, coarse) is None
    assert union(PIXELS, window(spread(PIXELS, 2), kernel_size=1, stride=2)) == PIXELS


class Operations(nn.Module):
    """A convolution after what `before` does without a module."""

    before: object

    @nn.compact
    def __call__(self, x):
        return PointwiseConv(2)(self.before(x))


@pytest.mark.parametrize(
    ("before", "field"),
    [
        (lambda x: nn.max_pool(x, (3, 3), strides=(2, 2)), 3),
        (lambda x: nn.avg_pool(x, (2, 2), strides=(2, 2), padding="SAME"), 2),
        (lambda x: x[:, 1:, 1:] - x[:, :-1, :-1], 2),
        (lambda x: x[:, ::2, ::2] * nn.sigmoid(x[:, 1::2, 1::2]), 2),
        (lambda x: jnp.pad(x, ((0, 0), (2, 0), (2, 0), (0, 0)))[:, :-2, :-2] + x, 3),
        (lambda x: jnp.concatenate([x, nn.relu(x)], axis=-1), 1),
        (lambda x: nn.standardize(x), 1),
        (lambda x: x @ jnp.ones((2, 3)), 1),
        (lambda x: jax.lax.dot_general(x, jnp.ones((64, 3)), (((1,), (0,)), ((), ()))), None),
        (lambda x: jnp.einsum("bhwc,bhvc->bhwv", x, x), None),
        (lambda x: x[:, ::-1], None),
        (lambda x: jnp.swapaxes(x, 1, 2), None),
        (lambda x: x.reshape(1, 32, 32, 8), None),
        (lambda x: jnp.roll(x, 1, axis=1), None),
        (lambda x: jnp.cumsum(x, axis=1), None),
        (lambda x: jax.image.resize(x, (1, 32, 32, 2), "linear"), None),
    ],
)
def test_operations_between_layers_are_followed_or_called_unknown(before, field):
    row = last_row(Operations(before))
    assert row.receptive_field == (None if field is None else (field, field))
    if field is None:
        text = format_summary([row], (64, 64, 2), ["receptive_field", "jump"])
        assert "Receptive field (pixels): ?" in text


def test_flax_layers_and_flat_heads_are_understood():
    class Classic(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            x = nn.Conv(4, (3, 3), strides=(2, 2))(x)
            x = nn.BatchNorm(use_running_average=not train)(x)
            x = nn.max_pool(nn.relu(x), (2, 2), strides=(2, 2))
            return nn.Dense(10)(x.reshape(x.shape[0], -1))

    rows = summarize(Classic(), (16, 16, 3))
    assert [row.kind for row in rows] == ["Conv2d", "BatchNorm2d", "Linear"]
    assert [row.parameters for row in rows] == [3 * 9 * 4 + 4, 8, 64 * 10 + 10]
    assert [row.multiply_adds for row in rows] == [8 * 8 * 27 * 4, 0, 640]
    assert rows[-1].receptive_field == (5, 5)
    assert rows[-1].jump == (4, 4)
    assert "[-1, 10]" in format_summary(rows, (16, 16, 3))


def test_kinds_tell_the_axes_and_a_transposed_layer_of_flax_costs_what_ours_does():
    class Up(nn.Module):
        @nn.compact
        def __call__(self, x):
            return BatchNorm()(nn.ConvTranspose(4, (2,), (2,))(Conv(4, (3,))(x)), train=False)

    rows = summarize(Up(), (8, 3))
    assert [row.kind for row in rows] == ["Conv1d", "ConvTranspose1d", "BatchNorm1d"]
    ours, theirs = (
        summarize(layer, (8, 8, 4))[0]
        for layer in (TransposeConv(4, 2, stride=2), nn.ConvTranspose(4, (2, 2), (2, 2)))
    )
    assert (ours.kind, ours.multiply_adds) == (theirs.kind, theirs.multiply_adds)
    assert ours.multiply_adds == 8 * 8 * 4 * 4 * 4


def test_convolution_options_and_costs_stand_in_the_rows():
    model = Chain((Conv(4, (3, 1), groups=2, padding=(1, 0)), TransposeConv(2, 3, stride=2)))
    grouped, transposed = summarize(model, (8, 8, 2))
    assert grouped.options == ((3, 1), (1, 1), (1, 0), (1, 1), 2, False)
    assert grouped.multiply_adds == 8 * 8 * 4 * 3
    assert transposed.options.transposed
    assert transposed.multiply_adds == 8 * 8 * 4 * 9 * 2
    assert transposed.output_shape == (17, 17, 2)


class Lifted(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.jit(Conv)(2, stride=2)(nn.remat(Conv)(2)(x))


class Scaled(nn.Module):
    @nn.compact
    def __call__(self, x):
        return Conv(2)(x) * self.param("scale", nn.initializers.ones, (2,))[None, None, None]


def test_layers_inside_remat_and_jit_are_seen():
    assert [row.receptive_field for row in summarize(Lifted(), (16, 16, 2))] == [(3, 3), (5, 5)]


def test_parameters_outside_of_layers_are_refused():
    with pytest.raises(ValueError, match=r"Scaled has 38 parameters, but its layers have 36; a ta"):
        summarize(Scaled(), (8, 8, 2))


def test_a_layer_called_twice_counts_once():
    class Twice(nn.Module):
        @nn.compact
        def __call__(self, x):
            layer = Conv(2, padding=1)
            return layer(layer(x))

    rows = summarize(Twice(), (8, 8, 2))
    assert [row.parameters for row in rows] == [36, 0]
    assert rows[1].receptive_field == (5, 5)


def test_batch_statistics_are_no_parameters():
    class Normed(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return GlobalAvgPool()(Dropout(0.5)(BatchNorm()(x, train=train), train=train))

    rows = summarize(Normed(), (8, 8, 5))
    assert [(row.kind, row.parameters) for row in rows] == [
        ("BatchNorm2d", 10),
        ("Dropout", 0),
        ("AdaptiveAvgPool2d", 0),
    ]


def test_an_unknown_column_is_named_with_the_known_ones():
    rows = summarize(Conv(2), (8, 8, 2))
    with pytest.raises(ValueError, match=r"unknown column 'flops'; expected some of receptive_f"):
        format_summary(rows, (8, 8, 2), ["flops"])
    assert set(COLUMNS) == {"receptive_field", "jump", "macs", "memory"}
