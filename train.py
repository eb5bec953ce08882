"""Trains the network that a config describes: `python train.py` is the same as `jaxconv train`."""

import sys

from jaxconv.cli import run_and_exit

if __name__ == "__main__":
    run_and_exit(["train", *sys.argv[1:]])
