"""The tables of a bench, for people."""

from iqatune.cli.table import print_table
from iqatune.cli.terminal import print_line
from iqatune.errors import counted
from iqatune.records.bench import BackboneBench, Bench, Spread


def print_bench(bench: Bench) -> None:
    """Backbones, other packages beside them, where the time goes, and the objective."""
    _print_backbones(bench)
    _print_peers(bench)
    steps = list(bench.backbones[0].profile_milliseconds)
    shares = [
        (backbone.name, *(f"{backbone.profile_milliseconds[step]:.2f}" for step in steps))
        for backbone in bench.backbones
    ]
    print_table("where an image's time goes, ms", ("backbone", *steps), shares, parted=True)
    _print_objective(bench)
    _print_together(bench)
    _print_promises(bench)


def _print_backbones(bench: Bench) -> None:
    columns = (
        "backbone",
        "bare forward",
        "from memory",
        "memory of bare",
        "from PNG",
        "PNG of bare",
        "from BMP",
        "BMP of bare",
    )
    important = ("bare forward", "from PNG", "PNG of bare", "from memory", "memory of bare")
    title = f"image pairs a second, {bench.resized[0]}x{bench.resized[1]}, {bench.precision}, {bench.rounds} rounds"
    print_table(title, columns, [_rates(backbone) for backbone in bench.backbones], first=important)
    columns = ("backbone", "score", "of extraction", "scoring", "ms", "MACs 10⁹", "parameters 10⁶", "MiB")
    costs = [_costs(backbone) for backbone in bench.backbones]
    print_table("scoring, and what an image costs", columns, costs, first=("score", "of extraction", "ms", "MiB"))


def _rates(backbone: BackboneBench) -> tuple[str, ...]:
    return (
        backbone.name,
        _rate(backbone.bare_forward_pairs_per_second),
        _rate(backbone.in_memory_pairs_per_second),
        f"{backbone.in_memory_share_of_bare_forward:.0%}",
        _rate(backbone.pairs_per_second),
        f"{backbone.share_of_bare_forward:.0%}",
        _rate(backbone.bmp_pairs_per_second),
        _share(backbone.bmp_share_of_bare_forward),
    )


def _costs(backbone: BackboneBench) -> tuple[str, ...]:
    return (
        backbone.name,
        _rate(backbone.score_pairs_per_second),
        _share(backbone.score_share_of_extraction),
        _rate(backbone.scoring_pairs_per_second),
        f"{backbone.milliseconds.median:.1f}",
        f"{backbone.macs / 1e9:.2f}",
        f"{backbone.parameters / 1e6:.2f}",
        f"{backbone.peak_memory_mib:.0f}",
    )


def _print_peers(bench: Bench) -> None:
    rows = [
        (
            backbone.name,
            package,
            _rate(backbone.peers_from_files[package]),
            f"{backbone.times_peers[package]:.2f}",
            _rate(rate),
            f"{backbone.in_memory_times_peers[package]:.2f}",
        )
        for backbone in bench.backbones
        for package, rate in backbone.peers.items()
    ]
    if rows:
        columns = ("backbone", "package", "from files", "extraction is faster by", "from memory", "and by")
        print_table("other packages, the same parameters and images", columns, rows, left=2, names=2)


def _print_objective(bench: Bench) -> None:
    rows = [
        (f"{objective.space}, {objective.pairs} x {objective.features}", way, _rate(rate))
        for objective in bench.objective
        for way, rate in objective.samples_per_second.items()
    ]
    print_table("the objective", ("space", "way", "samples a second"), rows, left=2, names=2)
    if bench.ray is not None:
        ray = bench.ray
        print_line(
            f"{ray.samples} random samples: {ray.tuner_seconds:.1f} s by ray.tune.Tuner at its defaults, "
            f"{ray.iqatune_seconds:.3f} s here."
        )


def _print_together(bench: Bench) -> None:
    together = bench.together
    if together is not None:
        print_line(
            f"{counted(len(together.backbones), 'backbone')} over {counted(together.pairs, 'pair')} in one pass: "
            f"{together.seconds.median:.1f} s, {together.times_the_floor:.2f} times their bare forward passes "
            f"({together.bare_seconds.median:.1f} s) and one decoding ({together.decoding_seconds.median:.1f} s)."
        )


def _print_promises(bench: Bench) -> None:
    for promise in bench.promises:
        if not promise.kept:
            bound = f"{promise.at_least} at least" if promise.at_most is None else f"{promise.at_most} at most"
            of = "" if promise.backbone is None else f" of {promise.backbone}"
            print_line(f"Promised: {promise.what}{of} {bound}; it is {promise.figure:.3f}.")


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _rate(spread: Spread | None) -> str:
    if spread is None:
        return ""
    digits = 2 if spread.median < 10 else 1 if spread.median < 100 else 0
    median, low, high = (f"{value:,.{digits}f}" for value in (spread.median, spread.low, spread.high))
    return f"{median} [{low}, {high}]"
