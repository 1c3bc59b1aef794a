"""Bad input: one line on stderr that says what to do, exit code 2, no traceback, nothing half-written."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from iqatune.cli.progress import Console
from tests.run_paths import run_at

RANDOM_SQUEEZENET = ("--backbone", "squeezenet", "--backbone-weights", "random")
SEARCH = (*RANDOM_SQUEEZENET, "--searcher", "random", "--samples", "2")


@pytest.fixture
def refused(iqatune: Callable[..., Any], small_cache: Path) -> Callable[..., str]:
    """Run a command line that must be refused; returns its one line."""

    def run(*arguments: object) -> str:
        ran = iqatune(*arguments, "--cache-dir", small_cache)
        assert ran.code == 2, (ran.code, ran.err)
        assert ran.out == ""
        lines: list[str] = [line for line in ran.err.splitlines() if not line.startswith("warning: ")]
        assert len(lines) == 1, ran.err
        assert lines[0].startswith("iqatune: ")
        assert "Traceback" not in ran.err
        assert not list(Path("runs").rglob("result.json")) if Path("runs").exists() else True
        return lines[0]

    return run


def _csv(folder: Path, rows: str, header: str = "reference,distorted,score") -> tuple[str, ...]:
    (folder / "labels.csv").write_text(f"{header}\n{rows}")
    return ("--dataset", "csv", "--pairs", str(folder / "labels.csv"), "--better", "higher")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of four distinct images of one size."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in "abcd":
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    return folder


FOUR = "a.png,b.png,1\na.png,c.png,2\na.png,d.png,3\nb.png,c.png,4\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--dataset", "tid2031", *SEARCH), "did you mean 'tid2013'"),
        (("--dataset", "demo", *SEARCH, "--backbone", "vgg91"), "did you mean 'vgg19'"),
        (("--dataset", "demo", *SEARCH, "--backbone", "timm:convnext_tinny"), "convnext_tiny"),
        (("--dataset", "demo", *SEARCH, "--searcher", "blendserch"), "did you mean 'blendsearch'"),
        (("--dataset", "demo", *SEARCH, "--space", "stages"), "--space stages"),
        (("--dataset", "demo", *SEARCH, "--samples", "0"), "at least one sample"),
        (("--dataset", "demo", *SEARCH, "--samples", "many"), "--samples"),
        (("--dataset", "demo", *SEARCH, "--seed", "-1"), "--seed -1"),
        (("--dataset", "demo", *SEARCH, "--folds", "1"), "--folds 1"),
        (("--dataset", "demo", *SEARCH, "--resize", "big"), "--resize big"),
        (("--dataset", "demo", *SEARCH, "--device", "tpu"), "--device tpu"),
        (("--dataset", "tid2013", "--data-root", "nowhere", *SEARCH), "nowhere"),
        (("--dataset", "csv", *SEARCH), "--pairs"),
        (("--dataset", "csv", "--pairs", "absent.csv", "--better", "lower", *SEARCH), "absent.csv"),
        (("--dataset", "demo", *SEARCH, "--backbone-weights", "absent.pth"), "absent.pth"),
        (("--dataset", "demo", *SEARCH, "--config", "absent.yaml"), "absent.yaml"),
        (("--dataset", "demo", *SEARCH, "--sampels", "3"), "--samples"),
        (SEARCH, "--dataset"),
    ],
)
def test_names_and_numbers(options: tuple[str, ...], says: str, refused: Callable[..., str]) -> None:
    assert says in refused("search", *options)


def test_unknown_verb(iqatune: Callable[..., Any]) -> None:
    ran = iqatune("serach")
    assert ran.code == 2
    assert "did you mean 'search'" in ran.last_line


def test_empty_root_names_the_label_file(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "mos_with_names.txt" in refused("search", "--dataset", "tid2013", "--data-root", tmp_path, *SEARCH)


def test_label_naming_an_absent_image(refused: Callable[..., str], images: Path) -> None:
    assert "gone.png" in refused("search", *_csv(images, FOUR + "a.png,gone.png,5\n"), *SEARCH)


@pytest.mark.parametrize("score", ["nan", "", "good", "inf"])
def test_scores_that_are_no_numbers(score: str, refused: Callable[..., str], images: Path) -> None:
    line = refused("search", *_csv(images, FOUR + f"b.png,d.png,{score}\n"), *SEARCH)
    assert "labels.csv" in line
    assert "6" in line or "row" in line


def test_constant_scores_too_few_pairs_and_no_pairs(refused: Callable[..., str], images: Path) -> None:
    assert "labels.csv" in refused("search", *_csv(images, "a.png,b.png,1\na.png,c.png,1\na.png,d.png,1\n"), *SEARCH)
    assert "labels.csv" in refused("search", *_csv(images, "a.png,b.png,1\na.png,c.png,2\n"), *SEARCH)
    assert "labels.csv" in refused("search", *_csv(images, ""), *SEARCH)
    assert "score" in refused("search", *_csv(images, FOUR, header="reference,distorted,opinion"), *SEARCH)


def test_files_that_are_no_whole_images(refused: Callable[..., str], images: Path) -> None:
    whole = (images / "d.png").read_bytes()
    for content in (whole[: len(whole) // 2], b"not an image", b""):
        (images / "d.png").write_bytes(content)
        assert "d.png" in refused("search", *_csv(images, FOUR), *SEARCH)


def test_sizes_that_differ(refused: Callable[..., str], images: Path) -> None:
    Image.new("RGB", (41, 40)).save(images / "c.png")
    line = refused("search", *_csv(images, FOUR), *SEARCH)
    assert "c.png" in line
    assert "41x40" in line


def test_greyscale_palette_alpha_and_16_bit_images_are_converted(
    iqatune: Callable[..., Any], images: Path, small_cache: Path
) -> None:
    grey = np.random.default_rng(1).integers(0, 256, (40, 40), dtype=np.uint8)
    Image.fromarray(grey).save(images / "a.png")
    Image.fromarray(grey).convert("P").save(images / "b.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(images / "c.png")
    Image.open(images / "d.png").convert("RGBA").save(images / "d.png")
    ran = iqatune("search", *_csv(images, FOUR), *SEARCH, "--cache-dir", small_cache, "--folds", "0")
    assert ran.code == 0, ran.err


def test_parameters_of_another_architecture(refused: Callable[..., str], tmp_path: Path, small_set: Any) -> None:
    torch.save({"features.0.weight": torch.zeros(3, 3)}, tmp_path / "other.pth")
    (tmp_path / "junk.pth").write_bytes(b"junk")
    for name in ("other.pth", "junk.pth"):
        options = ("--backbone", "alexnet", "--backbone-weights", tmp_path / name, "--searcher", "random")
        assert name in refused("search", *small_set.options, *options)


@pytest.mark.parametrize("option", ["--output", "--cache-dir"])
def test_folders_that_cannot_be_written(
    option: str, iqatune: Callable[..., Any], small_set: Any, small_cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    folders = {"--cache-dir": str(small_cache), "--output": "runs", option: str(tmp_path / "file" / "folder")}
    ran = iqatune("search", *small_set.options, *SEARCH, *[word for pair in folders.items() for word in pair])
    assert ran.code == 2
    assert ran.last_line.startswith(f"iqatune: {option}")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(iqatune: Callable[..., Any], small_set: Any, small_cache: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    ran = iqatune("search", *small_set.options, *SEARCH, "--cache-dir", small_cache, "--output", tmp_path / "runs")
    tmp_path.chmod(0o700)
    assert ran.code == 2
    assert ran.last_line.startswith("iqatune: --output")


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schema": "iqatune.result/1"}', b"\xff\xfe", None])
def test_evaluate_of_what_is_no_record(
    content: bytes | None, refused: Callable[..., str], small_set: Any, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "result.json").write_bytes(content)
    assert "result.json" in refused("evaluate", tmp_path / "result.json", *small_set.options)


def test_evaluate_by_level_of_a_set_without_levels(
    iqatune: Callable[..., Any], images: Path, small_cache: Path
) -> None:
    options = (*_csv(images, FOUR), "--cache-dir", small_cache)
    assert iqatune("search", *options, *SEARCH, "--folds", "0").code == 0
    ran = iqatune("evaluate", run_at("runs/csv/squeezenet/random-stage-s0/result.json"), *options, "--by", "level")
    assert ran.code == 2
    assert "--by level" in ran.last_line


def test_evaluate_with_other_backbone_parameters(
    iqatune: Callable[..., Any], small_set: Any, small_cache: Path, tmp_path: Path
) -> None:
    options = (*small_set.options, "--cache-dir", small_cache)
    assert iqatune("search", *options, *SEARCH, "--folds", "0").code == 0
    ran = iqatune(
        "evaluate", run_at("runs/csv/squeezenet/random-stage-s0/result.json"), *options, "--backbone-weights", "x.pth"
    )
    assert ran.code == 2
    assert "x.pth" in ran.last_line


def test_debug_shows_the_traceback(iqatune: Callable[..., Any]) -> None:
    ran = iqatune("search", "--dataset", "nonsense", *SEARCH, "--debug")
    assert ran.code == 2
    assert "Traceback" in ran.err
    assert ran.last_line.startswith("iqatune: ")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("samples: 5\nsamples: 50\n", "'samples' is given twice"),
        ("dataset: demo\nbackbone: vgg16\nsearcher: random\nseed: 2024-13-45\n", "'2024-13-45' is not a whole number"),
        ("seed: [1\n", "not YAML (line 2, column 1: "),
        ("seed: \x07\n", "not YAML (character 7: "),
    ],
)
def test_yaml_that_says_two_things_or_nothing(content: str, says: str, refused: Callable[..., str]) -> None:
    Path("options.yaml").write_text(content)
    assert says in refused("search", "--config", "options.yaml")


def test_progress_of_nothing_divides_by_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iqatune.cli.progress.LINE_EVERY_S", 0)
    with Console().track("scoring", 3, "pairs") as advance:
        advance(0)
        advance(2)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("doctor", "--pairs", "x.csv", "--only", "searchers"), "--pairs: only possible with --dataset"),
        (("doctor", "--backbone-weights", "x.pth"), "--backbone-weights: only possible with --backbone"),
        (("report", "runs", "--data-root", "x"), "--data-root: only possible with --dataset"),
        (("report", "runs", "--device", "cpu", "--images"), "--images, --device: only possible with the data"),
        (("score", "x.json", "a.png", "b.png", "--json", "--format", "csv"), "--json, --format csv: one of them"),
        (("bench", "--results", "nowhere"), "--results nowhere: no such folder"),
        (("doctor", "--dataset", "csv", "--only", "data"), "--pairs: needed with --dataset csv"),
        (("doctor", "--dataset", "tid2013", "--better", "lower", "--only", "data"), "--better: tid2013 says itself"),
        (("doctor", "--device", "tpu", "--only", "device"), "--device tpu: unknown device"),
    ],
)
def test_options_that_mean_nothing(arguments: tuple[str, ...], says: str, iqatune: Callable[..., Any]) -> None:
    ran = iqatune(*arguments)
    assert ran.code == 2
    assert ran.last_line.startswith(f"iqatune: {says}")


@pytest.mark.parametrize("unbuffered", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_what_the_disk_refuses_is_bad_input(unbuffered: dict[str, str]) -> None:
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | unbuffered
    command = [sys.executable, "-m", "iqatune", "list", "backbones"]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=settings, timeout=120)
    assert ran.returncode == 2
    assert ran.stderr == b"iqatune: stdout: No space left on device\n"
