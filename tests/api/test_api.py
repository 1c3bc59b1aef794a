"""The public Python interface does what the command line does, and says what is wrong in its own words."""

import inspect
import json
import logging
import subprocess
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import iqatune as package
from iqatune.api.progress import Step

OPTIONS: dict[str, Any] = {
    "backbone": "squeezenet",
    "backbone_weights": "random",
    "searcher": "bohb",
    "samples": 9,
    "folds": 2,
}


@pytest.fixture
def data(small_set: Any) -> dict[str, Any]:
    return {"dataset": "csv", "pairs": small_set.labels, "better": "higher"}


@pytest.fixture
def tuned(data: dict[str, Any], small_cache: Path, tmp_path: Path) -> package.Result:
    return package.tune(**data, **OPTIONS, output=tmp_path, cache_dir=small_cache, progress="none")


def test_every_public_name_is_there_with_types_docstring_and_example() -> None:
    assert set(package.__all__) <= set(dir(package))
    for name in set(package.__all__) - {"__version__"}:
        public = getattr(package, name)
        assert public.__doc__, name
        assert ">>>" in public.__doc__, f"{name} has no example"
        if inspect.isfunction(public):
            hints = typing.get_type_hints(public, localns={"pandas": Any, "Figure": Any})
            assert set(inspect.signature(public).parameters) | {"return"} <= set(hints), name
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        _ = package.serach


def test_what_follows_the_third_argument_goes_by_name() -> None:
    for name in set(package.__all__) - {"__version__", "InputError", "Result", "Run"}:
        parameters = inspect.signature(getattr(package, name)).parameters.values()
        by_place = [parameter for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
        assert len(by_place) <= 3, name


def test_importing_the_package_loads_nothing() -> None:
    heavy = ("torch", "ray", "numpy", "pandas", "matplotlib", "pydantic")
    code = f"import iqatune, sys; dir(iqatune); print([name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_search_is_that_of_the_command_line(
    tuned: package.Result, small_set: Any, small_cache: Path, iqatune: Callable[..., Any]
) -> None:
    words = [word for name, value in OPTIONS.items() for word in (f"--{name.replace('_', '-')}", value)]
    ran = iqatune("search", *small_set.options, *words, "--cache-dir", small_cache, "--json")
    theirs = json.loads(ran.out)
    ours = json.loads(tuned.file.read_text())
    for part in ("run", "protocol", "channels", "best", "baselines", "held_out", "confidence", "strategy"):
        assert ours[part] == theirs[part]
    assert tuned.best is not None
    assert tuned.best.srcc == ours["best"]["srcc"]


def test_the_trials_are_a_table(tuned: package.Result) -> None:
    table = tuned.trials()
    lines = [json.loads(line) for line in (tuned.file.parent / "trials.jsonl").read_text().splitlines()]
    assert table["srcc"].tolist() == [line["srcc"] for line in lines]
    assert table["alpha_0"].tolist() == [line["parameters"]["alpha_0"] for line in lines]
    assert set(table["budget"]) == {line["budget"] for line in lines}
    assert tuned.best is not None
    assert table[table["budget"] == 1]["srcc"].max() == pytest.approx(tuned.best.srcc, abs=1e-12)


def test_a_record_is_read_from_its_file_or_folder_and_drawn(tuned: package.Result, small_cache: Path) -> None:
    again = package.read_result(tuned.file.parent)
    assert again == tuned
    assert repr(again).startswith("<Result: bohb on csv through squeezenet, complete; SRCC ")
    figure = again.plot(cache_dir=small_cache)
    left, right = figure.axes
    whole = again.trials().query("budget == 1")
    dots = [np.size(line.get_xdata()) for line in left.lines if line.get_marker() == "o"]
    assert sum(dots) == len(whole)
    scatter = [np.size(line.get_xdata()) for line in right.lines if line.get_label() in ("noise", "blur")]
    assert sum(scatter) == 48
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    assert len(again.plot_search().axes) == len(again.plot_scores(cache_dir=small_cache).axes) == 1


