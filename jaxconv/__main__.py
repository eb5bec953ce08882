"""`python -m jaxconv VERB`; see `jaxconv/cli/program.py`."""

import sys

from jaxconv.cli import main

if __name__ == "__main__":
    sys.exit(main())
