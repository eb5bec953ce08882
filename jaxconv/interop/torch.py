"""Weights to and from PyTorch, without PyTorch: kernels, state dicts of networks, and S9Net's.

A state dict is a dict of arrays under PyTorch's names; what `model.state_dict()` gives is accepted
as it is, and PyTorch takes one back with
`model.load_state_dict({name: torch.from_numpy(a) for name, a in state_dict.items()})`. Files of
them are read by `jaxconv.interop.files`.
"""

from jaxconv.interop.kernels import kernel_from_torch, kernel_to_torch
from jaxconv.interop.s9 import require_s9, s9_state_dict, s9_variables
from jaxconv.interop.state_dicts import torch_from_variables, variables_from_torch

__all__ = [
    "kernel_from_torch",
    "kernel_to_torch",
    "require_s9",
    "s9_state_dict",
    "s9_variables",
    "torch_from_variables",
    "variables_from_torch",
]
