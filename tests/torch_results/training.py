"""Asks PyTorch what training does: schedules, SGD under them, BatchNorm2d. Writes training.json.

python tests/torch_results/training.py        (PyTorch 2.13, no JAX)
"""

import json
from pathlib import Path

import torch

MAX_LR, WEIGHT_DECAY = 0.1, 1e-4
STEPS = {9800: [0, 1, 2, 1000, 2938, 2939, 2940, 6000, 9798, 9799], 98: None, 20: None}
STEPS |= {7: None, 4: None}


def one_cycle(parameters, total_steps, weight_decay=WEIGHT_DECAY):
    sgd = torch.optim.SGD(parameters, lr=0.112, momentum=0.9, weight_decay=weight_decay)
    cycle = torch.optim.lr_scheduler.OneCycleLR(sgd, max_lr=MAX_LR, total_steps=total_steps)
    return sgd, cycle


def cosine(parameters, total_steps, weight_decay=WEIGHT_DECAY, nesterov=True):
    """With a warm-up over the first quarter of the steps."""
    sgd = torch.optim.SGD(
        parameters, lr=MAX_LR, momentum=0.9, weight_decay=weight_decay, nesterov=nesterov
    )
    warmup, schedulers = total_steps // 4, torch.optim.lr_scheduler
    rise = schedulers.LinearLR(sgd, start_factor=1 / (warmup + 1), total_iters=warmup)
    fall = schedulers.CosineAnnealingLR(sgd, total_steps - warmup)
    return sgd, schedulers.SequentialLR(sgd, [rise, fall], [warmup])


def schedule(total_steps, steps=None, optimizer=one_cycle):
    """[[step, lr, momentum], ...]; all steps where none are named."""
    parameter = torch.zeros((), requires_grad=True)
    sgd, cycle = optimizer([parameter], total_steps)
    rows = []
    for step in range(total_steps):
        if steps is None or step in steps:
            rows.append([step, sgd.param_groups[0]["lr"], sgd.param_groups[0]["momentum"]])
        sgd.step()
        if step + 1 < total_steps:
            cycle.step()
    return rows


def trajectory(total_steps, weight_decay, optimizer=one_cycle):
    """The parameter after each step, descending sum((w - target)^2 * [1, 3, 0.1]) in float64."""
    w = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0.0, 1.0, 4.0], dtype=torch.float64)
    sgd, cycle = optimizer([w], total_steps, weight_decay)
    rows = []
    for step in range(total_steps):
        sgd.zero_grad()
        ((w - target) ** 2 * torch.tensor([1.0, 3.0, 0.1], dtype=torch.float64)).sum().backward()
        sgd.step()
        if step + 1 < total_steps:
            cycle.step()
        rows.append(w.tolist())
    return rows


def batch_norm():
    """BatchNorm2d on x [2, 2, 3, 2] (NHWC here): two training calls, then one evaluation."""
    x = torch.tensor([(7 * i * i + 3 * i) % 11 - 4.0 for i in range(24)], dtype=torch.float64)
    x = x.reshape(2, 2, 3, 2)
    layer = torch.nn.BatchNorm2d(2, dtype=torch.float64)
    with torch.no_grad():
        layer.weight[:] = torch.tensor([1.5, -0.5])
        layer.bias[:] = torch.tensor([0.25, 2.0])
    nchw = x.permute(0, 3, 1, 2).clone().requires_grad_()
    first = layer(nchw)
    (first**3).sum().backward()
    stored = {
        "x": x.tolist(),
        "train": first.permute(0, 2, 3, 1).tolist(),
        "x_gradient": nchw.grad.permute(0, 2, 3, 1).tolist(),
        "scale_gradient": layer.weight.grad.tolist(),
        "bias_gradient": layer.bias.grad.tolist(),
    }
    layer(2 * nchw)
    stored |= {"mean": layer.running_mean.tolist(), "var": layer.running_var.tolist()}
    stored["evaluation"] = layer.eval()(nchw).permute(0, 2, 3, 1).tolist()
    return stored


def main():
    results = {
        "torch": torch.__version__,
        "schedule": {str(total): schedule(total, steps) for total, steps in STEPS.items()},
        "cosine": {str(total): schedule(total, optimizer=cosine) for total in (98, 20, 7)},
        "trajectory": trajectory(8, WEIGHT_DECAY),
        "trajectory_with_decay": trajectory(8, 0.2),
        "trajectory_of_nesterov": trajectory(8, 0.2, cosine),
        "batch_norm": batch_norm(),
    }
    path = Path(__file__).with_name("training.json")
    path.write_text(json.dumps(results) + "\n")


if __name__ == "__main__":
    main()
