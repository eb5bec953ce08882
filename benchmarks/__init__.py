"""Measurements that anyone can run again: `python -m benchmarks`, and one module a question."""
