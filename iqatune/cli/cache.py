"""`iqatune cache`."""

from pathlib import Path
from typing import Literal, get_args

import click

from iqatune.cli.emit import emit, form_of
from iqatune.cli.options import (
    cache_option,
    config_option,
    debug_option,
    json_option,
    option,
    optional_data_options,
    quiet_option,
    refuse_without,
)
from iqatune.cli.progress import console_progress
from iqatune.cli.table import print_table
from iqatune.cli.terminal import print_line, print_path
from iqatune.errors import UsageError
from iqatune.records.cache import CacheContents, Holding
from iqatune.records.options import DataOptions

Action = Literal["show", "where", "clear"]

EPILOG = """\b
Examples:
  iqatune cache
  iqatune cache --dataset tid2013 --data-root ~/data/tid2013
  iqatune cache clear --backbone vgg19
  iqatune cache clear --all
"""


@click.command("cache", epilog=EPILOG)
@click.argument("action", type=click.Choice(get_args(Action)), default="show")
@optional_data_options("Only what belongs to this data set's images.")
@option("--backbone", help="Only what belongs to this CNN.")
@option("--all", "everything", is_flag=True, help="With clear: everything in the cache.")
@cache_option
@config_option
@quiet_option
@json_option
@debug_option
def command(
    data: DataOptions | None,
    *,
    action: Action,
    backbone: str | None,
    everything: bool,
    cache_dir: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Show the cache: where it is, its content and its size (show), only its folder (where), or clear it (clear).

    Clearing costs the time of computing the statistics again. No result is lost: records are in other folders.
    """
    from iqatune.api.cache import open_cache
    from iqatune.statistics import inventory

    cache = open_cache(cache_dir)
    if action == "where" and not as_json:
        print_path(cache.folder.absolute())
        return
    if data is None:
        refuse_without("--dataset", [name for name in DataOptions.model_fields if name != "dataset"])
    if action == "show" and everything:
        raise UsageError("`all`: only `iqatune cache clear` needs it; leave it out")
    narrowed = data is not None or backbone is not None
    if action == "clear" and narrowed == everything:
        raise UsageError("say what to clear: either `all`, or `backbone` NAME, `dataset` NAME or both")
    references = None
    if data is not None:
        references = inventory.references_of(data, cache, console_progress(quiet=quiet))
    selection = inventory.Selection(backbone=backbone, references=references)
    found = (inventory.clear if action == "clear" else inventory.contents)(cache, selection)
    emit(found, form_of(as_json=as_json), table=_print)


def _print(found: CacheContents) -> None:
    files = sum(holding.files for holding in found.holdings)
    said = f"{files} {'file' if files == 1 else 'files'}, {_size(found.size)}"
    if found.cleared:
        print_line(f"{found.folder}: removed {said}")
        return
    if not found.holdings:
        print_line(f"{found.folder}: nothing is kept")
        return
    rows = [
        (
            holding.name,
            holding.kind,
            _settings(holding),
            "" if holding.pairs is None else str(holding.pairs),
            str(holding.files),
            _size(holding.size),
        )
        for holding in found.holdings
    ]
    columns = ("of", "kind", "settings", "pairs", "files", "size")
    print_table(f"{found.folder}: {said}", columns, rows, left=3, first=("size", "kind", "pairs", "files"))


def _settings(holding: Holding) -> str:
    if not holding.readable:
        return "damaged, or of another release: not read"
    told = {name: "none" if value is None else str(value) for name, value in holding.settings.items()}
    # of a hash a few digits tell one from another
    short = {name: value[:8] if name.endswith("sha256") else value for name, value in told.items()}
    return ", ".join(f"{name.removesuffix('_sha256')} {value}" for name, value in short.items())


def _size(size: int) -> str:
    if size < 1_000_000:
        return f"{size / 1e3:.1f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1_000_000_000 else f"{size / 1e9:.2f} GB"
