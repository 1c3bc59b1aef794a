"""A package that adds one of each kind, from its wheel to the record of a search."""

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.run_paths import Runs, run_at

if TYPE_CHECKING:
    from tests.plugins.conftest import Installation

TOY = Path(__file__).with_name("iqatune_toy")

FEATURES = ("--dataset", "gradients", "--backbone", "edges", "--backbone-weights", "random")
SEARCH = (*FEATURES, "--searcher", "hillclimb")
ADDED = {"searchers": "hillclimb", "datasets": "gradients", "backbones": "edges", "baselines": "mae"}


@pytest.fixture(scope="module")
def record(with_toy: "Installation") -> Path:
    """The record of a search in which everything comes from the plug-in."""
    ran = with_toy.iqatune("search", *SEARCH, "--samples", 30, "--quiet")
    assert ran.code == 0, ran.err
    return run_at(with_toy.place / "runs/gradients/edges/hillclimb-stage-s0/result.json")


def _trials(folder: Path) -> list[dict[str, Any]]:
    """The lines of a search's trials, without the seconds that they took and the checksum over those."""
    lines = run_at(folder / "gradients/edges/hillclimb-stage-s0/trials.jsonl").read_text().splitlines()
    return [
        {key: value for key, value in json.loads(line).items() if key not in ("seconds", "check")} for line in lines
    ]


def test_what_runs_is_what_was_installed(toy: "Installation") -> None:
    ran = toy.python("-c", "import iqatune, iqatune_toy; print(iqatune.__file__, iqatune_toy.__file__)")
    assert ran.out.split() == [str(toy.folders[0] / name / "__init__.py") for name in ("iqatune", "iqatune_toy")]


@pytest.mark.parametrize(("kind", "name"), ADDED.items())
def test_a_list_says_which_package_adds_a_name(toy: "Installation", kind: str, name: str) -> None:
    (row,) = (line for line in toy.iqatune("list", kind).out.splitlines() if line.split()[:1] == [name])
    assert row.rstrip().endswith("iqatune-toy 0.3.1")


def test_a_list_in_json_says_so_too(toy: "Installation") -> None:
    for (kind, name), ran in zip(ADDED.items(), toy.several([["list", kind, "--json"] for kind in ADDED]), strict=True):
        added = {row["name"]: row.get("added_by") for row in ran.document[kind]}
        assert added.pop(name) == "iqatune-toy 0.3.1"
        assert set(added.values()) == {None}


def test_a_list_does_not_import_torch(toy: "Installation") -> None:
    code = (
        "import sys; from iqatune.cli.main import main; [main(['list', kind]) for kind in "
        f"{tuple(ADDED)}]; sys.exit('torch' in sys.modules)"
    )
    assert toy.python("-c", code).code == 0


def test_a_record_names_the_package_and_its_version(record: Path) -> None:
    result = json.loads(record.read_text())
    assert result["status"] == "complete"
    assert result["environment"]["plugins"] == {"iqatune-toy": "0.3.1"}
    assert result["held_out"]["folds"] == 5
    assert result["best"]["srcc"] > result["baselines"]["uniform"]["srcc"]
    assert result["strategy"]["initial"] == 1
    assert result["strategy"]["local"] == 29


def test_a_complete_search_is_not_searched_again(record: Path, with_toy: "Installation") -> None:
    before = record.read_bytes()
    ran = with_toy.iqatune("search", *SEARCH, "--samples", 30)
    assert ran.code == 0
    assert "this run is complete" in ran.err
    assert record.read_bytes() == before


def test_what_reads_a_record_works_with_the_plug_in(record: Path, toy: "Installation") -> None:
    replayed, evaluated, extracted, diagnosed = toy.several(
        [
            ["replay", str(record), "--json"],
            ["evaluate", str(record), "--dataset", "gradients", "--baseline", "mae", "--format", "json", "--quiet"],
            ["extract", *FEATURES, "--json", "--quiet"],
            ["doctor", *FEATURES, "--json", "--quiet"],
        ]
    )
    assert replayed.code == 0
    assert all(figure["same"] for figure in replayed.document["figures"])
    tuned, mae = evaluated.document["results"]
    assert (mae["file"], mae["kind"]) == ("mae", "baseline")
    assert 0.5 < mae["srcc"] < tuned["srcc"]
    assert (extracted.document["pairs"], extracted.document["computed"]) == (48, 0)
    assert diagnosed.code == 0
    found = {finding["subject"]: finding["level"] for finding in diagnosed.document["findings"]}
    assert {found[name] for name in ("gradients", "edges", "hillclimb")} == {"ok"}


