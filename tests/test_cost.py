"""What the variants cost side by side, and what the guide says of it."""

from pathlib import Path

import pytest

from jaxconv.models.cost import compare_costs, format_costs


def by_name(*arguments):
    return {cost.name: cost for cost in compare_costs(*arguments)}


def test_counts_by_hand():
    costs = by_name((32, 32, 32), 32)
    pixels = 32 * 32
    assert costs["standard"].parameters == 9 * 32 * 32
    assert costs["standard"].multiply_adds == pixels * 9 * 32 * 32
    assert costs["depthwise"].parameters == 9 * 32
    assert costs["depthwise separable"].parameters == 9 * 32 + 32 * 32
    assert costs["spatially separable"].parameters == 2 * 3 * 32 * 32
    assert costs["spatially separable"].multiply_adds == pixels * 2 * 3 * 32 * 32
    assert {cost.output_shape for cost in costs.values()} == {(32, 32, 32)}


@pytest.mark.parametrize("channels", [8, 32, 192])
def test_separable_convolutions_need_fewer_parameters(channels):
    costs = by_name((14, 14, channels), channels)
    for name in ("depthwise separable", "spatially separable"):
        assert costs[name].parameters < costs["standard"].parameters
        assert costs[name].multiply_adds < costs["standard"].multiply_adds
        assert costs[name].receptive_field == (3, 3)


def test_dilation_sees_further_at_no_cost():
    costs = by_name((14, 14, 16), 16)
    standard, dilated = costs["standard"], costs["dilated by 2"]
    assert dilated.receptive_field == (5, 5) > standard.receptive_field == (3, 3)
    assert dilated.parameters == standard.parameters
    assert dilated.multiply_adds == standard.multiply_adds


def test_a_pointwise_convolution_brings_192_channels_to_32():
    cost = by_name((28, 28, 192), 32)["pointwise"]
    assert cost.output_shape == (28, 28, 32)
    assert cost.parameters == 192 * 32 == 6144
    assert cost.multiply_adds == 28 * 28 * 192 * 32


def test_depthwise_is_left_out_where_channels_do_not_fit():
    assert "depthwise" not in by_name((8, 8, 3), 32)


def test_an_even_kernel_is_refused():
    with pytest.raises(ValueError, match=r"kernel_size must be odd .* got 4"):
        compare_costs((8, 8, 4), 4, kernel_size=4)


def test_the_table_of_the_readme_is_computed():
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert format_costs(compare_costs((32, 32, 32), 32)) in readme
