"""`iqatune extract`."""

from pathlib import Path

import click

from iqatune.cli.emit import emit, form_of
from iqatune.cli.options import (
    backbone_options,
    cache_option,
    config_option,
    data_options,
    debug_option,
    json_option,
    quiet_option,
)
from iqatune.cli.progress import console_progress
from iqatune.cli.terminal import print_line
from iqatune.records.options import BackboneOptions, DataOptions

EPILOG = """\b
Examples:
  iqatune extract --dataset demo --backbone squeezenet --backbone-weights random
  iqatune extract --dataset kadid10k --data-root ~/data/kadid10k --backbone vgg19 --device cuda --precision bf16
"""


@click.command("extract", epilog=EPILOG)
@data_options
@backbone_options
@cache_option
@config_option
@quiet_option
@json_option
@debug_option
def command(
    data: DataOptions, backbone: BackboneOptions, *, cache_dir: Path | None, quiet: bool, as_json: bool
) -> None:
    """Compute and keep the statistics of every pair of a data set.

    A later search with the same data and backbone options finds them and runs no CNN. Interrupted, it goes on at the
    next reference image.
    """
    from iqatune.api.cache import open_cache
    from iqatune.records.extraction import Extraction
    from iqatune.statistics.prepare import prepare

    prepared = prepare(data, backbone, cache=open_cache(cache_dir), progress=console_progress(quiet=quiet))
    extraction = Extraction(
        pairs=len(prepared.table),
        computed=prepared.computed,
        seconds=prepared.seconds,
        channels=prepared.channels,
        protocol=prepared.protocol,
    )

    def table(document: Extraction) -> None:
        references = document.protocol.references
        print_line(
            f"{data.dataset}, {backbone.backbone}: {document.pairs} pairs of {references} references; "
            f"{document.computed} computed, {document.pairs - document.computed} from the cache, "
            f"{document.seconds:.1f} s"
        )

    emit(extraction, form_of(as_json=as_json), table=table)
