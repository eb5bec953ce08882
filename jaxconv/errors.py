"""What every error of this package is: one line that says what was given, expected, and to do."""

from typing import ClassVar

from jaxconv.text import printable


class JaxconvError(Exception):
    """Base of the errors that a user can mend. The message is one line, safe to print."""

    exit_code: ClassVar[int] = 1  # with which the program ends

    def __init__(self, message: object = ""):
        super().__init__(printable(message))
