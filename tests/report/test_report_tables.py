"""What a report says of records made by hand, whose figures are known."""

import csv
import io
import json
import math
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from iqatune.datasets.table import Pair
from iqatune.errors import InputError
from iqatune.records.evaluation import Evaluated, Evaluation
from iqatune.records.names import Names
from iqatune.records.result import Result, read_result
from iqatune.records.trial import Trial
from iqatune.report import figures
from iqatune.report.build import make_report
from iqatune.report.collect import FoundRun, SettingRuns, collect, grouped
from iqatune.report.context import is_of
from iqatune.report.model import (
    MISSING,
    Cell,
    Column,
    Figure,
    Report,
    Section,
    Table,
    interval,
    number,
    ranked,
    spread,
    word,
)
from iqatune.report.sections.examples import chosen_pairs
from iqatune.report.sections.searchers import best_so_far, blocks_of, expected_best, random_equivalent
from iqatune.report.write import latex, report_markdown, table_csv, table_latex, table_markdown
from iqatune.version import __version__

WriteRun = Callable[..., Path]


@pytest.fixture(autouse=True)
def _without_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    # a drawing takes longer than all tables; the page's test looks at real ones
    monkeypatch.setattr(figures, "drawn", lambda name, title, drawing, notes=(): Figure(name, title, "<svg/>", notes))


def tables(report: Report) -> dict[str, Table]:
    return {table.name: table for section in report.sections for table in section.tables}


def section_of_searchers(report: Report) -> Section:
    return next(section for section in report.sections if section.title == "Which searcher is best")


def cells(table: Table, *words: str) -> dict[str, Cell]:
    """The row whose first cells are these words, by column."""
    found = [row for row in table.rows if tuple(cell.text for cell in row[: len(words)]) == words]
    assert len(found) == 1, [row[0].text for row in table.rows]
    return {column.full_name: cell for column, cell in zip(table.columns, found[0], strict=True)}


def test_seeds_are_averaged(tmp_path: Path, write_run: WriteRun) -> None:
    for seed, srcc in enumerate((0.90, 0.92, 0.94)):
        write_run(seed=seed, srcc=srcc, held_out=srcc - 0.05)
    table = tables(make_report(collect(tmp_path)))["scores-random-stage-4"]
    row = cells(table, "vgg19", "tuned")
    assert row["live SRCC"].text == "0.9200 ± 0.0200"
    assert row["live held-out"].value == pytest.approx(0.87)
    assert row["live KRCC"].value == pytest.approx(0.72)
    assert row["live 95 %"].text == "[0.850, 0.950]"
    assert cells(table, "vgg19", "uniform")["live SRCC"].value == 0.8
    assert cells(table, "vgg19", "uniform")["live held-out"].value == pytest.approx(0.81)
    assert "3 seeds" in table.title


