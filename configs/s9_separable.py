"""The recipe of s9_quick, with depthwise separable convolutions in place of the standard ones.

    jaxconv train --config s9_separable

60,859 parameters instead of 193,376, and 6,005,368 multiply-adds per image instead of 14,476,160;
`jaxconv compare` shows its run beside one of s9_quick, whose recipe it shares. What that costs in
accuracy: docs/results.md, "Which convolution for which budget".
"""

from ml_collections import ConfigDict

from . import s9_quick

SHRINK = {"stride": 2, "dilation": 2}


def get_config() -> ConfigDict:
    config = s9_quick.get_config()
    config.model.rows = (  # its table of blocks; 3x3 and padding 1 where options say nothing else
        {"conv": "DepthwiseSeparableConv", "features": 32},
        {"conv": "DepthwiseSeparableConv", "features": 32, "options": {"pointwise_padding": 1}},
        {"conv": "DilatedConv", "features": 32, "options": SHRINK},
        {"conv": "DepthwiseSeparableConv", "features": 40},
        {"conv": "DepthwiseSeparableConv", "features": 40, "residual": True},
        {"conv": "DilatedConv", "features": 40, "options": SHRINK},
        {"conv": "DepthwiseSeparableConv", "features": 40},
        {"conv": "DepthwiseSeparableConv", "features": 40, "residual": True},
        {"conv": "DilatedConv", "features": 40, "options": SHRINK},
        {"conv": "DepthwiseSeparableConv", "features": 64},
        {"conv": "DepthwiseSeparableConv", "features": 64, "residual": True},
        {"conv": "DepthwiseSeparableConv", "features": 64},
    )
    return config
