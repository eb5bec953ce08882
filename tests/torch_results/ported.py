"""Networks that people port, in PyTorch: what one step of training does to each. Writes ported.npz.

python tests/torch_results/ported.py        (PyTorch 2.13, no JAX)

Weights and inputs are drawn (see drawn.py), not stored; everything is computed in float64. Of each
network: its names and shapes, the loss, the gradient of x, the gradient of each parameter along a
drawn direction, and after a step of SGD the running statistics and the output in evaluation.
"""

import json
from pathlib import Path

import numpy as np
import torch
from drawn import draw, draw_entry
from torch import nn
from torch.nn import functional

RATE = 0.05  # of the step


class DCGAN(nn.Module):
    """Radford et al. (2015): the generator, small."""

    x = (3, 12, 1, 1)

    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(12, 16, 4, 1, 0, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, x):
        return self.main(x)


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut without parameters."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.stride, self.more = stride, c_out - c_in

    def forward(self, x):
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        shortcut = x[:, :, :: self.stride, :: self.stride]
        half = self.more // 2
        return functional.relu(y + functional.pad(shortcut, (0, 0, 0, 0, half, half)))


class ResNet20(nn.Module):
    """He et al. (2015), for CIFAR-10, on images of 12 pixels."""

    x = (2, 3, 12, 12)

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(BasicBlock(16, 16, 1) for _ in range(3)))
        self.layer2 = nn.Sequential(
            BasicBlock(16, 32, 2), *(BasicBlock(32, 32, 1) for _ in range(2))
        )
        self.layer3 = nn.Sequential(
            BasicBlock(32, 64, 2), *(BasicBlock(64, 64, 1) for _ in range(2))
        )
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


class InvertedResidual(nn.Module):
    """Sandler et al. (2018), MobileNetV2's block, with torchvision's names."""

    x = (2, 6, 7, 8)

    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Sequential(nn.Conv2d(6, 36, 1, bias=False), nn.BatchNorm2d(36), nn.ReLU6()),
            nn.Sequential(
                nn.Conv2d(36, 36, 3, 1, 1, groups=36, bias=False), nn.BatchNorm2d(36), nn.ReLU6()
            ),
            nn.Conv2d(36, 6, 1, bias=False),
            nn.BatchNorm2d(6),
        )

    def forward(self, x):
        return x + self.conv(x)


class UNet(nn.Module):
    """Ronneberger et al. (2015), of two levels."""

    x = (2, 2, 12, 8)

    def __init__(self):
        super().__init__()
        self.down1 = self.twice(2, 6)
        self.down2 = self.twice(6, 10)
        self.bottom = self.twice(10, 14)
        self.up2 = nn.ConvTranspose2d(14, 10, 2, stride=2)
        self.join2 = self.twice(20, 10)
        self.up1 = nn.ConvTranspose2d(10, 6, 2, stride=2)
        self.join1 = self.twice(12, 6)
        self.head = nn.Conv2d(6, 3, 1)

    @staticmethod
    def twice(c_in, c_out):
        return nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, padding=1),
            nn.BatchNorm2d(c_out),
            nn.ReLU(),
            nn.Conv2d(c_out, c_out, 3, padding=1),
            nn.GroupNorm(2, c_out),
            nn.ReLU(),
        )

    def forward(self, x):
        first = self.down1(x)
        second = self.down2(functional.max_pool2d(first, 2))
        x = self.bottom(functional.max_pool2d(second, 2))
        x = self.join2(torch.cat([second, self.up2(x)], 1))
        x = self.join1(torch.cat([first, self.up1(x)], 1))
        return self.head(x)


class Paddings(nn.Module):
    """Each way to fill the border, with strides, dilations, groups and even kernels."""

    x = (2, 3, 9, 10)

    def __init__(self):
        super().__init__()
        self.reflect = nn.Conv2d(3, 6, 5, padding=(2, 3), padding_mode="reflect")
        self.same = nn.Conv2d(6, 8, (4, 3), padding="same", dilation=(1, 2), groups=2)
        self.circular = nn.Conv2d(8, 6, 3, stride=2, padding=(1, 2), padding_mode="circular")
        self.replicate = nn.Conv2d(6, 4, 3, padding=2, dilation=2, padding_mode="replicate")
        self.same_reflect = nn.Conv2d(4, 4, (2, 3), padding="same", padding_mode="reflect")
        self.valid = nn.Conv2d(4, 5, 2, padding="valid")

    def forward(self, x):
        x = torch.tanh(self.reflect(x))
        x = torch.tanh(self.same(x))
        x = torch.tanh(self.circular(x))
        x = torch.tanh(self.replicate(x))
        x = torch.tanh(self.same_reflect(x))
        return self.valid(x)


