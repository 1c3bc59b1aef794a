"""Every command of docs/howto.md exists as it is typed there, and those that need no download and no GPU run."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from PIL import Image

from iqatune.backbones import zoo
from iqatune.cli.main import cli
from iqatune.datasets.registry import DATASETS
from iqatune.scoring.baselines import BASELINES
from iqatune.search.searchers.registry import SEARCHERS

PAGE = Path(__file__).parents[2] / "docs" / "howto.md"

ELSEWHERE = (
    *("~/", "cuda", "10.0.0.1", "lpips", "demo", "bench", "robust", "cache clear", ".pt2", "sweep", "--track"),
    "iqatune report",
)
"""What needs a download, a machine that is not here, or more time: other tests run it."""


def commands() -> list[list[str]]:
    """The words of every command of the page."""
    blocks = "".join(re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    return [shlex.split(line, comments=True) for line in blocks.replace("\\\n", " ").splitlines()]


def is_run_here(words: list[str]) -> bool:
    line = " ".join(words)
    return not any(word in line for word in ELSEWHERE)


def without_redirection(words: list[str]) -> list[str]:
    return words[: words.index(">")] if ">" in words else words


def parsed(words: list[str]) -> click.Context:
    """The command's options and arguments, read by the command line's own parser."""
    program, verb, *rest = without_redirection(words)
    assert program == "iqatune"
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None, f"no verb {verb}"
    return command.make_context(verb, rest)


def test_the_page_has_a_command_for_every_verb() -> None:
    assert {words[1] for words in commands()} == set(cli.list_commands(click.Context(cli)))


def test_every_command_is_one_that_the_command_line_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("options.yaml").write_text(OPTIONS)
    for words in commands():
        given = parsed(words).params
        for dataset in _several(given.get("dataset")):
            assert dataset in DATASETS.names(), words
        for backbone in _several(given.get("backbone")):
            zoo.find(backbone.partition("@")[0])
        if given.get("searcher"):
            assert given["searcher"] in SEARCHERS.names(), words
        for baseline in _several(given.get("baselines")):
            assert "=" in baseline or baseline == "uniform" or baseline in BASELINES.names(), words


def _several(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return ((value,) if value else ()) if isinstance(value, str) else tuple(value or ())


OPTIONS = "dataset: csv\npairs: pairs.csv\nbetter: higher\nbackbone: squeezenet\n"
GRID = """
datasets: [{dataset: csv, pairs: pairs.csv, better: higher}]
backbones: [squeezenet]
searchers: [random, fit]
samples: 5
folds: 2
"""


@pytest.fixture
def files(
    small_set: Any,
    finished: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    iqatune: Callable[..., Any],
) -> None:
    """The files that the page names, in the folder where its commands are typed."""
    for image in small_set.folder.glob("*.png"):
        shutil.copy(image, ".")
    header, *rows = small_set.labels.read_text().split()
    splits = ["test" if row[3] == "0" else "train" for row in rows]
    lines = [f"{row},{split}" for row, split in zip(rows, splits, strict=True)]
    Path("pairs.csv").write_text("\n".join([f"{header},split", *lines, ""]))
    Path("ratings.csv").write_text("\n".join([header, *rows, *rows, ""]))
    figures = [(row.split(","), place) for place, row in enumerate(rows)]
    Path("metrics.csv").write_text(
        "\n".join(
            ["reference,distorted,score,psnr,ssim"]
            + [f"{r},{d},{score},{float(score) + place % 3},{place % 7}" for (r, d, score, *_), place in figures]
        )
    )
    Path("scores.csv").write_text(
        "\n".join(["reference,distorted,topiq"] + [f"{r},{d},{s}" for (r, d, s, *_), _ in figures])
    )
    Path("options.yaml").write_text(OPTIONS)
    Path("grid.yaml").write_text(GRID)
    for name, options in (("result.json", {}), ("other.json", {"seed": 1})):
        shutil.copy(finished(**options) / "result.json", name)
    Image.open("ref0.png").save("reference.png")
    Image.open("ref0.png").save("compressed.jpg")
    for folder, image in (("originals", "ref1.png"), ("compressed", "noise1_2.png")):
        Path(folder).mkdir()
        shutil.copy(image, Path(folder, "one.png"))
    _put_where_torchvision_looks(tmp_path / "torch")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("IQATUNE_CACHE_DIR", str(tmp_path / "cache"))


def _put_where_torchvision_looks(home: Path) -> None:
    """SqueezeNet's parameters as a file that was downloaded earlier, by hand or by torchvision."""
    import torch
    import torchvision

    folder = home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), folder / "squeezenet1_1-b8a52dc0.pth")


@pytest.mark.slow
@pytest.mark.usefixtures("files")
def test_commands_that_need_no_download_run(iqatune: Callable[..., Any]) -> None:
    ran = [words for words in commands() if is_run_here(words)]
    assert len(ran) > 25
    for words in ran:
        result = iqatune(*without_redirection(words)[1:])
        assert result.code == 0, (words, result.err)
        if "json" in words:
            json.loads(result.out)
