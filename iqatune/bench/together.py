"""Several backbones in one pass, beside their bare forward passes and one decoding."""

from collections.abc import Sequence
from itertools import count

import torch

from iqatune.backbones.devices import true_float32
from iqatune.backbones.network import build_backbone
from iqatune.bench.backbone import Setting, made_up_pairs, synchronised
from iqatune.bench.peer_process import to_tensor
from iqatune.bench.timing import Work, ratio, seconds_by_turns, spread
from iqatune.images import read_rgb
from iqatune.progress import Progress
from iqatune.records.bench import TogetherBench
from iqatune.records.options import BackboneOptions
from iqatune.records.vocabulary import Precision
from iqatune.runtime.files import scratch_folder
from iqatune.statistics.cache import Cache
from iqatune.statistics.extract import PRECISIONS, ImageFile, batch_size, decoded
from iqatune.statistics.several import fill_cache


def bench_together(
    names: Sequence[str], *, device: torch.device, precision: Precision, setting: Setting
) -> TogetherBench:
    """Measure `iqatune extract --backbone A --backbone B ...` with random parameters.

    Args:
        names: of two backbones or more.
    """
    with scratch_folder() as folder:
        table = made_up_pairs(folder, setting)
        paths = list(dict.fromkeys(path for pair in table.pairs for path in (pair.reference, pair.distorted)))
        files = [ImageFile(path=path, transform="", wanted_by=()) for path in paths]
        pixels = read_rgb(paths[0], setting.resize)
        options = [
            BackboneOptions(
                backbone=name,
                backbone_weights="random",
                resize=setting.resize,
                precision=precision,
                device=str(device),
            )
            for name in names
        ]
        fresh = count()

        def together() -> int:
            cache = Cache(folder / f"cache{next(fresh)}")
            return sum(fill_cache(table, options, cache=cache, progress=Progress()).values())

        def bare() -> int:
            for backbone, batch in placed:
                full = to_tensor([pixels] * batch, device)
                for _ in range(-(-len(files) // batch)):
                    synchronised(backbone, full)
            return len(files) * len(placed)

        def decoding() -> int:
            return sum(1 for _ in decoded(files, setting.resize, device))

        with torch.inference_mode(), true_float32():
            placed = []
            for name in names:
                backbone = build_backbone(name, "random").placed(device, PRECISIONS[precision])
                placed.append((backbone, batch_size(backbone, device, pixels)))
            work: dict[str, Work] = {"together": together, "bare": bare, "decoding": decoding}
            found = seconds_by_turns(work, setting.rounds)
    floors = [one + other for one, other in zip(found["bare"], found["decoding"], strict=True)]
    return TogetherBench(
        backbones=tuple(names),
        pairs=len(table),
        seconds=spread(found["together"]),
        bare_seconds=spread(found["bare"]),
        decoding_seconds=spread(found["decoding"]),
        times_the_floor=ratio(found["together"], floors),
    )
