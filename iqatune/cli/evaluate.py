"""`iqatune evaluate`."""

from pathlib import Path
from typing import Any, Literal

import click

from iqatune.cli.options import (
    cache_folder,
    cache_option,
    config_option,
    data_options,
    debug_option,
    device_option,
    moved_weights_option,
    option,
    quiet_option,
)
from iqatune.cli.progress import console_progress
from iqatune.records.options import DataOptions

EPILOG = """\b
Examples:
  iqatune evaluate runs/tid2013/vgg19/bohb-stage-s0/result.json --dataset csiq --data-root ~/data/csiq
  iqatune evaluate runs/*/*/*/result.json --dataset live --by distortion --format csv
  iqatune evaluate runs/live/*/*/result.json --dataset live --baseline uniform --baseline psnr --baseline fsim
"""


@click.command("evaluate", epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RESULT.json...")
@data_options
@option("--by", type=click.Choice(["distortion", "reference", "level"]), help="Figures of every group as well.")
@option("--format", "output_format", type=click.Choice(["table", "json", "csv"]), default="table", help="Of stdout.")
@option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="NAME",
    help="Measure this as well: uniform, psnr, ssim, ms-ssim, fsim, vif; may be repeated.",
)
@moved_weights_option
@device_option
@cache_option
@config_option
@quiet_option
@debug_option
def command(
    files: tuple[Path, ...],
    by: Literal["distortion", "reference", "level"] | None,
    output_format: str,
    baselines: tuple[str, ...],
    backbone_weights: str | None,
    device: str,
    cache_dir: Path | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Score tuned metrics on a data set, with intervals over its reference images.

    Several results stand side by side; those tied with the best are marked. Groups (--by) come with the weakest first.
    """
    from iqatune.cli.tables import print_evaluation
    from iqatune.scoring.evaluate import as_csv, evaluate

    data = DataOptions(**{name: options[name] for name in DataOptions.model_fields})
    cache, progress = cache_folder(cache_dir), console_progress(quiet=quiet)
    evaluation = evaluate(files, data, by, device, backbone_weights, cache, progress, baselines)
    if output_format == "json":
        print(evaluation.model_dump_json(by_alias=True))
    elif output_format == "csv":
        print(as_csv(evaluation), end="")
    else:
        print_evaluation(evaluation)
