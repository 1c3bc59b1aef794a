"""Extraction and scoring of one backbone, beside its bare forward pass and other packages."""

import io
import resource
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from iqatune.backbones.devices import true_float32
from iqatune.backbones.network import Backbone, build_backbone
from iqatune.backbones.state_dicts import is_used
from iqatune.bench.peer_process import FROM_FILES, Comparison, peers_at_work, to_tensor
from iqatune.bench.peers import shared_state
from iqatune.bench.timing import Work, rates, ratio, seconds, spread
from iqatune.datasets.table import Pair, PairTable
from iqatune.images import read_rgb
from iqatune.metric.module import Metric
from iqatune.metric.weights import uniform_weights
from iqatune.progress import Progress
from iqatune.records.bench import BackboneBench
from iqatune.records.options import BackboneOptions
from iqatune.records.vocabulary import Precision
from iqatune.runtime.files import scratch_folder, write_bytes
from iqatune.runtime.memory import prepare_memory
from iqatune.runtime.worker import WorkerPool, follow_parent
from iqatune.scoring.images import score
from iqatune.scoring.pairing import ImagePair, ImagePairs
from iqatune.statistics.cache import Cache, ReferenceGroup, settings_of
from iqatune.statistics.extract import PRECISIONS, GroupImage, Stream, batch_size, decoded, extract, files_of
from iqatune.statistics.kernels import Kernels, kernels_of
from iqatune.statistics.store import Place, write_group


@dataclass(frozen=True, kw_only=True)
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


