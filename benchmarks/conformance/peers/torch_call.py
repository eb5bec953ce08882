"""A case as a call of PyTorch's function, for the libraries that run PyTorch's own code."""

from benchmarks.conformance.peers.common import CannotExpress


def call_of(case, functional):
    """A function of x, weight and any bias that calls PyTorch's with the options as they stand."""
    padding = case.options.get("padding", 0)
    if isinstance(padding, tuple) and any(isinstance(p, tuple) for p in padding):
        raise CannotExpress("PyTorch has no padding that differs from side to side")
    name = f"conv_transpose{case.axes}d" if case.transposed else f"conv{case.axes}d"

    def run(x, weight, bias=None):
        return getattr(functional, name)(x, weight, bias, **case.options)

    return run
