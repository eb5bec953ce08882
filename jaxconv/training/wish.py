"""What a process may ask of `fit`; processes that train together agree on one wish."""

import enum


class Wish(enum.IntEnum):
    """What a process wants `fit` to do after a call; of several wishes the highest is granted."""

    NOTHING = 0
    SAVE = 1
    STOP = 2
