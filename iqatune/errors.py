"""The exceptions that mean: what the user gave cannot be used; and what was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(Exception):
    """Bad usage or bad input.

    The message is one line that names the file or option, what is wrong and what to do. The command line prints it
    without a traceback and exits with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class UsageError(InputError):
    """Options that nobody knows or that do not go together: nothing was looked at."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error line about an unknown name: the closest known ones, or all of them.

    >>> did_you_mean("vgg91", ["vgg16", "vgg19", "alexnet"])
    "did you mean 'vgg19' or 'vgg16'?"
    """
    known = list(known)
    close = get_close_matches(name.lower(), known, n=2, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(f"'{match}'" for match in close) + "?"
    return "known: " + ", ".join(known)
