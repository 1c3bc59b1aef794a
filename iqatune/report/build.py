"""A report of a results folder: from what is in it to the files."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from iqatune.progress import Progress
from iqatune.records.labels import dataset_label
from iqatune.records.options import DataOptions
from iqatune.report.advice import advice
from iqatune.report.collect import Collection, collect
from iqatune.report.context import Context, is_of
from iqatune.report.model import Figure, Report, Section, Table
from iqatune.report.page import page
from iqatune.report.protocol import usual
from iqatune.report.sections.bars import bars
from iqatune.report.sections.distortions import distortions_section
from iqatune.report.sections.examples import examples
from iqatune.report.sections.scores import scores_section
from iqatune.report.sections.searchers import searchers_section
from iqatune.report.sections.speed import speed_section
from iqatune.report.sections.stages import stages_section
from iqatune.report.sections.state_of_the_art import state_of_the_art_section
from iqatune.report.sections.transfer import transfer_section
from iqatune.report.write import report_latex, report_markdown, table_csv
from iqatune.runtime.files import check_writable, write_text
from iqatune.scoring.baselines import TooSmall
from iqatune.scoring.baselines import find as find_baseline
from iqatune.scoring.evaluate import UNIFORM, Scores, score, summarise, with_baseline
from iqatune.statistics.prepare import dataset_sha256

Named = TypeVar("Named", Table, Figure)


@dataclass(frozen=True)
class Scoring:
    """What is to be scored anew for a report, which takes the data and the backbones.

    Attributes:
        data: where a data set is now, in place of where its records say; None for the records' word.
        every: score every data set of the folder, not that of `data` alone.
        baselines: metrics to measure on the same pairs.
        backbone_weights: where the backbones' parameters are now, when not where the searches found them.
        images: whether pictures of the data sets may be in the page (the simulated sets' may always).
    """

    data: DataOptions | None
    every: bool
    baselines: tuple[str, ...]
    backbone_weights: str | None
    device: str
    cache_dir: Path
    images: bool


def write_report(folder: Path, output: Path, scoring: Scoring | None, progress: Progress) -> Path:
    """Write report.html, report.md, report.tex, tables/*.csv and figures/*.svg; returns the page's path.

    Raises:
        InputError: when there is nothing to report, a file is damaged, or what is to be scored cannot be.
    """
    found = collect(folder)
    check_writable(output, "--output")
    for name in scoring.baselines if scoring is not None else ():
        find_baseline(name)
    warnings: list[str] = []
    scores = _scored(found, scoring, progress, warnings) if scoring is not None else ()
    report = make_report(found, scores, scoring is not None and scoring.images, warnings)
    # all of it before anything is written
    texts = {
        **{f"tables/{table.name}.csv": table_csv(table) for section in report.sections for table in section.tables},
        **{f"figures/{figure.name}.svg": figure.svg for section in report.sections for figure in section.figures},
        "report.md": report_markdown(report),
        "report.tex": report_latex(report),
        "report.html": page(report),
    }
    for name, text in texts.items():
        write_text(output / name, text)
    return output / "report.html"


def make_report(
    found: Collection, scores: Sequence[Scores] = (), with_images: bool = False, warnings: Sequence[str] = ()
) -> Report:
    """The report, section by section; what there is no data for is said to be missing."""
    evaluations = tuple(
        found.named(one) for one in (*found.evaluations, *(summarise(one, "distortion") for one in scores))
    )
    context = Context(found, usual(found.groups), evaluations, tuple(scores))
    left_out = [f"Left out, for it is not complete: {path.relative_to(found.folder)}." for path in found.unfinished]
    left_out += [
        f"Left out, for another run has its setting and seed: {path.relative_to(found.folder)}."
        for path in found.repeated
    ]
    left_out += [
        f"Not used, for it is of no record here: the evaluation of {one.file}."
        for evaluation in found.evaluations
        for one in evaluation.results
        if one.kind == "tuned" and not any(is_of(one, run) for run in found.runs)
    ]
    sections = (
        scores_section(context),
        distortions_section(context),
        speed_section(context),
        state_of_the_art_section(context),
        searchers_section(context),
        transfer_section(context),
        _drawings_section(context, with_images),
        stages_section(context),
    )
    title = f"iqatune report: {found.folder.resolve().name}"
    return Report(title, advice(context), _with_names_of_their_own(sections), (*left_out, *warnings))


def _with_names_of_their_own(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Tables and figures whose names are the same once they are fit for files, numbered."""
    seen: Counter[tuple[type, str]] = Counter()

    def own(one: Named) -> Named:
        seen[type(one), one.name] += 1
        count = seen[type(one), one.name]
        return one if count == 1 else replace(one, name=f"{one.name}-{count}")

    return tuple(
        replace(section, tables=tuple(map(own, section.tables)), figures=tuple(map(own, section.figures)))
        for section in sections
    )


def _drawings_section(context: Context, with_images: bool) -> Section:
    made = [examples(context, scores, with_images or scores.table.simulated) for scores in context.scores]
    text: tuple[str, ...] = ()
    if not made:
        text = ("Distorted versions side by side are missing: give --score, so that the pairs are read.",)
    galleries = tuple(gallery for _, gallery in made if gallery is not None)
    return Section("g", "Side by side", text, tuple(table for table, _ in made), bars(context), galleries)


def _scored(found: Collection, scoring: Scoring, progress: Progress, warnings: list[str]) -> tuple[Scores, ...]:
    every = {
        dataset: next(
            DataOptions(**{name: getattr(group.runs[0].result.run, name) for name in DataOptions.model_fields})
            for group in found.groups
            if group.setting.dataset == dataset
        )
        for dataset in (found.datasets if scoring.every else ())
    }
    if scoring.data is not None:
        digest = dataset_sha256(scoring.data, scoring.cache_dir, progress)
        known = [group.setting.dataset for group in found.groups if group.protocol.dataset_sha256 == digest]
        every[known[0] if known else dataset_label(scoring.data)] = scoring.data
    return tuple(_scores_of(dataset, data, found, scoring, progress, warnings) for dataset, data in every.items())


def _scores_of(
    dataset: str, data: DataOptions, found: Collection, scoring: Scoring, progress: Progress, warnings: list[str]
) -> Scores:
    """Every record whose backbone was also run on this data set, or every record on a set that none was tuned on."""
    own = [run for group in found.groups if group.setting.dataset == dataset for run in group.runs]
    features = {(run.result.run.backbone, run.result.protocol.backbone_sha256) for run in own}
    files = [
        run.path
        for run in found.runs
        if not own or (run.result.run.backbone, run.result.protocol.backbone_sha256) in features
    ]
    weights = scoring.backbone_weights
    scores = score(files, data, scoring.device, weights, scoring.cache_dir, progress, [UNIFORM])
    for name in dict.fromkeys(scoring.baselines):
        try:
            scores = with_baseline(scores, name, scoring.device, scoring.cache_dir, progress)
        except TooSmall:
            # missing on this data set alone: the others keep their figures, and the page says so
            size = find_baseline(name).minimum_size
            warnings.append(f"No {name} on {dataset}: it takes images of {size} pixels a side at least.")
            progress.warn(warnings[-1])
    return replace(scores, table=replace(scores.table, dataset=dataset))
