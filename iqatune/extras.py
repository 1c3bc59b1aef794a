"""What the extras of this package install, as a command for messages."""

import shlex
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

PACKAGE = "iqatune"


def install_command(extra: str) -> str:
    """The command that installs what an extra needs beside the iqatune that runs.

    It names the extra's packages and not `iqatune[extra]`, which no index has: pip would need the checkout or the wheel
    that iqatune was installed from, which may be gone. A checkout that runs uninstalled has no metadata, and is
    installed itself.
    """
    try:
        needed = _needed(extra)
    except PackageNotFoundError:
        needed = ["-e", f"{Path(__file__).parents[1]}[{extra}]"]
    return shlex.join([sys.executable, "-m", "pip", "install", *needed])


def _needed(extra: str) -> list[str]:
    """The requirements of an extra and of those that it names, without those of every installation."""
    from packaging.requirements import Requirement

    needed: list[str] = []
    for line in requires(PACKAGE) or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}) or not marker.evaluate({"extra": extra}):
            continue
        if requirement.name == PACKAGE:
            needed += [package for other in sorted(requirement.extras) for package in _needed(other)]
        else:
            needed.append(f"{requirement.name}{requirement.specifier}")
    return list(dict.fromkeys(needed))
