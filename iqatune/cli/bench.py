"""`iqatune bench`."""

from pathlib import Path
from typing import Any, Literal

import click

from iqatune.cli.options import config_option, debug_option, json_option, machine_options, option, quiet_option
from iqatune.cli.progress import console_progress
from iqatune.errors import InputError

EPILOG = """\b
Examples:
  iqatune bench --backbone vgg16 --quick
  iqatune bench --output results/bench
  iqatune bench --device cuda --precision bf16 --output results/bench-gpu
"""


@click.command("bench", epilog=EPILOG)
@option("--backbone", "backbones", multiple=True, help="CNN to measure; may be repeated  [default: all by name].")
@machine_options
@option("--quick", is_flag=True, help="Small images, few rounds: shows that it runs, not how fast it is.")
@option("--ray", "with_ray", is_flag=True, help="Measure Ray's Tuner at its defaults too (minutes).")
@option("--results", type=click.Path(path_type=Path), help="Folder of searches: plot their SRCC against cost.")
@option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder of bench.json  [default: results/bench; with --quick results/bench/quick].",
)
@config_option
@quiet_option
@json_option
@debug_option
def command(
    backbones: tuple[str, ...],
    device: str,
    precision: Literal["fp32", "bf16", "fp16"],
    quick: bool,
    with_ray: bool,
    results: Path | None,
    output: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Measure how fast this machine is: extraction, scoring and the objective, beside other packages.

    Everything is measured side by side in one run, in turns, with random parameters: medians of all rounds, and their
    lowest and highest. The other packages are optional (pip install iqatune[bench]).
    """
    if results is not None and not results.is_dir():
        raise InputError(f"--results {results}: no such folder; name the --output folder of searches")

    from iqatune.bench.run import plot_srcc_against_cost, run_bench

    # a try-out takes the place of no measurement
    output = output or Path("results/bench/quick" if quick else "results/bench")
    progress = console_progress(quiet=quiet)
    bench = run_bench(backbones, device, precision, quick, with_ray, output, progress)
    if results is not None and not plot_srcc_against_cost(bench, results, output / "srcc-against-cost.svg"):
        progress.warn(f"--results {results}: holds no search with held-out figures of these backbones; no plot")
    if as_json:
        print(bench.model_dump_json(by_alias=True))
        return
    _print(bench, output)


def _print(bench: Any, output: Path) -> None:
    from iqatune.cli.terminal import print_table

    def rate(spread: Any) -> str:
        digits = 2 if spread.median < 10 else 1 if spread.median < 100 else 0
        median, low, high = (f"{value:,.{digits}f}" for value in (spread.median, spread.low, spread.high))
        return f"{median} [{low}, {high}]"

    title = f"image pairs a second, {bench.resized[0]}x{bench.resized[1]}, {bench.precision}, {bench.rounds} rounds"
    columns = (
        "backbone",
        "extraction",
        "of bare",
        "from memory",
        "of bare",
        "bare forward",
        "scoring",
        "ms",
        "MACs 10⁹",
        "parameters 10⁶",
        "MiB",
    )
    rows = [
        (
            one.name,
            rate(one.pairs_per_second),
            f"{one.share_of_bare_forward:.0%}",
            rate(one.in_memory_pairs_per_second),
            f"{one.in_memory_share_of_bare_forward:.0%}",
            rate(one.bare_forward_pairs_per_second),
            rate(one.scoring_pairs_per_second),
            f"{one.milliseconds.median:.1f}",
            f"{one.macs / 1e9:.2f}",
            f"{one.parameters / 1e6:.2f}",
            f"{one.peak_memory_mib:.0f}",
        )
        for one in bench.backbones
    ]
    print_table(title, columns, rows)
    peers = [
        (
            one.name,
            peer,
            rate(one.peers_from_files[peer]),
            f"{one.times_peers[peer]:.2f}",
            rate(spread),
            f"{one.in_memory_times_peers[peer]:.2f}",
        )
        for one in bench.backbones
        for peer, spread in one.peers.items()
    ]
    if peers:
        beside = ("backbone", "package", "from files", "extraction is faster by", "from memory", "and by")
        print_table("other packages, the same parameters and images", beside, peers, left=2)
    steps = list(bench.backbones[0].profile_milliseconds)
    parts = [(one.name, *(f"{one.profile_milliseconds[step]:.2f}" for step in steps)) for one in bench.backbones]
    print_table("where an image's time goes, ms", ("backbone", *steps), parts)
    ways = [
        (f"{one.space}, {one.pairs} x {one.features}", way, rate(spread))
        for one in bench.objective
        for way, spread in one.samples_per_second.items()
    ]
    print_table("the objective", ("space", "way", "samples a second"), ways, left=2)
    if bench.ray is not None:
        ray = bench.ray
        print(
            f"{ray.samples} random samples: {ray.tuner_seconds:.1f} s by ray.tune.Tuner at its defaults, "
            f"{ray.iqatune_seconds:.3f} s here."
        )
    print(f"Record: {output / 'bench.json'}")
