"""Stores ONNX's own backend tests of Conv and ConvTranspose. Writes node_tests.npz.

python tests/onnx_results/generate.py        (onnx 1.23.2, which ships the tests)

The 47 tests whose model is one such node: 17 of the kind "node", 28 "pytorch-converted" and 2
"pytorch-operator". Attributes and arrays are stored as they stand.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx.backend.test import loader

KINDS = ("node", "pytorch-converted", "pytorch-operator")


def read(path):
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return onnx.numpy_helper.to_array(tensor)


def arrays_of(test, graph):
    """Inputs and output of a test's node, from the loader, its files or its model."""
    if test.data_sets is not None:
        ((inputs, outputs),) = test.data_sets
        return [*inputs, *outputs]
    folder = Path(test.model_dir) / "test_data_set_0"
    inside = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    fed = [value.name for value in graph.input if value.name not in inside]
    inside |= {name: read(folder / f"input_{i}.pb") for i, name in enumerate(fed)}
    return [*(inside[name] for name in graph.node[0].input), read(folder / "output_0.pb")]


def attribute(value):
    value = onnx.helper.get_attribute_value(value)
    return value.decode() if isinstance(value, bytes) else value


def main():
    cases, arrays = [], []
    for kind in KINDS:
        with warnings.catch_warnings(action="ignore"):  # other nodes' tests overflow on purpose
            tests = loader.load_model_tests(kind=kind)
        for test in sorted(tests, key=lambda test: test.name):
            model = test.model or onnx.load(Path(test.model_dir) / "model.onnx")
            (node, *others) = model.graph.node
            if others or node.op_type not in ("Conv", "ConvTranspose"):
                continue
            given = arrays_of(test, model.graph)
            cases.append(
                {
                    "name": test.name,
                    "kind": kind,
                    "node": node.op_type,
                    "attributes": {a.name: attribute(a) for a in node.attribute},
                    "shapes": [a.shape for a in given],  # of x, weight, any bias, and y
                }
            )
            assert all(a.dtype == np.float32 for a in given)
            arrays += [a.ravel() for a in given]
    path = Path(__file__).with_name("node_tests.npz")
    np.savez_compressed(
        path, onnx=onnx.__version__, cases=json.dumps(cases), values=np.concatenate(arrays)
    )
    print(len(cases), "cases,", path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
