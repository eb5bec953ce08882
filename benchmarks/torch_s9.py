"""Workers in PyTorch: S9Net under the names of the original, eager or compiled."""

from collections.abc import Callable

import numpy as np

from benchmarks import problem
from benchmarks.worker import Job

try:
    import torch
    from torch import nn
    from torch._inductor import config as inductor
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "PyTorch is not installed: pip install 'jaxconv[bench]' to compare with it"
    ) from error

MOST_BATCHES = 8  # in memory, used in turn
RESIDUAL = (5, 8, 11)
SHRINK = {"stride": 2, "dilation": 2}


def conv(c_in: int, c_out: int, **options: int) -> nn.Module:
    return nn.Conv2d(c_in, c_out, 3, padding=1, bias=False, **options)


def block(convolution: nn.Module, channels: int, dropout_rate: float) -> nn.Module:
    layers = (convolution, nn.ReLU(), nn.BatchNorm2d(channels), nn.Dropout(dropout_rate))
    return nn.Sequential(*layers)


class S9(nn.Module):
    def __init__(self, dropout_rate: float) -> None:
        super().__init__()
        separable = nn.Sequential(
            conv(32, 32, groups=32), nn.Conv2d(32, 32, 1, padding=1, bias=False)
        )
        convolutions = [
            (conv(3, 32), 32),
            (separable, 32),
            (nn.Sequential(conv(32, 32, **SHRINK)), 32),
            (conv(32, 40), 40),
            (conv(40, 40), 40),
            (nn.Sequential(conv(40, 40, **SHRINK)), 40),
            (conv(40, 40), 40),
            (conv(40, 40), 40),
            (nn.Sequential(conv(40, 40, **SHRINK)), 40),
            (conv(40, 64), 64),
            (conv(64, 64), 64),
            (conv(64, 64), 64),
        ]
        for number, (convolution, channels) in enumerate(convolutions, start=1):
            self.add_module(f"conv_block{number}", block(convolution, channels, dropout_rate))
        self.conv_block14 = nn.Sequential(nn.Conv2d(64, problem.CLASSES, 1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for number in range(1, 13):
            y = getattr(self, f"conv_block{number}")(x)
            x = x + y if number in RESIDUAL else y
        return self.conv_block14(x.mean((2, 3), keepdim=True)).flatten(1)


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def make_model(mode: str, dropout_rate: float) -> tuple[nn.Module, Callable]:
    """The network with the common weights, and the function to call: `mode` says how it runs.

    Modes: "eager", "channels_last", "compile" (with CUDA graphs where there is a GPU).
    """
    model = S9(dropout_rate)
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    weights = {n: torch.from_numpy(a) for n, a in problem.draw_weights(shapes).items()}
    model.load_state_dict(weights)
    model.to(device())
    if mode == "channels_last":
        model.to(memory_format=torch.channels_last)
    if mode != "compile":
        return model, model
    options = {"mode": "reduce-overhead"} if torch.cuda.is_available() else {}
    return model, torch.compile(model, **options)


def make_batches(mode: str, count: int, batch_size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    images, labels = problem.draw_batches(count, batch_size)
    memory_format = torch.channels_last if mode == "channels_last" else torch.contiguous_format
    x = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    x = x.to(device(), memory_format=memory_format)
    y = torch.from_numpy(labels).long().to(device())
    return list(zip(x.split(batch_size), y.split(batch_size), strict=True))


def make_runner(mode: str, dropout_rate: float, batches: list) -> Callable[[int], float]:
    """Returns run(steps), which trains on from where it stood and gives the sum of the losses."""
    model, call = make_model(mode, dropout_rate)
    model.train()
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=problem.LEARNING_RATE,
        momentum=problem.MOMENTUM,
        weight_decay=problem.WEIGHT_DECAY,
    )
    done = 0

    def run(steps):
        nonlocal done
        total = torch.zeros((), device=device())
        for _ in range(steps):
            x, y = batches[done % len(batches)]
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(call(x), y)
            loss.backward()
            optimizer.step()
            total += loss.detach()
            done += 1
        finish()
        return total.item()

    return run


def train(*, threads: int, mode: str, batch_size: int) -> Job:
    """Training: a call is a step."""
    torch.set_num_threads(threads)
    run = make_runner(mode, problem.DROPOUT_RATE, make_batches(mode, MOST_BATCHES, batch_size))

    def check():
        once = make_runner(mode, 0.0, make_batches(mode, 1, batch_size))
        return [once(1) for _ in range(problem.CHECKED_STEPS)]

    return Job(run, check, describe())


def inference(*, threads: int, mode: str, batch_size: int) -> Job:
    """Logits of a batch: a call is a batch. A compiled network has its weights frozen."""
    torch.set_num_threads(threads)
    inductor.freezing = True
    model, call = make_model(mode, problem.DROPOUT_RATE)
    model.eval()
    batches = make_batches(mode, MOST_BATCHES, batch_size)

    @torch.inference_mode()
    def run(calls):
        total = 0.0
        for n in range(calls):
            total += call(batches[n % MOST_BATCHES][0])[0, 0].item()
        return total

    @torch.inference_mode()
    def check():
        return call(batches[0][0]).tolist()

    return Job(run, check, describe())


def describe() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
