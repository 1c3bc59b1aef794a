"""`iqatune extract`."""

from pathlib import Path
from typing import Any

import click

from iqatune.cli.options import (
    backbone_options,
    cache_folder,
    cache_option,
    config_option,
    data_options,
    debug_option,
    json_option,
    machine_options,
    quiet_option,
)
from iqatune.cli.progress import console_progress
from iqatune.records.options import BackboneOptions, DataOptions

EPILOG = """\b
Examples:
  iqatune extract --dataset demo --backbone squeezenet --backbone-weights random
  iqatune extract --dataset kadid10k --data-root ~/data/kadid10k --backbone vgg19 --device cuda --precision bf16
"""


@click.command("extract", epilog=EPILOG)
@data_options
@backbone_options
@machine_options
@cache_option
@config_option
@quiet_option
@json_option
@debug_option
def command(cache_dir: Path | None, quiet: bool, as_json: bool, **options: Any) -> None:
    """Compute and keep the statistics of every pair of a data set.

    A later search with the same data and backbone options finds them and runs no CNN. Interrupted, it goes on at the
    next reference image.
    """
    from iqatune.statistics.prepare import prepare

    data = DataOptions(**{name: options[name] for name in DataOptions.model_fields})
    features = BackboneOptions(**{name: options[name] for name in BackboneOptions.model_fields})
    prepared = prepare(data, features, "covariance", cache_folder(cache_dir), console_progress(quiet=quiet))
    if as_json:
        import json

        summary = {
            "pairs": len(prepared.table),
            "computed": prepared.computed,
            "seconds": prepared.seconds,
            "channels": prepared.channels,
            "protocol": prepared.protocol.model_dump(),
        }
        print(json.dumps(summary))
        return
    print(
        f"{data.dataset}, {features.backbone}: {len(prepared.table)} pairs of {len(prepared.table.references)} "
        f"references; {prepared.computed} computed, {len(prepared.table) - prepared.computed} from the cache, "
        f"{prepared.seconds:.1f} s"
    )
