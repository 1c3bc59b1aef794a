"""`iqatune evaluate`."""

from pathlib import Path
from typing import get_args

import click

from iqatune.cli.emit import Form, emit, form_asked_for
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
    textures_option,
)
from iqatune.cli.progress import console_progress
from iqatune.records.evaluation import Evaluations
from iqatune.records.options import DataOptions
from iqatune.records.vocabulary import Grouping
from iqatune.runtime.files import expand_home

EPILOG = """\b
Examples:
  iqatune evaluate runs/tid2013/vgg19/bohb-stage-s0/result.json --dataset csiq --data-root ~/data/csiq
  iqatune evaluate runs/*/*/*/result.json --dataset live --by distortion --format csv
  iqatune evaluate runs/tid2013+live/vgg19/bohb-stage-s0/result.json
  iqatune evaluate runs/live/*/*/result.json --dataset live --baseline uniform --baseline psnr --baseline fsim
  iqatune evaluate result.json --baseline lpips --baseline topiq=scores.csv --baseline-better topiq=higher
  iqatune evaluate runs/live/*/*/result.json --baseline ssim --textures ~/data/dtd/images/bubbly
  iqatune evaluate metric.safetensors dists.pt --dataset live --backbone-weights vgg16.pth
  iqatune evaluate runs/csv/metrics/bohb-columns-s0/result.json --features others.csv --better lower
"""


@click.command("evaluate", epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RESULT.json|METRIC...")
@optional_data_options("Data set to score on; may be repeated  [default: what the results were tuned on].")
@option("--by", type=click.Choice(get_args(Grouping)), help="Also give the figures of every group.")
@option("--format", "form", type=click.Choice(get_args(Form)), default="table", help="Format of stdout.")
@baseline_options
@textures_option
@option("--strict", is_flag=True, help="Refuse scores whose direction is probably wrong, instead of a warning.")
@force_option
@moved_weights_option
@device_option
@cache_option
@config_option
@quiet_option
@json_option
@debug_option
def command(
    files: tuple[Path, ...],
    data: DataOptions | None,
    *,
    by: Grouping | None,
    form: Form,
    baselines: tuple[str, ...],
    baseline_weights: tuple[str, ...],
    baseline_better: tuple[str, ...],
    textures: str | None,
    strict: bool,
    force: bool,
    backbone_weights: str | None,
    device: str,
    cache_dir: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Score tuned metrics on a data set, with intervals over its reference images.

    Each is a result.json or fusion.json, an export (.safetensors) or the published DISTS weights (.pt). Several data
    sets are scored one after the other. Several metrics are compared in one table: those tied with the best are marked,
    and each is compared with each. With --by, the weakest groups come first.
    """
    form = form_asked_for(form, as_json=as_json)

    from iqatune.api.cache import open_cache
    from iqatune.cli.tables import print_evaluation
    from iqatune.records.documents import sealed
    from iqatune.scoring.asked import asked
    from iqatune.scoring.evaluate import Machine, as_csv, evaluate, tuned_on

    if data is None:
        refuse_without("--dataset or --features", WHERE_DATA)
    machine = Machine(
        device=device,
        backbone_weights=backbone_weights,
        cache=open_cache(cache_dir),
        progress=console_progress(quiet=quiet),
    )
    others = asked(baselines, weights=baseline_weights, better=baseline_better)
    data_sets = tuned_on(files, force=force) if data is None else data.sets
    found = [
        evaluate(
            files,
            each,
            machine,
            by=by,
            baselines=others,
            force=force,
            strict=strict,
            skip_foreign=len(data_sets) > 1,
            textures=None if textures is None else expand_home(textures),
        )
        for each in data_sets
    ]
    if len(found) == 1:
        emit(found[0], form, table=print_evaluation, csv=as_csv)
        return

    def table(document: Evaluations) -> None:
        for evaluation in document.evaluations:
            print_evaluation(evaluation)

    several = sealed(Evaluations(evaluations=tuple(found)))
    emit(several, form, table=table, csv=lambda document: as_csv(*document.evaluations))
