"""torchax: PyTorch's own functions on JAX arrays, by `torchax.interop.jax_view`."""

import torch
import torchax
from torchax.interop import jax_view

from benchmarks.conformance.peers.torch_call import call_of

torchax.enable_globally()


def function(case):
    return jax_view(call_of(case, torch.nn.functional))
