"""What computed the numbers: versions, commit, machine."""

import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from iqatune.records.base import Model
from iqatune.runtime.threads import SEARCHER_THREADS, processors
from iqatune.version import __version__, package_version

PACKAGES = (
    "ax-platform",
    "bayesian-optimization",
    "botorch",
    "cma",
    "cmaes",
    "ConfigSpace",
    "flaml",
    "gpytorch",
    "hpbandster",
    "nevergrad",
    "numba",
    "numpy",
    "optuna",
    "pillow",
    "piq",
    "ray",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "statsmodels",
    "timm",
    "torch",
    "torchvision",
)


class Environment(Model):
    """What computed the numbers."""

    versions: dict[str, str]
    plugins: dict[str, str] = Field(default={}, description="versions of the packages that added what the run used")
    git: str | None
    platform: str
    device: str
    threads: int = Field(description="processors that the process may use; torch and the objective use as many threads")
    searcher_threads: int | None = Field(default=None, description="threads of BLAS while the searcher runs")
    created: str | None = Field(
        default=None, description="when this was begun, ISO 8601 in UTC; null in records of older releases"
    )
    command: str | None = Field(
        default=None, description="the command line as it was typed, quoted for a shell; null from Python"
    )


def environment(device: str, plugins: Mapping[str, str] | None = None, *, command: str | None = None) -> Environment:
    """Versions, commit and machine of this process, on how many threads it computes, and the time.

    Args:
        device: name of what the backbone runs on.
        plugins: versions of the packages that added a data set, backbone or searcher of this run.
        command: the command line that was typed, if one was.
    """
    found = {package: package_version(package) for package in PACKAGES}
    versions = {"python": platform.python_version(), "iqatune": __version__}
    versions |= {package: number for package, number in found.items() if number is not None}
    return Environment(
        versions=versions,
        plugins=dict(plugins or {}),
        git=_commit(),
        platform=platform.platform(),
        device=device,
        threads=processors(),
        searcher_threads=SEARCHER_THREADS,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
    )


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
