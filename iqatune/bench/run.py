"""The whole bench: from options to `bench.json`."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from iqatune.backbones.devices import device_name, resolve_device
from iqatune.backbones.zoo import BACKBONES, TIMM, find
from iqatune.bench.backbone import ON_GPU, QUICK, Setting, bench_backbone
from iqatune.bench.objective import bench_objective, bench_ray
from iqatune.bench.peers import missing
from iqatune.bench.promises import promises
from iqatune.bench.together import bench_together
from iqatune.images import resized_size
from iqatune.progress import Progress
from iqatune.records.bench import BENCH_FILE, Bench
from iqatune.records.documents import sealed
from iqatune.records.environment import environment
from iqatune.records.labels import backbone_label
from iqatune.records.options import BackboneOptions
from iqatune.records.result import read_result
from iqatune.records.run_folder import RESULT_FILE
from iqatune.records.vocabulary import Precision
from iqatune.runtime.files import check_writable, write_text
from iqatune.statistics.cache import Cache
from iqatune.statistics.rates import keep_images_rate


def run_bench(
    backbones: Sequence[str],
    *,
    device: str,
    precision: Precision,
    quick: bool,
    with_ray: bool,
    output: Path,
    progress: Progress,
    cache: Cache | None = None,
) -> Bench:
    """Measure, and write OUTPUT/bench.json.

    Args:
        backbones: names; none for all of the zoo's own.
        quick: small images and few rounds, which shows that it runs, not how fast it is.
        with_ray: measure Ray's Tuner too, which takes minutes.
        cache: that keeps how fast images pass each backbone, for estimates; by default none does.

    Raises:
        InputError: for an unknown backbone or device, or an output that cannot be written.
    """
    names = list(backbones) or [
        name for name in BACKBONES.names() if BACKBONES.is_builtin(name) and not name.startswith(TIMM)
    ]
    for name in names:
        find(name)
    place = resolve_device(device)
    check_writable(output, option="output")
    skipped = missing()
    for line in skipped:
        progress.warn(line)
    setting = QUICK if quick else Setting() if place.type == "cpu" else ON_GPU
    spaces = ("stage", "channel")
    several = len(names) > 1
    with progress.track("benching", len(names) + several + len(spaces) + with_ray, "parts") as advance:
        measured = []
        for name in names:
            measured.append(bench_backbone(name, device=place, precision=precision, setting=setting, progress=progress))
            advance(1)
        together = None
        if several:
            of_all = replace(setting, references=setting.references * 4) if setting is not QUICK else setting
            together = bench_together(names, device=place, precision=precision, setting=of_all)
            advance(1)
        objective = []
        for space in spaces:
            size = {"pairs": 500, "samples": 32} if quick else {}
            objective.append(bench_objective(space, rounds=setting.rounds, **size))
            advance(1)
        ray = bench_ray() if with_ray else None
    bench = sealed(
        Bench(
            quick=quick,
            image=setting.size,
            resized=resized_size(*setting.size, setting.resize),
            rounds=setting.rounds,
            precision=precision,
            backbones=tuple(measured),
            objective=tuple(objective),
            together=together,
            promises=promises(measured, together) if place.type == "cpu" and precision == "fp32" and not quick else (),
            ray=ray,
            skipped=skipped,
            environment=environment(str(place)),
        )
    )
    if cache is not None and not quick:
        images = (1 + setting.distorted) / setting.distorted
        for each in measured:
            options = BackboneOptions(backbone=each.name, resize=setting.resize, precision=precision)
            rate = each.pairs_per_second.median * images
            keep_images_rate(cache, options, device_name(place), images=round(rate * 60), seconds=60)
    write_text(output / BENCH_FILE, bench.model_dump_json(by_alias=True, indent=2) + "\n")
    return bench


def plot_srcc_against_cost(bench: Bench, results: Path, path: Path) -> bool:
    """Draw the held-out SRCC of the records below `results` over their backbone's MACs; False where there are none."""
    cost = {backbone.name: backbone.macs / 1e9 for backbone in bench.backbones}
    points: dict[tuple[str, float], list[float]] = {}
    for file in sorted(results.rglob(RESULT_FILE)):
        record = read_result(file)
        if record.held_out is not None and record.run.backbone in cost:
            place = backbone_label(record), cost[record.run.backbone]
            points.setdefault(place, []).append(record.held_out.srcc_mean)
    if not points:
        return False

    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot(xscale="log", xlabel="MACs an image, 10⁹", ylabel="held-out SRCC")
    for (name, macs), values in points.items():
        axes.plot([macs] * len(values), values, "o", label=f"{name}: median {median(values):.3f}")
    axes.legend()
    drawing = io.StringIO()
    figure.savefig(drawing, format="svg")
    write_text(path, drawing.getvalue())
    return True
