"""What every section is made from, and the questions that several of them ask of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from iqatune.evaluation.compare import Couples, paired_comparisons
from iqatune.records.evaluation import Evaluated, Evaluation
from iqatune.records.result import Protocol
from iqatune.report.collect import Collection, FoundRun, SettingRuns
from iqatune.report.model import Cell, interval
from iqatune.report.protocol import Usual
from iqatune.scoring.evaluate import ScoredSet, tied
from iqatune.scoring.human_scores import ceiling_line

SIMULATED = "Scores of SIMULATED observers: they show that the job runs, not how good a metric is."

PAIRED = "* tied with the best of its column (bold): a paired bootstrap over references does not tell them apart."
BY_INTERVAL = (
    "* tied with the best of its column (bold): its 95 % interval reaches the best figure; what has no interval is not "
    "tested. This test is blunter than a paired one, which takes the data (--score)."
)
NOT_TESTED = "* not tested: figures of several data sets are means; 'iqatune evaluate' compares metrics on each set."


_NOT_OF_SCORES: Final = {"split_seed": None, "textures": None}
"""Of a protocol what decides no score of a pair."""


@dataclass(frozen=True)
class Context:
    """Everything that a report is made from.

    Attributes:
        evaluations: of files in the folder, and of the data sets that were scored for the report.
        scores: of the data sets that were scored for the report.
    """

    found: Collection
    usual: Usual
    evaluations: tuple[Evaluation, ...] = ()
    scores: tuple[ScoredSet, ...] = ()

    def scores_of(self, dataset: str) -> ScoredSet | None:
        """The scores of a data set, when it was scored for the report."""
        return next((scores for scores in self.scores if scores.table.dataset == dataset), None)

    def evaluated(self, run: FoundRun, dataset: str) -> Evaluated | None:
        """How a run's weights do on a data set, the latest word if several evaluations have it."""
        return next(
            (
                metric
                for evaluation in reversed(self.evaluations)
                if evaluation.dataset == dataset
                for metric in evaluation.results
                if metric.kind == "tuned" and is_of(metric, run)
            ),
            None,
        )

    def untuned(self, dataset: str) -> tuple[Evaluated, ...]:
        """The measured baselines and uniform weights of a data set, each once."""
        found = {
            _key(metric.file, metric.protocol): metric
            for evaluation in self.evaluations
            if evaluation.dataset == dataset
            for metric in evaluation.results
            if metric.kind != "tuned"
        }
        return tuple(found.values())

    def uniform(self, group: SettingRuns) -> Evaluated | None:
        """How the uniform weights of a group's backbone do on its data set, when they were evaluated."""
        return next(
            (
                metric
                for metric in self.untuned(group.setting.dataset)
                if metric.kind == "uniform"
                and metric.backbone == group.runs[0].result.run.backbone
                and metric.protocol.model_copy(update=_NOT_OF_SCORES)
                == group.protocol.model_copy(update=_NOT_OF_SCORES)
            ),
            None,
        )

    def ties(self, groups: Sequence[SettingRuns], untuned: Sequence[Evaluated] = ()) -> tuple[bool, ...]:
        """Which of the groups of one data set, and then of metrics that were not tuned, are tied with the best.

        Means over several data sets are not tested: all of them.
        """
        if not groups:
            return ()
        if is_of_several(groups[0]):
            return (True,) * (len(groups) + len(untuned))
        middles = [group.middle for group in groups]
        scores = self.scores_of(groups[0].setting.dataset)
        keys = [_key(str(run.path), run.result.protocol) for run in middles]
        keys += [_key(metric.file, metric.protocol) for metric in untuned]
        if scores is not None:
            distances = {_key(metric.file, metric.protocol): metric.distances for metric in scores.metrics}
            if all(key in distances for key in keys):
                return tied(scores.table, [distances[key] for key in keys])
        figures = [(run.srcc, run.result.confidence) for run in middles]
        figures += [(metric.srcc, metric.confidence) for metric in untuned]
        best = max(srcc for srcc, _ in figures)
        return tuple(
            srcc == best or (confidence is not None and confidence.srcc[1] >= best) for srcc, confidence in figures
        )

    def ceiling_note(self, dataset: str) -> tuple[str, ...]:
        """What the human scores of a data set allow, in a sentence; none where they have no deviations."""
        known = [each for each in self.evaluations if each.dataset == dataset and each.human_scores is not None]
        return (ceiling_line(known[-1]),) if known else ()

    def couples(self, groups: Sequence[SettingRuns], untuned: Sequence[Evaluated]) -> Couples | None:
        """Each of the groups of one data set and of metrics that were not tuned beside each.

        None where the data set was not scored for the report, or there is nothing to compare.
        """
        scores = self.scores_of(groups[0].setting.dataset) if groups else None
        if scores is None or is_of_several(groups[0]) or len(groups) + len(untuned) < 2:
            return None
        keys = [_key(str(run.path), run.result.protocol) for run in (group.middle for group in groups)]
        keys += [_key(metric.file, metric.protocol) for metric in untuned]
        distances = {_key(metric.file, metric.protocol): metric.distances for metric in scores.metrics}
        if not all(key in distances for key in keys):
            return None
        predictions = [-distances[key] for key in keys]
        return paired_comparisons(scores.table.quality, predictions, scores.table.reference_ids)

    def tie_note(self, dataset: str) -> str:
        """By which test figures of a data set are called tied."""
        if any(is_of_several(group) for group in self.found.groups if group.setting.dataset == dataset):
            return NOT_TESTED
        return BY_INTERVAL if self.scores_of(dataset) is None else PAIRED


def is_of_several(group: SettingRuns) -> bool:
    """Whether a setting was tuned on several data sets, so that its figures are weighted means."""
    return bool(group.runs[0].result.sets)


def interval_of(group: SettingRuns) -> Cell:
    """The SRCC interval of the group's middle run."""
    confidence = group.middle.result.confidence
    return interval(confidence.srcc if confidence is not None else None)


def _key(file: str, protocol: Protocol) -> tuple[object, ...]:
    """What tells metrics that were scored on the same pairs apart."""
    similarity = protocol.structure, protocol.c1, protocol.c2
    return file, protocol.backbone_sha256, protocol.resize, protocol.pooling, similarity, protocol.precision


def is_of(evaluated: Evaluated, run: FoundRun) -> bool:
    """Whether an evaluation is of this record, wherever the two folders lay when each was named.

    Its last parts agree with the record's (data set, backbone, run folder, file; more where both have more), and its
    backbone's parameters are the same.
    """
    named, path = Path(evaluated.file).parts, run.path.parts
    common = min(len(named), len(path))
    # the folders above a results folder may differ, those in it may not
    shared = next((n for n in range(1, common + 1) if named[-n] != path[-n]), common + 1) - 1
    return shared >= 4 and evaluated.protocol.backbone_sha256 == run.result.protocol.backbone_sha256
