"""The table of a network's layers: shapes, parameters, receptive fields and costs.

The layout is that of the summary in the guide (torchsummary's), with PyTorch's layer names and
channels first, so that both can be compared line for line.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from jaxconv.models.layer_summary import LayerSummary, summarize

__all__ = ["COLUMNS", "LayerSummary", "format_summary", "summarize"]


def _pair_text(values: Sequence[Any] | None) -> str:
    if values is None:
        return "?"
    return "x".join(str(value) for value in (values[:1] if values[0] == values[1] else values))


COLUMNS: dict[str, tuple[str, Callable[[LayerSummary], str]]] = {
    "receptive_field": ("Receptive field", lambda row: _pair_text(row.receptive_field)),
    "jump": ("Jump", lambda row: _pair_text(row.jump)),
    "macs": ("Multiply-adds", lambda row: f"{row.multiply_adds:,}"),
    "memory": ("Output bytes", lambda row: f"{row.memory_bytes:,}"),
}
"""The columns on request: title and text. `?` stands where operations hide what a layer sees."""


def format_summary(
    rows: Sequence[LayerSummary], input_shape: Sequence[int], columns: Sequence[str] = ()
) -> str:
    """The table of the original guide; `columns` names more of them, from `COLUMNS`.

    The sizes in MB (2**20 bytes) count four bytes per number, and every output twice: forward and
    backward.

    Raises:
        ValueError: an unknown column.
    """
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        raise ValueError(f"unknown column {unknown[0]!r}; expected some of {', '.join(COLUMNS)}")
    width = 64 + 17 * len(columns)
    titles = "".join(f"  {COLUMNS[name][0]:>15}" for name in columns)
    lines = ["-" * width, f"{'Layer (type)':>20}  {'Output Shape':>25} {'Param #':>15}{titles}"]
    lines.append("=" * width)
    for number, row in enumerate(rows, start=1):
        shape = str([-1, row.output_shape[-1], *row.output_shape[:-1]])
        more = "".join(f"  {COLUMNS[name][1](row):>15}" for name in columns)
        lines.append(f"{f'{row.kind}-{number}':>20}  {shape:>25} {row.parameters:>15,}{more}")
    total = sum(row.parameters for row in rows)
    lines += [
        "=" * width,
        f"Total params: {total:,}",
        f"Trainable params: {total:,}",
        "Non-trainable params: 0",
        "-" * width,
        *_sizes(rows, input_shape, total),
        "-" * width,
    ]
    return "\n".join([*lines, *_totals(rows, columns, width)])


def _sizes(rows: Sequence[LayerSummary], input_shape: Sequence[int], total: int) -> list[str]:
    megabytes = 4 / 2**20
    image = prod(input_shape) * megabytes
    outputs = 2 * sum(prod(row.output_shape) for row in rows) * megabytes
    params = total * megabytes
    return [
        f"Input size (MB): {image:.2f}",
        f"Forward/backward pass size (MB): {outputs:.2f}",
        f"Params size (MB): {params:.2f}",
        f"Estimated Total Size (MB): {image + outputs + params:.2f}",
    ]


def _totals(rows: Sequence[LayerSummary], columns: Sequence[str], width: int) -> list[str]:
    """The network's own numbers: its last layer's view, and its costs summed."""
    totals = {
        "receptive_field": f"Receptive field (pixels): {_pair_text(rows[-1].receptive_field)}",
        "jump": f"Jump (pixels): {_pair_text(rows[-1].jump)}",
        "macs": f"Multiply-adds: {sum(row.multiply_adds for row in rows):,}",
        "memory": f"Output bytes: {sum(row.memory_bytes for row in rows):,}",
    }
    return [*(totals[name] for name in columns), "-" * width] if columns else []