class Audio(nn.Module):
    """A waveform coded, told whose it is, and decoded: one axis of space."""

    x = (3, 1, 64)

    def __init__(self):
        super().__init__()
        self.speaker = nn.Embedding(5, 12)
        self.encode = nn.Conv1d(1, 12, 9, stride=4, padding=4)
        self.norm = nn.GroupNorm(3, 12)
        self.mix = nn.Conv1d(12, 24, 5, padding=4, dilation=2, groups=12, bias=False)
        self.batch_norm = nn.BatchNorm1d(24)
        self.layer_norm = nn.LayerNorm(24)
        self.feed = nn.Linear(24, 12)
        self.decode = nn.ConvTranspose1d(12, 1, 8, stride=4, padding=2)

    def forward(self, x):
        y = functional.gelu(self.norm(self.encode(x)))
        y = y + self.speaker(torch.tensor([4, 0, 3]))[:, :, None]
        y = self.batch_norm(self.mix(y))
        y = functional.gelu(self.feed(self.layer_norm(y.transpose(1, 2)))).transpose(1, 2)
        return self.decode(y)


class Volume(nn.Module):
    """Three axes of space."""

    x = (2, 1, 4, 5, 6)

    def __init__(self):
        super().__init__()
        self.first = nn.Conv3d(1, 4, 3, padding=1)
        self.instance_norm = nn.InstanceNorm3d(4, affine=True)
        self.narrow = nn.Conv3d(4, 6, (2, 3, 2), stride=(1, 2, 2), groups=2)
        self.batch_norm = nn.BatchNorm3d(6)
        self.grow = nn.ConvTranspose3d(6, 2, 3, stride=2, padding=1, output_padding=(1, 0, 1))

    def forward(self, x):
        x = functional.relu(self.instance_norm(self.first(x)))
        x = functional.relu(self.batch_norm(self.narrow(x)))
        return self.grow(x)


NETWORKS = (DCGAN, ResNet20, InvertedResidual, UNet, Paddings, Audio, Volume)


def channels_last(array):
    return array.movedim(1, -1) if array.ndim > 2 else array


def results(kind):
    """What one step of training does, by name."""
    name, model = kind.__name__, kind().double()
    shapes = {entry: tuple(value.shape) for entry, value in model.state_dict().items()}
    model.load_state_dict(
        {entry: torch.tensor(draw_entry(name, entry, shape)) for entry, shape in shapes.items()}
    )
    model.train()
    batch, channels, *space = kind.x
    drawn = draw(f"{name} x", (batch, *space, channels), -2, 2)
    x = torch.tensor(drawn).double().movedim(-1, 1).requires_grad_()
    y = model(x)
    target = torch.tensor(draw(f"{name} target", tuple(channels_last(y).shape))).double()
    loss = (channels_last(y) - target).square().mean()
    loss.backward()
    arrays = {"state": np.array(json.dumps(shapes)), "loss": loss.detach().numpy()}
    arrays["x gradient"] = channels_last(x.grad).numpy()
    gradients = []
    with torch.no_grad():
        for entry, parameter in model.named_parameters():
            probe = torch.tensor(draw(f"{name} probe {entry}", tuple(parameter.shape))).double()
            gradients.append((parameter.grad * probe).sum())
            parameter -= RATE * parameter.grad
        running = [b.flatten() for entry, b in model.named_buffers() if "running" in entry]
        arrays |= {"gradients": torch.stack(gradients).numpy()}
        arrays |= {"running": torch.cat(running or [torch.zeros(0)]).numpy()}
        arrays["evaluation"] = channels_last(model.eval()(x)).numpy()
    print(f"{name}: loss {loss.item():.6f}, {sum(map(np.size, arrays.values())):,} numbers")
    return {f"{name} {entry}": array for entry, array in arrays.items()}


def main():
    torch.set_num_threads(1)
    arrays = {}
    for kind in NETWORKS:
        arrays |= results(kind)
    rounded = {
        name: array if array.dtype.kind == "U" else array.astype(np.float32)
        for name, array in arrays.items()
    }
    path = Path(__file__).with_name("ported.npz")
    np.savez_compressed(path, **rounded)
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
