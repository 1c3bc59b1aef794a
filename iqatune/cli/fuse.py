"""`iqatune fuse`."""

from pathlib import Path

import click

from iqatune.cli.emit import emit, form_of
from iqatune.cli.options import (
    cache_option,
    command_line,
    config_option,
    debug_option,
    dry_run_option,
    fuse_options,
    json_option,
    name_option,
    quiet_option,
    refuse_beside,
    runs_option,
)
from iqatune.cli.progress import console_progress
from iqatune.records.fusion import FuseOptions

EPILOG = """\b
Examples:
  iqatune fuse runs/tid2013/squeezenet/fit-stage-s0/result.json runs/tid2013/vgg19/fit-stage-s0/result.json \\
    --dataset tid2013 --data-root ~/data/tid2013
  iqatune fuse small=a.safetensors large=b.safetensors --dataset live --searcher bayesopt
  iqatune fuse runs/tid2013/squeezenet/fit-stage-s0/result.json fsim vif --features scores.csv --dataset tid2013
  iqatune fuse --features scores.csv --better higher --feature-columns fsim,vif,lpips
"""


@click.command("fuse", epilog=EPILOG)
@click.argument("members", nargs=-1, metavar="[NAME=]RESULT|METRIC|COLUMN...")
@fuse_options
@cache_option
@runs_option
@name_option
@dry_run_option
@config_option
@quiet_option
@json_option
@debug_option
def command(
    options: FuseOptions,
    *,
    strict: bool,
    cache_dir: Path | None,
    output: Path,
    name: str | None,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Fuse several metrics into one: D is the weighted sum of their D, with weights of 0 or more that agree best with
    people.

    Members are tuned records (result.json), exports (.safetensors), published DISTS weights (.pt) and columns of
    --features, by default all numeric ones. Each is also shown alone, with the mean of their z-scores and of their
    ranks, on the same references held out. Records that were tuned on these pairs are tuned again without them. A
    member that does not help gets weight 0.

    Writes OUTPUT/DATASET/fusion/MEMBERS/SEARCHER-columns-sSEED/fusion.json. score, evaluate, replay and export accept
    it like a result.json; with columns among its members only evaluate and replay do.
    """
    from iqatune.api.cache import open_cache
    from iqatune.cli.fusion_table import print_fusion
    from iqatune.tuning.fusion import fuse

    if options.run.split != "references":
        refuse_beside("another split", "folds")
    progress = console_progress(quiet=quiet)
    cache = open_cache(cache_dir)
    if dry_run:
        from iqatune.cli.plan_table import print_plan
        from iqatune.tuning.plan import plan_fuse

        plan = plan_fuse(options, output, cache=cache, progress=progress, name=name)
        emit(plan, form_of(as_json=as_json), table=print_plan)
        return
    fusion, file = fuse(
        options, output, cache=cache, progress=progress, name=name, strict=strict, command=command_line()
    )
    emit(fusion, form_of(as_json=as_json), table=lambda document: print_fusion(document, file))
