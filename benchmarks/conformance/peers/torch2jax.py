"""torch2jax: PyTorch's own functions traced into JAX, by `t2j`."""

import torch
from torch2jax import t2j

from benchmarks.conformance.peers.torch_call import call_of


def function(case):
    return t2j(call_of(case, torch.nn.functional))
