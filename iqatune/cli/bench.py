"""`iqatune bench`."""

from pathlib import Path

import click

from iqatune.cli.emit import emit, form_of
from iqatune.cli.options import (
    ANSWER_IS_NO,
    cache_option,
    config_option,
    debug_option,
    json_option,
    machine_options,
    option,
    quiet_option,
)
from iqatune.cli.progress import console_progress
from iqatune.cli.terminal import print_line
from iqatune.errors import InputError
from iqatune.records.bench import BENCH_FILE, Bench
from iqatune.records.vocabulary import Precision

EPILOG = """\b
Examples:
  iqatune bench --backbone vgg16 --quick
  iqatune bench --output results/bench
  iqatune bench --device cuda --precision bf16 --output results/bench-gpu
"""


@click.command("bench", epilog=EPILOG)
@option("--backbone", "backbones", multiple=True, help="CNN to measure; may be repeated  [default: all built-in ones].")
@machine_options
@option("--quick", is_flag=True, help="Small images and few rounds: shows that everything runs, not how fast.")
@option("--ray", "with_ray", is_flag=True, help="Measure Ray's Tuner with its default settings too (minutes).")
@option("--check", is_flag=True, help="Exit with 1 if a share is below the promised one (docs/speed.md).")
@option("--results", type=click.Path(path_type=Path), help="Folder of searches whose SRCC is plotted against cost.")
@option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder of bench.json  [default: results/bench; with --quick results/bench/quick].",
)
@cache_option
@config_option
@quiet_option
@json_option
@debug_option
def command(
    *,
    backbones: tuple[str, ...],
    device: str,
    precision: Precision,
    quick: bool,
    with_ray: bool,
    check: bool,
    results: Path | None,
    output: Path | None,
    cache_dir: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Measure how fast this machine is: extraction, scoring and the objective, and other packages for comparison.

    Everything is measured in one run, in alternation, with random parameters. The figures are medians of all rounds,
    with the lowest and highest. Packages that are not installed are left out, and a line says so. How fast images pass
    each CNN is kept in the cache, for the estimates of --dry-run.
    """
    if results is not None and not results.is_dir():
        raise InputError(f"--results {results}: no such folder; name the --output folder of searches")

    from iqatune.api.cache import open_cache
    from iqatune.bench.run import plot_srcc_against_cost, run_bench
    from iqatune.cli.bench_tables import print_bench

    if check and (quick or precision != "fp32"):
        raise InputError("--check: needs a whole bench in fp32 on a CPU; leave --quick and --precision out")
    # a try-out takes the place of no measurement
    output = output or Path("results/bench/quick" if quick else "results/bench")
    progress = console_progress(quiet=quiet)
    bench = run_bench(
        backbones,
        device=device,
        precision=precision,
        quick=quick,
        with_ray=with_ray,
        output=output,
        progress=progress,
        cache=open_cache(cache_dir),
    )
    if results is not None and not plot_srcc_against_cost(bench, results, output / "srcc-against-cost.svg"):
        progress.warn(f"--results {results}: contains no search with held-out figures of these backbones; no plot")

    def table(document: Bench) -> None:
        print_bench(document)
        print_line(f"Record: {output / BENCH_FILE}")

    emit(bench, form_of(as_json=as_json), table=table)
    if check and not bench.promises:
        raise InputError("--check: needs a whole bench in fp32 on a CPU; give --device cpu")
    if check and not all(promise.kept for promise in bench.promises):
        click.get_current_context().exit(ANSWER_IS_NO)
