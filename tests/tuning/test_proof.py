"""`iqatune replay` proves the whole record: what was forged with its seal is found by computing it again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iqatune.records.result import read_result
from iqatune.records.run_folder import RunFolder
from iqatune.records.trials import read_trials
from iqatune.search.searchers.random_search import RandomSearch

Copy = Callable[..., Path]
Command = Callable[..., Any]
Forge = Callable[..., None]


@pytest.fixture
def replayed(iqatune: Command, small_cache: Path) -> Callable[[Path], tuple[int, dict[str, Any]]]:
    """Exit code and document of a replay."""

    def replay(record: Path) -> tuple[int, dict[str, Any]]:
        ran = iqatune("replay", record, "--cache-dir", small_cache, "--json")
        assert ran.out, ran.err
        return ran.code, json.loads(ran.out)

    return replay


def _names(document: dict[str, Any]) -> set[str]:
    changed = {change["name"] for change in document["changed"]}
    return changed | {figure["name"] for figure in document["figures"] if not figure["same"]}


@pytest.mark.parametrize("searcher", ["random", "bohb", "nevergrad", "blendsearch"])
def test_a_record_as_it_was_written_is_proven(searcher: str, own_copy: Copy, replayed: Callable[..., Any]) -> None:
    code, document = replayed(own_copy(searcher=searcher) / "result.json")
    assert code == 0, document
    assert document["notes"] == []


def test_a_broken_seal_is_a_difference_and_the_rest_is_still_looked_at(
    own_copy: Copy, replayed: Callable[..., Any]
) -> None:
    record = own_copy() / "result.json"
    record.write_text(record.read_text().replace('"krcc": 0.', '"krcc": 0.9', 1))
    code, document = replayed(record)
    assert code == 1
    assert {"seal", "best.krcc"} <= _names(document)


FORGED: dict[str, tuple[Callable[[Any], object], set[str]]] = {
    "alpha and beta": (
        lambda c: c["best"].update(alpha=c["best"]["beta"], beta=c["best"]["alpha"]),
        {"best.alpha", "best.beta"},
    ),
    "the best sample": (lambda c: c["best"].update(sample=(c["best"]["sample"] + 1) % 5), {"best.sample"}),
    "its parameters": (lambda c: c["best"]["parameters"].update(alpha_0=0.5), {"best.parameters", "best.alpha"}),
    "the searcher": (lambda c: c["run"].update(searcher="bohb"), {"trial 00000"}),
    "the seed": (lambda c: c["run"].update(seed=7), {"protocol.split_seed", "trial 00000"}),
    "more samples": (lambda c: c["run"].update(samples=6), {"trials"}),
    "fewer samples": (lambda c: c["run"].update(samples=4), {"trial 00004"}),
    "the folds": (lambda c: c["run"].update(folds=3), {"held_out.folds"}),
    "no folds": (lambda c: c["run"].update(folds=0), {"held_out.folds", "protocol.split_seed"}),
    "no held-out figures": (lambda c: c.update(held_out=None), {"held_out"}),
    "the split": (lambda c: c["protocol"].update(split_seed=3), {"protocol.split_seed"}),
    "who is in a fold": (
        lambda c: c["held_out"]["per_fold"].reverse(),
        {"held_out.per_fold[0].references", "held_out.per_fold[1].references"},
    ),
    "a fold's pairs": (
        lambda c: c["held_out"]["per_fold"][0].update(pairs=23),
        {"held_out.per_fold[0].pairs"},
    ),
    "a fold's parameters": (
        lambda c: c["held_out"]["per_fold"][1]["parameters"].update(alpha_0=0.0, alpha_5=1.0),
        {"held_out.optimism"},
    ),
    "the optimism of older records": (
        lambda c: c["held_out"].update(optimism=c["best"]["srcc"] - c["held_out"]["srcc_mean"]),
        {"held_out.optimism"},
    ),
    "the verdict": (lambda c: c["held_out"].update(verdict="helped"), {"held_out.verdict"}),
    "a fold's figure of the weights tuned on all": (
        lambda c: c["held_out"]["per_fold"][0].update(tuned_on_all_srcc=0.9),
        {"held_out.per_fold[0].tuned_on_all_srcc"},
    ),
    "how samples were chosen": (
        lambda c: c["strategy"].update(random=0, model=5),
        {"strategy.random", "strategy.model"},
    ),
    "evaluations": (lambda c: c["strategy"].update(evaluations={"1": 50}), {"strategy.evaluations"}),
    "details": (lambda c: c["strategy"].update(details={"algorithm": "Cobyla"}), {"strategy.details"}),
    "how intervals were made": (lambda c: c["confidence"].update(method="by image"), {"confidence.method"}),
    "how many resamples": (lambda c: c["confidence"].update(resamples=10), {"confidence.resamples"}),
    "the level": (lambda c: c["confidence"].update(level=0.99), {"confidence.level"}),
    "no intervals": (lambda c: c.update(confidence=None), {"confidence.method"}),
    "c1": (lambda c: c["protocol"].update(c1=1e-7), {"c1"}),
    "the structure": (lambda c: c["protocol"].update(structure="stddev"), {"structure"}),
    "the resize": (lambda c: c["protocol"].update(resize=None), {"resize"}),
    "the pooling": (lambda c: c["protocol"].update(pooling="l2"), {"pooling"}),
    "the precision": (lambda c: c["protocol"].update(precision="bf16"), {"precision"}),
    "the data": (lambda c: c["protocol"].update(dataset_sha256="0" * 64), {"dataset_sha256"}),
    "the backbone": (lambda c: c["protocol"].update(backbone_sha256="0" * 64), {"backbone_sha256"}),
    "uniform weights": (lambda c: c["baselines"]["uniform"].update(srcc=0.1), {"baselines.uniform.srcc"}),
}


@pytest.mark.parametrize("what", FORGED)
def test_what_was_forged_with_its_seal_is_named(
    what: str, own_copy: Copy, forge: Forge, replayed: Callable[..., Any]
) -> None:
    record = own_copy() / "result.json"
    change, expected = FORGED[what]
    forge(record, change)
    assert read_result(record).seal  # nothing but computing it again can tell
    code, document = replayed(record)
    assert code == 1
    assert expected <= _names(document), document["changed"]


def test_parameters_of_a_fold_that_fit_their_figures_are_searched_for(
    own_copy: Copy, forge: Forge, replayed: Callable[..., Any]
) -> None:
    record = own_copy() / "result.json"
    forge(
        record,
        lambda content: content["held_out"]["per_fold"][1]["parameters"].update(
            {name: float(name == "beta_0") for name in content["best"]["parameters"]}
        ),
    )
    figures = {figure["name"]: figure["recomputed"] for figure in replayed(record)[1]["figures"]}

    def fit(content: Any) -> None:
        held_out = content["held_out"]
        for name in ("srcc_mean", "srcc_std", "optimism", "gain_error"):
            held_out[name] = figures[f"held_out.{name}"]
        for name in ("tuned_srcc", "srcc"):
            held_out["per_fold"][1][name] = figures[f"held_out.per_fold[1].{name}"]
        for name, bound in content["scales"][0]["interval"].items():
            if isinstance(bound, list):
                bound[:] = [figures[f"scales[0].interval.{name}[{place}]"] for place in range(len(bound))]

    forge(record, fit)
    code, document = replayed(record)
    assert (code, _names(document)) == (1, {"held_out.per_fold[1].parameters"})


def _rewrite_trials(run: Path, change: Callable[[list[Any]], list[Any]], forge: Forge) -> None:
    """Forge the trials too: every checksum, and the record's digest of them."""
    names = tuple(read_result(run / "result.json").best.parameters)  # type: ignore[union-attr]
    trials = list(read_trials(run / "trials.jsonl", names).trials)
    (run / "trials.jsonl").unlink()
    log = RunFolder(run).log(names)
    log.extend(change(trials))
    forge(run / "result.json", lambda content: content.update(trials_file=log.digest.model_dump()))


