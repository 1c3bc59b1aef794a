"""`iqatune replay`."""

from pathlib import Path

import click

from iqatune.cli.emit import emit, form_of
from iqatune.cli.options import (
    ANSWER_IS_NO,
    DEVICES,
    OfEachSet,
    cache_option,
    config_option,
    debug_option,
    json_option,
    max_pixels_option,
    moved_weights_option,
    option,
    quiet_option,
    unlabelled_option,
)
from iqatune.cli.progress import console_progress

EPILOG = """\b
Examples:
  iqatune replay runs/tid2013/vgg19/bohb-stage-s0/result.json
  iqatune replay result.json --data-root /data/tid2013 --backbone-weights vgg19.pth --json
"""


@click.command("replay", epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path), metavar="RESULT.json|FUSION.json")
@option(
    "--data-root",
    multiple=True,
    type=OfEachSet(),
    metavar="DIR|NAME=DIR",
    help="Where the data set is now; for one of several NAME=DIR  [default: as in the search].",
)
@option("--pairs", metavar="FILE.csv", help="Where the pairs file is now  [default: as in the search].")
@option("--features", metavar="FILE.csv", help="Where the features file is now  [default: as in the search].")
@option("--textures", metavar="DIR", help="Where the textures are now  [default: as in the search].")
@moved_weights_option
@unlabelled_option
@option("--device", metavar=DEVICES, help="Where the CNN runs  [default: as in the search].")
@cache_option
@max_pixels_option
@config_option
@quiet_option
@json_option
@debug_option
def command(
    file: Path,
    *,
    data_root: tuple[str, ...],
    pairs: str | None,
    features: str | None,
    textures: str | None,
    backbone_weights: str | None,
    unlabelled: str | None,
    device: str | None,
    cache_dir: Path | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Recompute every figure of a record from its weights and the data.

    The exit code is 0 if all figures agree to 1e-6, otherwise 1. Everything that differs is named: figures, and hashes
    or other parts of the protocol.
    """
    from iqatune.api.cache import open_cache
    from iqatune.cli.tables import print_replay
    from iqatune.records.fusion import is_fusion
    from iqatune.tuning.fusion_replay import replay_fusion
    from iqatune.tuning.replay import replay

    given = {"data_root": data_root, "pairs": pairs, "features": features}
    given |= {"textures": textures, "backbone_weights": backbone_weights, "unlabelled": unlabelled, "device": device}
    where = {name: value for name, value in given.items() if value not in (None, ())}
    proving = replay_fusion if is_fusion(file) else replay
    found = proving(file, where, cache=open_cache(cache_dir), progress=console_progress(quiet=quiet))
    emit(found, form_of(as_json=as_json), table=print_replay)
    return 0 if found.same else ANSWER_IS_NO
