"""From a config to what it names: data, network, training, results; each is built once a run.

A config's fields become named arguments here, and choices are made here by plain `if`s, so that
nothing behind the door has a mode.
"""
