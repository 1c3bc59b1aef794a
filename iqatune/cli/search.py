"""`iqatune search`."""

from pathlib import Path
from typing import Any

import click

from iqatune.cli.options import (
    backbone_options,
    cache_folder,
    cache_option,
    config_option,
    data_options,
    debug_option,
    json_option,
    machine_options,
    option,
    quiet_option,
)
from iqatune.cli.progress import console_progress
from iqatune.records.options import Run

EPILOG = """\b
Examples:
  iqatune search --dataset demo --backbone squeezenet --backbone-weights random --searcher random
  iqatune search --dataset tid2013 --data-root ~/data/tid2013 --backbone vgg19 --searcher bohb --samples 50
  iqatune search --dataset csv --pairs scores.csv --better lower --backbone alexnet --searcher bayesopt --json
"""


@click.command("search", epilog=EPILOG)
@data_options
@backbone_options
@option("--searcher", required=True, help="Search algorithm; see 'iqatune list searchers'.")
@option("--samples", type=int, default=50, help="Configurations to try.")
@option("--space", default="stage", metavar="stage|channel|stage+K", help="What the searcher's numbers stand for.")
@option("--seed", type=int, default=0, help="Of the searcher and of the folds.")
@option("--folds", type=int, default=5, help="Folds by reference for the held-out SRCC; 0 for none.")
@option(
    "--structure",
    type=click.Choice(["covariance", "stddev"]),
    default="covariance",
    help="What s compares: the covariance, or the product of standard deviations.",
)
@option("--engine", type=click.Choice(["local", "ray"]), default="local", help="In this process, or under Ray Tune.")
@option("--address", metavar="HOST:PORT|auto", help="For --engine ray: a running cluster  [default: one is started].")
@option("--concurrency", type=int, default=1, help="For --engine ray: samples evaluated side by side.")
@option("--strict", is_flag=True, help="Refuse a run whose searcher could not act as its name says.")
@machine_options
@cache_option
@option("--output", type=click.Path(path_type=Path), default=Path("runs"), help="Folder of results.")
@config_option
@quiet_option
@json_option
@debug_option
def command(cache_dir: Path | None, output: Path, quiet: bool, as_json: bool, strict: bool, **options: Any) -> None:
    """Tune a metric's weights to the human scores of a data set.

    Writes OUTPUT/DATASET/BACKBONE/SEARCHER-SPACE-sSEED/ with result.json (the best alpha and beta, and how well they
    do) and trials.jsonl (every sample). Interrupted and run again, it goes on where it stopped.
    """
    from iqatune.cli.tables import print_search
    from iqatune.tuning.run import run_folder, run_search

    run = Run(**options)
    result = run_search(run, output, cache_folder(cache_dir), console_progress(quiet=quiet), strict)
    if as_json:
        print(result.model_dump_json(by_alias=True))
    else:
        print_search(result, run_folder(output, run))
