"""`iqatune export`."""

from pathlib import Path

import click

from iqatune.cli.emit import emit, form_of
from iqatune.cli.options import (
    config_option,
    debug_option,
    json_option,
    moved_weights_option,
    option,
    overwrite_option,
    quiet_option,
    refuse_to_overwrite,
)
from iqatune.cli.progress import console_progress
from iqatune.cli.terminal import print_line
from iqatune.errors import InputError
from iqatune.records.export import FusedHeader, Header

SUFFIXES = (".safetensors", ".pt2", ".onnx")

EPILOG = """\b
Examples:
  iqatune export result.json --output metric.safetensors --include-backbone
  iqatune export result.json --output metric.onnx
"""


@click.command("export", epilog=EPILOG)
@click.argument("metric_file", type=click.Path(path_type=Path), metavar="RESULT.json")
@option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE.safetensors|.pt2|.onnx",
    help="File to write.",
)
@option(
    "--include-backbone",
    is_flag=True,
    help="Include the CNN's parameters in a .safetensors, so that it needs no other file or download.",
)
@moved_weights_option
@overwrite_option
@config_option
@quiet_option
@json_option
@debug_option
def command(
    metric_file: Path,
    *,
    output: Path,
    include_backbone: bool,
    backbone_weights: str | None,
    force: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write a tuned metric to a file for use elsewhere.

    A .safetensors is loaded by iqatune.Metric.load, needs no search library, and checks itself. A .pt2 (torch.export)
    and an .onnx are programs that score without iqatune and always include the backbone. Stages and channels without
    weight are left out of all three. The header of each contains the scale of human scores that the search recorded,
    with its interval; an .onnx also has the outputs score, low and high beside distance. RESULT.json may also be a
    fusion.json, an export or the published DISTS weights. A fusion over several backbones always includes them.
    """
    if output.suffix not in SUFFIXES:
        raise InputError(f"--output {output}: unknown kind of file; end its name in {', '.join(SUFFIXES)}")

    refuse_to_overwrite(output, force=force)

    from iqatune.metric.export import save_metric
    from iqatune.metric.module import Metric
    from iqatune.runtime.files import check_writable

    check_writable(output.parent, option="output")
    metric = Metric.load(metric_file, backbone_weights, force=force)
    progress = console_progress(quiet=quiet)
    if output.suffix == ".safetensors":
        header = save_metric(metric, output, include_backbone=include_backbone)
    else:
        from iqatune.metric.exchange import save_onnx, save_program

        progress.say(f"exporting {metric.backbone_name} and checking the program against the metric ...")
        header = (save_program if output.suffix == ".pt2" else save_onnx)(metric, output)

    def table(document: Header | FusedHeader) -> None:
        print_line(f"{output}: {output.stat().st_size / 1e6:.2f} MB, {document.origin or metric.backbone_name}")
        scales = "; ".join(scale.described for scale in document.scales)
        print_line(f"Scale: {scales or 'none, D alone; a search of this release records one'}")

    emit(header, form_of(as_json=as_json), table=table)
