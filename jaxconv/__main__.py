"""`python -m jaxconv VERB`; see `jaxconv/cli/program.py`."""

from jaxconv.cli import run_and_exit

if __name__ == "__main__":
    run_and_exit()
