"""Two networks in PyTorch: S9 under the original's names, and one with every variant."""

import torch
from torch import nn


def _block(convolution, channels):
    return nn.Sequential(convolution, nn.ReLU(), nn.BatchNorm2d(channels), nn.Dropout(0.1))


def _conv(c_in, c_out, **options):
    return nn.Conv2d(c_in, c_out, 3, padding=1, bias=False, **options)


def _shrink(channels):
    return nn.Sequential(_conv(channels, channels, stride=2, dilation=2))


class S9(nn.Module):
    """The documented network; `outputs` keeps what each block gave, residual included."""

    residual = (5, 8, 11)

    def __init__(self):
        super().__init__()
        separable = nn.Sequential(
            _conv(32, 32, groups=32), nn.Conv2d(32, 32, 1, padding=1, bias=False)
        )
        self.conv_block1 = _block(_conv(3, 32), 32)
        self.conv_block2 = _block(separable, 32)
        self.conv_block3 = _block(_shrink(32), 32)
        self.conv_block4 = _block(_conv(32, 40), 40)
        self.conv_block5 = _block(_conv(40, 40), 40)
        self.conv_block6 = _block(_shrink(40), 40)
        self.conv_block7 = _block(_conv(40, 40), 40)
        self.conv_block8 = _block(_conv(40, 40), 40)
        self.conv_block9 = _block(_shrink(40), 40)
        self.conv_block10 = _block(_conv(40, 64), 64)
        self.conv_block11 = _block(_conv(64, 64), 64)
        self.conv_block12 = _block(_conv(64, 64), 64)
        self.conv_block14 = nn.Sequential(nn.Conv2d(64, 10, 1, bias=False))
        self.outputs = {}

    def forward(self, x):
        for number in range(1, 13):
            y = getattr(self, f"conv_block{number}")(x)
            x = x + y if number in self.residual else y
            self.outputs[number] = x
        return self.conv_block14(x.mean((2, 3), keepdim=True)).flatten(1)


class Zoo(nn.Module):
    """Every variant once, each with options that a wrong reading of them would show."""

    def __init__(self):
        super().__init__()
        self.standard = nn.Conv2d(4, 6, (3, 5), stride=(2, 1), padding=(1, 2), groups=2)
        self.pointwise = nn.Conv2d(6, 8, 1)
        self.depthwise = nn.Conv2d(8, 16, 3, padding=(1, 2), groups=8)
        self.mix = nn.Conv2d(16, 9, 1, padding=1)
        self.dilated = nn.Conv2d(9, 8, (3, 2), stride=2, padding=2, dilation=(2, 3))
        self.column = nn.Conv2d(8, 3, (5, 1), padding=(2, 0))
        self.row = nn.Conv2d(3, 6, (1, 3), stride=(1, 2))
        self.transpose = nn.ConvTranspose2d(
            6, 4, (3, 2), stride=(2, 3), padding=1, output_padding=(1, 2), dilation=(1, 3), groups=2
        )
        self.head = nn.Conv2d(4, 5, 1)

    def forward(self, x):
        x = torch.tanh(self.standard(x))
        x = torch.tanh(self.pointwise(x))
        x = torch.tanh(self.mix(self.depthwise(x)))
        x = torch.tanh(self.dilated(x))
        x = torch.tanh(self.row(self.column(x)))
        x = torch.tanh(self.transpose(x))
        return self.head(x).mean((2, 3))