def test_forged_trials_are_named(own_copy: Copy, forge: Forge, replayed: Callable[..., Any]) -> None:
    from dataclasses import replace

    changes: dict[str, Callable[[list[Any]], list[Any]]] = {
        "srcc of trial 00001": lambda trials: [trials[0], replace(trials[1], srcc=0.99), *trials[2:]],
        "trial 00002": lambda trials: [*trials[:2], replace(trials[2], parameters=trials[3].parameters), *trials[3:]],
        "trial 00003": lambda trials: [*trials[:3], replace(trials[3], chosen_by="local"), *trials[4:]],
        "trials": lambda trials: trials[:-1],
    }
    for place, (name, change) in enumerate(changes.items()):
        run = own_copy(f"run{place}")
        _rewrite_trials(run, change, forge)
        code, document = replayed(run / "result.json")
        assert code == 1, name
        assert name in _names(document), (name, document["changed"])


def test_what_cannot_be_proven_is_said(own_copy: Copy, replayed: Callable[..., Any]) -> None:
    run = own_copy()
    (run / "trials.jsonl").unlink()
    code, document = replayed(run / "result.json")
    assert code == 0
    assert document["notes"] == ["not proven: the samples: its trials.jsonl is not beside it"]


def test_a_slow_searcher_is_proven_as_far_as_it_is_quick(
    own_copy: Copy, forge: Forge, replayed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RandomSearch, "expected_seconds", classmethod(lambda cls, problem: 1000.0))
    record = own_copy() / "result.json"
    code, document = replayed(record)
    assert code == 0
    assert any("folds' searches" in note for note in document["notes"])
    # blind samples cost nothing, and tell the seed
    forge(record, lambda content: content["run"].update(seed=7))
    assert "trial 00000" in _names(replayed(record)[1])


def test_other_versions_of_a_library_are_told_and_are_no_difference(
    own_copy: Copy, forge: Forge, replayed: Callable[..., Any]
) -> None:
    record = own_copy(folds=0) / "result.json"
    forge(record, lambda content: content["run"].update(seed=7))
    code, document = replayed(record)
    assert (code, _names(document)) == (1, {"trial 00000"})
    forge(record, lambda content: content["environment"]["versions"].update(ray="0.1"))
    code, document = replayed(record)
    assert code == 0
    assert any("it was searched with ray 0.1, now" in note for note in document["notes"])
