"""How XLA is asked to compute a convolution: a table of exact ways, and when each is taken."""
