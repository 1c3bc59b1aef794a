"""The exceptions that mean: what the user gave cannot be used."""


class InputError(Exception):
    """Bad usage or bad input.

    The message is one line that names the file or option, what is wrong and what to do. The command line prints it
    without a traceback and exits with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class UsageError(InputError):
    """Options that nobody knows or that do not go together: nothing was looked at."""
