"""Six convolutions: for each a pure function, and a Flax module of the same name in CamelCase."""
