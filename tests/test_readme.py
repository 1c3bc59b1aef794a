"""README's commands run as they are written, one after the other, in an empty copy of the project.

Nothing is changed but what no test machine has (SUBSTITUTED), and everything is offline: the packages are those of the
environment that runs the tests, found through PYTHONPATH, which spares another 7 GB. .ci/run installs them for real.
"""

import csv
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageFilter

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text()

INSTALLS = "scripts/venv.sh"

SUBSTITUTED = {
    # no GPU, no cluster: the options are left out; that there are such options, `test_every_option_exists` looks at
    " --device cuda": "",
    " --address 10.0.0.1:6379": "",
    # VGG19's parameters are 574 MB, which are downloaded
    "--backbone vgg19": "--backbone squeezenet",
    "runs/tid2013/vgg19/": "runs/tid2013/squeezenet/",
    # the suite would run itself; pip leaves pytest where PYTHONPATH finds it, without a command in .venv
    ".venv/bin/pytest -q -n 2": ".venv/bin/python -m pytest -q -n 2 tests/test_errors.py",
}

LEFT_BEHIND = ("runs/grid/sweep.json", "runs/offline/csv", "runs/report/report.html", "metric.safetensors")

# what PYTHONPATH must not bring from the tests' own environment: the package that is installed here
OWN = ("iqatune", "__editable__")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def masked(text: str) -> Iterator[str]:
    """Lines with any number as #, without the rules and the width of tables."""
    for line in text.splitlines():
        words = re.sub(r"\d*\.\d+|\d+", "#", line).replace("─", " ").split()
        if words:
            yield " ".join(words)


@dataclass(frozen=True)
class Place:
    """A folder of a user whose home is beside it, with the files that README speaks of."""

    folder: Path
    home: Path
    packages: Path

    def run(self, script: str, name: str = "sh") -> str:
        """What a script prints; it must not fail."""
        # the copy's modules are compiled once, not by each of its commands
        dropped = ("IQATUNE_", "PYTEST_", "XDG_", "PYTHONDONTWRITEBYTECODE")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
        ran = subprocess.run(
            [name, "-e"] if name == "sh" else [name, "-"],
            input=script,
            cwd=self.folder,
            env={
                **kept,
                "HOME": str(self.home),
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONPATH": str(self.packages),
                "PIP_NO_INDEX": "1",
                "PIP_NO_DEPS": "1",  # which are all there
                "PIP_NO_COMPILE": "1",
                "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as the option --no-build-isolation, whose value is False
                "COLUMNS": "200",
            },
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, f"{script}\n{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"
        return ran.stdout

    def blocks(self, texts: Sequence[str]) -> list[str]:
        """What each of some blocks prints, all in one shell."""
        mark = "== next block"
        script = "\n".join(f"echo '{mark}'\n{text}" for text in texts)
        for named, instead in SUBSTITUTED.items():
            script = script.replace(named, instead)
        return self.run(script).split(mark + "\n")[1:]


@pytest.fixture
def place(tmp_path: Path, photographs: list[Path], two_sets: Any, user_cache: Path) -> Place:
    place = Place(tmp_path / "project", tmp_path / "home", tmp_path / "packages")
    for folder in (place.folder, place.home, place.packages):
        folder.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(OWN):
            (place.packages / entry.name).symlink_to(entry)
    own_images(place.folder, photographs[:6])
    (place.folder / "grid.yaml").write_text(blocks("yaml")[0])
    parameters = squeezenet(place.home / ".cache/torch/hub/checkpoints/squeezenet1_1-b8a52dc0.pth")
    shutil.copy(parameters, place.folder)  # as the page says, from a machine that has it
    (place.home / ".cache/iqatune").symlink_to(user_cache / "iqatune")
    (place.home / "data").mkdir()
    (place.home / "data/tid2013").symlink_to(two_sets.tid2013)
    return place


def own_images(folder: Path, photographs: Sequence[Path]) -> None:
    """scores.csv with the header and the two rows of the page, and 22 more rows; the images that it names."""
    header, *rows = (line.split(",") for line in blocks("csv")[0].splitlines())
    names = [Path(row[0]).name for row in rows]
    names += [f"{path.stem}.png" for path in photographs[len(names) :]]
    said = {row[1]: row[2] for row in rows}
    with (folder / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for number, (name, path) in enumerate(zip(names, photographs, strict=True)):
            with Image.open(path) as image:
                original = image.convert("RGB").resize((96, 72))
            for place, radius in {"originals": 0, "restored": 0.6, "soft": 1.2, "softer": 2.4, "softest": 4}.items():
                (folder / place).mkdir(exist_ok=True)
                original.filter(ImageFilter.GaussianBlur(radius)).save(folder / place / name)
                if radius:
                    score = said.get(f"{place}/{name}", f"{5 - radius + 0.1 * number:.1f}")
                    writer.writerow((f"originals/{name}", f"{place}/{name}", score))


def squeezenet(path: Path) -> Path:
    """Random parameters in the file that torch downloads: 5 MB of the network's own are not at hand everywhere."""
    import torch
    import torchvision

    path.parent.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), path)
    return path


