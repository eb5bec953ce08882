"""The verbs, a file for each kind of thing that they look at; `cli/program.py` lists them."""
