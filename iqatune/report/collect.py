"""What is in a results folder: records, evaluations, speeds."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from iqatune.errors import InputError
from iqatune.records.base import Model
from iqatune.records.bench import BENCH_SCHEMA, Bench
from iqatune.records.evaluation import EVALUATION_SCHEMA, Evaluation
from iqatune.records.labels import backbone_label, dataset_label
from iqatune.records.result import Protocol, Result, read_result
from iqatune.records.run_folder import RESULT_FILE, TRIALS_FILE
from iqatune.records.trial import Trial
from iqatune.records.trials import read_trials

Document = TypeVar("Document", bound=Model)
Key = TypeVar("Key")

SHORT = 6
"""Digits of a hash that tell apart what has the same name."""


@dataclass(frozen=True)
class Names:
    """What data sets and backbones are called in a report: by other names where they hold something else.

    Attributes:
        pairs: names of sets of pairs in CSV files, by the hash of what they hold.
        backbones: by their own name and the hash of their parameters.
    """

    pairs: Mapping[str, str]
    backbones: Mapping[tuple[str, str], str]

    def dataset(self, result: Result) -> str:
        """The data set that a run was tuned on."""
        return self.pairs.get(result.protocol.dataset_sha256, dataset_label(result.run))

    def backbone(self, result: Result) -> str:
        """The backbone of a run, and where its parameters come from when they are not the downloaded ones."""
        return self.backbones.get((result.run.backbone, result.protocol.backbone_sha256), backbone_label(result))


@dataclass(frozen=True, kw_only=True)
class Speed:
    """A backbone's rate in a bench, in image pairs a second from files."""

    backbone: str
    precision: str
    device: str
    pairs_per_second: float


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


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Everything about a run but its seed."""

    dataset: str
    backbone: str
    searcher: str
    space: str
    samples: int
    protocol: tuple[tuple[str, object], ...]


@dataclass(frozen=True)
class SettingRuns:
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


@dataclass(frozen=True, kw_only=True)
class Collection:
    """What is in a results folder.

    Attributes:
        names: what they are called.
        unfinished: records of runs that are running, interrupted, or without a defined SRCC.
        repeated: records whose setting and seed another record has too.
        speeds: of backbones, where a bench was run in earnest.
    """

    folder: Path
    groups: tuple[SettingRuns, ...]
    names: Names
    repeated: tuple[Path, ...] = ()
    unfinished: tuple[Path, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    speeds: tuple[Speed, ...] = ()

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
        digests = {metric.protocol.dataset_sha256 for metric in evaluation.results}
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
        trials = read_trials(path.with_name(TRIALS_FILE), tuple(result.best.parameters))
        complete.append(FoundRun(path, result, tuple(trials)))
    if not complete:
        raise InputError(f"{folder}: holds no complete run ({RESULT_FILE}); run iqatune search --output {folder} first")
    documents = list(_other_documents(folder))
    names = names_of([run.result for run in complete])
    groups = grouped(complete, names)
    kept = {run.path for group in groups for run in group.runs}
    benches = [_parsed(path, content, Bench) for path, content in documents if _is_a(content, BENCH_SCHEMA)]
    return Collection(
        folder=folder,
        groups=groups,
        names=names,
        repeated=tuple(run.path for run in complete if run.path not in kept),
        unfinished=tuple(unfinished),
        evaluations=tuple(
            _parsed(path, content, Evaluation) for path, content in documents if _is_a(content, EVALUATION_SCHEMA)
        ),
        speeds=_speeds([bench for bench in benches if not bench.quick]),
    )


def names_of(results: Sequence[Result]) -> Names:
    """A name for every set of pairs and every backbone, no two of them the same."""
    pairs: dict[str, tuple[str, ...]] = {}
    backbones: dict[tuple[str, str], tuple[str, ...]] = {}
    for result in results:
        run, protocol = result.run, result.protocol
        if run.pairs is not None:
            label, digest = dataset_label(run), protocol.dataset_sha256
            finer = f"{label}/{Path(run.pairs).stem}"
            pairs.setdefault(digest, (label, finer, f"{finer} {digest[:SHORT]}"))
        label, digest = backbone_label(result), protocol.backbone_sha256
        backbones.setdefault((run.backbone, digest), (label, f"{label} {digest[:SHORT]}"))
    return Names(_apart(pairs), _apart(backbones))


def _apart(candidates: Mapping[Key, tuple[str, ...]]) -> dict[Key, str]:
    """For every key the shortest of its names that none of the others with the same first name has."""
    alike: dict[str, list[Key]] = {}
    for key, names in candidates.items():
        alike.setdefault(names[0], []).append(key)
    found: dict[Key, str] = {}
    for keys in alike.values():
        columns = zip(*(candidates[key] for key in keys), strict=True)
        column = next((column for column in columns if len(set(column)) == len(keys)), None)
        found |= dict(zip(keys, column or [candidates[key][-1] for key in keys], strict=True))
    return found


def grouped(runs: Sequence[FoundRun], names: Names) -> tuple[SettingRuns, ...]:
    """Runs that differ in their seed alone, together; of several with one seed the first that has folds."""
    groups: dict[Setting, dict[int, FoundRun]] = {}
    for run in runs:
        of_seed = groups.setdefault(_setting(run.result, names), {})
        earlier = of_seed.setdefault(run.result.run.seed, run)
        if earlier.result.held_out is None and run.result.held_out is not None:
            of_seed[run.result.run.seed] = run
    ordered = sorted(groups, key=attrgetter("dataset", "backbone", "searcher", "space", "samples"))
    return tuple(SettingRuns(setting, tuple(run for _, run in sorted(groups[setting].items()))) for setting in ordered)


def _setting(result: Result, names: Names) -> Setting:
    run = result.run
    fields = result.protocol.model_dump(exclude={"split_seed"})
    return Setting(
        dataset=names.dataset(result),
        backbone=names.backbone(result),
        searcher=run.searcher,
        space=run.space,
        samples=run.samples,
        protocol=tuple(fields.items()),
    )


def _speeds(benches: Sequence[Bench]) -> tuple[Speed, ...]:
    """The rates of all benches; of several on one device the last."""
    found = {
        (backbone.name, bench.precision, bench.environment.device): backbone.pairs_per_second.median
        for bench in benches
        for backbone in bench.backbones
    }
    return tuple(
        Speed(backbone=backbone, precision=precision, device=device, pairs_per_second=rate)
        for (backbone, precision, device), rate in sorted(found.items())
    )


def _other_documents(folder: Path) -> Iterator[tuple[Path, object]]:
    for path in sorted(folder.rglob("*.json")):
        if path.name == RESULT_FILE or not path.is_file():
            continue
        try:
            yield path, json.loads(path.read_bytes())
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        except (ValueError, RecursionError) as error:  # the second for lists within lists without end
            raise InputError(f"{path}: not JSON ({error}); mend or remove it") from error


def _is_a(content: object, schema: str) -> bool:
    return isinstance(content, dict) and content.get("schema") == schema


def _parsed(path: Path, content: object, kind: type[Document]) -> Document:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: damaged, or of another release ({place}: {first['msg']}); remove it") from error
