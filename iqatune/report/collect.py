"""What is in a results folder: records, evaluations, speeds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from iqatune.errors import InputError, counted
from iqatune.records.base import Model
from iqatune.records.bench import BENCH_SCHEMA, Bench
from iqatune.records.documents import broken_seal, parse_json, validated
from iqatune.records.evaluation import EVALUATION_SCHEMA, EVALUATIONS_SCHEMA, Evaluation, Evaluations
from iqatune.records.frontier import FRONTIER_FILE, FRONTIER_SCHEMA, Frontier
from iqatune.records.fusion import FUSION_SCHEMA, Fusion
from iqatune.records.labels import evaluated_set, search_note
from iqatune.records.names import Names, names_of
from iqatune.records.result import RESULT_SCHEMA, Best, Protocol, Result, open_result, without_weights
from iqatune.records.run_folder import RESULT_FILE, TRIALS_FILE
from iqatune.records.trial import Trial
from iqatune.records.trials import read_trials
from iqatune.records.vocabulary import FIT, MUTUAL, ObjectiveName, Split, Stop

Document = TypeVar("Document", bound=Model)

SEALED = (RESULT_SCHEMA, EVALUATION_SCHEMA, EVALUATIONS_SCHEMA, BENCH_SCHEMA, FRONTIER_SCHEMA, FUSION_SCHEMA)


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

    @property
    def merit(self) -> float:
        """The tuned figure of what the run maximised."""
        return self.result.best.merit if self.result.best is not None else float("nan")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Everything about a run but its seed."""

    dataset: str
    backbone: str
    searcher: str
    space: str
    prior: str
    objective: ObjectiveName
    split: Split
    samples: int
    protocol: tuple[tuple[str, object], ...]
    stop: Stop | None = None
    penalty: float = 0.0
    stage_costs: tuple[float, ...] = ()
    last_stage: int | None = None
    texture_weight: float = 0.0

    @property
    def maximised(self) -> str:
        """The objective, less what the texture tolerance counts."""
        return f"{self.objective} - {self.texture_weight:g} T" if self.texture_weight else self.objective

    @property
    def effort(self) -> str:
        """How many samples there were to be, in words; a fit has none."""
        return "no samples" if self.searcher in (FIT, MUTUAL) else f"{counted(self.samples, 'sample')}"

    @property
    def how(self) -> str:
        """All of it but the data set and the backbone, as "random, stage space, cube prior, 50 samples"."""
        return f"{self.searcher}, {self.space} space{search_note(self)}, {self.effort}"


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
        unfinished: records of runs that are running, interrupted, or without a defined SRCC, each with the reason.
        forced: records that are not what was written, and were taken all the same, each with what is wrong with it.
        without_trials: complete records whose `trials.jsonl` is not beside them.
        repeated: records whose setting and seed another record has too.
        speeds: of backbones, where a bench was run in earnest.
        frontiers: that are complete. Their points are no searches of their own, and in no table of searches.
    """

    folder: Path
    groups: tuple[SettingRuns, ...]
    names: Names
    repeated: tuple[Path, ...] = ()
    unfinished: tuple[tuple[Path, str], ...] = ()
    forced: tuple[tuple[Path, str], ...] = ()
    without_trials: tuple[Path, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    speeds: tuple[Speed, ...] = ()
    frontiers: tuple[Frontier, ...] = ()
    fusions: tuple[Fusion, ...] = ()

    @property
    def runs(self) -> tuple[FoundRun, ...]:
        """Every complete run."""
        return tuple(run for group in self.groups for run in group.runs)

    @property
    def agreement_groups(self) -> tuple[SettingRuns, ...]:
        """Those that were tuned to agree with people alone: what gives up SRCC for textures is not compared by SRCC."""
        return tuple(group for group in self.groups if not group.setting.texture_weight)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets that were tuned on, in alphabetical order."""
        return tuple(sorted({group.setting.dataset for group in self.groups}))

    def named(self, evaluation: Evaluation) -> Evaluation:
        """An evaluation under the name that its data set has here: that of the same pairs and scores."""
        digests = {metric.protocol.dataset_sha256 for metric in evaluation.results}
        names = [group.setting.dataset for group in self.groups if group.protocol.dataset_sha256 in digests]
        return evaluation.model_copy(update={"dataset": names[0] if names else evaluated_set(evaluation)})

    def simulated(self, dataset: str) -> bool:
        """Whether the human scores of that data set are simulated."""
        return any(group.protocol.simulated for group in self.groups if group.setting.dataset == dataset)