def made_up_pairs(folder: Path, setting: Setting, suffix: str = "png") -> PairTable:
    """Smooth images with noise, written as PNG or BMP: a CNN takes as long whatever an image shows."""
    rng = np.random.default_rng(0)
    width, height = setting.size
    pairs = []
    for r in range(setting.references):
        coarse = Image.fromarray(rng.integers(20, 235, (12, 16, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize(setting.size, Image.Resampling.BICUBIC), dtype=np.float64)
        paths = [folder / f"{r}-{d}.{suffix}" for d in range(setting.distorted + 1)]
        for d, path in enumerate(paths):
            noisy = np.clip(smooth + rng.normal(0, 3 + d, (height, width, 3)), 0, 255).astype(np.uint8)
            options = {"compress_level": 1} if suffix == "png" else {}
            Image.fromarray(noisy).save(path, format=suffix, **options)
        pairs += [
            Pair(paths[0], path, str(r), "noise", level=None, score=float(d), quality=float(d))
            for d, path in enumerate(paths[1:])
        ]
    return PairTable("csv", tuple(pairs), "made up", "", better="higher")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A backbone with all that it is measured on.

    Attributes:
        backbone: on the device, in the precision that is measured.
        weights: where its parameters come from, as `build_backbone` takes them.
        folder: for what is written.
        table: the images on disk.
        images: those that are compared, the reference first.
        tensors: (1 + compared, 3, H, W) of them, on the device.
        batch: how many images pass the backbone together.
        kernels: what measures moments on the device.
    """

    backbone: Backbone
    weights: str
    device: torch.device
    precision: Precision
    setting: Setting
    folder: Path
    table: PairTable
    images: tuple[Path, ...]
    tensors: Tensor
    batch: int
    kernels: Kernels

    @property
    def options(self) -> BackboneOptions:
        """What one would ask for to get these features."""
        return BackboneOptions(
            backbone=self.backbone.name,
            backbone_weights=self.weights,
            resize=self.setting.resize,
            precision=self.precision,
            device=str(self.device),
        )


def bench_backbone(
    name: str, *, device: torch.device, precision: Precision, setting: Setting, progress: Progress
) -> BackboneBench:
    """Measure one backbone, with random parameters; where another package uses the same CNN, with the same ones."""
    with scratch_folder() as folder:
        subject = _prepared(name, folder, device=device, precision=precision, setting=setting, progress=progress)
        work = _candidates(subject)
        with peers_at_work(_comparison(subject)) as peers, torch.inference_mode(), true_float32():
            found = rates(work | peers, setting.rounds)
            image = subject.tensors[:1]
            alone = seconds(lambda: synchronised(subject.backbone, image), setting.rounds)
            profile = _profile(subject)
            macs = _macs(subject.backbone, image)
    files, memory = found.pop("extraction"), found.pop("in memory")
    scoring, bare = found.pop("scoring"), found.pop("bare")
    bmp, score_of_files = found.pop("from bmp"), found.pop("score")
    reading = {peer: found.pop(peer + FROM_FILES) for peer in list(found) if peer + FROM_FILES in found}
    return BackboneBench(
        name=name,
        pairs_per_second=spread(files),
        in_memory_pairs_per_second=spread(memory),
        bmp_pairs_per_second=spread(bmp),
        scoring_pairs_per_second=spread(scoring),
        score_pairs_per_second=spread(score_of_files),
        bare_forward_pairs_per_second=spread(bare),
        peers={peer: spread(values) for peer, values in found.items()},
        peers_from_files={peer: spread(values) for peer, values in reading.items()},
        share_of_bare_forward=ratio(files, bare),
        bmp_share_of_bare_forward=ratio(bmp, bare),
        in_memory_share_of_bare_forward=ratio(memory, bare),
        score_share_of_extraction=ratio(score_of_files, files),
        times_peers={peer: ratio(files, values) for peer, values in reading.items()},
        in_memory_times_peers={peer: ratio(memory, values) for peer, values in found.items()},
        milliseconds=spread([1e3 * value for value in alone]),
        parameters=sum(tensor.numel() for key, tensor in subject.backbone.state_dict().items() if is_used(key)),
        macs=macs,
        peak_memory_mib=_peak_memory(name, device, precision, (subject.batch, *subject.tensors.shape[1:])),
        profile_milliseconds=profile,
    )


def _prepared(
    name: str, folder: Path, *, device: torch.device, precision: Precision, setting: Setting, progress: Progress
) -> Subject:
    table = made_up_pairs(folder, setting)
    weights = _shared_weights(name, folder)
    backbone = build_backbone(name, weights).placed(device, PRECISIONS[precision])
    images = (table.pairs[0].reference, *(pair.distorted for pair in table.pairs[: setting.compared]))
    pixels = [read_rgb(path, setting.resize) for path in images]
    return Subject(
        backbone=backbone,
        weights=weights,
        device=device,
        precision=precision,
        setting=setting,
        folder=folder,
        table=table,
        images=images,
        tensors=to_tensor(pixels, device),
        batch=batch_size(backbone, device, pixels[0]),
        kernels=kernels_of(device, progress),
    )


def _shared_weights(name: str, folder: Path) -> str:
    """A file of the parameters that the other packages' CNN has; "random" where none has the same CNN."""
    state = shared_state(name)
    if state is None:
        return "random"
    path = folder / "parameters.pth"
    content = io.BytesIO()  # torch itself would end the process where there is no room
    torch.save({key: tensor for key, tensor in state.items() if key.startswith("features")}, content)
    write_bytes(path, content.getvalue())
    return str(path)


def _comparison(subject: Subject) -> Comparison:
    reference, *distorted = subject.images
    return Comparison(
        backbone=subject.backbone.name,
        reference=reference,
        distorted=tuple(distorted),
        resize=subject.setting.resize,
        batch=subject.batch,
        device=str(subject.device),
    )


def _candidates(subject: Subject) -> dict[str, Work]:
    """What takes turns; each counts pairs."""
    return {
        "extraction": _extraction(subject, subject.table),
        "from bmp": _extraction(subject, made_up_pairs(subject.folder, subject.setting, "bmp")),
        "in memory": _in_memory(subject),
        "bare": _bare_forward(subject),
        "scoring": _scoring(subject),
        "score": _score(subject),
    }


def _extraction(subject: Subject, table: PairTable) -> Work:
    """From files to kept statistics, into a new cache each time."""
    settings = settings_of(subject.backbone.identity, subject.options)
    fresh = count()
    silent = Progress()  # to tell how far it is takes time, too

    def extraction() -> int:
        cache = Cache(subject.folder / f"cache{next(fresh)}")
        lookup = cache.lookup(table, settings, silent)
        return extract(
            lookup,
            subject.backbone,
            subject.device,
            precision=subject.precision,
            resize=subject.setting.resize,
            progress=silent,
        ).computed

    return extraction


def _in_memory(subject: Subject) -> Work:
    """From decoded images to moments."""
    settings = settings_of(subject.backbone.identity, subject.options)
    missing = Cache(subject.folder / "never").lookup(subject.table, settings, Progress()).missing
    files = decoded(files_of([missing]), subject.setting.resize, subject.device)
    images = [GroupImage(group, row, pixels) for file, pixels in files for _, group, row in file.wanted_by]

    def in_memory() -> int:
        stream: Stream[ReferenceGroup] = Stream(subject.backbone, subject.device, subject.kernels)
        return sum(len(moments) for _, moments in stream.moments(iter(images)))

    return in_memory


def _bare_forward(subject: Subject) -> Work:
    """The CNN alone, on as many full batches as extraction passes through it."""
    tensors, batch, pairs = subject.tensors, subject.batch, len(subject.table)
    full = tensors[torch.arange(batch) % len(tensors)]
    passes = -(-(pairs + subject.setting.references) // batch)

    def bare() -> int:
        for _ in range(passes):
            synchronised(subject.backbone, full)
        return pairs

    return bare


def _scoring(subject: Subject) -> Work:
    """The metric on decoded pairs, with nothing kept."""
    # of the same CNN in full precision: scoring is always so
    backbone = build_backbone(subject.backbone.name, subject.weights)
    metric = Metric(backbone, uniform_weights(backbone.channels)).to(subject.device)
    y = subject.tensors[1:]
    x = subject.tensors[:1].expand_as(y)

    def scoring() -> int:
        for start in range(0, len(y), subject.batch):
            rows = slice(start, start + subject.batch)
            synchronised(metric, x[rows], y[rows])
        return len(y)

    return scoring


def _score(subject: Subject) -> Work:
    """The verb `score` on the files of all pairs, its metric loaded already."""
    backbone = build_backbone(subject.backbone.name, subject.weights)
    metric = Metric(backbone, uniform_weights(backbone.channels))
    pairs = [ImagePair(pair.reference, pair.distorted, ("", "")) for pair in subject.table.pairs]

    def scored() -> int:
        found = score(
            metric,
            ImagePairs(tuple(pairs)),
            name="",
            device=subject.device,
            resize=subject.setting.resize,
            progress=Progress(),
        )
        return len(found.pairs)

    return scored


def synchronised(function, *arguments: Tensor) -> object:  # type: ignore[no-untyped-def]
    """A function's result, once the device has it."""
    result = function(*arguments)
    if arguments[0].device.type == "cuda":
        torch.cuda.synchronize(arguments[0].device)
    return result


def _profile(subject: Subject) -> dict[str, float]:
    """Median milliseconds an image spends in every step of extraction, one step after another."""
    resize, device, batch = subject.setting.resize, subject.device, subject.batch
    paths = [subject.table.pairs[row % len(subject.table)].distorted for row in range(batch)]
    images = [read_rgb(path, resize) for path in paths]
    tensor = to_tensor(images, device)
    stages = [stage.clone() for stage in subject.backbone(tensor)]
    reference = subject.kernels.reference_of([stage[:1] for stage in stages])
    moments = subject.kernels.compared(reference, stages).cpu().numpy()
    steps = {
        "decode": lambda: [read_rgb(path, resize) for path in paths],
        "transfer": lambda: synchronised(lambda _: to_tensor(images, device), tensor),
        "forward": lambda: synchronised(subject.backbone, tensor),
        "moments": lambda: subject.kernels.compared(reference, stages).cpu(),
        "write": lambda: write_group(Place(subject.folder / "profile.safetensors", ""), moments),
    }
    return {name: median(seconds(step, subject.setting.rounds)) * 1e3 / batch for name, step in steps.items()}


def _macs(backbone: Backbone, image: Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        backbone(image)
    return int(counter.get_total_flops()) // 2


def _peak_memory(name: str, device: torch.device, precision: Precision, shape: tuple[int, ...]) -> float:
    """MiB that one batch adds, in a process of its own."""
    with WorkerPool(1, first=follow_parent) as pool:
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
