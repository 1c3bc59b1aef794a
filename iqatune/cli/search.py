"""`iqatune search`."""

from pathlib import Path

import click

from iqatune.cli.emit import emit, form_of
from iqatune.cli.options import (
    cache_option,
    command_line,
    config_option,
    debug_option,
    dry_run_option,
    json_option,
    name_option,
    quiet_option,
    refuse_beside,
    run_options,
    runs_option,
    track_option,
)
from iqatune.cli.progress import console_progress
from iqatune.records.options import Run

EPILOG = """\b
Examples:
  iqatune search --dataset demo --backbone squeezenet --backbone-weights random --searcher random
  iqatune search --dataset tid2013 --data-root ~/data/tid2013 --backbone vgg19 --searcher bohb --samples 50
  iqatune search --dataset live --backbone squeezenet --searcher blendsearch --prior dirichlet:0.3
  iqatune search --dataset live --backbone squeezenet --searcher nevergrad:PSO --stop auto
  iqatune search --dataset tid2013 --dataset live --data-root tid2013=~/data/tid2013 --data-root live=~/data/live \\
    --dataset-weight live=0.5 --backbone vgg19 --searcher bohb
  iqatune search --dataset csv --pairs scores.csv --better lower --backbone alexnet --searcher bayesopt --json
  iqatune search --dataset tid2013 --backbone squeezenet --searcher mutual --view resize:192 --unlabelled ~/photographs
  iqatune search --features metrics.csv --better higher --feature-columns psnr,fsim,lpips --searcher bohb
"""


@click.command("search", epilog=EPILOG)
@run_options
@cache_option
@runs_option
@name_option
@track_option
@dry_run_option
@config_option
@quiet_option
@json_option
@debug_option
def command(
    run: Run,
    *,
    strict: bool,
    cache_dir: Path | None,
    output: Path,
    name: str | None,
    track: tuple[str, ...],
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Tune a metric's weights to the human scores of a data set.

    With several data sets, each with its own scores, the weighted mean of their objectives is maximised.

    Writes OUTPUT/DATASET[+DATASET]/BACKBONE/SEARCHER-SPACE-sSEED/ with result.json (the best alpha and beta, and how
    good they are) and trials.jsonl (every sample). Options that differ from the defaults are in the path too, or --name
    names the last folder. If it is interrupted, run it again: it goes on where it stopped. With more --samples it
    continues the finished search, if the searcher can. With --features the weights are those of a CSV file's columns
    instead of a CNN's channels.
    """
    from iqatune.api.cache import open_cache
    from iqatune.cli.tables import print_search
    from iqatune.tuning.run import run_search

    if run.split != "references":
        refuse_beside("another split", "folds")
    cache, progress = open_cache(cache_dir), console_progress(quiet=quiet)
    if dry_run:
        from iqatune.cli.plan_table import print_plan
        from iqatune.tuning.plan import plan_search

        plan = plan_search(run, output, cache=cache, progress=progress, name=name, strict=strict, track=track)
        emit(plan, form_of(as_json=as_json), table=print_plan)
        return
    result, folder = run_search(
        run, output, cache=cache, progress=progress, name=name, strict=strict, track=track, command=command_line()
    )
    emit(result, form_of(as_json=as_json), table=lambda document: print_search(document, folder))
