"""docs/extending.md is the plug-in's own code, and shows lines that are really printed."""

import re
import textwrap
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugins.conftest import Installation

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "extending.md"


def _blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return found


def _sources() -> list[str]:
    return [path.read_text() for path in sorted((HERE / "iqatune_toy").rglob("*.py"))]


@pytest.mark.parametrize("block", _blocks("python"), ids=lambda block: block.split("\n", 1)[0])
def test_every_python_block_is_code_of_the_package(block: str) -> None:
    assert any(block in source for source in _sources())


def test_every_source_of_the_package_is_on_the_page() -> None:
    page = PAGE.read_text()
    for path in sorted((HERE / "iqatune_toy" / "iqatune_toy").glob("*.py")):
        code = path.read_text().partition('"""\n')[2].strip()
        assert code in page, f"{path.name} is not on the page"


def test_the_projects_table_is_that_of_the_package() -> None:
    (block,) = _blocks("toml")
    whole = tomllib.loads((HERE / "iqatune_toy" / "pyproject.toml").read_text())
    assert tomllib.loads(block) == {"project": whole["project"]}


def test_the_files_of_the_page_are_there() -> None:
    (tree,) = (block for block in _blocks("text") if block.startswith("iqatune_toy/"))
    for line in textwrap.dedent(tree).splitlines()[1:]:
        assert (HERE / "iqatune_toy" / line.split()[0]).is_file()


def test_error_lines_of_the_page_are_printed(with_broken: "Installation", tmp_path: Path) -> None:
    lines = [line for block in _blocks("text") for line in block.splitlines() if line.startswith("iqatune: ")]
    assert len(lines) == 4
    features = {"dataset": "gradients", "backbone": "edges", "searcher": "random"}
    commands = []
    for line in lines:
        kind, name = re.findall(r"^iqatune: --(\w+) ([\w-]+):", line)[0]
        options = {**features, **({} if kind == "baseline" else {kind: name})}
        given = [part for option, value in options.items() for part in (f"--{option}", value)]
        search = ["search", *given, "--backbone-weights", "random", "--samples", "3", "--folds", "0", "--quiet"]
        if kind == "baseline":
            record = "runs/gradients/edges/mine/result.json"
            search += ["--name", "mine"]
            commands += [search, ["evaluate", record, "--dataset", "gradients", "--baseline", name, "--quiet"]]
        else:
            commands.append(search)
    ran = replace(with_broken, place=tmp_path).several(commands)
    printed = "".join(each.err for each in ran).splitlines()
    assert set(lines) <= set(printed)
