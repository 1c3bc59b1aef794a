"""The seal of a record: what is not what was written is refused by every verb that reads it, or said with --force."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

import iqatune as package
from iqatune.errors import InputError
from tests.run_paths import run_at

Copy = Callable[..., Path]
Command = Callable[..., Any]


@pytest.fixture
def readers(small_set: Any, small_cache: Path) -> Callable[[Path], dict[str, tuple[object, ...]]]:
    """The command lines that read a record, by verb."""

    def of(record: Path) -> dict[str, tuple[object, ...]]:
        pair = (small_set.folder / "ref0.png", small_set.folder / "noise0_1.png")
        return {
            "score": ("score", record, *pair),
            "export": ("export", record, "--output", "metric.safetensors"),
            "evaluate": ("evaluate", record, *small_set.options, "--cache-dir", small_cache),
            "report": ("report", record.parent, "--output", "report"),
        }

    return of


def _change(record: Path, change: Callable[[Any], object]) -> None:
    """Change what a record says, as an editor would: the seal stays."""
    content = json.loads(record.read_text())
    change(content)
    record.write_text(json.dumps(content, indent=2))


def _raise_srcc(content: Any) -> None:
    content["best"]["srcc"] += 1e-12


def test_the_seal_is_that_of_the_published_rule(own_copy: Copy, forge: Callable[..., None]) -> None:
    record = own_copy() / "result.json"
    content = json.loads(record.read_text())
    forge(record, lambda _: None)
    assert content["seal"] == json.loads(record.read_text())["seal"]
    assert content["trials_file"]["lines"] == 5


def test_a_changed_figure_is_refused_by_every_reader(
    own_copy: Copy, iqatune: Command, readers: Callable[[Path], dict[str, Any]]
) -> None:
    record = own_copy() / "result.json"
    _change(record, _raise_srcc)
    for verb, arguments in readers(record).items():
        ran = iqatune(*arguments)
        assert (ran.code, ran.out) == (2, ""), verb
        assert ran.err.strip().splitlines() == [
            f"iqatune: {record}: its seal is broken, it is not what was written; restore the file or search again; "
            "--force takes it as it is, and says so"
        ]
    with pytest.raises(InputError, match="its seal is broken"):
        package.read_result(record)
    assert package.read_result(record, force=True).best is not None
    assert not Path("metric.safetensors").exists()
    assert not Path("report").exists()


def test_forced_work_says_so_in_what_it_writes(
    own_copy: Copy, iqatune: Command, readers: Callable[[Path], dict[str, Any]]
) -> None:
    record = own_copy() / "result.json"
    _change(record, _raise_srcc)
    words = "FORCED: result.json: its seal is broken, it is not what was written"
    verbs = readers(record)
    assert words in json.loads(iqatune(*verbs["score"], "--force", "--json").out)["origin"]
    assert iqatune(*verbs["export"], "--force").code == 0
    with safe_open("metric.safetensors", framework="pt") as file:
        assert words in json.loads(file.metadata()["iqatune.metric"])["origin"]
    (evaluated,) = json.loads(iqatune(*verbs["evaluate"], "--force", "--format", "json").out)["results"]
    assert evaluated["forced"] == words
    assert words in iqatune(*verbs["evaluate"], "--force", "--format", "csv").out.splitlines()[1]
    assert words in iqatune(*verbs["evaluate"], "--force").out
    assert iqatune(*verbs["report"], "--force").code == 0
    assert words in Path("report/report.md").read_text()
    assert words in Path("report/report.html").read_text()


def test_a_sound_record_says_nothing_of_force(
    own_copy: Copy, iqatune: Command, readers: Callable[[Path], dict[str, Any]]
) -> None:
    for verb, arguments in readers(own_copy() / "result.json").items():
        ran = iqatune(*arguments)
        assert ran.code == 0, (verb, ran.err)
        assert "FORCED" not in ran.out + ran.err
    assert "FORCED" not in Path("report/report.md").read_text()


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda content: json.dumps(content),
        lambda content: json.dumps(content, indent=8),
        lambda content: json.dumps(content, sort_keys=True),
        # as JavaScript writes numbers: 1 in the place of 1.0
        lambda content: json.dumps(content).replace(": 1.0,", ": 1,").replace(": 0.0,", ": 0,"),
    ],
    ids=["compact", "indented", "sorted", "javascript"],
)
def test_writing_it_in_another_way_is_harmless(rewrite: Callable[[Any], str], own_copy: Copy, iqatune: Command) -> None:
    record = own_copy() / "result.json"
    before = package.read_result(record)
    record.write_text(rewrite(json.loads(record.read_text())))
    assert package.read_result(record).model_dump() == before.model_dump()


def test_a_record_by_itself_is_proven_by_itself(own_copy: Copy, tmp_path: Path) -> None:
    run = own_copy()
    (run / "trials.jsonl").unlink()
    assert package.read_result(run / "result.json").status == "complete"
    _change(run / "result.json", _raise_srcc)
    with pytest.raises(InputError, match="its seal is broken"):
        package.read_result(run / "result.json")


def test_under_a_name_of_its_own_it_has_no_trials(own_copy: Copy) -> None:
    run, other = own_copy(), own_copy("other", seed=1)
    kept = Path(shutil.copy(other / "result.json", run / "best.json"))
    assert package.read_result(kept).run.seed == 1


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda lines: lines[:-1], "not the one that it was made with"),
        (lambda lines: [*lines, lines[-1]], "damaged"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "damaged"),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], "damaged"),
        (lambda lines: [], "not the one that it was made with"),
    ],
    ids=["dropped", "doubled", "swapped", "torn", "emptied"],
)
def test_its_trials_belong_to_it(
    spoil: Callable[[list[bytes]], list[bytes]], says: str, own_copy: Copy, iqatune: Command, small_set: Any
) -> None:
    run = own_copy()
    lines = (run / "trials.jsonl").read_bytes().splitlines(keepends=True)
    (run / "trials.jsonl").write_bytes(b"".join(spoil(lines)))
    ran = iqatune("export", run / "result.json", "--output", "metric.safetensors")
    assert ran.code == 2
    assert f"{run / 'result.json'}: trials.jsonl beside it is {says}" in ran.last_line
    assert iqatune("report", run, "--output", "report", "--force").code == 0
    assert "FORCED" in Path("report/report.md").read_text()


def test_a_seal_that_was_taken_away_is_missed(own_copy: Copy) -> None:
    record = own_copy() / "result.json"
    _change(record, lambda content: content.update(seal=None))
    with pytest.raises(InputError, match="has lost its seal"):
        package.read_result(record)


def test_older_records_are_taken_as_before(own_copy: Copy, iqatune: Command, small_cache: Path) -> None:
    run = own_copy()
    _change(run / "result.json", lambda content: [content.pop(key) for key in ("seal", "trials_file", "undefined")])
    lines = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]
    old = [{key: value for key, value in line.items() if key != "check"} for line in lines]
    (run / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    assert len(package.read_result(run).trials()) == 5
    ran = iqatune("replay", run / "result.json", "--cache-dir", small_cache)
    assert ran.code == 0, ran.out
    assert "of a release that sealed nothing" in ran.out
    assert "5 of its lines have no checksum" in ran.out


def test_a_search_goes_on_from_no_broken_record(iqatune: Command, small_set: Any, small_cache: Path) -> None:
    search = ("search", *small_set.options, "--backbone", "squeezenet", "--backbone-weights", "random")
    search = (*search, "--searcher", "random", "--samples", 3, "--folds", 0, "--cache-dir", small_cache)
    assert iqatune(*search).code == 0
    record = run_at("runs/csv/squeezenet/random-stage-s0/result.json")
    _change(record, _raise_srcc)
    ran = iqatune(*search)
    assert ran.code == 2
    assert ran.last_line.startswith(f"iqatune: {record}: its seal is broken")
