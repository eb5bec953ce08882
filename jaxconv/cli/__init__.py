"""``python -m jaxconv VERB``: one file for each kind of thing that a verb looks at.

Verbs on the network are in `network.py`, on the data in `data.py`, on finished runs and weights in
`runs.py`, on image files in `images.py`, on files for other programs in `export.py`.
"""

from jaxconv.cli.program import VERBS, main

__all__ = ["VERBS", "main"]
