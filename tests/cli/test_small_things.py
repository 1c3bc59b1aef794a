"""What makes the command line easy to live with: each as a user types it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from iqatune.cli.completion import FILES, FOLDERS, NAMES, NAMES_OR_FILES
from iqatune.cli.main import VERBS, _command, cli

Command = Callable[..., Any]


@pytest.fixture
def record(finished: Callable[..., Path], iqatune: Command) -> Path:
    """A finished search of the small set, under runs/ in the folder that commands are typed in."""
    place = Path("runs/csv/squeezenet/random-stage-s0")
    shutil.copytree(finished(samples=4, folds=2), place)
    return place / "result.json"


def test_every_verb_prints_one_json_object(
    record: Path, finished: Callable[..., Path], small_set: Any, small_cache: Path, iqatune: Command
) -> None:
    cache = ("--cache-dir", small_cache)
    backbone = ("--backbone", "squeezenet", "--backbone-weights", "random")
    images = [small_set.folder / name for name in ("ref0.png", "noise0_1.png")]
    Path("grid.yaml").write_text(
        f"datasets: {{dataset: csv, pairs: {small_set.labels}, better: higher}}\nbackbones: squeezenet\n"
        "backbone_weights: random\nsearchers: random\nsamples: 2\nfolds: 0\n"
    )
    typed: dict[str, tuple[object, ...]] = {
        "search": (*small_set.options, *backbone, "--searcher", "random", "--samples", 3, "--folds", 0, *cache),
        "sweep": ("grid.yaml", "--jobs", 1, "--output", "swept", *cache),
        "evaluate": (record, *cache),
        "fuse": (
            record,
            f"other={finished(samples=4, folds=2, seed=1) / 'result.json'}",
            *small_set.options,
            "--folds",
            2,
            *cache,
        ),
        "robust": (record, "--kinds", "unseen", *cache),
        "report": ("runs",),
        "score": (record, *images),
        "export": (record, "--output", "metric.safetensors"),
        "replay": (record, *cache),
        "extract": (*small_set.options, *backbone, *cache),
        "cache": cache,
        "doctor": (*small_set.options, "--only", "data"),
        "list": ("datasets",),
    }
    assert typed.keys() == VERBS.keys() - {"bench", "frontier"}  # their own tests ask for JSON: they take long
    for verb, options in typed.items():
        ran = iqatune(verb, *options, "--json")
        assert ran.code in (0, 1), (verb, ran.err)
        assert isinstance(json.loads(ran.out), dict), verb
        assert ran.out.count("\n") == 1, verb
    for verb in VERBS:
        assert "--json" in {name for parameter in _command(verb).params for name in parameter.opts}, verb


def test_json_and_csv_at_once_are_refused(record: Path, iqatune: Command) -> None:
    assert iqatune("evaluate", record, "--json", "--format", "csv").last_line == (
        "iqatune: --json, --format csv: one of them; leave the other out"
    )


def test_a_report_says_in_json_what_it_wrote(record: Path, iqatune: Command) -> None:
    written = json.loads(iqatune("report", "runs", "--json", "--quiet").out)
    assert written["schema"] == "iqatune.report/1"
    page = Path(written["page"])
    assert page == Path("runs/report/report.html")
    assert all((page.parent / file).is_file() for file in written["files"])
    assert "report.html" in written["files"]


def test_a_record_alone_is_evaluated_where_it_was_tuned(record: Path, small_cache: Path, iqatune: Command) -> None:
    ran = iqatune("evaluate", record, "--cache-dir", small_cache)
    assert ran.code == 0, ran.err
    assert f"{json.loads(record.read_text())['best']['srcc']:.4f}" in ran.out


@pytest.mark.parametrize("verb", ["replay", "evaluate"])
def test_a_file_that_a_record_names_and_is_gone_is_named(
    verb: str, record: Path, forge: Command, iqatune: Command, small_set: Any
) -> None:
    forge(record, lambda content: content["run"].update(pairs="moved/labels.csv"))
    gone = f"the file of its --pairs is gone, moved/labels.csv in {Path.cwd()}"
    assert iqatune(verb, record).last_line == f"iqatune: {record}: {gone}; say with --pairs where it is"


def test_a_renamed_file_of_the_same_pairs_is_a_note(
    record: Path, small_set: Any, small_cache: Path, iqatune: Command
) -> None:
    renamed = small_set.folder / "renamed.csv"
    renamed.write_bytes(small_set.labels.read_bytes())
    ran = iqatune("replay", record, "--pairs", renamed, "--cache-dir", small_cache)
    assert ran.code == 0, ran.out
    assert "Label: labels.csv is now called renamed.csv, with the same pairs and scores." in ran.out
    renamed.write_text(small_set.labels.read_text().replace(",noise,5", ",noise,4", 1))
    ran = iqatune("replay", record, "--pairs", renamed, "--cache-dir", small_cache)
    assert (ran.code, "is now called" in ran.out) == (1, False)
    renamed.unlink()


def test_one_file_serves_several_verbs(record: Path, small_set: Any, small_cache: Path, iqatune: Command) -> None:
    Path("all.yaml").write_text(
        f"cache_dir: {small_cache}\nsamples: 3\nfolds: 0\nby: distortion\nquiet: true\n"
        f"dataset: csv\npairs: {small_set.labels}\nbetter: higher\nbackbone: squeezenet\nsearcher: random\n"
        "backbone_weights: random\nsearch:\n  name: mine\n  seed: 2\n"
    )
    ran = iqatune("search", "--config", "all.yaml", "--json")
    assert ran.code == 0, ran.err
    run = json.loads(ran.out)["run"]
    assert (run["samples"], run["seed"]) == (3, 2)
    found = Path("runs/csv/squeezenet/mine/result.json")
    evaluated = iqatune("evaluate", found, "--config", "all.yaml", "--backbone-weights", "random", "--json")
    assert evaluated.code == 0, evaluated.err
    assert json.loads(evaluated.out)["by"] == "distortion"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sampels: 3\n", "unknown key 'sampels'; did you mean 'samples'?"),
        ("search:\n  sampels: 3\n", "unknown key 'sampels'; did you mean 'samples'?"),
        ("search:\n", "the section 'search' is empty"),
        ("serch:\n  samples: 3\n", "unknown key 'serch'"),
    ],
)
def test_a_key_of_no_verb_is_refused(text: str, says: str, iqatune: Command) -> None:
    Path("all.yaml").write_text(text)
    ran = iqatune("search", "--config", "all.yaml")
    assert (ran.code, says in ran.last_line) == (2, True), ran.err


def test_a_name_of_timm_is_hinted_at(small_set: Any, iqatune: Command) -> None:
    for name in ("efficientnet_b0", "resnet18@1,2"):
        ran = iqatune("search", *small_set.options, "--backbone", name, "--searcher", "random")
        assert ran.code == 2
        assert ran.last_line == f"iqatune: --backbone {name}: unknown backbone; did you mean timm:{name}?"
    ran = iqatune("search", *small_set.options, "--backbone", "vgg91", "--searcher", "random")
    assert "did you mean 'vgg" in ran.last_line


@pytest.mark.parametrize("name", ["metric.safetensors", "metric.pt2", "metric.onnx"])
def test_an_export_keeps_a_file_that_is_there(name: str, record: Path, iqatune: Command) -> None:
    Path(name).write_text("precious")
    ran = iqatune("export", record, "--output", name)
    assert ran.last_line == f"iqatune: --output {name}: exists; give another --output, or overwrite it with --force"
    assert (ran.code, Path(name).read_text()) == (2, "precious")
    if name.endswith(".safetensors"):
        assert iqatune("export", record, "--output", name, "--force").code == 0
        assert Path(name).stat().st_size > 1000


def test_a_robust_record_is_not_overwritten(record: Path, iqatune: Command) -> None:
    Path("out").mkdir()
    Path("out/robust.json").write_text("precious")
    ran = iqatune("robust", record, "--output", "out", "--kinds", "unseen")
    assert "out/robust.json: exists; give another --output, or overwrite it with --force" in ran.last_line
    assert Path("out/robust.json").read_text() == "precious"


def test_doctor_counts_in_words(small_set: Any, iqatune: Command) -> None:
    ran = iqatune("doctor", *small_set.options, "--only", "data")
    levels = [
        finding["level"]
        for finding in json.loads(iqatune("doctor", *small_set.options, "--only", "data", "--json").out)["findings"]
    ]
    told = []
    for level, plural in (("problem", "problems"), ("warning", "warnings"), ("note", "notes"), ("ok", "ok")):
        if levels.count(level):
            told.append(f"{levels.count(level)} {level if levels.count(level) == 1 else plural}")
    assert ran.out.splitlines()[-1] == ", ".join(told)


@pytest.mark.parametrize(
    ("typed", "incomplete", "offered"),
    [
        ("", "sea", {"search"}),
        ("search --dataset", "tid", {"tid2013", "tid2008"}),
        ("search --backbone", "vgg", {"vgg16", "vgg19"}),
        ("search --backbone", "timm", {"timm:"}),
        ("search --searcher", "b", {"blendsearch", "bayesopt", "bohb"}),
        ("search --space", "ch", {"channel"}),
        ("evaluate x.json --baseline", "lpips-", {"lpips-vgg", "lpips-squeeze"}),
        ("search --pairs", "", {"file:"}),
        ("search --data-root", "", {"dir:"}),
        ("search --backbone-weights", "p", {"pretrained"}),
        ("search --backbone-weights", "x", {"file:x"}),
        ("search --objective", "k", {"krcc"}),
        ("export", "", {"file:"}),
    ],
)
def test_a_shell_is_offered_values(typed: str, incomplete: str, offered: set[str]) -> None:
    found = ShellComplete(cli, {}, "iqatune", "_IQATUNE_COMPLETE").get_completions(typed.split(), incomplete)
    assert {item.value if item.type == "plain" else f"{item.type}:{item.value}" for item in found} == offered


def test_bash_asks_as_documented() -> None:
    """What the line of docs/command_line.md sets up, and what bash then asks."""
    line = {"COMP_WORDS": "iqatune search --pooling n", "COMP_CWORD": "3"}
    for asked, more, said in (("bash_source", {}, "complete -o nosort"), ("bash_complete", line, "plain,native\n")):
        ran = subprocess.run(
            [sys.executable, "-m", "iqatune"],
            env={**os.environ, "_IQATUNE_COMPLETE": asked, **more},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (ran.returncode, said in ran.stdout) == (0, True), ran.stderr


def test_every_completed_option_exists() -> None:
    known = {name for verb in VERBS for parameter in _command(verb).params for name in parameter.opts}
    assert {*NAMES, *FILES, *FOLDERS} <= known
    assert {*NAMES_OR_FILES} <= {*NAMES}
