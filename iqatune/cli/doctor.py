"""`iqatune doctor`."""

from typing import Any

import click

from iqatune.cli.options import (
    ANSWER_IS_NO,
    DATA_OPTIONS,
    config_option,
    debug_option,
    device_option,
    json_option,
    option,
    pooling_option,
    quiet_option,
    refuse_without,
    weights_option,
    where_data_options,
)
from iqatune.cli.progress import console_progress
from iqatune.errors import InputError

PARTS = ("data", "backbone", "searchers", "device")

EPILOG = """\b
Examples:
  iqatune doctor
  iqatune doctor --dataset tid2013 --data-root ~/data/tid2013 --backbone vgg19 --device cuda
  iqatune doctor --dataset csv --pairs scores.csv --better lower --only data --full
"""


@click.command("doctor", epilog=EPILOG)
@option("--dataset", help="Check this data set; see 'iqatune list datasets'.")
@where_data_options
@option("--backbone", help="Check this CNN; see 'iqatune list backbones'.")
@weights_option
@pooling_option
@device_option
@option("--only", multiple=True, type=click.Choice(PARTS), help="Check this part alone; may be repeated.")
@option("--full", is_flag=True, help="Decode every image, not a sample; look at the reference of every pair.")
@config_option
@quiet_option
@json_option
@debug_option
def command(
    dataset: str | None,
    backbone: str | None,
    backbone_weights: str,
    pooling: str,
    device: str,
    only: tuple[Any, ...],
    full: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Check a data set, a CNN, the searchers and the device, before hours are spent on them.

    Exit code 0 when there is no problem, 1 when there is one. Notes and warnings are no problems.
    """
    for part, name, given in (("data", "--dataset", dataset), ("backbone", "--backbone", backbone)):
        if part in only and given is None:
            raise InputError(f"--only {part}: needs {name}")

    if dataset is None:
        refuse_without("--dataset", (*DATA_OPTIONS, "full"))
    if backbone is None:
        refuse_without("--backbone", ("backbone_weights", "pooling"))

    from iqatune.cli.tables import print_diagnosis
    from iqatune.doctor.examine import examine
    from iqatune.records.options import DataOptions

    data = None if dataset is None else DataOptions(dataset=dataset, **options)
    diagnosis = examine(
        only or PARTS, data, backbone, backbone_weights, pooling, device, full, console_progress(quiet=quiet)
    )
    if as_json:
        print(diagnosis.model_dump_json(by_alias=True))
    else:
        print_diagnosis(diagnosis)
    return 0 if diagnosis.healthy else ANSWER_IS_NO