def checkout(folder: Path) -> None:
    """The files of a clone that the page's commands need."""
    for name in ("constraints.txt", "LICENSE", "pyproject.toml", "README.md"):
        shutil.copy(PROJECT / name, folder)
    for name in ("iqatune", "scripts"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    (folder / "tests").mkdir()
    shutil.copy(PROJECT / "tests/test_errors.py", folder / "tests")


def test_what_is_substituted_is_there() -> None:
    everything = "".join(blocks("sh"))
    assert [named for named in SUBSTITUTED if named not in everything] == []


def test_a_line_of_the_page_runs_the_tests() -> None:
    """Which .ci/run finds as awk does here: the first shell line with pytest in it."""
    awk = re.search(r"awk '(.*?)'", (PROJECT / ".ci/run").read_text())
    assert awk
    found = subprocess.run(["awk", awk[1], PROJECT / "README.md"], capture_output=True, text=True, check=True)
    assert found.stdout in blocks("sh")
    assert "scripts/venv.sh" in found.stdout
    assert found.stdout.rstrip().endswith(".venv/bin/pytest -q -n 2")


def test_every_option_exists() -> None:
    """Those that are left out above too: of each verb's command."""
    from iqatune.cli.main import cli

    for block in blocks("sh"):
        for verb, rest in re.findall(r"\biqatune ([a-z]+)(.*)$", block, re.MULTILINE):
            command = cli.get_command(None, verb)  # type: ignore[arg-type]
            assert command, verb
            known = {name for parameter in command.params for name in parameter.opts}
            assert set(re.findall(r"--[a-z-]+", rest)) <= known, verb


def test_the_page_links_to_every_other_and_stays_short() -> None:
    linked = set(re.findall(r"\((docs/[a-z_-]+\.(?:md|ipynb))", README))
    assert linked == {f"docs/{path.name}" for path in (PROJECT / "docs").iterdir() if path.suffix in (".md", ".ipynb")}
    for link in re.findall(r"\]\(([^)#]+)", README):
        assert (PROJECT / link).exists(), link
    assert len(README.splitlines()) <= 150


@pytest.mark.slow
def test_every_command_in_a_checkout(place: Place) -> None:
    checkout(place.folder)
    first, *_ = place.blocks(blocks("sh"))
    assert all((place.folder / name).exists() for name in LEFT_BEHIND)
    assert set(masked(blocks("text")[0])) <= set(masked(first))
    (python,) = blocks("python")
    printed = place.run(python, str(place.folder / ".venv/bin/python"))
    assert re.match(r"0\.\d+ (helped|not shown to help|harmed)\ntensor\(\[0\.\d+\]", printed)


@pytest.mark.thorough
def test_every_command_with_a_wheel(place: Place, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    checkout(source)
    make = f"{sys.executable} -m venv .venv"
    wheel = f"{sys.executable} -m pip wheel -q --no-deps --wheel-dir {tmp_path}/wheels {source}"
    install = f".venv/bin/pip install -q {tmp_path}/wheels/*.whl"
    place.run(f"{wheel}\n{make}\n{install}")
    shutil.rmtree(source)
    place.blocks([block for block in blocks("sh") if INSTALLS not in block])
    assert all((place.folder / name).exists() for name in LEFT_BEHIND)
    (python,) = blocks("python")
    place.run(python, str(place.folder / ".venv/bin/python"))
