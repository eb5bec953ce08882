"""The door: everything a person types, and how the program ends.

`program` lists the verbs, `verbs/` holds them, one file for each kind of thing that they look at;
`config/` reads configs and their fields, `build/` makes of them what they name; `outcomes` is the
table of exit codes.
"""

from jaxconv.cli.program import VERBS, main, run_and_exit

__all__ = ["VERBS", "main", "run_and_exit"]
