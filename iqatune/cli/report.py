"""`iqatune report`."""

from pathlib import Path

import click

from iqatune.cli.emit import emit, form_of
from iqatune.cli.options import (
    WHERE_DATA,
    baseline_options,
    cache_option,
    config_option,
    debug_option,
    device_option,
    force_option,
    json_option,
    moved_weights_option,
    option,
    optional_data_options,
    quiet_option,
    refuse_without,
)
from iqatune.cli.progress import console_progress
from iqatune.cli.terminal import print_path
from iqatune.records.options import DataOptions
from iqatune.records.report import WrittenReport

EPILOG = """\b
Examples:
  iqatune report runs
  iqatune report runs --output report --score --baseline psnr --baseline fsim
  iqatune report runs --dataset live --data-root ~/data/live --images
"""


@click.command("report", epilog=EPILOG)
@click.argument("folder", type=click.Path(path_type=Path), metavar="RESULTS_DIR")
@option("--output", type=click.Path(path_type=Path), help="Folder of the report  [default: RESULTS_DIR/report].")
@option("--score", "every", is_flag=True, help="Score all records again on the data sets that they were tuned on.")
@optional_data_options("Score all records on this data set; see 'iqatune list datasets'.")
@baseline_options
@option(
    "--images",
    is_flag=True,
    help="Show small pictures of the data sets (check their licences before you publish the report).",
)
@force_option
@moved_weights_option
@device_option
@cache_option
@config_option
@quiet_option
@json_option
@debug_option
def command(
    folder: Path,
    data: DataOptions | None,
    *,
    output: Path | None,
    every: bool,
    baselines: tuple[str, ...],
    baseline_weights: tuple[str, ...],
    baseline_better: tuple[str, ...],
    images: bool,
    force: bool,
    backbone_weights: str | None,
    device: str,
    cache_dir: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write tables and figures of all results in a folder: HTML, Markdown, LaTeX and CSV.

    Most of the report needs only the records. Figures by distortion, paired tests, transfer and example images need the
    data: name one data set (--dataset), or have all of them scored again (--score). Evaluations in the folder ('iqatune
    evaluate --by distortion --format json > FILE.json') are used as well.
    """
    from iqatune.api.cache import open_cache
    from iqatune.report.build import Scoring, write_report
    from iqatune.scoring.asked import asked
    from iqatune.scoring.evaluate import Machine

    if data is None:
        refuse_without("--dataset or --features", WHERE_DATA)
    if data is None and not every:
        of_scoring = ("baselines", "baseline_weights", "baseline_better", "images", "backbone_weights", "device")
        refuse_without("the data (--score, or --dataset NAME)", of_scoring)
    progress = console_progress(quiet=quiet)
    scoring = None
    if data is not None or every:
        cache = open_cache(cache_dir)
        machine = Machine(device=device, backbone_weights=backbone_weights, cache=cache, progress=progress)
        others = asked(baselines, weights=baseline_weights, better=baseline_better)
        scoring = Scoring(data=data, every=every, baselines=others, images=images, machine=machine)
    page = write_report(folder, output or folder / "report", scoring=scoring, progress=progress, force=force)
    written = WrittenReport.of(page)
    emit(written, form_of(as_json=as_json), table=lambda document: print_path(page))
