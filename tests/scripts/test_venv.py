"""scripts/venv.sh takes whichever tested Python there is, under whatever name."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "venv.sh"

ABSENT = None  # a pyenv shim: a command that says there is none

Pythons = dict[str, str | None]


def run(folder: Path, pythons: Pythons) -> subprocess.CompletedProcess[str]:
    """The script beside commands that say a version and, called to make .venv, write it down."""
    commands = folder / "bin"
    commands.mkdir()
    for name, version in pythons.items():
        answer = f'"-c") echo {version} ;;' if version else '"-c") echo "pyenv: command not found" >&2; exit 127 ;;'
        command = commands / name
        command.write_text(f'#!/bin/sh\ncase "$1" in {answer} "-m") echo {version} "$@" > made ;; esac\n')
        command.chmod(0o755)
    sh = shutil.which("sh")
    assert sh
    return subprocess.run([sh, SCRIPT], cwd=folder, env={"PATH": str(commands)}, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        ({"python3": "3.12", "python3.11": "3.11"}, "3.12"),
        ({"python3": "3.9", "python3.13": "3.13"}, "3.13"),
        ({"python3": "3.9", "python3.13": ABSENT, "python3.12": "3.12"}, "3.12"),
        ({"python3.11": "3.11"}, "3.11"),
        ({"python3": "3.14", "python3.12": "3.12"}, "3.12"),
    ],
)
def test_the_first_tested_python_makes_the_environment(tmp_path: Path, pythons: Pythons, taken: str) -> None:
    ran = run(tmp_path, pythons)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "made").read_text() == f"{taken} -m venv .venv\n"


@pytest.mark.parametrize(("pythons", "said"), [({"python3": "3.9"}, "python3 is 3.9"), ({}, "python3 is absent")])
def test_without_one_a_line_says_what_to_install(tmp_path: Path, pythons: Pythons, said: str) -> None:
    ran = run(tmp_path, pythons)
    assert ran.returncode == 2
    (line,) = ran.stderr.splitlines()
    assert line.startswith("iqatune needs Python 3.11, 3.12 or 3.13")
    assert said in line
    assert not (tmp_path / "made").exists()


def test_a_real_python_makes_a_real_environment(tmp_path: Path) -> None:
    folder = Path(sys.executable).parent
    path = f"{folder}:/usr/bin:/bin"
    ran = subprocess.run(["sh", SCRIPT], cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / ".venv/bin/pip").exists()
