"""`iqatune doctor`."""

from typing import Any

import click

from iqatune.cli.emit import emit, form_of
from iqatune.cli.options import (
    ANSWER_IS_NO,
    BACKBONE,
    WHERE_DATA,
    config_option,
    debug_option,
    device_option,
    json_option,
    option,
    optional_data_options,
    pooling_option,
    quiet_option,
    refuse_without,
    weights_option,
)
from iqatune.cli.progress import console_progress
from iqatune.errors import InputError
from iqatune.records.options import DataOptions

PARTS = ("data", "backbone", "searchers", "device")

EPILOG = """\b
Examples:
  iqatune doctor
  iqatune doctor --dataset tid2013 --data-root ~/data/tid2013 --backbone vgg19 --device cuda
  iqatune doctor --dataset csv --pairs scores.csv --better lower --only data --full
"""


@click.command("doctor", epilog=EPILOG)
@optional_data_options("Check this data set; see 'iqatune list datasets'.")
@option("--backbone", metavar=BACKBONE, help="Check this CNN; see 'iqatune list backbones'.")
@weights_option
@pooling_option
@device_option
@option("--only", multiple=True, type=click.Choice(PARTS), help="Check only this part; may be repeated.")
@option("--full", is_flag=True, help="Decode every image instead of a sample, and check the reference of every pair.")
@config_option
@quiet_option
@json_option
@debug_option
def command(
    data: DataOptions | None,
    *,
    backbone: str | None,
    backbone_weights: str,
    pooling: str,
    device: str,
    only: tuple[Any, ...],
    full: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Check a data set, a CNN, the searchers and the device before a long search.

    The exit code is 0 without a problem and 1 with one. Notes and warnings are not problems.
    """
    for part, name, given in (("data", "--dataset or --features", data), ("backbone", "--backbone", backbone)):
        if part in only and given is None:
            raise InputError(f"--only {part}: needs {name}")

    if data is None:
        refuse_without("--dataset or --features", (*WHERE_DATA, "full"))
    if backbone is None:
        refuse_without("--backbone", ("backbone_weights", "pooling"))

    from iqatune.cli.tables import print_diagnosis
    from iqatune.doctor.examine import examine

    diagnosis = examine(
        only or PARTS,
        data,
        backbone=backbone,
        backbone_weights=backbone_weights,
        pooling=pooling,
        device=device,
        full=full,
        progress=console_progress(quiet=quiet),
    )
    emit(diagnosis, form_of(as_json=as_json), table=print_diagnosis)
    return 0 if diagnosis.healthy else ANSWER_IS_NO
