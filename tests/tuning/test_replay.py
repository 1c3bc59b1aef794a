"""`iqatune replay`: a record's figures come back from its weights and the data, and whatever differs is named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

BACKBONE = ("--backbone", "squeezenet", "--backbone-weights", "random")


@pytest.fixture
def recorded(iqatune: Callable[..., Any], small_set: Any, small_cache: Path) -> Callable[..., Path]:
    """The record of a short search."""

    def search(*options: object) -> Path:
        settings = (*small_set.options, *BACKBONE, "--searcher", "random", "--samples", 4, "--cache-dir", small_cache)
        ran = iqatune("search", *settings, *options)
        assert ran.code == 0, ran.err
        (found,) = Path("runs").rglob("result.json")
        return found

    return search


@pytest.mark.parametrize("space", ["stage", "channel", "stage+1"])
def test_every_figure_comes_back(
    space: str, recorded: Callable[..., Path], iqatune: Callable[..., Any], small_cache: Path
) -> None:
    file = recorded("--folds", 3, "--space", space)
    ran = iqatune("replay", file, "--cache-dir", small_cache, "--json")
    assert ran.code == 0, ran.err + ran.out
    replay = json.loads(ran.out)
    figures = {figure["name"]: figure for figure in replay["figures"]}
    for name in ("best.plcc", "baselines.uniform.krcc", "held_out.optimism", "held_out.per_fold[2].srcc"):
        assert figures[name]["same"]
    assert "confidence.srcc[0]" in figures
    record = json.loads(file.read_text())
    assert figures["held_out.srcc_mean"]["recomputed"] == pytest.approx(record["held_out"]["srcc_mean"], abs=1e-9)
    assert all(len(fold["parameters"]) == len(record["best"]["parameters"]) for fold in record["held_out"]["per_fold"])


def test_a_record_says_how_its_moments_were_measured(
    recorded: Callable[..., Path], iqatune: Callable[..., Any], small_cache: Path, forge: Callable[..., None]
) -> None:
    file = recorded("--folds", 2)
    version = json.loads(file.read_text())["protocol"]["statistics"]
    same = json.loads(iqatune("replay", file, "--cache-dir", small_cache, "--json").out)
    assert not any(note.startswith("statistics") for note in same["notes"])

    def make_older(content: Any) -> None:
        del content["protocol"]["statistics"]

    forge(file, make_older)
    ran = iqatune("replay", file, "--cache-dir", small_cache, "--json")
    (note,) = (note for note in json.loads(ran.out)["notes"] if note.startswith("statistics"))
    assert f"version {version} now, in the record by an earlier one" in note
    assert (ran.code, json.loads(ran.out)["changed"]) == (0, [])


@pytest.mark.parametrize(
    ("place", "change"),
    [
        (("best", "krcc"), 1e-5),
        (("baselines", "uniform", "plcc"), -1e-5),
        (("held_out", "per_fold", 1, "tuned_srcc"), 1e-5),
        (("held_out", "srcc_std"), 1e-5),
        (("confidence", "plcc", 0), -1e-5),
    ],
)
def test_a_figure_that_was_altered_is_named(
    place: tuple[Any, ...],
    change: float,
    recorded: Callable[..., Path],
    iqatune: Callable[..., Any],
    small_cache: Path,
    forge: Callable[..., None],
) -> None:
    file = recorded("--folds", 2)

    def alter(content: Any) -> None:
        for part in place[:-1]:
            content = content[part]
        content[place[-1]] += change

    forge(file, alter)
    ran = iqatune("replay", file, "--cache-dir", small_cache)
    assert ran.code == 1
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)[1:]
    differing = [line.split()[0] for line in ran.out.splitlines() if "DIFFERS" in line]
    assert differing == [name]


def test_a_difference_below_the_tolerance_is_none(
    recorded: Callable[..., Path], iqatune: Callable[..., Any], small_cache: Path, forge: Callable[..., None]
) -> None:
    file = recorded("--folds", 0)
    forge(file, lambda content: content["best"].update(srcc=content["best"]["srcc"] + 5e-7))
    ran = iqatune("replay", file, "--cache-dir", small_cache)
    assert ran.code == 0, ran.out
    assert "best.srcc" in ran.out
    assert "held_out" not in ran.out


def test_other_weights_give_other_figures(
    recorded: Callable[..., Path], iqatune: Callable[..., Any], small_cache: Path, forge: Callable[..., None]
) -> None:
    file = recorded("--folds", 0)

    def swap(content: Any) -> None:
        content["best"]["alpha"], content["best"]["beta"] = content["best"]["beta"], content["best"]["alpha"]

    forge(file, swap)
    ran = iqatune("replay", file, "--cache-dir", small_cache)
    assert ran.code == 1
    assert "best.plcc" in ran.out
    assert "baselines" not in ran.out
    forge(file, lambda content: content["best"].update(beta=[0.0] * len(content["best"]["beta"])))
    ran = iqatune("replay", file, "--cache-dir", small_cache)
    assert ran.code == 2
    assert "sum to 1" in ran.last_line


def test_another_image_changes_the_hash(
    recorded: Callable[..., Path], iqatune: Callable[..., Any], small_set: Any, small_cache: Path, tmp_path: Path
) -> None:
    file = recorded("--folds", 0)
    copy = shutil.copytree(small_set.folder, tmp_path / "copy")
    moved = iqatune("replay", file, "--pairs", copy / "labels.csv", "--cache-dir", small_cache)
    assert moved.code == 0, moved.out
    Image.fromarray(np.zeros((36, 40, 3), dtype=np.uint8)).save(copy / "noise0_1.png")
    ran = iqatune("replay", file, "--pairs", copy / "labels.csv", "--cache-dir", small_cache)
    assert ran.code == 1
    assert "dataset_sha256 has changed" in ran.out
    assert "best.srcc" in ran.out


def test_other_parameters_of_the_cnn_change_the_hash(
    recorded: Callable[..., Path], iqatune: Callable[..., Any], small_cache: Path, tmp_path: Path
) -> None:
    import torch
    from torchvision.models import squeezenet1_1

    file = recorded("--folds", 0)
    torch.manual_seed(1)
    torch.save(squeezenet1_1(weights=None).state_dict(), tmp_path / "other.pth")
    ran = iqatune("replay", file, "--backbone-weights", tmp_path / "other.pth", "--cache-dir", small_cache)
    assert ran.code == 1
    assert "backbone_sha256 has changed" in ran.out


def test_folds_without_parameters_are_named(
    recorded: Callable[..., Path], iqatune: Callable[..., Any], small_cache: Path, forge: Callable[..., None]
) -> None:
    file = recorded("--folds", 2)

    def forget(content: Any) -> None:
        for fold in content["held_out"]["per_fold"]:
            fold["parameters"] = {}

    forge(file, forget)
    ran = iqatune("replay", file, "--cache-dir", small_cache)
    assert ran.code == 1
    assert "parameters of the folds" in ran.out
    assert "DIFFERS" not in ran.out
    forge(file, lambda content: content["held_out"]["per_fold"][0].update(parameters={"gamma": 0.5}))
    forge(file, lambda content: content["held_out"]["per_fold"][1].update(parameters={"gamma": 0.5}))
    ran = iqatune("replay", file, "--cache-dir", small_cache)
    assert ran.code == 1
    assert "not those of the space" in ran.out


def test_what_is_no_record_is_refused(iqatune: Callable[..., Any], small_cache: Path, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    for name in ("x.json", "absent.json"):
        ran = iqatune("replay", tmp_path / name, "--cache-dir", small_cache)
        assert ran.code == 2
        assert name in ran.last_line


def test_folds_of_references_that_are_gone_are_named(
    recorded: Callable[..., Path], iqatune: Callable[..., Any], small_cache: Path, forge: Callable[..., None]
) -> None:
    file = recorded("--folds", 2)
    forge(file, lambda content: content["held_out"]["per_fold"][0].update(references=["elsewhere.png"]))
    ran = iqatune("replay", file, "--cache-dir", small_cache)
    assert ran.code == 1, ran.err
    assert "references of the folds has changed" in ran.out
    assert "DIFFERS" not in ran.out


def test_evaluate_names_a_record_whose_weights_are_none(
    recorded: Callable[..., Path],
    iqatune: Callable[..., Any],
    small_set: Any,
    small_cache: Path,
    forge: Callable[..., None],
) -> None:
    file = recorded()
    evaluate = ("evaluate", file, *small_set.options, "--cache-dir", small_cache)
    forge(file, lambda content: content["best"].update(alpha=[2 * value for value in content["best"]["alpha"]]))
    ran = iqatune(*evaluate)
    assert ran.code == 2, ran.err
    assert ran.last_line.startswith(f"iqatune: {file}: not a record of iqatune.result/1 (best: alpha and beta must sum")
    forge(file, lambda content: content.update(best=None))
    ran = iqatune(*evaluate)
    assert ran.code == 2
    assert ran.last_line.startswith(f"iqatune: {file}: no sample of this run has a defined SRCC")
