"""What a process may want of `fit`, for the processes that train as one to agree on."""

import enum


class Wish(enum.IntEnum):
    """What a process wants `fit` to do after a call; of several wishes the highest is granted."""

    NOTHING = 0
    SAVE = 1
    STOP = 2
