"""The generator runs under PyTorch, which the tests do without: pytest must not import it."""

collect_ignore = ["files.py", "generate.py", "networks.py", "opinfo.py", "ported.py", "training.py"]
