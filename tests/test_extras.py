"""The commands that messages name install what is missing, in a checkout as from a wheel."""

import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from iqatune import extras
from iqatune.extras import install_command

METADATA = [
    "numpy>=2",
    'piq>=0.8; extra == "baselines"',
    'onnx>=1.17; extra == "export"',
    'onnxruntime>=1.20; extra == "export"',
    'only-elsewhere; sys_platform == "none" and extra == "export"',
    'iqatune[baselines,export]; extra == "test"',
    'pytest<10,>=8; extra == "test"',
]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "requires", lambda package: METADATA)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("extra", "packages"),
    [
        ("baselines", ["piq>=0.8"]),
        ("export", ["onnx>=1.17", "onnxruntime>=1.20"]),
        ("test", ["piq>=0.8", "onnx>=1.17", "onnxruntime>=1.20", "pytest<10,>=8"]),
    ],
)
def test_a_command_names_the_packages_of_an_extra(extra: str, packages: list[str]) -> None:
    assert shlex.split(install_command(extra)) == [sys.executable, "-m", "pip", "install", *packages]


def test_a_checkout_that_is_not_installed_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(package: str) -> list[str]:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(extras, "requires", absent)
    *_, option, checkout = shlex.split(install_command("export"))
    folder, _, extra = checkout.partition("[")
    assert (option, extra) == ("-e", "export]")
    assert (Path(folder) / "pyproject.toml").is_file()


@pytest.mark.parametrize("extra", ["baselines", "bench", "export", "test", "torchmetrics"])
def test_the_commands_of_the_real_extras_are_accepted_by_pip(extra: str) -> None:
    command = shlex.split(install_command(extra))
    assert len(command) > 4
    for requirement in command[4:]:
        Requirement(requirement)  # a name with its versions, and no path: it works wherever this iqatune came from
    ran = subprocess.run(
        [*command, "--dry-run", "--no-index", "--no-deps", "--quiet", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr  # all of them are here: nothing to fetch