def test_other_backbone_parameters_are_another_row(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(folder="a", srcc=0.95)
    write_run(folder="b", srcc=0.93, backbone_weights="random", backbone_sha256="2" * 64)
    table = tables(make_report(collect(tmp_path)))["scores-random-stage-4"]
    assert cells(table, "vgg19 (ImageNet)", "tuned")["live SRCC"].value == 0.95
    assert cells(table, "vgg19 (random)", "tuned")["live SRCC"].value == 0.93


def test_what_was_not_run_is_missing(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(dataset="live", backbone="vgg19")
    write_run(dataset="csiq", backbone="alexnet")
    report = make_report(collect(tmp_path))
    row = cells(tables(report)["scores-random-stage-4"], "vgg19", "tuned")
    assert row["csiq SRCC"] == Cell() == Cell(MISSING)
    assert row["live SRCC"].value == 0.9
    # speed, distortions and transfer were not measured, and are not made up
    assert not [name for name in tables(report) if name.startswith(("distortions-", "transfer-", "speed", "measured-"))]
    missing = {each.title: each.how for each in report.missing}
    assert {"SRCC per distortion", "Speed", "Transfer to other data sets"} <= set(missing)
    assert "--score" in missing["SRCC per distortion"]
    assert "bench" in missing["Speed"]
    assert "## Not in this report" in report_markdown(report)


def test_a_backbone_with_its_own_pooling_can_be_the_answer(tmp_path: Path, write_run: WriteRun) -> None:
    for backbone in ("alexnet", "squeezenet"):
        write_run(backbone=backbone, srcc=0.85, held_out=0.80)
    write_run(backbone="vgg16", pooling="l2", srcc=0.95, held_out=0.94)
    write_run(folder="other", backbone="xception", srcc=0.99, held_out=0.98, pairs=700, dataset_sha256="3" * 64)
    report = make_report(collect(tmp_path))
    # xception was scored on other pairs, and is not compared
    said = "Best by held-out SRCC: vgg16 by random, stage space, 4 samples; pooling l2 instead of native;"
    assert said in report.answers[0].text
    rows = [row[0].text for row in tables(report)["gains-live"].rows]
    assert rows == ["vgg16¹", "alexnet", "squeezenet"]
    assert "vgg16 on live: pooling l2 instead of native." in tables(report)["searchers"].card


def test_another_protocol_is_marked_with_what_differs(tmp_path: Path, write_run: WriteRun) -> None:
    for seed in range(2):
        write_run(folder="a", seed=seed)
    write_run(folder="b", resize=None, interpolation=None, srcc=0.97)
    table = tables(make_report(collect(tmp_path)))["scores-random-stage-4"]
    assert cells(table, "vgg19¹", "tuned")["live SRCC"].value == 0.97
    assert cells(table, "vgg19", "tuned")["live SRCC"].value == 0.9
    (line,) = [line for line in table.card if line.startswith("¹")]
    assert "resize none instead of 256" in line
    assert "779 pairs, 29 references" in " ".join(table.card)


def test_ties_with_the_best_are_marked(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(backbone="vgg19", srcc=0.95, bounds=(0.90, 0.98))
    write_run(backbone="alexnet", srcc=0.94, bounds=(0.88, 0.97))
    write_run(backbone="resnet50", srcc=0.80, bounds=(0.75, 0.85))
    table = tables(make_report(collect(tmp_path)))["scores-random-stage-4"]
    found = {name: cells(table, name, "tuned")["live SRCC"] for name in ("vgg19", "alexnet", "resnet50")}
    assert [(found[name].best, found[name].tied) for name in found] == [(True, True), (False, True), (False, False)]
    assert any(note.startswith("*") for note in table.notes)


def test_simulated_scores_are_said_to_be(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(dataset="demo")
    report = make_report(collect(tmp_path))
    assert all("SIMULATED" in answer.text and "SIMULATED" in answer.headline for answer in report.answers)
    for table in tables(report).values():
        if not table.source and table.name != "speed":
            assert "SIMULATED" in " ".join((*table.notes, *table.card)), table.name


def test_published_figures_stand_apart(tmp_path: Path, write_run: WriteRun) -> None:
    write_run()
    found = tables(make_report(collect(tmp_path)))
    published = {name: table for name, table in found.items() if name.startswith("published")}
    assert set(published) >= {"published-random", "published-metrics-none", "published-speed"}
    assert all(table.source and "Published, not measured here" in table.title for table in published.values())
    assert not any(table.source for name, table in found.items() if name not in published)
    assert cells(published["published-random"], "vgg19")["live SRCC"].value == 0.954


def test_the_answer_is_of_the_highest_held_out_figure_and_says_who_does_as_well(
    tmp_path: Path, write_run: WriteRun
) -> None:
    write_run(searcher="bohb", srcc=0.95, held_out=0.90)
    write_run(searcher="random", srcc=0.94, held_out=0.92)
    write_run(searcher="ax", srcc=0.99, held_out=0.60)
    (answer,) = make_report(collect(tmp_path)).answers
    assert "Best by held-out SRCC: vgg19 by random, stage space, 4 samples; " in answer.text
    # the folds' differences from the others are all alike, so that their error is 0
    assert answer.text.count("it is above the other 2, beyond chance") == 1
    assert answer.record.endswith("random-stage-s0/result.json")
    assert answer.command == f"iqatune export {answer.record} --output live-vgg19.safetensors"


def test_the_answer_to_one_setting_without_folds_knows_its_limits(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(held_out=None)
    report = make_report(collect(tmp_path))
    (answer,) = report.answers
    assert answer.verdict is None
    assert answer.headline == "Whether tuning helped on live is not known."
    assert "Nothing was held out" in answer.text
    assert "only setting" in answer.text
    assert [(fact.name, fact.value) for fact in answer.facts[:2]] == [
        ("SRCC of the pairs tuned on", "0.900"),
        ("Uniform weights", "0.800"),
    ]
    assert any("Nothing was held out" in note for note in tables(report)["gains-live"].notes)
    assert cells(tables(report)["gains-live"], "vgg19")["SRCC of the pairs tuned on best"].value == 0.9


def test_a_path_that_a_shell_would_break_is_quoted(tmp_path: Path, write_run: WriteRun) -> None:
    path = write_run(folder="my runs")
    (answer,) = make_report(collect(tmp_path / "my runs")).answers
    assert shlex.split(answer.command)[:3] == ["iqatune", "export", str(path)]


def test_runs_that_did_not_end_are_left_out_and_named(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(seed=0)
    path = write_run(seed=1, status="interrupted", srcc=0.5)
    report = make_report(collect(tmp_path))
    assert str(path.relative_to(tmp_path)) in " ".join(report.warnings)
    assert cells(tables(report)["scores-random-stage-4"], "vgg19", "tuned")["live SRCC"].value == 0.9


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.json", "{", "not JSON"),
        ("x.json", '{"schema": "iqatune.evaluation/1"}', r"not a document of iqatune\.evaluation/1"),
        ("result.json", '{"schema": "other"}', "not a record"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, write_run: WriteRun, name: str, content: str, words: str) -> None:
    write_run()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / name).write_text(content)
    with pytest.raises(InputError, match=f"{name}: {words}"):
        collect(tmp_path)


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no complete run"):
        collect(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        collect(tmp_path / "nowhere")


def test_sets_of_pairs_in_other_folders_are_other_data_sets(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(folder="a", dataset="csv", pairs_file="/data/one/labels.csv", dataset_sha256="a" * 64)
    write_run(folder="b", dataset="csv", pairs_file="/data/two/labels.csv", dataset_sha256="b" * 64)
    assert collect(tmp_path).datasets == ("csv:one/labels", "csv:two/labels")


def test_speed_comes_from_a_bench(tmp_path: Path, write_run: WriteRun) -> None:
    write_run()
    (tmp_path / "bench").mkdir()
    measured = json.loads((Path(__file__).parents[2] / "results" / "bench" / "bench.json").read_text())
    for name, precision, quick in (("a", "fp32", False), ("b", "bf16", False), ("c", "fp16", True)):
        content = {**measured, "precision": precision, "quick": quick}
        (tmp_path / "bench" / f"{name}.json").write_text(json.dumps(content))
    speed = tables(make_report(collect(tmp_path)))["speed"]
    (wanted,) = [row["pairs_per_second"]["median"] for row in measured["backbones"] if row["name"] == "vgg19"]
    device = measured["environment"]["device"]
    for precision in ("fp32", "bf16"):
        assert cells(speed, "vgg19", precision, device)["pairs per second"].value == wanted
    assert not any(row[1].text == "fp16" for row in speed.rows)  # a quick bench measures nothing
    (tmp_path / "bench" / "a.json").write_text('{"schema": "iqatune.bench/1"}')
    with pytest.raises(InputError, match=r"a\.json: not a document of iqatune\.bench/1"):
        collect(tmp_path)


def test_backbones_and_sets_of_one_name_are_told_apart(tmp_path: Path, write_run: WriteRun) -> None:
    for place, pairs, digest in (
        ("a", "/data/set/one.csv", "a" * 64),
        ("b", "/data/set/two.csv", "b" * 64),
        ("c", "set/one.csv", "a" * 64),  # the first again, from another folder
        ("d", "/data/other/one.csv", "d" * 64),
    ):
        write_run(folder=place, dataset="csv", pairs_file=pairs, dataset_sha256=digest, seed=ord(place))
    assert collect(tmp_path).datasets == ("csv:other/one", "csv:set/one", "csv:two")
    for place, digest, srcc in (("e10", "1" * 64, 0.8), ("e20", "2" * 64, 0.7)):
        write_run(folder=place, backbone_weights="best.pth", backbone_sha256=digest, srcc=srcc)
    table = tables(make_report(collect(tmp_path)))["scores-random-stage-4"]
    assert cells(table, "vgg19 (file A)", "tuned")["live SRCC"].value == 0.8
    assert cells(table, "vgg19 (file B)", "tuned")["live SRCC"].value == 0.7


def test_a_seed_counts_once(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(folder="a", held_out=None, srcc=0.9)
    write_run(folder="b", srcc=0.91)
    write_run(folder="c", seed=1, held_out=None, srcc=0.93)
    found = collect(tmp_path)
    assert [run.path.relative_to(tmp_path).parts[0] for group in found.groups for run in group.runs] == ["b", "c"]
    assert [path.relative_to(tmp_path).parts[0] for path in found.repeated] == ["a"]
    report = make_report(found)
    assert any("another run has its setting and seed: a/" in line for line in report.warnings)
    assert report.answers[0].facts[0].text.endswith("3 folds by reference, 1 seed")
    assert report.made.startswith("Made on")
    assert "2 seeds" in report.made


def test_names_that_files_cannot_tell_apart_are_numbered(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(folder="a", dataset="csv", pairs_file="/data/a b/x.csv", dataset_sha256="a" * 64)
    write_run(folder="b", dataset="csv", pairs_file="/data/a_b/x.csv", dataset_sha256="b" * 64)
    report = make_report(collect(tmp_path))
    for kind in ("tables", "figures"):
        names = [named.name for section in report.sections for named in getattr(section, kind)]
        assert len(names) == len(set(names))


def test_sections_are_lettered_by_their_place(tmp_path: Path, write_run: WriteRun) -> None:
    write_run()
    report = make_report(collect(tmp_path))
    assert "".join(section.letter for section in report.sections) == "abcde"
    assert "## (d) Where the weight sits" in report_markdown(report)


def test_csv_tables_hold_every_figure(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(srcc=0.9, bounds=(0.85, 0.95))
    write_run(seed=1, srcc=0.94, bounds=(0.85, 0.95))
    text = table_csv(tables(make_report(collect(tmp_path)))["scores-random-stage-4"])
    row = next(csv.DictReader(io.StringIO(text)))
    assert float(row["live SRCC standard deviation"]) == pytest.approx(np.std([0.9, 0.94], ddof=1))
    assert (row["live 95 % low"], row["live 95 % high"]) == ("0.85", "0.95")


def test_markdown_shows_names_as_they_are() -> None:
    table = replace(TABLE, rows=((word("noise|x*_<b>$y$\n<script>"), number(0.5), Cell()),))
    assert r"| noise\|x\*\_\<b\>\$y\$ \<script\> | 0.5000 | — |" in table_markdown(table)


def test_stage_shares_sum_to_one(tmp_path: Path, write_run: WriteRun) -> None:
    write_run()
    row = cells(tables(make_report(collect(tmp_path)))["stages-live"], "vgg19", "random")
    assert [row[name].value for name in ("alpha 0", "alpha 1", "beta 0", "beta 1")] == pytest.approx(
        [0.4, 0.2, 0.2, 0.2]
    )


def trial(sample: int, srcc: float, budget: float = 1.0) -> Trial:
    return Trial(
        sample=sample,
        trial_id=str(sample),
        parameters=np.zeros(1),
        srcc=srcc,
        budget=budget,
        chosen_by="random",
        seconds=0.0,
    )


def test_best_so_far_counts_whole_evaluations_alone() -> None:
    trials = [trial(0, 0.99, 0.25), trial(1, 0.7), trial(2, math.nan), trial(3, 0.8), trial(0, 0.6)]
    assert best_so_far(trials, 1) == 0.6
    assert best_so_far(trials, 3) == 0.7
    assert best_so_far(trials, 4) == 0.8
    assert best_so_far(trials[:1], 5) is None


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_the_expected_best_is_the_mean_over_all_draws(values: list[float]) -> None:
    found = expected_best(np.array(values))
    for k in range(1, len(values) + 1):
        assert found[k - 1] == pytest.approx(np.mean([max(draw) for draw in combinations(values, k)]), abs=1e-12)


def test_random_samples_that_equal_a_run() -> None:
    values = np.linspace(0, 1, 101)
    assert random_equivalent(0.5, values) == (1, True)
    assert random_equivalent(1.0, values) == (101, True)
    assert random_equivalent(1.1, values) == (101, False)
    samples, _ = random_equivalent(0.9, values)
    # the mean of the best of k uniform numbers is k / (k + 1)
    assert 8 <= samples <= 9


def test_searchers_are_ranked_by_held_out_figures_over_the_cases_that_all_have(
    tmp_path: Path, write_run: WriteRun
) -> None:
    rng = np.random.default_rng(0)
    for seed in range(8):
        draws = rng.uniform(0.7, 0.9, 12).tolist()
        write_run(searcher="random", seed=seed, srcc=max(draws), trials=draws, samples=12, held_out=0.80)
        # the best on the pairs that it sees is the worst on others
        write_run(searcher="bohb", seed=seed, srcc=0.95, trials=[0.7] * 11 + [0.95], samples=12, held_out=0.75)
        write_run(searcher="ax", seed=seed, srcc=0.80, trials=[0.8] * 12, samples=12, held_out=0.85)
    write_run(searcher="random", seed=9, srcc=0.75, trials=[0.75], samples=12)  # no other searcher has this seed
    report = make_report(collect(tmp_path))
    found = tables(report)
    assert [row[0].text for row in found["searchers"].rows] == ["ax", "random", "bohb", "(uniform weights)"]
    rows = [cells(found["searchers"], name) for name in ("ax", "random", "bohb")]
    assert [row["mean rank"].value for row in rows] == [1, 2, 3]
    assert [(row["held-out"].best, row["held-out"].tied) for row in rows] == [
        (True, True),
        (False, False),
        (False, False),
    ]
    assert not any(row["tuned SRCC"].tied for row in rows)
    assert "by held-out SRCC" in found["searchers"].title
    assert cells(found["searchers"], "bohb")["random samples"].text.startswith("> ")
    assert cells(found["searchers-anytime"], "bohb")["10 samples"].value == pytest.approx(0.7)
    assert cells(found["searchers-anytime"], "bohb")["25 samples"].missing
    assert "on the pairs tuned on" in found["searchers-anytime"].title
    section = section_of_searchers(report)
    assert "Friedman's test of the held-out SRCC" in section.text[0]
    assert "the searchers differ" in section.text[0]
    assert found["searchers-wilcoxon"].rows[0][0].text == "ax"
    assert "held-out" in found["searchers-wilcoxon"].title
    assert {figure.name for figure in section.figures} == {"searchers-ranks", "searchers-anytime-live"}


def test_without_folds_searchers_are_ranked_by_the_pairs_tuned_on_which_is_said(
    tmp_path: Path, write_run: WriteRun
) -> None:
    write_run(searcher="random", srcc=0.9, held_out=None)
    write_run(searcher="ax", srcc=0.8, held_out=None)
    table = tables(make_report(collect(tmp_path)))["searchers"]
    assert "by SRCC of the pairs tuned on" in table.title
    assert [row[0].text for row in table.rows] == ["random", "ax", "(uniform weights)"]
    assert cells(table, "random")["tuned SRCC"].best


def test_folds_of_other_kinds_are_other_cases(record: Callable[..., Result]) -> None:
    def group(searcher: str, column: str | None) -> SettingRuns:
        result = record(searcher=searcher)
        other = result.run.model_copy(update={"split_column": column})
        run = FoundRun(Path(searcher), result.model_copy(update={"run": other}))
        (found,) = grouped([run], Names({}, {}))
        return found

    blocks = blocks_of([group("random", None), group("random", "part"), group("ax", None)])
    assert sorted(sorted(block.runs) for block in blocks) == [["ax", "random"], ["random"]]


def test_older_optimism_stands_in_a_column_of_its_own(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(searcher="random", seed=0, optimism=0.002)
    write_run(searcher="random", seed=1, optimism=0.004)
    write_run(searcher="random", seed=2, optimism=None)
    for seed in range(3):
        write_run(searcher="ax", seed=seed, optimism=None, srcc=0.92)
        write_run(searcher="bohb", seed=seed, optimism=-0.001)
    table = tables(make_report(collect(tmp_path)))["searchers"]
    random, ax, bohb = (cells(table, name) for name in ("random", "ax", "bohb"))
    older = "tuned less held-out (older)"
    assert (random["optimism"].text, random[older].text) == ("+0.0030 (2 of 3)", "+0.0200 (1 of 3)")
    assert random["optimism"].value == pytest.approx(0.003)
    assert random[older].value == pytest.approx(0.02)
    assert ax["optimism"].missing
    assert ax[older].text == "+0.0400"
    assert bohb["optimism"].text == "-0.0010"
    assert bohb[older].missing
    assert any("compares with no optimism" in note for note in table.notes)
    (row,) = [row for row in csv.DictReader(io.StringIO(table_csv(table))) if row["searcher"] == "random"]
    assert (row["optimism runs"], row[f"{older} runs"]) == ("2", "1")
    assert "(older)" in table_latex(table)


def test_without_older_records_there_is_no_column_for_them(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(searcher="random")
    table = tables(make_report(collect(tmp_path)))["searchers"]
    assert not any("older" in column.name for column in table.columns)
    assert not any("older" in note for note in table.notes)
    assert len({len(row) for row in table.rows} | {len(table.columns)}) == 1


def test_gains_are_of_the_same_pairs(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(searcher="random", srcc=0.9, held_out=0.88)
    write_run(searcher="ax", srcc=0.82, held_out=0.80)
    write_run(searcher="ax", seed=1, srcc=0.82, held_out=0.70)
    table = tables(make_report(collect(tmp_path)))["searchers"]
    found = cells(table, "random")
    # uniform weights: .80 over all pairs, .81 on the folds'
    assert found["gain over uniform tuned"].text == "+0.1000"
    assert found["gain over uniform held-out"].text == "+0.0700"
    assert found["gain over uniform verdict"].text == "helped 1"


@pytest.mark.parametrize(
    ("held_out", "headline", "then"),
    [
        # the folds' gains have a standard deviation of .01 and an error of .0091; t(2) = 4.30 makes it .039
        (0.88, "Tuning helped on live.", "the tuned weights are better"),
        (0.82, "Tuning is not shown to help on live.", "the uniform weights may serve as well"),
        (0.75, "Tuning harmed on live.", "keep the uniform weights"),
    ],
)
def test_the_answer_is_the_verdict(
    held_out: float, headline: str, then: str, tmp_path: Path, write_run: WriteRun
) -> None:
    write_run(held_out=held_out)
    report = make_report(collect(tmp_path))
    (answer,) = report.answers
    assert answer.headline == headline
    assert then in answer.text
    assert len(answer.facts) <= 4
    assert answer.facts[0].value == f"{held_out:.3f}"
    reach = scipy.stats.t.ppf(0.975, 2) * math.sqrt((1 / 3 + 1 / 2) * 0.0001)
    low, high = held_out - 0.81 - reach, held_out - 0.81 + reach
    assert answer.facts[1].value == "0.810"
    assert f"tuning gains {held_out - 0.81:+.3f} (95 % interval {low:+.3f} to {high:+.3f})" in answer.facts[1].text
    # nothing else is in bold
    markdown = report_markdown(report).partition("## (a)")[0]
    assert re.findall(r"\*\*(.*?)\*\*", markdown) == [headline]


def test_a_verdict_counts_from_how_many_settings_the_best_was_chosen(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(held_out=0.86)
    report = make_report(collect(tmp_path))
    assert report.answers[0].verdict == "helped"
    for place in range(9):
        write_run(searcher=f"optuna:{place}", held_out=0.855)
    report = make_report(collect(tmp_path))
    (answer,) = report.answers
    assert answer.verdict == "not shown to help"
    assert "Of the 10 settings, each looked at by itself: helped 10." in answer.text
    reach = scipy.stats.t.ppf(1 - 0.025 / 10, 2) * math.sqrt((1 / 3 + 1 / 2) * 0.0001)
    assert (
        f"{0.05 - reach:+.3f} to {0.05 + reach:+.3f}, widened for the choice among 10 settings" in answer.facts[1].text
    )
    row = cells(tables(report)["gains-live"], "vgg19")
    assert (row["gain over uniform verdict"].text, row["gain over uniform all settings"].text) == (
        "not shown",
        "helped 10",
    )
    assert dict(row["gain over uniform 95 %"].more)["low"] == pytest.approx(0.05 - reach)


def test_one_matrix_has_every_backbone_and_searcher(tmp_path: Path, write_run: WriteRun) -> None:
    for backbone, above in (("vgg19", 0.0), ("alexnet", 0.02)):
        for searcher, held_out in (("random", 0.85), ("bohb", 0.84)):
            write_run(backbone=backbone, searcher=searcher, held_out=held_out + above)
    write_run(backbone="resnet50", searcher="random", held_out=0.8)
    report = make_report(collect(tmp_path))
    matrix = tables(report)["matrix-live"]
    assert [row[0].text for row in matrix.rows] == ["alexnet", "vgg19", "resnet50"]
    found = {name: cells(matrix, name) for name in ("alexnet", "vgg19", "resnet50")}
    assert found["alexnet"]["random"].best
    assert found["alexnet"]["bohb"].value == pytest.approx(0.86)
    assert found["vgg19"]["random"].value == pytest.approx(0.85)
    assert found["resnet50"]["bohb"].missing
    assert found["vgg19"]["(uniform)"].value == pytest.approx(0.81)
    # of one searcher the matrix would be the table above it
    assert "matrix-live" not in tables(make_report(collect(tmp_path / "runs" / "live" / "resnet50")))


def test_a_small_report_has_nothing_empty(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(dataset="csv", pairs_file="/data/mine/pairs.csv", backbone="squeezenet")
    report = make_report(collect(tmp_path))
    assert [section.title for section in report.sections] == [
        "Backbones and searchers",
        "The search by random",
        "What the samples show",
        "Where the weight sits",
    ]
    for section in report.sections:
        assert section.tables or section.figures
        for table in section.tables:
            kept = table.without_empty_columns()
            assert kept.rows
            assert any(cell.value is not None for row in kept.rows for cell in row)
            assert not any(all(row[place].missing for row in kept.rows) for place in range(len(kept.columns)))
    assert "bars-srcc" not in [figure.name for section in report.sections for figure in section.figures]


def test_people_and_simulated_observers_are_never_in_one_mean(tmp_path: Path, write_run: WriteRun) -> None:
    for searcher in ("random", "ax"):
        for seed in range(2):
            write_run(dataset="demo", searcher=searcher, seed=seed, srcc=0.5, held_out=0.4, trials=[0.5])
            write_run(dataset="live", searcher=searcher, seed=seed, srcc=0.9, held_out=0.8, trials=[0.9])
    report = make_report(collect(tmp_path))
    found = tables(report)
    for name, held_out, tuned in (("searchers", 0.8, 0.9), ("searchers-simulated", 0.4, 0.5)):
        row = cells(found[name], "random")
        assert (row["held-out"].value, row["tuned SRCC"].value) == (held_out, tuned)
        simulated = name.endswith("-simulated")
        assert ("simulated observers" in found[name].title) == simulated
        assert any("SIMULATED" in note for note in found[name].notes) == simulated
    assert {"searchers-ranks", "searchers-ranks-simulated"} <= {
        figure.name for section in report.sections for figure in section.figures
    }
    assert [answer.headline for answer in report.answers] == [
        "Tuning harmed on demo (SIMULATED observers).",
        "Tuning is not shown to help on live.",
    ]


def test_a_report_says_when_by_what_and_of_how_much_it_was_made(
    tmp_path: Path, write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(2):
        write_run(seed=seed)
    write_run(backbone="alexnet")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    made = make_report(collect(tmp_path)).made
    assert made == (
        f"Made on 1970-01-02 by iqatune {__version__} from 3 runs, 2 settings, 1 data set, 2 backbones, 1 searcher, "
        "2 seeds."
    )
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert re.match(r"Made on 20\d\d-\d\d-\d\d by", make_report(collect(tmp_path)).made)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    with pytest.raises(InputError, match="SOURCE_DATE_EPOCH soon: give seconds"):
        make_report(collect(tmp_path))


def test_few_cases_are_not_tested(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(searcher="random")
    write_run(searcher="ax", srcc=0.91)
    report = make_report(collect(tmp_path))
    section = section_of_searchers(report)
    assert "too few" in section.text[0]
    assert "searchers-wilcoxon" not in tables(report)


TABLE = Table(
    name="t",
    title="50 % of a_b & c",
    columns=(Column("name"), Column("SRCC", "live"), Column("KRCC", "live")),
    rows=(
        (Cell("a|b"), Cell("0.95", 0.951234567890123, best=True, tied=True), Cell()),
        (Cell("c"), Cell("0.94", 0.94, tied=True), number(math.nan)),
        (Cell("d"), Cell("0.90", 0.9), interval((0.1, 0.2))),
    ),
    card=("All of it.",),
    notes=("* tied",),
)


def test_csv_holds_every_digit_and_the_ties() -> None:
    rows = list(csv.reader(io.StringIO(table_csv(TABLE))))
    assert rows[0] == ["name", "live SRCC", "live SRCC tied", "live KRCC", "live KRCC low", "live KRCC high"]
    assert rows[1] == ["a|b", "0.951234567890123", "true", "", "", ""]
    assert rows[2] == ["c", "0.94", "true", "undefined", "", ""]
    assert rows[3][2] == "false"


def test_markdown_marks_best_tied_and_missing() -> None:
    lines = table_markdown(TABLE).splitlines()
    assert lines[2] == "| name | live SRCC | live KRCC |"
    assert lines[4] == r"| a\|b | **0.95*** | — |"
    assert lines[5] == "| c | 0.94* | undefined |"
    assert r"\* tied" in lines[8]


def test_latex_escapes() -> None:
    text = table_latex(TABLE)
    assert r"\caption{50 \% of a\_b \& c}" in text
    assert r" & \multicolumn{2}{c}{live} \\" in text
    assert r"a|b & \textbf{0.95*} & -- \\" in text
    assert latex("±¹") == r"$\pm$\textsuperscript{1}"
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert all(line.count(" & ") == 2 for line in body)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=6))
def test_one_best_at_least_and_every_best_is_tied(values: Sequence[float]) -> None:
    marked = ranked([number(value) for value in values], [False] * len(values))
    assert [cell.best for cell in marked] == [value == max(values) for value in values]
    assert all(cell.tied for cell in marked if cell.best)
    assert ranked([number(0.5), Cell()], [True, True]) == [number(0.5), Cell()]


def test_spread_of_seeds() -> None:
    assert spread([]) == Cell()
    assert spread([0.5]).text == "0.5000"
    assert spread([0.4, 0.6]).text == f"0.5000 ± {np.std([0.4, 0.6], ddof=1):.4f}"
    assert spread([0.4, math.nan]).text == "undefined"


def test_an_evaluation_that_is_of_no_record_is_told(tmp_path: Path, write_run: WriteRun) -> None:
    path = write_run()
    result = read_result(path)
    agreement = {
        **{"backbone": "vgg19", "searcher": "random", "space": "stage", "tuned_on": "live", "groups": ()},
        **{"srcc": 0.9, "krcc": 0.7, "plcc": 0.9, "confidence": None, "tied_with_best": True},
        "protocol": result.protocol,
    }
    whole = str(path.relative_to(tmp_path))
    results = tuple(Evaluated(**agreement, file=file) for file in (whole, "random-stage-s0/result.json"))
    kept = Evaluation(dataset="live", by=None, simulated=False, results=results)
    (tmp_path / "kept.json").write_text(kept.model_dump_json(by_alias=True))
    told = [line for line in make_report(collect(tmp_path)).warnings if "of no record here" in line]
    assert told == ["Not used, for it is of no record here: the evaluation of random-stage-s0/result.json."]


def test_an_evaluation_is_of_the_record_that_its_path_and_parameters_name(
    record: Callable[..., Result], tmp_path: Path
) -> None:
    def evaluated(file: str, result: Result) -> Evaluated:
        fields = {"backbone": "vgg19", "searcher": "random", "space": "stage", "tuned_on": "live", "groups": ()}
        return Evaluated(
            **fields,
            file=file,
            srcc=0.9,
            krcc=0.7,
            plcc=0.9,
            confidence=None,
            tied_with_best=True,
            protocol=result.protocol,
        )

    downloaded, random = record(), record(backbone_weights="random", backbone_sha256="2" * 64)
    place = Path("live", "vgg19", "random-stage-s0", "result.json")
    run = FoundRun(tmp_path / "runs" / place, downloaded)
    assert is_of(evaluated(str(Path("elsewhere") / place), downloaded), run)
    assert is_of(evaluated(str(place), downloaded), run)
    assert not is_of(evaluated(str(place), random), run)
    assert not is_of(evaluated(str(place).replace("-s0", "-s1"), downloaded), run)
    assert not is_of(evaluated("result.json", downloaded), run)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.floats(0, 9)), min_size=1, max_size=20))
def test_examples_span_the_qualities_of_one_reference(rows: list[tuple[str, str, float]]) -> None:
    pairs = [
        Pair(Path(reference), Path(str(number)), reference, distortion, level=None, score=quality, quality=quality)
        for number, (reference, distortion, quality) in enumerate(rows)
    ]
    chosen = chosen_pairs(pairs)
    (reference,) = {pair.reference_id for pair in chosen}
    versions = [pair for pair in pairs if pair.reference_id == reference]
    assert len(versions) == max(sum(pair.reference_id == name for pair in pairs) for name in "abc")
    assert len(set(chosen)) == len(chosen) == min(len(versions), 5)
    assert chosen[0].quality == max(pair.quality for pair in versions)
    assert [pair.quality for pair in chosen] == sorted((pair.quality for pair in chosen), reverse=True)


def test_published_metrics_stand_apart_by_what_they_were_trained_on(tmp_path: Path, write_run: WriteRun) -> None:
    write_run()
    report = make_report(collect(tmp_path))
    found = {name: table for name, table in tables(report).items() if name.startswith("published-metrics")}
    metrics = {name: {row[0].text for row in table.rows} for name, table in found.items()}
    assert {"JLD", "psnr", "fsim"} <= metrics["published-metrics-none"]
    assert {"YOTO", "AHIQ", "VGG19-based"} <= metrics["published-metrics-on-the-set"]
    assert {"topiq_fr", "ahiq", "pieapp"} <= metrics["published-metrics-elsewhere"]
    assert all("training" in [column.name for column in table.columns] for table in found.values())
    (section,) = [section for section in report.sections if section.title == "Published figures"]
    (line,) = [line for line in section.text if line.startswith("The study's best")]
    assert line == (
        "The study's best (0.956 on live), tuned on the pairs that it is scored on, lies below training-free JLD "
        "(0.964 on live) and far below what is trained per set (YOTO 0.988 on live)."
    )


def test_where_the_study_is_above_is_said_as_well(tmp_path: Path, write_run: WriteRun) -> None:
    write_run(dataset="csiq")
    write_run(dataset="tid2013")
    (section,) = [each for each in make_report(collect(tmp_path)).sections if each.title == "Published figures"]
    below, above = [line for line in section.text if line.startswith("The study's best")]
    assert "(0.948 on csiq)" in below
    assert "JLD (0.971 on csiq) and far below what is trained per set (YOTO 0.979 on csiq)" in below
    assert "(0.883 on tid2013)" in above
    assert "above training-free JLD (0.877 on tid2013) but far below" in above
