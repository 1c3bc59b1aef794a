"""A report of a results folder: from what is in it to the files."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from string import ascii_lowercase
from typing import TypeVar

from iqatune.datasets.features_csv import further_columns
from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.records.labels import dataset_label
from iqatune.records.options import DataOptions
from iqatune.report.advice import advice
from iqatune.report.collect import Collection, FoundRun, collect
from iqatune.report.context import Context, is_of
from iqatune.report.model import Figure, Missing, Report, Section, Table
from iqatune.report.page import page
from iqatune.report.protocol import usual
from iqatune.report.sections.distortions import distortions_section
from iqatune.report.sections.examples import examples
from iqatune.report.sections.fits import fits_section
from iqatune.report.sections.frontiers import frontiers_section
from iqatune.report.sections.fusions import fusions_section
from iqatune.report.sections.human_scores import human_scores_section
from iqatune.report.sections.published import published_section
from iqatune.report.sections.samples import samples_section
from iqatune.report.sections.scores import scores_section
from iqatune.report.sections.searchers import searchers_section
from iqatune.report.sections.speed import speed_section
from iqatune.report.sections.stages import stages_section
from iqatune.report.sections.state_of_the_art import others_section
from iqatune.report.sections.textures import textures_section
from iqatune.report.sections.transfer import transfer_section
from iqatune.report.write import report_latex, report_markdown, table_csv
from iqatune.runtime.files import check_writable, write_together
from iqatune.scoring.asked import Asked
from iqatune.scoring.baselines import UNIFORM, TooSmall
from iqatune.scoring.baselines import find as find_baseline
from iqatune.scoring.evaluate import Machine, ScoredSet, evaluation_of, score, with_baseline
from iqatune.scoring.score_files import OtherImages
from iqatune.statistics.prepare import dataset_sha256
from iqatune.version import __version__

Named = TypeVar("Named", Table, Figure)


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """What is to be scored anew for a report, which takes the data and the backbones.

    Attributes:
        data: where a data set is now, in place of where its records say; None for the records' word.
        every: score every data set of the folder, not that of `data` alone.
        baselines: other metrics on the same pairs, measured or from files.
        images: whether pictures of the data sets may be in the page (the simulated sets' may always).
        machine: where it is done.
    """

    data: DataOptions | None
    every: bool
    baselines: tuple[Asked, ...]
    images: bool
    machine: Machine


def write_report(
    folder: Path, output: Path, *, scoring: Scoring | None, progress: Progress, force: bool = False
) -> Path:
    """Write report.html, report.md, report.tex, tables/*.csv and figures/*.svg, *.pdf; returns the page's path.

    Args:
        folder: of the searches' records.
        scoring: what to score anew; None for nothing, which takes neither data nor backbones.
        force: take records that are not what was written, and say so on the page.

    Raises:
        InputError: when there is nothing to report, a file is damaged, or what is to be scored cannot be.
    """
    found = collect(folder, force=force)
    check_writable(output, option="output")
    warnings: list[str] = []
    scores = _scored(found, scoring, progress, warnings) if scoring is not None else ()
    with_images = scoring is not None and scoring.images
    report = make_report(found, scores, with_images=with_images, warnings=warnings)
    # all of it before anything is written
    figures = [figure for section in report.sections for figure in section.figures]
    contents: dict[str, str | bytes] = {
        **{f"tables/{table.name}.csv": table_csv(table) for section in report.sections for table in section.tables},
        **{f"figures/{figure.name}.svg": figure.svg for figure in figures},
        **{f"figures/{figure.name}.pdf": figure.pdf for figure in figures if figure.pdf},
        "report.md": report_markdown(report),
        "report.tex": report_latex(report),
        "report.html": page(report),
    }
    write_together(output, contents)
    return output / "report.html"


def make_report(
    found: Collection, scores: Sequence[ScoredSet] = (), *, with_images: bool = False, warnings: Sequence[str] = ()
) -> Report:
    """The report, section by section; what there is no data for is said to be missing."""
    evaluations = (*found.evaluations, *(evaluation_of(of_dataset, "distortion") for of_dataset in scores))
    context = Context(found, usual(found.groups), tuple(map(found.named, evaluations)), tuple(scores))
    left_out = [f"{path.relative_to(found.folder)}: {fault}." for path, fault in found.forced]
    left_out += [f"Left out: {path.relative_to(found.folder)}: {reason}." for path, reason in found.unfinished]
    left_out += [
        f"{metric.forced}, in the evaluation of {metric.file}."
        for evaluation in found.evaluations
        for metric in evaluation.results
        if metric.forced is not None
    ]
    left_out += [f"No trials lie beside it: {path.relative_to(found.folder)}." for path in found.without_trials]
    left_out += [
        f"Left out, for another run has its setting and seed: {path.relative_to(found.folder)}."
        for path in found.repeated
    ]
    left_out += [
        f"Not used, for it is of no record here: the evaluation of {metric.file}."
        for evaluation in found.evaluations
        for metric in evaluation.results
        if metric.kind == "tuned" and not any(is_of(metric, run) for run in found.runs)
    ]
    parts = (
        scores_section(context),
        searchers_section(context),
        fits_section(context),
        samples_section(context),
        others_section(context),
        human_scores_section(context, with_images=with_images),
        distortions_section(context),
        transfer_section(context),
        textures_section(context),
        stages_section(context),
        _examples_section(context, with_images=with_images),
        fusions_section(context),
        frontiers_section(context),
        speed_section(context),
        published_section(context),
    )
    sections = [_that_says_something(part) for part in parts if isinstance(part, Section)]
    return Report(
        title=f"iqatune report: {found.folder.resolve().name}",
        made=_made(found),
        answers=advice(context),
        sections=_with_names_of_their_own(_lettered(sections)),
        missing=tuple(part for part in parts if isinstance(part, Missing)),
        warnings=(*left_out, *warnings),
    )


def _made(found: Collection) -> str:
    """When and by which version the report was made, and of how much.

    Raises:
        InputError: for a SOURCE_DATE_EPOCH, the date of a report that is to be the same when it is made again, that is
            no date.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        day = datetime.now(UTC) if epoch is None else datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(f"SOURCE_DATE_EPOCH {epoch}: give seconds since 1970, or unset it") from error
    counts = (
        (len(found.runs), "run"),
        (len(found.groups), "setting"),
        (len(found.datasets), "data set"),
        (len({group.setting.backbone for group in found.groups}), "backbone"),
        (len({group.setting.searcher for group in found.groups}), "searcher"),
        (len({run.result.run.seed for run in found.runs}), "seed"),
    )
    of = ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for count, name in counts)
    return f"Made on {day:%Y-%m-%d} by iqatune {__version__} from {of}."


def _that_says_something(section: Section) -> Section:
    """Without the tables that have no figure."""
    return replace(section, tables=tuple(table for table in section.tables if not table.says_nothing))


def _lettered(sections: Sequence[Section]) -> tuple[Section, ...]:
    """The sections with the letters of their places: a, b, c, ..."""
    return tuple(replace(section, letter=ascii_lowercase[place]) for place, section in enumerate(sections))


def _with_names_of_their_own(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Tables and figures whose names are the same once they are fit for files, numbered."""
    seen: Counter[tuple[type, str]] = Counter()

    def own(named: Named) -> Named:
        seen[type(named), named.name] += 1
        count = seen[type(named), named.name]
        return named if count == 1 else replace(named, name=f"{named.name}-{count}")

    return tuple(
        replace(section, tables=tuple(map(own, section.tables)), figures=tuple(map(own, section.figures)))
        for section in sections
    )


def _examples_section(context: Context, *, with_images: bool) -> Section | Missing:
    made = [
        # of a features file there are no images
        examples(context, scores, with_images=(with_images or scores.table.simulated) and not scores.table.columns)
        for scores in context.scores
    ]
    if not made:
        return Missing("Distorted versions side by side", "give --score, so that the pairs are read.")
    galleries = tuple(gallery for _, gallery in made if gallery is not None)
    return Section("Side by side", tables=tuple(table for table, _ in made), galleries=galleries)


def _scored(found: Collection, scoring: Scoring, progress: Progress, warnings: list[str]) -> tuple[ScoredSet, ...]:
    every: dict[str, DataOptions] = {}
    for group in found.groups if scoring.every else ():
        result = group.runs[0].result
        data = DataOptions.of(result.run)
        if not data.datasets:
            every.setdefault(group.setting.dataset, data)
        # several data sets are scored one by one: the scores of two are never ranked together
        for each in data.sets if data.datasets else ():
            digest = result.sets[each.dataset].protocol.dataset_sha256
            every.setdefault(found.names.pairs.get(digest, dataset_label(each)), each)
    for each in () if scoring.data is None else scoring.data.sets:
        digest = dataset_sha256(each, scoring.machine.cache, progress)
        known = [group.setting.dataset for group in found.groups if group.protocol.dataset_sha256 == digest]
        every[known[0] if known else dataset_label(each)] = each
    return tuple(
        _scores_of(found, dataset, data, scoring=scoring, progress=progress, warnings=warnings)
        for dataset, data in every.items()
    )


def _on_columns(runs: Sequence[FoundRun], data: DataOptions) -> list[Path]:
    """The records that were tuned on columns which a features file has."""
    known = set(further_columns(data))
    return [run.path for run in runs if run.result.protocol.columns and known >= set(run.result.protocol.columns)]


def _scores_of(
    found: Collection, dataset: str, data: DataOptions, *, scoring: Scoring, progress: Progress, warnings: list[str]
) -> ScoredSet:
    """Every record whose backbone was also run on this data set, or every record on a set that none was tuned on."""
    own = [run for group in found.groups if group.setting.dataset == dataset for run in group.runs]
    features = {(run.result.run.backbone, run.result.protocol.backbone_sha256) for run in own}
    files = [
        run.path
        for run in found.runs
        if not own or (run.result.run.backbone, run.result.protocol.backbone_sha256) in features
    ]
    if data.features is not None:
        # the file of the records' own runs may be read for all of its columns
        data = data.model_copy(update={"feature_columns": ()})
        files = _on_columns(own or found.runs, data)
    elif not own:
        files = [run.path for run in found.runs if run.result.channels]
    if not files:
        raise InputError(f"{found.folder}: contains no record that {dataset_label(data)} could be scored with")
    # a record that is not what was written has been refused before, unless it was forced
    uniform = (Asked(name=UNIFORM),)
    scores = score(files, data, scoring.machine, baselines=uniform, force=bool(found.forced))
    for asked in scoring.baselines:
        if asked.name == UNIFORM:
            continue
        if data.features is not None and asked.scores is None:
            warnings.append(f"No {asked.label} on {dataset}: it is measured on images, and a features file has none.")
            progress.warn(warnings[-1])
            continue
        # missing on this data set alone: the others keep their figures, and the page says so
        try:
            scores = with_baseline(scores, asked, scoring.machine)
        except TooSmall:
            size = find_baseline(asked.name).minimum_size
            warnings.append(f"No {asked.label} on {dataset}: it takes images of {size} pixels a side at least.")
            progress.warn(warnings[-1])
        except OtherImages:
            warnings.append(f"No {asked.label} on {dataset}: the file has none of its pairs.")
            progress.warn(warnings[-1])
    return replace(scores, table=replace(scores.table, dataset=dataset))
