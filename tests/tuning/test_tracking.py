"""Searches told to TensorBoard, MLflow and W&B: read back from what these have written."""

import json
import math
import struct
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iqatune.extras import install_command
from iqatune.tuning import tracking

SEARCH = ("--backbone", "squeezenet", "--backbone-weights", "random", "--samples", 6, "--folds", 2, "--quiet")

Scalars = dict[str, list[tuple[int, float]]]


def events(folder: Path) -> Scalars:
    """The scalars of TensorBoard's files in a folder, each with its step."""
    from tensorboardX.proto.event_pb2 import Event  # type: ignore[import-untyped]

    found: Scalars = defaultdict(list)
    for path in sorted(folder.glob("events.out.tfevents.*")):
        content, place = path.read_bytes(), 0
        while place < len(content):  # length, its checksum, an event, its checksum
            (length,) = struct.unpack_from("<Q", content, place)
            event = Event.FromString(content[place + 12 : place + 12 + length])
            place += length + 16
            for value in event.summary.value:
                found[value.tag.removeprefix("ray/tune/")].append((event.step, value.simple_value))
    return dict(found)


def wandb_histories(content: bytes) -> list[dict[str, Any]]:
    """What a file of W&B's has of each step: records in blocks of 32 KiB, as LevelDB writes its logs."""
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[import-not-found, unused-ignore]

    found, data, place = [], b"", 7
    while place < len(content):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
        _, length, kind = struct.unpack_from("<IHB", content, place)
        data += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            entry, data = Record.FromString(data), b""
            items = entry.history.item
            found.append({item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items})
    return found


@pytest.fixture
def tracked(iqatune: Callable[..., Any], small_set: Any, small_cache: Path) -> Callable[..., Any]:
    """A search or a sweep over the small set; its record, and what it said."""

    def run(*options: object, verb: str = "search") -> tuple[Any, str]:
        data = (*small_set.options, *SEARCH) if verb == "search" else ()
        ran = iqatune(verb, *data, "--cache-dir", small_cache, *options)
        assert ran.code == 0, ran.err
        (record,) = Path("runs").rglob("result.json")
        return json.loads(record.read_text()), ran.err

    return run


@pytest.mark.parametrize("searcher", ["random", "bohb", "fit"])
def test_tensorboard_has_every_trial_and_the_figures_to_quote(searcher: str, tracked: Callable[..., Any]) -> None:
    record, _ = tracked("--searcher", searcher, "--track", "tensorboard")
    (folder,) = Path("runs").rglob("tensorboard")
    found = events(folder)
    trials = [json.loads(line) for line in (folder.parent / "trials.jsonl").read_text().splitlines()]
    assert [step for step, _ in found["srcc"]] == list(range(1, len(trials) + 1))
    assert [value for _, value in found["srcc"]] == pytest.approx([trial["srcc"] for trial in trials], abs=1e-6)
    best = [value for _, value in found["best"]]
    assert best[-1] == pytest.approx(record["best"]["srcc"], abs=1e-6)
    assert searcher == "fit" or best == sorted(best)
    uniform = {value for _, value in found["uniform"]}
    assert list(uniform) == pytest.approx([record["baselines"]["uniform"]["srcc"]], abs=1e-6)
    ((step, held_out),) = found["held_out_srcc"]
    assert step == len(trials)
    assert held_out == pytest.approx(record["held_out"]["srcc_mean"], abs=1e-6)


def test_a_sweep_tells_of_every_run(tracked: Callable[..., Any], small_set: Any) -> None:
    grid = {"datasets": "csv", "pairs": str(small_set.labels), "better": "higher", "searchers": "random"}
    grid |= {"backbone": "squeezenet", "backbone_weights": "random", "samples": "4", "folds": "2"}
    Path("grid.json").write_text(json.dumps(grid))
    record, _ = tracked("grid.json", "--track", "tensorboard", "--jobs", 1, "--quiet", verb="sweep")
    (folder,) = Path("runs").rglob("tensorboard")
    assert len(events(folder)["srcc"]) == 4
    assert events(folder)["tuned_srcc"][0][1] == pytest.approx(record["best"]["srcc"], abs=1e-6)


def test_nothing_is_told_unless_asked(tracked: Callable[..., Any]) -> None:
    tracked("--searcher", "random")
    assert not list(Path("runs").rglob("*tensorboard*"))


def test_a_tracker_that_fails_is_told_once_and_the_search_goes_on(tracked: Callable[..., Any]) -> None:
    place = Path("runs/csv/squeezenet/told/tensorboard")
    place.parent.mkdir(parents=True)
    place.write_text("a file in the place of the folder")
    record, err = tracked("--searcher", "random", "--track", "tensorboard", "--name", "told")
    assert record["status"] == "complete"
    (line,) = err.strip().splitlines()
    assert line.startswith("warning: --track tensorboard: FileExistsError: ")
    assert line.endswith("; the search goes on without it")


def test_a_defect_is_not_taken_for_a_tracker_that_fails(
    tracked: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no fault of a file, a connection or a setting is shown, not told as a warning."""
    from ray.tune.logger import TBXLoggerCallback

    def wrong(*_: object) -> None:
        raise TypeError("not what a callback is called with")

    monkeypatch.setattr(TBXLoggerCallback, "log_trial_result", wrong)
    with pytest.raises(AssertionError, match="internal error"):  # the fixture wants exit code 0
        tracked("--searcher", "random", "--track", "tensorboard")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tensorbord", "--track tensorbord: no such tracker; did you mean 'tensorboard'?"),
        ("mlflow", f"--track mlflow: mlflow is not installed; run {install_command('tracking')}"),
    ],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_what_cannot_be_told_is_refused_before_any_work(
    name: str,
    says: str,
    dry: tuple[str, ...],
    iqatune: Callable[..., Any],
    small_set: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda package: None)
    ran = iqatune("search", *small_set.options, *SEARCH, "--searcher", "random", "--track", name, *dry)
    assert (ran.code, ran.err) == (2, f"iqatune: {says}\n")
    assert not Path("runs").exists()


def test_mlflow_has_every_trial(tracked: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs MLflow: the extra `tracking`")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    record, _ = tracked("--searcher", "random", "--track", "mlflow")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("iqatune")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["searcher"] == "random"
    assert len(client.get_metric_history(run.info.run_id, "srcc")) == 6
    assert run.data.metrics["held_out_srcc"] == record["held_out"]["srcc_mean"]


def test_wandb_has_every_trial(tracked: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="needs W&B: the extra `tracking`")
    monkeypatch.setenv("WANDB_MODE", "offline")
    record, _ = tracked("--searcher", "random", "--track", "wandb")
    (file,) = Path("wandb").rglob("run-*.wandb")
    histories = wandb_histories(file.read_bytes())
    figures = [history["srcc"] for history in histories if "srcc" in history]
    assert len(figures) == 6
    assert not any(map(math.isnan, figures))
    assert max(figures) == pytest.approx(record["best"]["srcc"])