def collect(folder: Path, *, force: bool = False) -> Collection:
    """Find the records, trials, evaluations and speeds below a folder.

    Args:
        force: take records that are not what was written.

    Raises:
        InputError: when the folder is missing or holds no complete run, or a file in it is damaged.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name the --output folder of searches")
    complete: list[FoundRun] = []
    unfinished: list[tuple[Path, str]] = []
    forced: list[tuple[Path, str]] = []
    for path in sorted(folder.rglob(RESULT_FILE)):
        if (path.parents[1] / FRONTIER_FILE).exists():
            continue
        opened = open_result(path)
        result = opened.trusted(force=force)
        if result.status != "complete" or result.best is None:
            unfinished.append((path, without_weights(result) if result.best is None else f"it is {result.status}"))
            continue
        if opened.forced is not None:
            forced.append((path, opened.forced))
        complete.append(FoundRun(path, result, _trials(path, result.best, forced=opened.forced is not None)))
    if not complete and unfinished:
        path, why = unfinished[0]
        raise InputError(f"{folder}: contains no complete run: {path}: {why}")
    if not complete and next(folder.rglob(FRONTIER_FILE), None) is not None:
        raise InputError(f"{folder}: contains frontiers alone, whose points are no searches; add a search to report on")
    if not complete:
        raise InputError(
            f"{folder}: contains no complete run ({RESULT_FILE}); run iqatune search --output {folder} first"
        )
    documents = list(_other_documents(folder))
    names = names_of([run.result for run in complete])
    groups = grouped(complete, names)
    kept = {run.path for group in groups for run in group.runs}
    evaluations = _documents(documents, EVALUATION_SCHEMA, Evaluation)
    evaluations += [
        (path, evaluation, fault)
        for path, several, fault in _documents(documents, EVALUATIONS_SCHEMA, Evaluations)
        for evaluation in several.evaluations
    ]
    benches = _documents(documents, BENCH_SCHEMA, Bench)
    frontiers = _documents(documents, FRONTIER_SCHEMA, Frontier)
    fusions = _documents(documents, FUSION_SCHEMA, Fusion)
    broken = [(path, fault) for path, _, fault in (*evaluations, *benches, *frontiers, *fusions) if fault is not None]
    if broken and not force:
        path, fault = broken[0]
        raise InputError(f"{path}: {fault}; restore or remove it; `force` takes it as it is, and says so")
    forced += [(path, f"FORCED: {fault}") for path, fault in broken]
    return Collection(
        folder=folder,
        groups=groups,
        names=names,
        repeated=tuple(run.path for run in complete if run.path not in kept),
        unfinished=tuple(unfinished),
        forced=tuple(forced),
        without_trials=tuple(run.path for run in complete if not run.path.with_name(TRIALS_FILE).exists()),
        evaluations=tuple(evaluation for _, evaluation, _ in evaluations),
        fusions=tuple(fusion for _, fusion, _ in fusions),
        speeds=_speeds([bench for _, bench, _ in benches if not bench.quick]),
        frontiers=tuple(frontier for _, frontier, _ in frontiers if frontier.status == "complete"),
    )


def grouped(runs: Sequence[FoundRun], names: Names) -> tuple[SettingRuns, ...]:
    """Runs that differ in their seed alone, together; of several with one seed the first that has folds."""
    groups: dict[Setting, dict[int, FoundRun]] = {}
    for run in runs:
        of_seed = groups.setdefault(_setting(run.result, names), {})
        earlier = of_seed.setdefault(run.result.run.seed, run)
        if earlier.result.held_out is None and run.result.held_out is not None:
            of_seed[run.result.run.seed] = run
    ordered = sorted(
        groups,
        key=attrgetter(
            "dataset", "backbone", "searcher", "space", "prior", "objective", "split", "samples", "texture_weight"
        ),
    )
    return tuple(SettingRuns(setting, tuple(run for _, run in sorted(groups[setting].items()))) for setting in ordered)


def _setting(result: Result, names: Names) -> Setting:
    run = result.run
    fields = {name: value for name, value in result.protocol if name not in ("split_seed", "label")}
    if run.datasets:  # whose weights make another objective
        fields["weights"] = tuple(run.weights.items())
    return Setting(
        dataset=names.dataset(result),
        backbone=names.backbone(result),
        searcher=run.searcher,
        space=run.space,
        prior=run.prior,
        objective=run.objective,
        split=run.split,
        samples=run.samples,
        protocol=tuple(fields.items()),
        stop=run.stop,
        penalty=run.penalty,
        stage_costs=run.stage_costs,
        last_stage=run.last_stage,
        texture_weight=run.texture_weight,
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


def _trials(path: Path, best: Best, *, forced: bool) -> tuple[Trial, ...]:
    """The trials beside a complete record; none where the record was forced because of them."""
    try:
        return read_trials(path.with_name(TRIALS_FILE), tuple(best.parameters)).trials
    except InputError:
        if not forced:
            raise
        return ()


def _other_documents(folder: Path) -> Iterator[tuple[Path, bytes, dict[str, Any]]]:
    """Every other JSON file that is an object: its text, and what that says.

    Raises:
        InputError: naming one that cannot be read, or has a seal and is nothing that has one.
    """
    for path in sorted(folder.rglob("*.json")):
        if path.name == RESULT_FILE or not path.is_file():
            continue
        try:
            text = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        content = parse_json(path, text)
        if not isinstance(content, dict):
            continue
        if "seal" in content and content.get("schema") not in SEALED:
            raise InputError(f"{path}: has a seal, and is no document of iqatune; restore or remove it")
        yield path, text, content


def _documents(
    files: Sequence[tuple[Path, bytes, dict[str, Any]]], schema: str, kind: type[Document]
) -> list[tuple[Path, Document, str | None]]:
    """Those of the files that call themselves documents of that schema, and what is wrong with the seal of each."""
    return [
        (path, validated(path, text, kind, f"a document of {schema}"), broken_seal(content))
        for path, text, content in files
        if content.get("schema") == schema
    ]