def test_a_record_draws_each_distortion_and_names_its_largest_residuals(
    tuned: package.Result, small_cache: Path
) -> None:
    figure = tuned.plot_distortions(cache_dir=small_cache)
    assert [axes.get_title() for axes in figure.axes if axes.get_visible()] == ["noise (30)", "blur (18)"]
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    frame = tuned.residuals(cache_dir=small_cache)
    assert len(frame) == 48
    assert frame["residual"].abs().is_monotonic_decreasing
    assert np.allclose(frame["score"] - frame["fitted"], frame["residual"])
    assert abs(frame["residual"].mean()) < 1e-6  # of a least-squares fit with a constant
    assert frame["in_errors"].isna().all()
    evaluation = package.evaluate(tuned, cache_dir=small_cache, progress="none")
    assert evaluation.results[0].rmse == pytest.approx(np.sqrt(np.mean(frame["residual"] ** 2)))
    assert evaluation.to_frame()["rmse"].dtype == np.float64


def test_what_the_numbers_were_worth_takes_the_samples_of_several_runs(
    data: dict[str, Any], small_cache: Path, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {**OPTIONS, "searcher": "random", "folds": 0, "samples": 40, "output": tmp_path}
    settings |= {"cache_dir": small_cache, "progress": "none", **data}
    first, second, third = (package.tune(**settings, seed=seed) for seed in range(3))
    with pytest.raises(package.InputError, match=r"^40 samples, and what 12 numbers were worth takes 100"):
        first.importance()
    frame = first.importance(second, third)
    assert set(frame["number"]) == set(first.trials().columns[7:])
    assert frame["share"].is_monotonic_decreasing
    assert ((frame["low"] <= frame["share"]) & (frame["share"] <= frame["high"])).all()
    assert frame["share"].sum() <= 1
    figure = first.plot_importance(second, third)
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == frame["number"].tolist()
    other = package.tune(**{**settings, "prior": "cube"})
    with pytest.raises(package.InputError, match="another backbone, space, prior or objective"):
        first.importance(other)


def test_evaluation_is_a_table_and_by_default_where_the_metric_was_tuned(
    tuned: package.Result, data: dict[str, Any], small_cache: Path
) -> None:
    settings: dict[str, Any] = {
        "by": "distortion",
        "baselines": ["uniform", "psnr"],
        "cache_dir": small_cache,
        "progress": "none",
    }
    evaluation = package.evaluate(tuned, **settings)
    assert evaluation == package.evaluate([tuned.file], data.pop("dataset"), **data, **settings)
    frame = evaluation.to_frame()
    assert frame["group"].tolist().count("") == 3
    assert set(frame["group"]) == {"", "noise", "blur"}
    assert tuned.best is not None
    assert frame["srcc"][0] == tuned.best.srcc
    assert frame["srcc"].dtype == np.float64
    with pytest.raises(package.InputError, match="only possible with dataset"):
        package.evaluate(tuned, data_root="elsewhere", cache_dir=small_cache)


def test_replay_sweep_prepare_and_scores(
    tuned: package.Result, data: dict[str, Any], small_cache: Path, tmp_path: Path
) -> None:
    assert package.replay(tuned, cache_dir=small_cache, progress="none").same

    grid = {**{name: str(value) for name, value in data.items()}, **OPTIONS, "searcher": ["random", "bohb"], "folds": 0}
    swept = package.sweep(grid, tmp_path / "swept", jobs=1, cache_dir=small_cache, progress="none")
    records = [package.read_result(tmp_path / "swept" / cell.folder) for cell in swept.cells]
    assert [record.run.searcher for record in records] == ["random", "bohb"]
    assert records[1].best == tuned.best

    prepared = package.prepare(
        data.pop("dataset"), "squeezenet", backbone_weights="random", cache_dir=small_cache, progress="none", **data
    )
    distances = prepared.distances(tuned.weights)
    assert len(prepared.table) == len(distances) == 48

    pair = prepared.table.pairs[0]
    metric = package.Metric.load(tuned.file)
    scores = package.score_images(metric, pair.reference, pair.distorted, device="cpu", progress="none")
    assert scores.pairs[0].distance == pytest.approx(distances[0], abs=1e-6)


def test_progress_is_told_to_a_function_and_words_to_logging(
    data: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    steps: list[Step] = []
    settings = {**OPTIONS, "searcher": "ax", "samples": 4, "folds": 0}
    with caplog.at_level(logging.INFO, logger="iqatune"):
        package.tune(**data, **settings, output=tmp_path / "runs", cache_dir=tmp_path / "cache", progress=steps.append)
    last = {step.title: (step.done, step.total, step.unit) for step in steps}
    assert last["extracting squeezenet"] == (48, 48, "pairs")
    assert last["searching (ax)"] == (4, 4, "samples")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any("ax starts with 24 Sobol points" in line and "use samples=36 or more" in line for line in warnings)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"samples": 0}, "samples=0: a search needs at least one sample"),
        ({"sampels": 3}, "sampels: no such option; did you mean 'samples'"),
        ({"samples": "many"}, "samples=many: Input should be a valid integer"),
        ({"searcher": "bobh"}, "searcher=bobh: unknown searcher; did you mean 'bohb'?"),
        ({"backbone": "vgg91"}, "backbone=vgg91: unknown backbone; did you mean 'vgg19'"),
        ({"pairs": "nowhere.csv"}, "pairs=nowhere.csv: no such file"),
        ({"progress": "loud"}, "progress=loud: give 'bar', 'none' or a function"),
        ({"structure": "variance"}, "structure=variance: Input should be 'covariance' or 'stddev'"),
        ({"better": None}, "better: needed with dataset=csv"),
    ],
)
def test_bad_options_are_one_line_in_pythons_words(
    options: dict[str, Any], says: str, data: dict[str, Any], small_cache: Path, tmp_path: Path
) -> None:
    asked = {**data, **OPTIONS, "progress": "none", **options}
    with pytest.raises(package.InputError) as caught:
        package.tune(**asked, output=tmp_path, cache_dir=small_cache)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)
    assert "--" not in str(caught.value)


