"""`iqatune frontier`."""

from pathlib import Path

import click

from iqatune.cli.emit import emit, form_of
from iqatune.cli.options import (
    cache_option,
    command_line,
    config_option,
    debug_option,
    dry_run_option,
    frontier_options,
    json_option,
    name_option,
    quiet_option,
    runs_option,
)
from iqatune.cli.progress import console_progress
from iqatune.records.frontier import Frontier, FrontierOptions

EPILOG = """\b
Examples:
  iqatune frontier --dataset demo --backbone squeezenet --backbone-weights random
  iqatune frontier --dataset tid2013 --data-root ~/data/tid2013 --backbone vgg16 --by macs
  iqatune frontier --dataset live --data-root ~/data/live --backbone resnet50 --space channel --json
"""


@click.command("frontier", epilog=EPILOG)
@frontier_options(FrontierOptions)
@cache_option
@runs_option
@name_option
@dry_run_option
@config_option
@quiet_option
@json_option
@debug_option
def command(
    options: FrontierOptions,
    *,
    cache_dir: Path | None,
    output: Path,
    name: str | None,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Find cheaper metrics: from all stages of a CNN down to the image alone, with their cost and their agreement.

    The last stage that has weight decides what a metric costs. Weight in a stage is penalised by the cost of that
    stage, from almost nothing to so much that only the image is left. Each set of weights on the way, and each number
    of stages, is fitted ('--searcher fit'), scored on references left out, and timed. The cheapest point that is not
    worse than the best by more than a standard error is marked.

    Writes OUTPUT/DATASET/BACKBONE/frontier[-macs]-SPACE-sSEED/ with frontier.json, a drawing (.svg, .png) and a folder
    for each point. Its result.json can be evaluated, scored with, replayed and exported as that of any search. If it is
    interrupted, run it again: it goes on where it stopped.
    """
    from iqatune.api.cache import open_cache
    from iqatune.api.frontier import find_frontier

    cache, progress = open_cache(cache_dir), console_progress(quiet=quiet)
    if dry_run:
        from iqatune.cli.plan_table import print_plan
        from iqatune.tuning.plan import plan_frontier

        plan = plan_frontier(options, output, cache=cache, progress=progress, name=name)
        emit(plan, form_of(as_json=as_json), table=print_plan)
        return
    found = find_frontier(options, output, cache=cache, progress=progress, name=name, command=command_line())
    emit(found, form_of(as_json=as_json), table=lambda document: print_frontier(document, found.folder))


def print_frontier(frontier: Frontier, folder: Path) -> None:
    """Every point, the cheapest first, and which one is marked."""
    from iqatune.cli.table import print_table
    from iqatune.cli.terminal import print_line

    rows = [
        [
            point.name + " *" * (point.name == frontier.chosen) + " best" * (point.name == frontier.best),
            f"{point.penalty:g}" if point.penalty else "-",
            ",".join(map(str, point.stages)),
            str(point.channels),
            f"{point.held_out_srcc:.4f}",
            f"{point.interval[0]:.3f} to {point.interval[1]:.3f}",
            f"{point.loss:.4f} ± {point.loss_error:.4f}",
            f"{point.cost.milliseconds.median:.1f}",
            f"{point.cost.macs / 1e9:.3g}",
            f"{point.cost.parameters / 1e6:.3g}",
            f"{point.speedup:.2f}",
        ]
        for point in frontier.points
    ]
    columns = (
        "point",
        "penalty",
        "stages",
        "channels",
        "held-out SRCC",
        "95 %",
        "below the best",
        "ms",
        "GMACs",
        "M parameters",
        "times as fast",
    )
    simulated = ", SIMULATED observers" if frontier.simulated else ""
    title = f"{frontier.options.backbone} on {frontier.options.dataset}{simulated}"
    print_table(
        title, columns, rows, first=("held-out SRCC", "ms", "stages", "times as fast", "below the best", "95 %")
    )
    print_line(
        f"* the cheapest point that loses no more than a standard error against the best. Uniform weights: held-out "
        f"{frontier.uniform_held_out_srcc:.4f}"
    )
    print_line(f"Written: {folder}")
