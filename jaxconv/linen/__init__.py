"""Flax Linen modules with PyTorch's semantics: the convolutions, BatchNorm and Dropout."""
