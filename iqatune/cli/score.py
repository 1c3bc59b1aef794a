"""`iqatune score`."""

from pathlib import Path
from typing import get_args

import click

from iqatune.cli.emit import Form, emit, form_asked_for
from iqatune.cli.options import (
    config_option,
    debug_option,
    device_option,
    force_option,
    json_option,
    max_pixels_option,
    moved_weights_option,
    option,
    quiet_option,
    short_side,
)
from iqatune.cli.progress import console_progress
from iqatune.errors import InputError
from iqatune.records.vocabulary import ScoredAs

INCOMPLETE = 2

EPILOG = """\b
Examples:
  iqatune score result.json reference.png compressed.jpg
  iqatune score metric.safetensors originals/ restored/ --format csv > distances.csv
  iqatune score metric.safetensors originals/ restored/ --scale score
  iqatune score result.json --pairs pairs.csv --device cuda --keep-going --json
"""


def _side(context: click.Context, parameter: click.Parameter, value: str) -> int | str | None:
    return value if value == "protocol" else short_side(context, parameter, value)


@click.command("score", epilog=EPILOG)
@click.argument("metric_file", type=click.Path(path_type=Path), metavar="METRIC")
@click.argument("reference", required=False, type=click.Path(path_type=Path))
@click.argument("distorted", required=False, type=click.Path(path_type=Path))
@option("--pairs", type=click.Path(path_type=Path), metavar="FILE.csv", help="Pairs: columns reference, distorted.")
@moved_weights_option
@force_option
@option(
    "--resize",
    default="protocol",
    callback=_side,
    metavar="protocol|256|none",
    help="Short side that larger images are reduced to; protocol: as when the metric was tuned.",
)
@option(
    "--scale",
    type=click.Choice(get_args(ScoredAs)),
    default="distance",
    help="distance: D only; score: also the score that people would give, with its interval, on the scale "
    "of the set it was tuned on.",
)
@option("--scale-of", metavar="NAME", help="Which data set's scale to use, if the metric was tuned on several.")
@device_option
@option("--format", "form", type=click.Choice(get_args(Form)), default="table", help="Format of stdout.")
@max_pixels_option
@option("--keep-going", is_flag=True, help="If a file cannot be used, score the others; the exit code is still 2.")
@config_option
@quiet_option
@json_option
@debug_option
def command(
    metric_file: Path,
    reference: Path | None,
    distorted: Path | None,
    *,
    pairs: Path | None,
    backbone_weights: str | None,
    force: bool,
    resize: int | str | None,
    scale: ScoredAs,
    scale_of: str | None,
    device: str,
    form: Form,
    keep_going: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Score image pairs: the distance D of each, 0 for identical images; larger is worse.

    With --scale score also the score that people would give, on the scale of the data set that the metric was tuned on,
    and the interval that contains it with a probability of 95 %.

    METRIC is a result.json or fusion.json, an export (.safetensors) or the published DISTS weights (.pt). REFERENCE and
    DISTORTED are two files, or two folders whose files are paired by name.
    """
    if pairs is not None and reference is not None:
        raise InputError("--pairs: names the images itself; leave out REFERENCE and DISTORTED")
    if pairs is None and (reference is None or distorted is None):
        raise InputError("score: name REFERENCE and DISTORTED (two files or two folders), or --pairs FILE.csv")

    if scale_of is not None and scale != "score":
        raise InputError(f"--scale-of {scale_of}: only possible with --scale score")
    form = form_asked_for(form, as_json=as_json)

    from iqatune.backbones.devices import resolve_device
    from iqatune.cli.tables import print_distances
    from iqatune.metric.module import Metric
    from iqatune.metric.scale import choose_scale
    from iqatune.scoring.images import as_csv, score
    from iqatune.scoring.pairing import pairs_of_csv, pairs_of_paths

    if pairs is not None:
        found = pairs_of_csv(pairs)
    elif reference is not None and distorted is not None:
        found = pairs_of_paths(reference, distorted)
    where = resolve_device(device)
    metric = Metric.load(metric_file, backbone_weights, force=force)
    chosen = choose_scale(metric.scales, scale_of, holder=str(metric_file)) if scale == "score" else None
    distances = score(
        metric,
        found,
        name=str(metric_file),
        device=where,
        resize=metric.short_side if isinstance(resize, str) else resize,
        progress=console_progress(quiet=quiet),
        keep_going=keep_going,
        scale=chosen,
    )
    emit(distances, form, table=print_distances, csv=as_csv)
    return 0 if distances.complete else INCOMPLETE
