"""`iqatune sweep`."""

from pathlib import Path

import click

from iqatune.cli.emit import emit, form_of
from iqatune.cli.options import (
    ANSWER_IS_NO,
    DEVICES,
    Whole,
    cache_option,
    command_line,
    config_option,
    debug_option,
    dry_run_option,
    json_option,
    max_pixels_option,
    option,
    quiet_option,
    runs_option,
    track_option,
)
from iqatune.cli.progress import console_progress
from iqatune.cli.terminal import print_line
from iqatune.records.sweep import SWEEP_FILE, Sweep

EPILOG = """\b
Examples:
  iqatune sweep configs/quick.yaml --output runs/quick
  iqatune sweep configs/study.yaml --device cuda --output runs/study
  iqatune sweep configs/study.yaml --address 10.0.0.1:6379 --output runs/study
"""


@click.command("sweep", epilog=EPILOG)
@click.argument("grid", type=click.Path(path_type=Path), metavar="GRID.yaml")
@option("--address", metavar="ADDR", help="A running Ray cluster: HOST:PORT, ray://HOST:PORT or auto.")
@option("--jobs", type=Whole(minimum=1), help="Runs at the same time  [default: the number of processors].")
@option("--device", default="auto", metavar=DEVICES, help="Where the CNN runs, if the grid does not say.")
@option("--strict", is_flag=True, help="A cell fails if its searcher cannot do what its name says.")
@cache_option
@max_pixels_option
@runs_option
@track_option
@dry_run_option
@config_option
@quiet_option
@json_option
@debug_option
def command(
    grid: Path,
    *,
    address: str | None,
    jobs: int | None,
    device: str,
    strict: bool,
    cache_dir: Path | None,
    output: Path,
    track: tuple[str, ...],
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Search every cell of a grid: all combinations of the values that GRID.yaml lists for the options of search.

    Writes a folder for every run, as search does, and OUTPUT/sweep.json about all of them. If it is interrupted, run it
    again: it goes on where it stopped, and finished cells are skipped. Exits with 1 if a cell failed.
    """
    from iqatune.api.cache import open_cache
    from iqatune.cli.grid_view import grid_view, print_sweep
    from iqatune.tuning.grid import read_grid
    from iqatune.tuning.sweep import run_sweep

    cells = read_grid(grid, device)
    cache = open_cache(cache_dir)
    if dry_run:
        from iqatune.cli.plan_table import print_plan
        from iqatune.tuning.plan import plan_sweep

        plan = plan_sweep(
            cells, output, cache=cache, progress=console_progress(quiet=quiet), strict=strict, track=track
        )
        emit(plan, form_of(as_json=as_json), table=print_plan)
        return 0
    with grid_view(quiet=quiet) as (progress, show):
        sweep = run_sweep(
            cells,
            output,
            cache=cache,
            progress=progress,
            show=show,
            address=address,
            jobs=jobs,
            strict=strict,
            track=track,
            command=command_line(),
        )

    def table(document: Sweep) -> None:
        print_sweep(document)
        print_line(f"Record: {output / SWEEP_FILE}")

    emit(sweep, form_of(as_json=as_json), table=table)
    return ANSWER_IS_NO if sweep.failed else 0
