"""Did-you-mean suggestions for mistyped names."""

from collections.abc import Iterable
from difflib import get_close_matches


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
