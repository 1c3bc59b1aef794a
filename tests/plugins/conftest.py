"""iqatune and two plug-ins, built and installed as anyone would, and driven by their command lines."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
PLUGINS = ("iqatune_toy", "iqatune_toy_broken")

# the plug-ins' own tests need them installed, and run where they are
collect_ignore = list(PLUGINS)

SEVERAL = """
import contextlib, io, json, sys
from iqatune.cli.main import main
done = []
for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    done.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(done))
"""


@dataclass(frozen=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What it printed as JSON."""
        assert self.code in (0, 1), self.err
        return json.loads(self.out)


@dataclass(frozen=True)
class Installation:
    """Folders of installed packages, for processes that see them and nothing of the project's own.

    Attributes:
        folders: of packages.
        home: folder of the user's cache.
        place: where commands run.
    """

    folders: tuple[Path, ...]
    home: Path
    place: Path

    def environment(self) -> dict[str, str]:
        """Variables of a process that uses these packages."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("IQATUNE_", "PYTEST_"))}
        path = os.pathsep.join(map(str, self.folders))
        # the images are small, and threads that wait for each other take longer than the work
        alone = {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}
        return {**kept, **alone, "PYTHONPATH": path, "XDG_CACHE_HOME": str(self.home)}

    def python(self, *arguments: object, text: str | None = None) -> Ran:
        """Run Python."""
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(
            command,
            input=text,
            cwd=self.place,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def iqatune(self, *arguments: object) -> Ran:
        """Run a command line."""
        return self.python("-m", "iqatune", *arguments)

    def several(self, lines: Sequence[Sequence[str]]) -> list[Ran]:
        """Run command lines one after the other in one process, which imports torch once."""
        done = self.python("-c", SEVERAL, text=json.dumps(lines))
        assert done.code == 0, done.err
        return [Ran(*ran) for ran in json.loads(done.out.splitlines()[-1])]


@pytest.fixture(scope="session")
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages in `main` and `broken`; processes of one test run share it."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "installed"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            built = _wheels(own / "build")
            _pip("install", "--target", own / "whole" / "main", built["iqatune"], built["iqatune_toy"])
            _pip("install", "--target", own / "whole" / "broken", built["iqatune_toy_broken"])
            (own / "whole").rename(folder)
    return folder


@pytest.fixture(scope="session")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def with_toy(_installed: Path, _home: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """iqatune and iqatune-toy, in a folder that tests share."""
    return Installation((_installed / "main",), _home, tmp_path_factory.mktemp("shared"))


@pytest.fixture
def toy(with_toy: Installation, tmp_path: Path) -> Installation:
    """iqatune and iqatune-toy, in an empty folder."""
    return replace(with_toy, place=tmp_path)


@pytest.fixture(scope="session")
def with_broken(_installed: Path, _home: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """iqatune, iqatune-toy and iqatune-toy-broken, in a folder that tests share."""
    return Installation((_installed / "main", _installed / "broken"), _home, tmp_path_factory.mktemp("broken"))


def _wheels(folder: Path) -> dict[str, Path]:
    """The wheels of iqatune and of the plug-ins, by name; built from copies, as a build writes beside its sources."""
    sources = [_copy(PROJECT, folder / "iqatune", ("pyproject.toml", "README.md", "LICENSE", "iqatune"))]
    sources += [_copy(HERE, folder / "plugins", (name,)) / name for name in PLUGINS]
    _pip("wheel", "--no-build-isolation", "--wheel-dir", folder / "wheels", *sources)
    return {wheel.name.partition("-")[0]: wheel for wheel in (folder / "wheels").glob("*.whl")}


def _copy(source: Path, target: Path, names: Sequence[str]) -> Path:
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source / name, target)
    return target


def _pip(command: str, *arguments: object) -> None:
    options = ("--no-deps", "--no-index", "--disable-pip-version-check", "--quiet")
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, *options, *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
