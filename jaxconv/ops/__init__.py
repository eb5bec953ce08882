"""Six convolutions as pure functions, with PyTorch's options; one file for each variant."""
