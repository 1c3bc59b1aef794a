"""`--textures` and `--texture-weight` as a user types them: search, replay, resuming, sweeps, evaluate, refusals."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

import iqatune as package
from iqatune.images import read_rgb
from tests.run_paths import Runs, run_at

BACKBONE = ("--backbone", "squeezenet", "--backbone-weights", "random")
FOLDER = Runs("runs", "csv", "squeezenet")

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four textures of 256 x 256: noise of a colour and grain each, one of them grey."""
    folder = tmp_path_factory.mktemp("made") / "made"
    folder.mkdir()
    for place in range(4):
        pixels = np.random.default_rng(place).integers(0, 256, (256, 256, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(0.5 + place))
        (picture.convert("L") if place == 3 else picture).save(folder / f"texture{place}.png")
    return folder


def _record(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return record


def _trials(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("searcher", "weight"), [("random", 0.5), ("fit", 0.5), ("bohb", 20)])
def test_a_record_tells_the_tolerance_and_replays(
    searcher: str, weight: float, search: Command, iqatune: Command, small_cache: Path, textures: Path
) -> None:
    options = ("--searcher", searcher, "--texture-weight", weight, "--textures", textures)
    ran = search(*options)
    assert f"Maximised: srcc less {weight} times the texture tolerance" in ran.out
    assert "4 textures of made, 24 crop pairs" in " ".join(ran.out.split())
    folder = FOLDER / f"{searcher}-stage-textures=made-texture-weight={weight}-s0"
    record, trials = _record(folder), _trials(folder)
    best, baselines = record["best"], record["baselines"]
    if weight > 1:
        assert best["value"] < -1  # which no correlation is
    assert best["value"] == pytest.approx(best["srcc"] - weight * best["texture_tolerance"])
    uniform = baselines["uniform"]["srcc"] - weight * baselines["uniform_texture_tolerance"]
    assert baselines["uniform_value"] == pytest.approx(uniform)
    (trial,) = [trial for trial in trials if trial["sample"] == best["sample"] and trial["budget"] == 1]
    assert (trial["srcc"], trial["value"]) == pytest.approx((best["srcc"], best["value"]))
    if searcher == "random":
        assert best["value"] == pytest.approx(max(trial["value"] for trial in trials))
    held_out = record["held_out"]
    for name in ("tuned", "uniform"):
        values = [fold["texture_tolerance"][name] for fold in held_out["per_fold"]]
        assert held_out["texture_tolerance"][name] == pytest.approx(np.mean(values))
    known = record["protocol"]["textures"]
    assert {key: known[key] for key in ("source", "textures", "crop_pairs", "left_out")} == {
        "source": "made",
        "textures": 4,
        "crop_pairs": 24,
        "left_out": 0,
    }
    ran = iqatune("replay", folder / "result.json", "--cache-dir", small_cache, "--json")
    assert ran.code == 0, ran.out
    replay = json.loads(ran.out)
    assert replay["notes"] == []
    assert {
        "best.value",
        "best.texture_tolerance",
        "baselines.uniform_texture_tolerance",
        "held_out.texture_tolerance.tuned",
        "held_out.per_fold[1].texture_tolerance.uniform",
    } <= {figure["name"] for figure in replay["figures"]}


def test_textures_that_moved_replay_and_others_do_not(
    search: Command, iqatune: Command, small_cache: Path, textures: Path
) -> None:
    shutil.copytree(textures, "here")
    search("--searcher", "random", "--texture-weight", 0.5, "--textures", "here")
    (file,) = Path("runs").rglob("result.json")
    Path("here").rename("there")
    cache = ("--cache-dir", small_cache)
    gone = f"iqatune: {file}: the folder of its --textures is gone, here in {Path.cwd()}"
    assert iqatune("replay", file, *cache).last_line == f"{gone}; say with --textures where it is"
    assert iqatune("replay", file, "--textures", "there", *cache).code == 0
    pixels = read_rgb(Path("there/texture0.png"))
    Image.fromarray(255 - pixels).save("there/texture0.png")
    ran = iqatune("replay", file, "--textures", "there", *cache)
    assert ran.code == 1
    assert "textures has changed" in ran.out


def test_a_changed_tolerance_does_not_replay(
    search: Command, iqatune: Command, small_cache: Path, textures: Path, forge: Command
) -> None:
    search("--searcher", "random", "--texture-weight", 0.5, "--textures", textures)
    (file,) = Path("runs").rglob("result.json")
    forge(file, lambda content: content["best"].update(texture_tolerance=0.001))
    ran = iqatune("replay", file, "--cache-dir", small_cache, "--json")
    assert ran.code == 1
    different = [figure["name"] for figure in json.loads(ran.out)["figures"] if not figure["same"]]
    assert different == ["best.texture_tolerance"]


def test_textures_without_a_weight_are_told_and_change_nothing(search: Command, textures: Path) -> None:
    search("--searcher", "random")
    search("--searcher", "random", "--textures", textures)
    search("--searcher", "random", "--texture-weight", 0)
    plain, told = (_record(FOLDER / name) for name in ("random-stage-s0", "random-stage-textures=made-s0"))
    assert len(list(Path("runs").rglob("result.json"))) == 2
    assert told["best"].pop("texture_tolerance") > 0
    assert plain["best"].pop("texture_tolerance") is None
    assert told["best"] == plain["best"]
    assert told["best"]["value"] is None
    of_folds = told["held_out"].pop("texture_tolerance")
    assert of_folds["tuned"] > 0
    plain["held_out"].pop("texture_tolerance")
    for fold in told["held_out"]["per_fold"]:
        fold.pop("texture_tolerance")
    assert told["held_out"] == plain["held_out"]
    first, second = (_trials(FOLDER / name) for name in ("random-stage-s0", "random-stage-textures=made-s0"))
    assert [trial["srcc"] for trial in first] == [trial["srcc"] for trial in second]
    assert not any("value" in trial for trial in (*first, *second))


def test_a_weight_alone_takes_those_of_scikit_image(search: Command) -> None:
    search("--searcher", "random", "--texture-weight", 0.1)
    record = _record(FOLDER / "random-stage-textures=scikit-image-texture-weight=0.1-s0")
    assert record["run"]["textures"] == "scikit-image"
    assert record["protocol"]["textures"]["textures"] == 3


@pytest.mark.parametrize("searcher", ["random", "bohb", "fit"])
def test_a_killed_search_goes_on_to_the_same_record(
    searcher: str, search: Command, textures: Path, forge: Command
) -> None:
    options = ("--searcher", searcher, "--texture-weight", 0.3, "--textures", textures)
    search(*options)
    search(*options, "--output", "again")
    name = f"{searcher}-stage-textures=made-texture-weight=0.3-s0"
    whole, folder = FOLDER / name, run_at(Path("again", "csv", "squeezenet", name))
    lines = (folder / "trials.jsonl").read_text().splitlines(keepends=True)
    (folder / "trials.jsonl").write_text("".join(lines[:4]) + lines[4][:30])
    running = {"status": "running", "best": None, "held_out": None, "confidence": None, "trials_file": None}
    forge(folder / "result.json", lambda content: content.update(running))
    search(*options, "--output", "again")
    for key in ("run", "protocol", "best", "baselines", "held_out", "strategy"):
        assert _record(folder)[key] == _record(whole)[key]
    values = [(trial["trial_id"], trial["value"], trial["srcc"]) for trial in _trials(whole)]
    assert [(trial["trial_id"], trial["value"], trial["srcc"]) for trial in _trials(folder)] == values


def test_other_textures_are_another_run(search: Command, textures: Path) -> None:
    shutil.copytree(textures, "made")
    options = ("--searcher", "random", "--texture-weight", 0.3, "--textures")
    search(*options, "made")
    ran = search(*options, textures)  # the same ones from another place
    assert "this run is complete" in ran.err
    (Path("made") / "texture1.png").unlink()
    assert "is of another run (other textures)" in search(*options, "made", code=2).last_line


def test_a_sweep_over_weights(iqatune: Command, small_set: Any, small_cache: Path, textures: Path) -> None:
    grid = {
        "datasets": ["csv"],
        "pairs": str(small_set.labels),
        "better": "higher",
        "backbones": ["squeezenet"],
        "backbone_weights": "random",
        "searchers": ["fit"],
        "textures": str(textures),
        "texture_weights": [0, 0.1, 1],
        "folds": 2,
    }
    Path("grid.yaml").write_text(json.dumps(grid))
    options = ("sweep", "grid.yaml", "--cache-dir", small_cache, "--jobs", 2, "--quiet")
    assert iqatune(*options).code == 0
    folders = [f"fit-stage-textures=made{weight}-s0" for weight in ("", "-texture-weight=0.1", "-texture-weight=1")]
    records = [_record(FOLDER / folder) for folder in folders]
    tolerances = [record["best"]["texture_tolerance"] for record in records]
    assert tolerances[0] >= tolerances[1] - 1e-3
    assert tolerances[1] >= tolerances[2] - 1e-3
    sweep = json.loads(Path("runs/sweep.json").read_text())
    assert [cell["texture_weight"] for cell in sweep["cells"]] == [0, 0.1, 1]
    # an evaluation of a metric that is no record of the folder stands beside them
    assert iqatune("export", FOLDER / folders[0] / "result.json", "--output", "metric.safetensors").code == 0
    settings = (*small_set.options, "--textures", textures, "--cache-dir", small_cache, "--format", "json")
    ran = iqatune("evaluate", "metric.safetensors", *settings)
    Path("runs/evaluation.json").write_text(ran.out)
    ran = iqatune("report", "runs")
    assert ran.code == 0, ran.err
    front = list(csv.DictReader(io.StringIO(next(Path("runs").rglob("textures-*.csv")).read_text())))
    assert [row["weights"] for row in front] == ["fit"] * 3 + ["(uniform weights)", "metric.safetensors"]
    assert float(front[4]["tolerance all pairs"]) == pytest.approx(tolerances[0], rel=1e-4)
    assert [float(row["tolerance all pairs"]) for row in front[:3]] == pytest.approx(tolerances)
    assert list(Path("runs").rglob("textures-*.svg"))
    assert list(Path("runs").rglob("textures-*.pdf"))


def test_options_come_from_a_file_and_from_variables(
    search: Command, textures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("options.yaml").write_text(f"textures: {textures}\ntexture-weight: 0.3\n")
    search("--searcher", "random", "--config", "options.yaml")
    monkeypatch.setenv("IQATUNE_TEXTURES", str(textures))
    monkeypatch.setenv("IQATUNE_TEXTURE_WEIGHT", "0.3")
    ran = search("--searcher", "random")
    assert "this run is complete" in ran.err


def test_python_takes_them_too(small_set: Any, small_cache: Path, textures: Path, tmp_path: Path) -> None:
    result = package.tune(
        dataset="csv",
        pairs=small_set.labels,
        better="higher",
        backbone="squeezenet",
        backbone_weights="random",
        searcher="random",
        samples=4,
        folds=2,
        textures=textures,
        texture_weight=0.2,
        output=tmp_path,
        cache_dir=small_cache,
        progress="none",
    )
    assert result.best is not None
    frame = result.trials()
    assert frame["value"].max() == pytest.approx(result.best.value)
    assert (frame["srcc"] > frame["value"]).all()
    evaluation = package.evaluate(
        result, baselines=["uniform"], textures=textures, cache_dir=small_cache, progress="none"
    )
    tuned, uniform = (metric.texture_tolerance for metric in evaluation.results)
    assert tuned is not None
    assert uniform is not None
    assert tuned.value == pytest.approx(result.best.texture_tolerance)
    assert uniform.value == pytest.approx(result.baselines.uniform_texture_tolerance)
    assert evaluation.to_frame()["texture_tolerance"].tolist() == pytest.approx([tuned.value, uniform.value])


def test_evaluate_tells_it_of_any_metric(
    search: Command, iqatune: Command, small_set: Any, small_cache: Path, textures: Path
) -> None:
    search("--searcher", "random")
    record = FOLDER / "random-stage-s0" / "result.json"
    assert iqatune("export", record, "--output", "metric.safetensors").code == 0
    options = ("--baseline", "uniform", "--baseline", "ssim", "--baseline", "psnr", "--baseline", "gmsd")
    settings = (*small_set.options, "--textures", textures, "--cache-dir", small_cache)
    ran = iqatune("evaluate", record, "metric.safetensors", *options, *settings, "--format", "json")
    assert ran.code == 0, ran.err
    evaluation = json.loads(ran.out)
    assert evaluation["textures"]["textures"] == 4
    found = {Path(metric["file"]).name: metric["texture_tolerance"] for metric in evaluation["results"]}
    assert found["psnr"] is None
    assert "No texture tolerance of psnr" in ran.err
    assert found["metric.safetensors"]["value"] == pytest.approx(found["result.json"]["value"], rel=1e-4)
    for name in ("result.json", "ssim", "gmsd"):
        assert 0 <= found[name]["low"] < found[name]["value"] < found[name]["high"]
    assert found["ssim"]["value"] == pytest.approx(_ssim_tolerance(small_set, textures), rel=1e-3)
    ran = iqatune("evaluate", record, *options[:4], *settings)
    assert "texture tolerance (4 textures of made, 24 crop pairs)" in ran.out
    ran = iqatune("evaluate", record, *options, *settings, "--format", "csv", "--by", "distortion")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    whole = [row for row in rows if not row["group"]]
    assert float(whole[0]["texture_tolerance"]) == pytest.approx(found["result.json"]["value"])
    assert [row["texture_tolerance"] for row in whole if row["file"] == "psnr"] == [""]
    assert {row["texture_tolerance"] for row in rows if row["group"]} == {""}


def _ssim_tolerance(small_set: Any, textures: Path) -> float:
    """Mean 1 - SSIM of quarters, cut here, over that of the pairs."""
    import piq
    import torch

    def distance(first: Any, second: Any) -> float:
        tensors = [torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255 for image in (first, second)]
        luma = torch.tensor((0.299, 0.587, 0.114))[None, :, None, None]
        x, y = ((tensor * luma).sum(1, keepdim=True) for tensor in tensors)
        return 1 - float(piq.ssim(y, x, data_range=1.0))

    rows = csv.DictReader(io.StringIO(small_set.labels.read_text()))
    pairs = [[read_rgb(small_set.folder / row[name]) for name in ("reference", "distorted")] for row in rows]
    crops = []
    for path in sorted(textures.iterdir()):
        image = read_rgb(path)
        quarters = [image[:128, :128], image[:128, 128:], image[128:, :128], image[128:, 128:]]
        crops += [distance(quarters[i], quarters[j]) for i in range(4) for j in range(i + 1, 4)]
    return float(np.mean(crops) / np.mean([distance(*pair) for pair in pairs]))


def _small(path: Path) -> Path:
    path.mkdir()
    Image.new("RGB", (90, 300)).save(path / "one.png")
    return path


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--textures", "nowhere"), "--textures nowhere: no such folder; give a folder of images, or scikit-image"),
        (("--textures", "empty"), "--textures empty: contains no image; give a folder of images, or scikit-image"),
        (("--textures", "small"), "--textures small: one.png is 90 x 300, and none has 256 pixels a side; give larger"),
        (("--texture-weight", "-1"), "--texture-weight -1"),
        (("--texture-weight", "inf"), "--texture-weight"),
        (("--texture-weight", "much"), "--texture-weight"),
        (
            ("--texture-weight", "0.1", "--engine", "ray"),
            "--texture-weight 0.1: --engine ray maximises only the SRCC; leave --engine out",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(options: tuple[str, ...], line: str, search: Command) -> None:
    Path("empty").mkdir()
    _small(Path("small"))
    ran = search("--searcher", "random", *options, code=2)
    assert line in ran.last_line, ran.err
    assert "Traceback" not in ran.err
    assert not Path("runs").exists() or not list(Path("runs").rglob("result.json"))


def test_a_features_file_has_none(iqatune: Command) -> None:
    Path("metrics.csv").write_text("reference,distorted,score,psnr\n" + "".join(f"a,b{i},{i},{i}\n" for i in range(9)))
    options = ("--features", "metrics.csv", "--better", "higher")
    ran = iqatune("search", *options, "--searcher", "random", "--texture-weight", "0.1")
    assert ran.code == 2
    assert "--textures scikit-image: need images, and --features has none; leave them out" in ran.last_line


def test_one_that_is_too_small_is_left_out_with_a_line(search: Command, textures: Path) -> None:
    shutil.copytree(textures, "mixed")
    Image.new("RGB", (90, 300)).save("mixed/tiny.png")
    ran = search("--searcher", "random", "--textures", "mixed", "--texture-weight", 0.1)
    assert "--textures mixed: 1 left out, under 256 pixels a side: tiny.png" in ran.err
    (file,) = Path("runs").rglob("result.json")
    assert _record(file.parent)["protocol"]["textures"]["left_out"] == 1
