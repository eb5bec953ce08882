"""The explorer: every convolution of the library in one page, number by number.

`explorer.html` is built from the TypeScript in the repository's `explorer/` and works from a file,
without a network.
"""
