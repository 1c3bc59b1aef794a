"""`iqatune extract`."""

from pathlib import Path

import click

from iqatune.cli.emit import emit, form_of
from iqatune.cli.options import (
    backbones_options,
    cache_option,
    config_option,
    data_options,
    debug_option,
    dry_run_option,
    json_option,
    quiet_option,
)
from iqatune.cli.progress import console_progress
from iqatune.cli.terminal import print_line
from iqatune.errors import counted
from iqatune.records.options import BackboneOptions, DataOptions

EPILOG = """\b
Examples:
  iqatune extract --dataset demo --backbone squeezenet --backbone-weights random
  iqatune extract --dataset kadid10k --data-root ~/data/kadid10k --backbone vgg19 --device cuda --precision bf16
  iqatune extract --dataset live --data-root ~/data/live --backbone vgg16 --backbone squeezenet
"""


@click.command("extract", epilog=EPILOG)
@data_options
@backbones_options
@cache_option
@dry_run_option
@config_option
@quiet_option
@json_option
@debug_option
def command(
    data: DataOptions,
    backbones: tuple[BackboneOptions, ...],
    *,
    cache_dir: Path | None,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Compute and store the statistics of every pair of a data set.

    A later search with the same data and backbone options uses them and runs no CNN. If it is interrupted, run it
    again: it goes on at the next reference image. With several backbones each image is decoded once for all of them.
    """
    from iqatune.api.cache import open_cache
    from iqatune.records.extraction import Extraction, Extractions
    from iqatune.statistics.several import extract_all

    if dry_run:
        from iqatune.cli.plan_table import print_plan
        from iqatune.tuning.plan import plan_extract

        progress = console_progress(quiet=quiet)
        plan = plan_extract(data, backbones, cache=open_cache(cache_dir), progress=progress)
        emit(plan, form_of(as_json=as_json), table=print_plan)
        return
    found = extract_all(data, backbones, cache=open_cache(cache_dir), progress=console_progress(quiet=quiet))

    def line(document: Extraction) -> None:
        references = document.protocol.references
        print_line(
            f"{data.dataset}, {document.backbone}: {document.pairs} pairs of {counted(references, 'reference')}; "
            f"{document.computed} computed, {document.pairs - document.computed} from the cache"
            + (f", {document.seconds:.1f} s" if len(backbones) == 1 else "")
        )

    def lines(document: Extractions) -> None:
        for extraction in document.extractions:
            line(extraction)
        print_line(f"{document.seconds:.1f} s in all")

    form = form_of(as_json=as_json)
    if len(found.extractions) == 1:
        emit(found.extractions[0], form, table=line)
    else:
        emit(found, form, table=lines)
