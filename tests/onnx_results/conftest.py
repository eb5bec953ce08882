"""The generator needs the package onnx, which the tests do without: pytest must not import it."""

collect_ignore = ["generate.py"]
