"""Searches told to TensorBoard, MLflow and Weights & Biases as they go, whichever engine searches: each is one run.

TensorBoard and MLflow are told through Ray Tune's own callbacks, W&B through its own package, as Ray's callback for it
starts a cluster. Where a tracker fails because a server is gone or a disk is full, that is told once, and the search
goes on.
"""

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from os import environ
from pathlib import Path
from typing import Any, Final, Literal

from iqatune.errors import InputError, did_you_mean
from iqatune.extras import install_command
from iqatune.progress import Progress
from iqatune.records.result import Result
from iqatune.records.run_folder import RunFolder
from iqatune.records.trial import Trial
from iqatune.search.choice import best_trial

FAULTS: Final = {"mlflow": ("mlflow.exceptions", "MlflowException"), "wandb": ("wandb.errors", "Error")}
"""Where the packages have the class of what they raise of servers, keys and settings."""

TRACKERS: Final = {"tensorboard": "tensorboardX", "mlflow": "mlflow", "wandb": "wandb"}
"""Trackers by name, and the package that each needs."""

PROJECT: Final = "iqatune"
"""What runs are kept under in MLflow and W&B, if their own variables do not say otherwise."""

Outcome = Literal["complete", "interrupted"]


def check_trackers(names: Sequence[str]) -> None:
    """Refuse a tracker that is unknown, or whose package is not installed.

    Raises:
        InputError: naming it.
    """
    for name in names:
        if name not in TRACKERS:
            raise InputError(f"`track` {name}: no such tracker; {did_you_mean(name, TRACKERS)}")
        if find_spec(TRACKERS[name]) is None:
            raise InputError(f"`track` {name}: {TRACKERS[name]} is not installed; run {install_command('tracking')}")


@dataclass(frozen=True)
class Tracked:
    """A search as the trackers see it; what Ray's callbacks ask of one of Ray's trials."""

    trial_id: str
    config: dict[str, Any]
    local_path: str

    @property
    def evaluated_params(self) -> dict[str, Any]:
        """The options."""
        return self.config

    def init_local_path(self) -> None:
        """Make the folder for what is written."""
        Path(self.local_path).mkdir(parents=True, exist_ok=True)

    def __str__(self) -> str:
        return self.trial_id

    def __hash__(self) -> int:
        return hash(self.trial_id)


@dataclass(kw_only=True)
class Track:
    """Tells the trackers of one search.

    Attributes:
        tracked: the search.
        callbacks: a tracker each, with the interface of `ray.tune.logger.LoggerCallback`, by its name.
        uniform: what the uniform weights reach of what is maximised.
        progress: where a tracker that fails is told.
        best: the best trial so far.
        count: trials so far.
    """

    tracked: Tracked
    callbacks: dict[str, Any]
    uniform: float
    progress: Progress
    best: Trial | None = None
    count: int = 0
    _fitted: list[Trial] = field(default_factory=list)

    def trial(self, trial: Trial) -> None:
        """One more trial: its figures, and the best so far beside the uniform weights'."""
        self.count += 1
        if trial.inner is not None:
            self._fitted.append(trial)  # a fit's inner folds choose among all of its few trials
        rivals = self._fitted or [each for each in (self.best, trial) if each is not None]
        self.best = best_trial(rivals)
        if not self.callbacks:
            return
        figures = {"srcc": trial.srcc, "value": trial.merit, "budget": trial.budget, "uniform": self.uniform}
        self._tell(figures | ({} if self.best is None else {"best": self.best.merit, "best_srcc": self.best.srcc}))

    def end(self, result: Result) -> None:
        """The figures of a complete record."""
        figures: dict[str, float] = {}
        if result.best is not None:
            figures |= {f"tuned_{name}": getattr(result.best, name) for name in ("srcc", "krcc", "plcc")}
        if result.held_out is not None:
            figures |= {
                "held_out_srcc": result.held_out.srcc_mean,
                "held_out_uniform_srcc": result.held_out.uniform_srcc_mean,
                "optimism": result.held_out.optimism,
            }
        self._tell(figures)

    def _tell(self, figures: dict[str, float]) -> None:
        told = {**figures, "training_iteration": max(self.count, 1)}
        self.each(lambda callback: callback.log_trial_result(self.count, self.tracked, dict(told)))

    def each(self, tell: Callable[[Any], object]) -> None:
        """Tell every tracker something; one that fails is not told again."""
        for name, callback in list(self.callbacks.items()):
            try:
                tell(callback)
            except _faults(name) as error:
                del self.callbacks[name]
                reason = " ".join(str(error).split())
                self.progress.warn(f"`track` {name}: {type(error).__name__}: {reason}; the search goes on without it")


