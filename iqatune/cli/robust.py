"""`iqatune robust`."""

from pathlib import Path

import click

from iqatune.cli.emit import emit, form_of
from iqatune.cli.options import (
    WHERE_DATA,
    cache_option,
    config_option,
    debug_option,
    device_option,
    dry_run_option,
    json_option,
    measured_baseline_options,
    moved_weights_option,
    option,
    optional_data_options,
    overwrite_option,
    quiet_option,
    refuse_to_overwrite,
    refuse_without,
)
from iqatune.cli.progress import console_progress
from iqatune.cli.terminal import print_line
from iqatune.records.options import DataOptions
from iqatune.records.robust import ROBUST_FILE, Robust

EPILOG = """\b
Examples:
  iqatune robust runs/tid2013/vgg19/fit-stage-s0/result.json --baseline psnr --baseline fsim
  iqatune robust alexnet.json resnet50.json --dataset live --data-root ~/data/live --output robust
  iqatune robust metric.safetensors --dataset tid2013 --dataset live --kinds side,unseen --json
"""


@click.command("robust", epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RESULT.json|METRIC...")
@optional_data_options("Data set to score on; may be repeated  [default: what the results were tuned on].")
@option(
    "--kinds",
    metavar="side,jpeg,blur,noise,unseen",
    help="Changes to make: the first four to both images of a pair, in five severities; unseen (a shift by "
    "one pixel; JPEG 95) to the distorted one only  [default: all].",
)
@measured_baseline_options
@option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for robust.json, robust.csv and drawings (SVG, PDF)  [default: write none].",
)
@overwrite_option
@moved_weights_option
@device_option
@cache_option
@dry_run_option
@config_option
@quiet_option
@json_option
@debug_option
def command(
    files: tuple[Path, ...],
    data: DataOptions | None,
    *,
    kinds: str | None,
    baselines: tuple[str, ...],
    baseline_weights: tuple[str, ...],
    output: Path | None,
    force: bool,
    backbone_weights: str | None,
    device: str,
    cache_dir: Path | None,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Measure how robust metrics are: how much of their agreement remains on degraded images.

    Both images of every pair are made small, compressed, blurred or noisy in the same way. The metric's SRCC with the
    same human scores is compared with that on the original images. Then only the distorted images are changed, so
    slightly that nobody sees it, and the couples of pairs whose order changes are counted. The cost of a pair is
    measured too.
    """
    from iqatune.api.cache import open_cache
    from iqatune.cli.robust_tables import print_robust
    from iqatune.report.robustness import write
    from iqatune.runtime.files import check_writable
    from iqatune.scoring.asked import asked
    from iqatune.scoring.evaluate import Machine, tuned_on
    from iqatune.scoring.robustness import kinds_of, robustness

    if data is None:
        refuse_without("--dataset or --features", WHERE_DATA)
    chosen = kinds_of(kinds)
    others = asked(baselines, weights=baseline_weights)
    data_sets = tuned_on(files, force=force) if data is None else data.sets
    if output is not None and not dry_run:
        refuse_to_overwrite(output / ROBUST_FILE, force=force)
        check_writable(output, option="output")
    machine = Machine(
        device=device,
        backbone_weights=backbone_weights,
        cache=open_cache(cache_dir),
        progress=console_progress(quiet=quiet),
    )
    if dry_run:
        from iqatune.cli.plan_table import print_plan
        from iqatune.tuning.plan import plan_robust

        emit(plan_robust(files, data_sets, machine, kinds=chosen), form_of(as_json=as_json), table=print_plan)
        return
    found = robustness(files, data_sets, machine, kinds=chosen, baselines=others, force=force)
    if output is not None:
        write(found, output)

    def table(document: Robust) -> None:
        print_robust(document)
        if output is not None:
            print_line(f"Record: {output / ROBUST_FILE}")

    emit(found, form_of(as_json=as_json), table=table)
