"""Where a search puts its files, as a user types it: two experiments never meet, and a report shows all."""

import json
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import iqatune as package

Command = Callable[..., Any]


@pytest.fixture
def figures(iqatune: Command) -> Path:
    """A features file of 24 pairs, in the folder that commands are typed in."""
    rng = np.random.default_rng(3)
    lines = ["reference,distorted,score,psnr,lpips"]
    for row in range(24):
        quality = rng.normal()
        lines.append(f"r{row % 4}.png,d{row}.png,{quality:.4f},{quality + rng.normal():.4f},{rng.normal():.4f}")
    Path("mine.csv").write_text("\n".join(lines) + "\n")
    return Path("mine.csv")


@pytest.fixture
def search(iqatune: Command, figures: Path) -> Command:
    """A search over the features file; gives the record's path, or the line of a refusal."""

    def run(*options: object, code: int = 0) -> Any:
        given = ("--features", figures, "--better", "higher", "--searcher", "random", "--quiet")
        ran = iqatune("search", *given, *options)
        assert ran.code == code, ran.err
        if code:
            return ran.last_line
        return Path(ran.out.strip().splitlines()[-1].removeprefix("Record: "))

    return run


def _records() -> dict[str, dict[str, Any]]:
    return {str(file): json.loads(file.read_text()) for file in Path("runs").rglob("result.json")}


def test_runs_of_other_options_are_all_kept_and_in_the_report(search: Command, iqatune: Command) -> None:
    options = ((), ("--samples", 7), ("--folds", 0), ("--prior", "cube"), ("--seed", 1), ("--feature-columns", "psnr"))
    files = [search(*each) for each in options]
    assert len(set(files)) == len(options)
    assert str(files[0]) == "runs/csv/mine/better=higher/random-columns-s0/result.json"
    assert str(files[1]) == "runs/csv/mine/better=higher/random-columns-samples=7-s0/result.json"
    before = _records()
    assert [search(*each) for each in options] == files
    assert _records() == before
    assert iqatune("report", "runs", "--quiet").code == 0
    page = Path("runs/report/report.md").read_text()
    for words in ("7 samples", "50 samples", "cube prior"):
        assert words in page


def test_a_name_takes_the_place_of_the_last_folders(search: Command) -> None:
    file = search("--samples", 6, "--folds", 2, "--name", "a try")
    assert str(file) == "runs/csv/mine/a try/result.json"
    before = file.read_bytes()
    assert search("--samples", 6, "--folds", 2, "--name", "a try") == file
    assert file.read_bytes() == before
    for others, says in ((("--samples", 9, "--folds", 2), "samples"), (("--samples", 6, "--folds", 3), "folds")):
        line = search(*others, "--name", "a try", code=2)
        assert line == (f"iqatune: {file}: is of another run (other {says}); give this one another --name or --output")
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.glob("*.json")] == ["result.json"]


@pytest.mark.parametrize("name", ["a/b", "..", "", ".hidden"])
def test_a_name_is_that_of_one_folder(name: str, search: Command) -> None:
    line = search("--name", name, code=2)
    assert line.startswith(f"iqatune: --name {name}: is no plain name of a folder; ")
    assert not Path("runs").exists()


def test_a_name_may_come_from_a_file_a_variable_and_python(
    search: Command, figures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("settings.yaml").write_text("name: from-file\n")
    quick = ("--samples", 3, "--folds", 0)
    assert search(*quick, "--config", "settings.yaml").parent.name == "from-file"
    monkeypatch.setenv("IQATUNE_NAME", "from-variable")
    assert search(*quick).parent.name == "from-variable"
    options: dict[str, Any] = {"features": str(figures), "better": "higher", "searcher": "random", "progress": "none"}
    result = package.tune(**options, samples=3, folds=0, name="from-python")
    assert result.file == Path("runs/csv/mine/from-python/result.json")
    assert result.environment.command is None


def test_a_file_that_was_changed_is_another_experiment(search: Command, figures: Path) -> None:
    file = search("--samples", 3, "--folds", 0)
    before = file.read_bytes()
    figures.write_text(figures.read_text().replace("d0.png", "other.png"))
    line = search("--samples", 3, "--folds", 0, code=2)
    assert "is of another run (other images or scores); give this one another --name or --output" in line
    assert file.read_bytes() == before
    assert search("--samples", 3, "--folds", 0, "--name", "corrected").parent.name == "corrected"


def test_a_record_says_when_and_by_which_command_it_was_made(search: Command, iqatune: Command) -> None:
    file = search("--samples", 3, "--folds", 0, "--name", "with spaces & more".replace("&", "+"))
    environment = json.loads(file.read_text())["environment"]
    created = datetime.fromisoformat(environment["created"])
    assert created.tzinfo is not None
    assert timedelta(0) <= datetime.now(UTC) - created < timedelta(minutes=5)
    typed = shlex.split(environment["command"])
    assert typed[:2] == ["iqatune", "search"]
    assert typed[-2:] == ["--name", "with spaces + more"]
    # pasted, it is the same run
    ran = iqatune(*typed[1:])
    assert (ran.code, str(file) in ran.out) == (0, True)
    assert iqatune("replay", file).code == 0
    # the seal is over both
    file.write_text(file.read_text().replace("iqatune search", "iqatune forged"))
    ran = iqatune("replay", file)
    assert (ran.code, "seal has changed" in ran.out) == (1, True)


def test_a_record_without_time_and_command_is_read_and_proven(
    search: Command, iqatune: Command, forge: Command
) -> None:
    file = search("--samples", 3, "--folds", 0)
    forge(file, lambda content: [content["environment"].pop(name) for name in ("created", "command")])
    assert package.read_result(file).environment.created is None
    assert iqatune("replay", file).code == 0


def test_the_cells_of_a_sweep_are_where_searches_are(search: Command, iqatune: Command, figures: Path) -> None:
    file = search("--samples", 3, "--folds", 0)
    before = file.read_bytes()
    text = f"features: {figures}\nbetter: higher\nsearchers: random\nsamples: [3, 4]\nfolds: 0\nseeds: 0-1\n"
    Path("grid.yaml").write_text(text)
    ran = iqatune("sweep", "grid.yaml", "--jobs", 1, "--json")
    assert ran.code == 0, ran.err
    folders = [Path("runs", cell["folder"]) for cell in json.loads(ran.out)["cells"]]
    assert file.parent in folders
    assert file.read_bytes() == before
    assert len(_records()) == 4
    others = [record for path, record in _records().items() if path != str(file)]
    assert {record["environment"]["command"] for record in others} == {"iqatune sweep grid.yaml --jobs 1 --json"}


def test_two_fusions_of_other_options_never_meet(iqatune: Command, figures: Path) -> None:
    given = ("fuse", "--features", figures, "--better", "higher", "--searcher", "random", "--quiet", "--json")
    for options in ((), ("--samples", 9), ("--folds", 0), ("--name", "mine")):
        ran = iqatune(*given, *options)
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["environment"]["command"].startswith("iqatune fuse ")
    files = sorted(Path("runs").rglob("fusion*.json"))
    assert len(files) == 4
    assert {file.name for file in files} == {"fusion.json"}
    before = [file.read_bytes() for file in files]
    line = iqatune(*given, "--samples", 3, "--name", "mine").last_line
    assert "is of another run (other samples); give this one another --name or --output" in line
    assert [file.read_bytes() for file in files] == before
