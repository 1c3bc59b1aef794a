"""The exceptions that mean: what the user gave cannot be used; and what was probably meant.

The library names an option in backticks, by its Python name: "`folds` 1: give 0 for none". Whoever shows the line
spells it for its reader: `--folds 1` on the command line, `folds=1` in Python.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches

_OPTION = re.compile(r"`([a-z][a-z0-9_]*)`")
_OPTION_WITH_VALUE = re.compile(r"`([a-z][a-z0-9_]*)` (?!(?:and|are|is|or|out|scores)\b)(?=\S)")


def as_flags(text: str) -> str:
    """A text whose options are spelled as on the command line.

    >>> as_flags("`cache_dir` /x: cannot be written; name another folder")
    '--cache-dir /x: cannot be written; name another folder'
    """
    return _OPTION.sub(lambda match: "--" + match[1].replace("_", "-"), text)


def as_keywords(text: str) -> str:
    """A text whose options are spelled as in Python.

    >>> as_keywords("`folds` 1: give 0 for none, or leave `folds` out")
    'folds=1: give 0 for none, or leave folds out'
    """
    return _OPTION.sub(r"\1", _OPTION_WITH_VALUE.sub(r"\1=", text))


class InputError(Exception):
    """Bad usage or bad input.

    The message is one line that names the file or option, what is wrong and what to do. The command line prints it
    without a traceback and exits with code 2.

    Example:
        >>> str(InputError("`folds` 1: give 0 for none, or 2 and more"))
        'folds=1: give 0 for none, or 2 and more'
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))

    @property
    def line(self) -> str:
        """The message as written, with options in backticks: to be put into another message."""
        return str(self.args[0])

    @property
    def command_line(self) -> str:
        """The message for the command line."""
        return as_flags(self.line)

    def __str__(self) -> str:
        return as_keywords(self.line)


class UsageError(InputError):
    """Options that nobody knows or that do not go together: nothing was looked at."""


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """How many there are of something.

    >>> counted(1, "problem"), counted(3, "warning"), counted(2, "entry", "entries")
    ('1 problem', '3 warnings', '2 entries')
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


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
