"""Six convolutions with PyTorch's exact semantics, and the CIFAR-10 network built from them."""
