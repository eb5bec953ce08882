"""S9Net with each kind of convolution in the place of its standard ones: rows as data."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from flax import linen as nn

from jaxconv.linen.convolutions import (
    Conv,
    DepthwiseSeparableConv,
    DilatedConv,
    PointwiseConv,
    SpatiallySeparableConv,
    TransposeConv,
)
from jaxconv.models.layer_summary import summarize
from jaxconv.models.rows import Row, rows_to_json
from jaxconv.models.s9 import ROWS, S9Net

IMAGE = (32, 32, 3)
STANDARD = "standard"


class Kind(NamedTuple):
    """What stands where S9Net has `Conv`: a module, options that keep the map's size, a width."""

    conv: type[nn.Module]
    options: Mapping[str, Any] = {}
    width: float = 1

    @property
    def rows(self) -> tuple[Row, ...]:
        """The other rows, one of them depthwise separable and three dilated, and the head stay."""
        return tuple(
            row._replace(conv=self.conv, options=self.options).frozen() if row.conv is Conv else row
            for row in ROWS
        )

    @property
    def fields(self) -> dict[str, Any]:
        """The same as `config.model` holds it."""
        return {"rows": tuple(rows_to_json(self.rows)), "width": float(self.width)}

    def cost(self) -> dict[str, Any]:
        """Parameters, multiply-adds of one image, and the receptive field's side in pixels."""
        layers = summarize(S9Net(rows=self.rows, width=self.width), IMAGE)
        field = layers[-1].receptive_field
        assert field is not None  # all operations of these modules are known
        return {
            "parameters": sum(layer.parameters for layer in layers),
            "multiply_adds": sum(layer.multiply_adds for layer in layers),
            "receptive_field": max(field),
        }


KINDS: Mapping[str, Kind] = {
    STANDARD: Kind(Conv),
    # The other way to a smaller network: as many parameters as with depthwise separable blocks.
    "standard, narrower": Kind(Conv, width=0.56),
    "pointwise": Kind(PointwiseConv, {"padding": 0}),
    "depthwise separable": Kind(DepthwiseSeparableConv),
    "dilated by 2": Kind(DilatedConv, {"dilation": 2, "padding": 2}),
    "spatially separable": Kind(SpatiallySeparableConv),
    "transposed": Kind(TransposeConv),  # its padding crops: at stride 1 the size stays
}
"""By name. A depthwise convolution alone is none: it can neither mix channels nor make 40 of 32."""
