"""A case as a call of PyTorch's function, for the libraries that run PyTorch's own code."""

from benchmarks.conformance.peers.common import CannotExpress


def call_of(case, functional):
    """A function of x, weight and any bias: PyTorch's, given one int an axis, as its layers do."""
    padding = case.options.get("padding", 0)
    if isinstance(padding, tuple) and any(isinstance(p, tuple) for p in padding):
        raise CannotExpress("PyTorch has no padding that differs from side to side")
    name = f"conv_transpose{case.axes}d" if case.transposed else f"conv{case.axes}d"
    options = {"stride": case.per_axis("stride", 1), "dilation": case.per_axis("dilation", 1)}
    options["groups"] = case.options.get("groups", 1)
    options["padding"] = padding if isinstance(padding, str) else case.per_axis("padding", 0)
    if case.transposed:
        options["output_padding"] = case.per_axis("output_padding", 0)

    def run(x, weight, bias=None):
        return getattr(functional, name)(x, weight, bias, **options)

    return run
