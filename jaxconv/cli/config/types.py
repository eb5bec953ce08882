"""What a config is to a type checker."""

from typing import Any, TypeAlias

# An `ml_collections.ConfigDict`. Its fields are named in a file, so that no checker can know them.
Config: TypeAlias = Any
