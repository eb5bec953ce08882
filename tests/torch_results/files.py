"""Writes files as PyTorch does: python tests/torch_results/files.py (PyTorch 2.13, no JAX).

weights.pt     a state dict of tensors of every kind; tests/test_torch_files.py knows the numbers
bfloat16.safetensors
module.pt      a whole module: its pickle asks for classes
checkpoint.pt  a state dict within another dict
legacy.pt      the form before PyTorch 1.6
"""

from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent
DTYPES = (
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    *(torch.complex64, torch.complex128, torch.uint16, torch.float8_e4m3fn, torch.float8_e5m2),
)


def tensors():
    made = OrderedDict()
    for dtype in DTYPES:
        made[str(dtype).removeprefix("torch.")] = torch.arange(6).reshape(2, 3).to(dtype)
    shared = torch.arange(24.0)
    made["parameter"] = torch.nn.Parameter(shared[:6].reshape(2, 3))
    made["turned"] = shared.reshape(2, 3, 4).permute(2, 0, 1)
    made["every other"] = shared[1::2]
    made["scalar"] = torch.tensor(7)
    made["empty"] = torch.zeros(0, 3)
    return made


def main():
    made = tensors()
    torch.save(made, HERE / "weights.pt")
    save_file({"w": made["bfloat16"].contiguous()}, HERE / "bfloat16.safetensors")
    model = torch.nn.Conv2d(2, 3, 3)
    torch.save(model, HERE / "module.pt")
    torch.save({"epoch": 3, "model": model.state_dict()}, HERE / "checkpoint.pt")
    torch.save(model.state_dict(), HERE / "legacy.pt", _use_new_zipfile_serialization=False)
    for path in HERE.glob("*.pt"):
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
