"""Extraction and scoring of one backbone, beside its bare forward pass and other packages."""

import resource
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from iqatune.backbones.devices import true_float32
from iqatune.backbones.network import Backbone, build_backbone
from iqatune.backbones.parameters import is_used
from iqatune.bench.peer_process import FROM_FILES, Comparison, peers_at_work, to_tensor
from iqatune.bench.peers import shared_state
from iqatune.bench.timing import Work, rates, ratio, seconds, spread
from iqatune.datasets.table import Pair, PairTable
from iqatune.images import read_rgb
from iqatune.metric.module import Metric
from iqatune.metric.weights import uniform_weights
from iqatune.progress import Progress
from iqatune.records.bench import BackboneBench
from iqatune.records.vocabulary import Precision
from iqatune.runtime.memory import prepare_memory
from iqatune.statistics.cache import look_up, settings
from iqatune.statistics.extract import PRECISIONS, Stream, batch_size, decoded, extract
from iqatune.statistics.kernels import kernels_of
from iqatune.statistics.store import write_group


@dataclass(frozen=True)
class Setting:
    """What a bench works on.

    Attributes:
        size: width and height of the images on disk.
        references, distorted: how many references, and distorted images of each.
        compared: pairs that scoring and the other packages see in a round.
        rounds: how often everything is measured.
    """

    size: tuple[int, int] = (512, 384)
    references: int = 2
    distorted: int = 15
    compared: int = 8
    rounds: int = 5
    resize: int | None = 256


ON_GPU = Setting(references=8, distorted=63, compared=64)
"""Whole batches for a device that is done with a few images before it can be timed."""

QUICK = Setting(size=(96, 80), references=1, distorted=3, compared=4, rounds=2)


