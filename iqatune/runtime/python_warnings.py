"""Warnings of Python and of libraries, for a user: one plain line, without a line of somebody's source code."""

import sys
import warnings
from pathlib import Path

from iqatune.escape import visible

HARMLESS = (
    # the file is refused in a line that says so
    ".* looks like a TorchScript archive",
)
"""Beginnings of messages that no user has to know."""


def plain_warnings() -> None:
    """From now on, warnings of this process come as a line on stderr, as those of this package do."""
    for message in HARMLESS:
        warnings.filterwarnings("ignore", message)
    warnings.showwarning = _show  # type: ignore[assignment] # what Python passes besides is of no use in one line


def _show(message: Warning | str, _category: type[Warning], filename: str, *_more: object, **_named: object) -> None:
    text = visible(" ".join(str(message).split()))
    print(f"warning: {_package(filename)}: {text}", file=sys.stderr, flush=True)


def _package(filename: str) -> str:
    """The installed package, or the module, that a file is of."""
    parts = Path(filename).parts
    installed = [place for place, part in enumerate(parts[:-1]) if part in ("site-packages", "dist-packages")]
    return parts[installed[-1] + 1].removesuffix(".py") if installed else Path(filename).stem
