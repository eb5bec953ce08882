"""jaxconv: its functions, with the options as they stand."""

from benchmarks.conformance.peers.common import channels_first, channels_last, kernel_of
from jaxconv import conv, transpose_conv


def function(case):
    def run(x, weight, bias=None):
        x = channels_last(x, case.axes)
        y = call(x, kernel_of(weight), bias=bias, **case.options)
        return channels_first(y, case.axes)

    call = transpose_conv if case.transposed else conv
    return run