def test_what_is_missing_is_said(tuned: package.Result, tmp_path: Path) -> None:
    with pytest.raises(package.InputError, match="backbone: needed"):
        package.tune(dataset="demo", searcher="random")
    with pytest.raises(package.InputError, match="was not read from a folder"):
        package.Result.model_validate_json(tuned.file.read_text()).trials()
    Image.new("RGB", (64, 64)).save(tmp_path / "x.png")
    with pytest.raises(package.InputError, match="name two files or two folders"):
        package.score_images("metric.safetensors", tmp_path / "x.png")


def test_a_script_needs_no_guard_for_worker_processes(data: dict[str, Any], small_cache: Path, tmp_path: Path) -> None:
    # folds that take long and a sweep's cells run in processes of their own
    script = tmp_path / "script.py"
    options = {**{name: str(value) for name, value in data.items()}, **OPTIONS}
    slow = {**options, "searcher": "bayesopt", "samples": 22}
    quick = {**options, "searcher": "random", "samples": 3, "seeds": [0, 1]}
    common = f"cache_dir={str(small_cache)!r}, progress='none'"
    script.write_text(
        "import iqatune\nprint('begins')\n"
        f"result = iqatune.tune(**{slow!r}, output='runs', {common})\n"
        f"swept = iqatune.sweep({quick!r}, 'swept', jobs=2, {common})\n"
        "print(result.held_out.folds, swept.status)\n"
    )
    ran = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["begins", "2 complete"]