def made_up_pairs(folder: Path, setting: Setting) -> PairTable:
    """Smooth images with noise, written as PNG: what a CNN takes for an image does not depend on what it shows."""
    rng = np.random.default_rng(0)
    width, height = setting.size
    pairs = []
    for r in range(setting.references):
        coarse = Image.fromarray(rng.integers(20, 235, (12, 16, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize(setting.size, Image.Resampling.BICUBIC), dtype=np.float64)
        paths = [folder / f"{r}-{d}.png" for d in range(setting.distorted + 1)]
        for d, path in enumerate(paths):
            noisy = np.clip(smooth + rng.normal(0, 3 + d, (height, width, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(path, compress_level=1)
        pairs += [Pair(paths[0], path, str(r), "noise", None, float(d), float(d)) for d, path in enumerate(paths[1:])]
    return PairTable("csv", tuple(pairs), "made up", "", "higher")


def bench_backbone(name: str, device: torch.device, precision: Precision, setting: Setting) -> BackboneBench:
    """Measure one backbone, with random parameters; where another package uses the same CNN, with the same ones."""
    state = shared_state(name)
    with tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        table = made_up_pairs(folder, setting)
        weights = "random"
        if state is not None:
            weights = str(folder / "parameters.pth")
            torch.save({key: tensor for key, tensor in state.items() if key.startswith("features")}, weights)
        backbone = build_backbone(name, weights).placed(device, PRECISIONS[precision])
        images = [table.pairs[0].reference, *(pair.distorted for pair in table.pairs)][: setting.compared + 1]
        decoded_ones = [read_rgb(path, setting.resize) for path in images]
        batch = batch_size(backbone, device, decoded_ones[0])
        tensors = to_tensor(decoded_ones, device)
        work = _candidates(backbone, state, table, tensors, batch, device, precision, setting, folder)
        comparison = Comparison(name, images[0], tuple(images[1:]), setting.resize, batch, str(device))
        with peers_at_work(comparison) as peers, torch.inference_mode(), true_float32():
            found = rates(work | peers, setting.rounds)
            one = tensors[:1]
            alone = seconds(lambda: _synchronised(backbone, one), setting.rounds)
            profile = _profile(backbone, table, batch, device, setting, folder)
            macs = _macs(backbone, one)
        files, memory = found.pop("extraction"), found.pop("in memory")
        scoring, bare = found.pop("scoring"), found.pop("bare")
        reading = {peer: found.pop(peer + FROM_FILES) for peer in list(found) if peer + FROM_FILES in found}
        return BackboneBench(
            name=name,
            pairs_per_second=spread(files),
            in_memory_pairs_per_second=spread(memory),
            scoring_pairs_per_second=spread(scoring),
            bare_forward_pairs_per_second=spread(bare),
            peers={peer: spread(values) for peer, values in found.items()},
            peers_from_files={peer: spread(values) for peer, values in reading.items()},
            share_of_bare_forward=ratio(files, bare),
            in_memory_share_of_bare_forward=ratio(memory, bare),
            times_peers={peer: ratio(files, values) for peer, values in reading.items()},
            in_memory_times_peers={peer: ratio(memory, values) for peer, values in found.items()},
            milliseconds=spread([1e3 * value for value in alone]),
            parameters=sum(tensor.numel() for key, tensor in backbone.state_dict().items() if is_used(key)),
            macs=macs,
            peak_memory_mib=_peak_memory(name, device, precision, (batch, *tensors.shape[1:])),
            profile_milliseconds=profile,
        )


def _candidates(
    backbone: Backbone,
    state: Mapping[str, Tensor] | None,
    table: PairTable,
    tensors: Tensor,
    batch: int,
    device: torch.device,
    precision: Precision,
    setting: Setting,
    folder: Path,
) -> dict[str, Work]:
    fresh = count()
    x, y = tensors[:1].expand(len(tensors) - 1, -1, -1, -1), tensors[1:]
    # of the same CNN in full precision: scoring is always so
    metric_backbone = build_backbone(backbone.name, str(folder / "parameters.pth") if state is not None else "random")
    metric = Metric(metric_backbone, uniform_weights(backbone.channels)).to(device)
    full = tensors[torch.arange(batch) % len(tensors)]

    def extraction() -> int:
        cache = folder / f"cache{next(fresh)}"
        return extract(table, backbone, cache, device, precision, setting.resize, progress=Progress()).computed

    decided = settings(backbone.identity, setting.resize, precision)
    missing = look_up(table, decided, folder / "never", Progress()).missing
    images = list(decoded(missing, setting.resize, device))
    kernels = kernels_of(device, Progress())

    def in_memory() -> int:
        return sum(len(moments) for _, moments in Stream(backbone, device, kernels).moments(iter(images)))

    def bare() -> int:
        passes = -(-(len(table) + setting.references) // batch)
        for _ in range(passes):
            _synchronised(backbone, full)
        return len(table)

    def scoring() -> int:
        for start in range(0, len(y), batch):
            _synchronised(metric, x[start : start + batch], y[start : start + batch])
        return len(y)

    return {"extraction": extraction, "in memory": in_memory, "bare": bare, "scoring": scoring}


def _synchronised(function, *arguments: Tensor) -> object:  # type: ignore[no-untyped-def]
    result = function(*arguments)
    if arguments[0].device.type == "cuda":
        torch.cuda.synchronize(arguments[0].device)
    return result


def _profile(
    backbone: Backbone, table: PairTable, batch: int, device: torch.device, setting: Setting, folder: Path
) -> dict[str, float]:
    """Median milliseconds an image spends in every step of extraction, one step after another."""
    paths = [table.pairs[row % len(table)].distorted for row in range(batch)]
    images = [read_rgb(path, setting.resize) for path in paths]
    tensor = to_tensor(images, device)
    stages = [stage.clone() for stage in backbone(tensor)]
    kernels = kernels_of(device, Progress())
    reference = kernels.reference_of([stage[:1] for stage in stages])
    moments = kernels.compared(reference, stages).cpu().numpy()
    steps = {
        "decode": lambda: [read_rgb(path, setting.resize) for path in paths],
        "transfer": lambda: _synchronised(lambda _: to_tensor(images, device), tensor),
        "forward": lambda: _synchronised(backbone, tensor),
        "moments": lambda: kernels.compared(reference, stages).cpu(),
        "write": lambda: write_group(folder / "profile.safetensors", moments),
    }
    return {name: median(seconds(step, setting.rounds)) * 1e3 / batch for name, step in steps.items()}


def _macs(backbone: Backbone, image: Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        backbone(image)
    return int(counter.get_total_flops()) // 2


def _peak_memory(name: str, device: torch.device, precision: Precision, shape: tuple[int, ...]) -> float:
    """MiB that one batch adds, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_memory_of_a_batch, name, str(device), precision, shape).result()


def _memory_of_a_batch(name: str, device: str, precision: Precision, shape: tuple[int, ...]) -> float:
    prepare_memory()
    place = torch.device(device)
    before = _resident()
    backbone = build_backbone(name, "random").placed(place, PRECISIONS[precision])
    images = torch.rand(shape, device=place)
    with torch.inference_mode():
        stages = backbone(images)
        kernels = kernels_of(place, Progress())
        kernels.compared(kernels.reference_of([stage[:1] for stage in stages]), stages)
    return _resident() - before if place.type == "cpu" else torch.cuda.max_memory_allocated(place) / 2**20


def _resident() -> float:
    """The most memory that this process has held so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # what getrusage says of a process that another one started begins with the other's memory
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 2**10
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
