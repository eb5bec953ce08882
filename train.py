"""Trains the network that a config describes: the same as `jaxconv train`.

python train.py --config configs/s9.py [--workdir DIR] [--config.FIELD=VALUE ...]
"""

import sys

from jaxconv.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