def _faults(name: str) -> tuple[type[Exception], ...]:
    """What a tracker raises that no search should be lost for: of files and connections, and of its own.

    Anything else is a defect, and is shown as one.
    """
    if name not in FAULTS:
        return (OSError,)
    module, fault = FAULTS[name]
    return (OSError, getattr(importlib.import_module(module), fault))


@contextmanager
def tracking(
    names: Sequence[str], draft: Result, folder: RunFolder, *, seen: Sequence[Trial] = (), progress: Progress
) -> Iterator[Track]:
    """Tell the trackers of a search as long as this lasts.

    Args:
        names: of the trackers.
        draft: the record as the search begins: its options, and the uniform weights' figures.
        folder: of the run. TensorBoard's events go into it, as `tensorboard`.
        seen: trials that were told before the search was interrupted.
    """
    value = draft.baselines.uniform_value
    run = draft.run
    tracked = Tracked(
        "-".join((run.dataset, run.backbone or "features", folder.path.name)).replace(":", "_").replace("/", "_"),
        {name: _plain(option) for name, option in run.model_dump().items() if option not in (None, (), "")},
        str(folder.path / "tensorboard"),
    )
    track = Track(
        tracked=tracked,
        callbacks={name: _callback(name) for name in names},
        uniform=draft.baselines.uniform.srcc if value is None else value,
        progress=progress,
        best=best_trial(seen),
        count=len(seen),
        _fitted=[trial for trial in seen if trial.inner is not None],
    )
    track.each(lambda callback: callback.setup())
    track.each(lambda callback: callback.log_trial_start(tracked))
    failed = True
    try:
        yield track
        failed = False
    finally:
        track.each(lambda callback: callback.log_trial_end(tracked, failed=failed))


def _plain(option: Any) -> Any:
    return option if isinstance(option, bool | int | float | str) else str(option)


def _callback(name: str) -> Any:
    if name == "tensorboard":
        from ray.tune.logger import TBXLoggerCallback

        return TBXLoggerCallback()  # type: ignore[no-untyped-call]
    if name == "mlflow":
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        experiment = environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        return MLflowLoggerCallback(tracking_uri=environ.get("MLFLOW_TRACKING_URI"), experiment_name=experiment)
    return _Wandb()


class _Wandb:
    """Weights & Biases through its own package; its variables, as WANDB_MODE=offline, count."""

    def __init__(self) -> None:
        self._wandb: Any = importlib.import_module("wandb")
        self._run: Any = None

    def setup(self) -> None:
        """Nothing."""

    def log_trial_start(self, trial: Tracked) -> None:
        """Begin a run."""
        project = environ.get("WANDB_PROJECT", PROJECT)
        settings = self._wandb.Settings(silent=True)  # stdout carries the result and nothing else
        self._run = self._wandb.init(project=project, name=str(trial), config=trial.config, settings=settings)

    def log_trial_result(self, iteration: int, _trial: Tracked, result: dict[str, Any]) -> None:
        """Log figures at a sample."""
        self._run.log(result, step=iteration)

    def log_trial_end(self, _trial: Tracked, *, failed: bool) -> None:
        """End the run."""
        self._run.finish(exit_code=int(failed))
