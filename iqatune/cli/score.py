"""`iqatune score`."""

from pathlib import Path

import click

from iqatune.cli.options import (
    config_option,
    debug_option,
    device_option,
    json_option,
    moved_weights_option,
    option,
    quiet_option,
    short_side,
)
from iqatune.cli.progress import console_progress
from iqatune.errors import InputError

INCOMPLETE = 2

EPILOG = """\b
Examples:
  iqatune score result.json reference.png compressed.jpg
  iqatune score metric.safetensors originals/ restored/ --format csv > distances.csv
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
@option(
    "--resize",
    default="protocol",
    callback=_side,
    metavar="protocol|256|none",
    help="Short side of larger images; protocol is what the metric was tuned with.",
)
@device_option
@option("--format", "output_format", type=click.Choice(["table", "json", "csv"]), default="table", help="Of stdout.")
@option("--keep-going", is_flag=True, help="Score the rest where a file cannot be used; the exit code is 2 even so.")
@config_option
@quiet_option
@json_option
@debug_option
def command(
    metric_file: Path,
    reference: Path | None,
    distorted: Path | None,
    pairs: Path | None,
    backbone_weights: str | None,
    resize: int | str | None,
    device: str,
    output_format: str,
    keep_going: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Score image pairs: the distance D of each, 0 for identical images, larger is worse.

    METRIC is a result.json, an export (.safetensors) or the published DISTS weights (.pt). REFERENCE and DISTORTED are
    two files, or two folders whose files are paired by name.
    """
    if pairs is not None and reference is not None:
        raise InputError("--pairs: names the images itself; leave out REFERENCE and DISTORTED")
    if pairs is None and (reference is None or distorted is None):
        raise InputError("score: name REFERENCE and DISTORTED (two files or two folders), or --pairs FILE.csv")

    if as_json and output_format == "csv":
        raise InputError("--json, --format csv: one of them; leave the other out")

    from iqatune.backbones.devices import resolve_device
    from iqatune.cli.terminal import print_table
    from iqatune.metric.module import Metric
    from iqatune.scoring.images import as_csv, pairs_of_csv, pairs_of_paths, score

    if pairs is not None:
        found = pairs_of_csv(pairs)
    elif reference is not None and distorted is not None:
        found = pairs_of_paths(reference, distorted)
    where = resolve_device(device)
    metric = Metric.load(metric_file, backbone_weights)
    side = metric.short_side if isinstance(resize, str) else resize
    scores = score(metric, found, str(metric_file), where, side, console_progress(quiet=quiet), keep_going)
    if as_json or output_format == "json":
        print(scores.model_dump_json(by_alias=True))
    elif output_format == "csv":
        print(as_csv(scores), end="")
    else:
        figures = ["-" if pair.distance is None else f"{pair.distance:.6f}" for pair in scores.pairs]
        rows = [(pair.reference, pair.distorted, figure) for pair, figure in zip(scores.pairs, figures, strict=True)]
        title = f"{metric_file}: {scores.origin or scores.backbone}"
        print_table(title, ("reference", "distorted", "D (lower is better)"), rows, left=2)
    return 0 if scores.complete else INCOMPLETE
