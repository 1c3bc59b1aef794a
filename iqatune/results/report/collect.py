"""What is in a results folder: records, evaluations, speeds."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from iqatune.errors import InputError
from iqatune.results.evaluate import SCHEMA as EVALUATION_SCHEMA
from iqatune.results.evaluate import Evaluation
from iqatune.results.record import RESULT_FILE, TRIALS_FILE, DataOptions, Protocol, Result, read_result
from iqatune.results.trials import read_trials
from iqatune.search.loop import Trial


@dataclass(frozen=True)
class FoundRun:
    """A complete run on disk."""

    path: Path
    result: Result
    trials: tuple[Trial, ...] = ()

    @property
    def srcc(self) -> float:
        """Tuned SRCC; only runs with a best sample are collected."""
        return self.result.best.srcc if self.result.best is not None else float("nan")


@dataclass(frozen=True)
class Setting:
    """Everything about a run but its seed."""

    dataset: str
    backbone: str
    searcher: str
    space: str
    samples: int
    protocol: tuple[tuple[str, object], ...]


@dataclass(frozen=True)
class Group:
    """The runs of one setting, a seed each, in the seeds' order."""

    setting: Setting
    runs: tuple[FoundRun, ...]

    @property
    def srcc(self) -> list[float]:
        """Tuned SRCC of every seed."""
        return [run.srcc for run in self.runs]

    @property
    def krcc(self) -> list[float]:
        """Tuned KRCC of every seed."""
        return [run.result.best.krcc for run in self.runs if run.result.best is not None]

    @property
    def held_out(self) -> list[float]:
        """Mean SRCC over the folds, of every seed that has folds."""
        return [run.result.held_out.srcc_mean for run in self.runs if run.result.held_out is not None]

    @property
    def uniform_held_out(self) -> list[float]:
        """The same of the uniform weights."""
        return [run.result.held_out.uniform_srcc_mean for run in self.runs if run.result.held_out is not None]

    @property
    def middle(self) -> FoundRun:
        """The run with the median tuned SRCC (the lower one of two), which stands for the group in paired tests."""
        return sorted(self.runs, key=lambda run: run.srcc)[(len(self.runs) - 1) // 2]

    @property
    def protocol(self) -> Protocol:
        """The protocol of the group's runs, but for the seed of their split."""
        return self.runs[0].result.protocol


@dataclass(frozen=True)
class Collection:
    """What is in a results folder.

    Attributes:
        unfinished: records of runs that are running, interrupted, or without a defined SRCC.
        speeds: image pairs per second of backbones, where a bench was run.
    """

    folder: Path
    groups: tuple[Group, ...]
    unfinished: tuple[Path, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    speeds: tuple[tuple[str, float], ...] = ()

    @property
    def runs(self) -> tuple[FoundRun, ...]:
        """Every complete run."""
        return tuple(run for group in self.groups for run in group.runs)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets that were tuned on, in alphabetical order."""
        return tuple(sorted({group.setting.dataset for group in self.groups}))

    def named(self, evaluation: Evaluation) -> Evaluation:
        """An evaluation under the name that its data set has here: that of the same pairs and scores."""
        digests = {one.protocol.dataset_sha256 for one in evaluation.results}
        names = [group.setting.dataset for group in self.groups if group.protocol.dataset_sha256 in digests]
        return evaluation.model_copy(update={"dataset": names[0]}) if names else evaluation

    def simulated(self, dataset: str) -> bool:
        """Whether the human scores of that data set are simulated."""
        return any(group.protocol.simulated for group in self.groups if group.setting.dataset == dataset)


def collect(folder: Path) -> Collection:
    """Find the records, trials, evaluations and speeds below a folder.

    Raises:
        InputError: when the folder is missing or holds no complete run, or a file in it is damaged.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name the --output folder of searches")
    complete, unfinished = [], []
    for path in sorted(folder.rglob(RESULT_FILE)):
        result = read_result(path)
        if result.status != "complete" or result.best is None:
            unfinished.append(path)
            continue
        names = tuple(result.best.parameters)
        complete.append(FoundRun(path, result, tuple(read_trials(path.with_name(TRIALS_FILE), names))))
    if not complete:
        raise InputError(f"{folder}: holds no complete run ({RESULT_FILE}); run iqatune search --output {folder} first")
    documents = list(_other_documents(folder))
    return Collection(
        folder,
        grouped(complete),
        tuple(unfinished),
        tuple(_evaluation(path, content) for path, content in documents if _is_evaluation(content)),
        tuple(sorted(dict(speed for _, content in documents for speed in speeds_in(content)).items())),
    )


def grouped(runs: Sequence[FoundRun]) -> tuple[Group, ...]:
    """Runs that differ in their seed alone, together."""
    groups: dict[Setting, list[FoundRun]] = {}
    for run in runs:
        groups.setdefault(setting_of(run.result), []).append(run)
    ordered = sorted(groups, key=lambda one: (one.dataset, one.backbone, one.searcher, one.space, one.samples))
    return tuple(
        Group(setting, tuple(sorted(groups[setting], key=lambda run: run.result.run.seed))) for setting in ordered
    )


def setting_of(result: Result) -> Setting:
    """Everything about a run but its seed; results of one setting may be averaged."""
    run, protocol = result.run, result.protocol
    fields = protocol.model_dump(exclude={"split_seed"})
    return Setting(
        dataset_label(run), backbone_label(result), run.searcher, run.space, run.samples, tuple(fields.items())
    )


def dataset_label(data: DataOptions) -> str:
    """The data set's name; of pairs in a CSV file also the name of its folder, which tells such sets apart."""
    if data.pairs is None:
        return data.dataset
    pairs = Path(data.pairs)
    return f"{data.dataset}:{pairs.parent.name or pairs.stem}"


def backbone_label(result: Result) -> str:
    """The backbone, and where its parameters come from when they are not the downloaded ones."""
    weights = result.protocol.backbone_weights
    return result.run.backbone if weights == "pretrained" else f"{result.run.backbone} ({Path(weights).stem})"


def speeds_in(content: object) -> Iterator[tuple[str, float]]:
    """Backbones and their pairs per second in the JSON of a bench: {"backbones": [{"name", "pairs_per_second"}]}.

    A rate is a number, or the median of several with their spread.
    """
    entries = content.get("backbones") if isinstance(content, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        rate = entry.get("pairs_per_second") if isinstance(entry, dict) else None
        rate = rate.get("median") if isinstance(rate, dict) else rate
        if isinstance(rate, int | float):
            yield str(entry.get("name")), float(rate)


def _other_documents(folder: Path) -> Iterator[tuple[Path, object]]:
    for path in sorted(folder.rglob("*.json")):
        if path.name == RESULT_FILE:
            continue
        try:
            yield path, json.loads(path.read_bytes())
        except ValueError as error:
            raise InputError(f"{path}: not JSON ({error}); mend or remove it") from error


def _is_evaluation(content: object) -> bool:
    return isinstance(content, dict) and content.get("schema") == EVALUATION_SCHEMA


def _evaluation(path: Path, content: object) -> Evaluation:
    try:
        return Evaluation.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: not an evaluation of {EVALUATION_SCHEMA} ({place}: {first['msg']})") from error
