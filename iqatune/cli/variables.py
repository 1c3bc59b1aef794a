"""Environment variables: which ones options read, and which name is none of them."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

import click

PREFIX = "IQATUNE_"

OF_NO_OPTION = frozenset({"IQATUNE_DATA", "IQATUNE_MAX_PIXELS"})
"""Those that other rooms read: where data sets are, the largest picture to decode."""

OF_TESTS = "IQATUNE_TEST_"
"""How those begin that tests read, this package's own and those of plug-ins."""


def warnings_of_unknown(names: Iterable[str], commands: Iterator[click.Command]) -> list[str]:
    """A line for every variable under the prefix that nothing reads, with the name that was probably meant.

    A warning and no refusal, unlike an unknown key of `--config`: a file is written for this program, an environment
    is inherited, and may hold what is meant for another version or a plug-in.

    Args:
        names: of all variables.
        commands: of all verbs, the likeliest first; they are asked only while there is a name that none before had.
    """
    ours = {name for name in names if name.upper().startswith(PREFIX) and not name.startswith(OF_TESTS)}
    unknown = sorted(ours - OF_NO_OPTION)
    known = set(OF_NO_OPTION)
    while unknown and (command := next(commands, None)) is not None:
        known |= {str(parameter.envvar) for parameter in command.params if parameter.envvar}
        unknown = [name for name in unknown if name not in known]
    return [f"{name}: no option has this variable; {_advice(name, known)}" for name in unknown]


def _advice(name: str, known: Iterable[str]) -> str:
    # without the prefix, by which all are alike
    words = {variable.removeprefix(PREFIX): variable for variable in known}
    close = get_close_matches(name.upper().removeprefix(PREFIX), words, n=1, cutoff=0.6)
    return f"did you mean {words[close[0]]}?" if close else "unset it"