@pytest.mark.usefixtures("record")
def test_a_killed_search_goes_on(toy: "Installation") -> None:
    samples = ("--samples", "8000", "--folds", "0", "--quiet")
    killed = subprocess.Popen(
        [sys.executable, "-m", "iqatune", "search", *SEARCH, *samples, "--output", "killed"],
        cwd=toy.place,
        env=toy.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    file = Runs(str(toy.place / "killed/gradients/edges/hillclimb-stage-s0/trials.jsonl"))
    while killed.poll() is None and not (file.exists() and file.stat().st_size > 100_000):
        time.sleep(0.005)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    done = len(_trials(toy.place / "killed"))
    assert 0 < done < 8000
    for output in ("killed", "whole"):
        assert toy.iqatune("search", *SEARCH, *samples, "--output", output).code == 0
    assert _trials(toy.place / "killed") == _trials(toy.place / "whole")


@pytest.mark.usefixtures("record")
def test_a_sweep_searches_in_worker_processes(toy: "Installation") -> None:
    grid = {
        "datasets": ["gradients"],
        "backbones": ["edges"],
        "backbone_weights": "random",
        "searchers": ["hillclimb", "random"],
        "seeds": [0, 1],
        "samples": 20,
        "folds": 2,
    }
    (toy.place / "grid.yaml").write_text(json.dumps(grid))
    ran = toy.iqatune("sweep", "grid.yaml", "--jobs", 2, "--output", "swept", "--quiet")
    assert ran.code == 0, ran.err
    cells = json.loads((toy.place / "swept/sweep.json").read_text())["cells"]
    assert [cell["state"] for cell in cells] == ["done"] * 4
    for cell in cells:
        result = json.loads((toy.place / "swept" / cell["folder"] / "result.json").read_text())
        assert result["environment"]["plugins"] == {"iqatune-toy": "0.3.1"}


def test_the_package_passes_the_contract_suites(toy: "Installation") -> None:
    shutil.copytree(TOY / "tests", toy.place / "tests")
    ran = toy.python("-m", "pytest", "-q", "-n", 0, "-p", "no:cacheprovider", "tests")
    assert ran.code == 0, ran.out
    assert "passed" in ran.out


@pytest.mark.usefixtures("record")
def test_what_a_notebook_registers_is_known_to_its_own_process(toy: "Installation") -> None:
    ran = toy.python(TOY / "notebook.py")
    assert ran.code == 0, ran.err
    status, refused = ran.out.splitlines()
    assert status == "complete"
    assert refused.startswith("--searcher sparse: unknown searcher;")
    result = json.loads(run_at(toy.place / "runs/gradients/edges/sparse-stage-s0/result.json").read_text())
    assert result["environment"]["plugins"] == {"iqatune-toy": "0.3.1"}


def test_built_in_ones_work_beside_a_broken_package(with_broken: "Installation", tmp_path: Path) -> None:
    broken = replace(with_broken, place=tmp_path)
    listed, searched = broken.several(
        [["list", "searchers", "--json"], ["search", *FEATURES, "--searcher", "random", "--samples", "5", "--quiet"]]
    )
    rows = {row["name"]: row for row in listed.document["searchers"]}
    assert rows["random"] == {
        "name": "random",
        "drives": "ray.tune BasicVariantGenerator",
        "description": "independent uniform draws",
    }
    assert rows["outside"]["added_by"] == "iqatune-toy-broken 0.1"
    assert rows["absent"]["description"].startswith("--searcher absent: iqatune-toy-broken 0.1 cannot be loaded")
    assert "added by iqatune-toy 0.3.1 and iqatune-toy-broken 0.1" in rows["hillclimb"]["description"]
    assert searched.code == 0, searched.err
    result = json.loads(run_at(tmp_path / "runs/gradients/edges/random-stage-s0/result.json").read_text())
    assert result["strategy"]["random"] == 5
    assert result["environment"]["plugins"] == {"iqatune-toy": "0.3.1"}


@pytest.mark.parametrize("kind", ADDED)
def test_a_list_goes_on_beside_a_broken_package(with_broken: "Installation", kind: str) -> None:
    rows = with_broken.iqatune("list", kind, "--json").document[kind]
    packages = [row.get("added_by") for row in rows]
    assert packages.count("iqatune-toy-broken 0.1") >= 4
    assert ADDED[kind] in {row["name"] for row in rows}


def test_a_cell_with_a_broken_searcher_fails_alone(with_broken: "Installation", tmp_path: Path) -> None:
    broken = replace(with_broken, place=tmp_path)
    grid = {
        "datasets": ["gradients"],
        "backbones": ["edges"],
        "backbone_weights": "random",
        "searchers": ["outside", "unforeseen", "random"],
        "samples": 5,
        "folds": 0,
    }
    (tmp_path / "grid.yaml").write_text(json.dumps(grid))
    assert broken.iqatune("sweep", "grid.yaml", "--jobs", 2, "--output", "swept", "--quiet").code == 1
    cells = {cell["searcher"]: cell for cell in json.loads((tmp_path / "swept/sweep.json").read_text())["cells"]}
    assert {name: cell["state"] for name, cell in cells.items()} == {
        "outside": "failed",
        "unforeseen": "failed",
        "random": "done",
    }
    assert "iqatune-toy-broken 0.1 breaks the contract of a searcher" in cells["outside"]["error"]
    assert "iqatune-toy-broken 0.1 breaks the contract of a searcher" in cells["unforeseen"]["error"]


REFUSED = {
    "searcher": {
        "absent": "cannot be loaded (ModuleNotFoundError: No module named 'a_library_that_is_not_installed')",
        "ends": "cannot be loaded (SystemExit: 0)",
        "function": "not a class derived from iqatune.search.searchers.base.Searcher",
        "outside": "it proposes numbers that are not in [0, 1]",
        "raises": "ZeroDivisionError: division by zero",
        "unprepared": "its __init__ does not call that of Searcher",
        "misdetailed": "its details are not text by text",
        "waits": "it awaits results where none is out",
        "unforeseen": "KeyError: 'alpha_0'",
        "hillclimb": "added by iqatune-toy 0.3.1 and iqatune-toy-broken 0.1; uninstall all but one of them",
    },
    "dataset": {
        "nan-scores": "the quality of /image.png is nan, not a finite number",
        "no-table": "it loads a list, not a PairTable",
        "no-info": "its info is a NoneType",
        "load-raises": "FileNotFoundError: labels.csv",
    },
    "backbone": {
        "wrong-channels": "its CNN gives maps of (3,) channels, not of (8, 12)",
        "wrong-taps": "'features.99' is not present in model",
        "no-builder": "has no attribute 'nothing'",
        "flat-maps": "its CNN gives a map of shape (1, 3, 16384), not (B, C, H, W)",
    },
    "baseline": {
        "compare-raises": "ValueError: invalid literal for int()",
        "build-raises": "OSError: weights.bin: no such file",
        "infinite": "its number for two images is inf",
        "not-installed": "needs a_library.deep; install a-library",
    },
}
"""What is said of everything in iqatune-toy-broken, by kind and name."""


def _command(kind: str, name: str, record: Path) -> list[str]:
    if kind == "baseline":
        return ["evaluate", str(record), "--dataset", "gradients", "--baseline", name, "--quiet"]
    options = {"dataset": "gradients", "backbone": "edges", "searcher": "random", kind: name}
    given = [part for option, value in options.items() for part in (f"--{option}", value)]
    return ["search", *given, "--backbone-weights", "random", "--samples", "5", "--folds", "0", "--quiet"]


@pytest.fixture(scope="module")
def refusals(
    with_broken: "Installation", record: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Any]:
    """What came of using everything that is broken."""
    used = [(kind, name) for kind, names in REFUSED.items() for name in names]
    broken = replace(with_broken, place=tmp_path_factory.mktemp("refused"))
    ran = broken.several([_command(kind, name, record) for kind, name in used])
    return dict(zip(used, ran, strict=True))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in REFUSED.items() for name in names])
def test_what_is_broken_is_refused_in_a_line_that_names_the_package(
    refusals: dict[tuple[str, str], Any], kind: str, name: str
) -> None:
    ran = refusals[kind, name]
    assert (ran.code, ran.out) == (2, "")
    (line,) = ran.err.splitlines()
    assert line.startswith(f"iqatune: --{kind} {name}: ")
    assert REFUSED[kind][name] in line
    assert "iqatune-toy-broken 0.1" in line or name == "not-installed"


def test_a_process_of_its_own_ends_with_that_exit_code(with_broken: "Installation") -> None:
    ran = with_broken.iqatune("search", *FEATURES, "--searcher", "absent")
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
