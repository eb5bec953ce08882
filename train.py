"""Trains the network that a config describes: `python train.py` is the same as `jaxconv train`."""

import sys

from jaxconv.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
