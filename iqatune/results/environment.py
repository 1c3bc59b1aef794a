"""What computed the numbers: versions, commit, machine."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from iqatune.results.record import Environment
from iqatune.version import __version__

PACKAGES = (
    "ax-platform",
    "bayesian-optimization",
    "ConfigSpace",
    "flaml",
    "hpbandster",
    "nevergrad",
    "numpy",
    "optuna",
    "pillow",
    "ray",
    "scipy",
    "timm",
    "torch",
    "torchvision",
)


def environment(device: str) -> Environment:
    """Versions, commit, machine and threads of this process.

    Args:
        device: name of what the backbone runs on.
    """
    versions = {"python": platform.python_version(), "iqatune": __version__}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return Environment(
        versions=versions, git=_commit(), platform=platform.platform(), device=device, threads=cpu_count()
    )


def cpu_count() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _commit() -> str | None:
    """The commit of the checkout that iqatune runs from, with -dirty when the package differs; None outside of one."""
    package = Path(__file__).parents[1]
    if not (package.parent / ".git").exists():
        return None
    try:
        commit = _git(package, "rev-parse", "HEAD")
        changed = _git(package, "status", "--porcelain", "--", str(package))
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("-dirty" if changed else "")


def _git(package: Path, *arguments: str) -> str:
    done = subprocess.run(
        ("git", "-C", str(package.parent), *arguments), capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()
