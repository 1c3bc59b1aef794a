"""A searcher, data set, backbone or baseline for each way to break its contract, under the suites; most tests fail.

`test_contracts_can_fail.py` runs this file in a process of its own.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from iqatune.backbones.sources import Cnn
from iqatune.backbones.zoo import BACKBONES, IMAGENET_MEAN, IMAGENET_STD, BackboneInfo
from iqatune.datasets.adapter import Adapter, DatasetInfo, Entry, LabelList, build_table
from iqatune.datasets.files import FileFinder
from iqatune.datasets.registry import DATASETS
from iqatune.datasets.table import PairTable
from iqatune.records.options import DataOptions
from iqatune.scoring.baselines import BASELINES, Baseline, Compare
from iqatune.search.searchers.base import AwaitingResults, Problem, Proposal, Searcher, SearchExhausted
from iqatune.search.searchers.registry import SEARCHERS
from iqatune.testing import BackboneContract, BaselineContract, DatasetContract, SearcherContract


class Sound(Searcher):
    """Random search, of which every broken searcher below gets one thing wrong."""

    name = "sound"
    description = "random draws"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._generator = np.random.default_rng(problem.seed)
        self._next = 0

    def propose(self) -> Proposal:
        if self._next >= self.problem.samples:
            raise SearchExhausted("all samples are proposed")
        self._next += 1
        parameters = self._generator.uniform(0, 1, len(self.problem.names))
        return Proposal(f"{self._next}", self._next - 1, parameters, "random", budget=len(self.problem.budgets) - 1)

    def observe(self, proposal: Proposal, srcc: float) -> None:
        pass


class Outside(Sound):
    name = "outside"

    def propose(self) -> Proposal:
        proposal = super().propose()
        return replace(proposal, parameters=1.5 * proposal.parameters)


class Unseeded(Sound):
    name = "unseeded"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._generator = np.random.default_rng()


class GlobalGenerator(Sound):
    name = "global-generator"

    def propose(self) -> Proposal:
        if self._next == 0:
            np.random.seed(self.problem.seed % 2**32)
        return replace(super().propose(), parameters=np.random.uniform(0, 1, len(self.problem.names)))


class HalfGlobal(Sound):
    """Seeds the global generator whenever it is made, and counts on nobody else to draw from it."""

    name = "half-global"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        np.random.seed(problem.seed % 2**32)

    def propose(self) -> Proposal:
        return replace(super().propose(), parameters=np.random.uniform(0, 1, len(self.problem.names)))


class OneShort(Sound):
    name = "one-short"

    def propose(self) -> Proposal:
        if self._next == max(1, self.problem.samples - 1):
            raise SearchExhausted("enough")
        return super().propose()


class Endless(Sound):
    name = "endless"

    def propose(self) -> Proposal:
        self.problem = replace(self.problem, samples=self.problem.samples + 1)
        return super().propose()


class OneArray(Sound):
    name = "one-array"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._place = np.zeros(len(problem.names))

    def propose(self) -> Proposal:
        proposal = super().propose()
        self._place[:] = proposal.parameters
        return replace(proposal, parameters=self._place)


class ChokesOnNan(Sound):
    name = "chokes-on-nan"

    def observe(self, proposal: Proposal, srcc: float) -> None:
        if srcc != srcc:
            raise ValueError("cannot sort NaN")


class Waits(Sound):
    name = "waits"

    def propose(self) -> Proposal:
        if self._next == 2:
            raise AwaitingResults("of what?")
        return super().propose()


class FromOne(Sound):
    name = "from-one"

    def propose(self) -> Proposal:
        proposal = super().propose()
        return replace(proposal, sample=proposal.sample + 1)


class SmallBudget(Sound):
    name = "small-budget"

    def propose(self) -> Proposal:
        return replace(super().propose(), budget=0)


class NeedsResults(Sound):
    name = "needs-results"
    needs_no_results = True

    def observe(self, proposal: Proposal, srcc: float) -> None:
        self._generator = np.random.default_rng(self._next)


class Undescribed(Sound):
    name = "undescribed"
    description = ""


class Clock(Sound):
    """Half a searcher: it says that it does not repeat itself, and is asked for nothing that it cannot do."""

    name = "clock"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.repeatable = False
        self._generator = np.random.default_rng()


def _load(options: DataOptions, change: Callable[[list[Entry]], list[Entry]] = lambda entries: entries) -> PairTable:
    """Three flat images with three brighter versions each, of two distortions."""
    folder = Path(options.data_root or "").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for reference, level in itertools.product(range(4), range(4)):
        grey = 50 * reference + 10 * level
        Image.fromarray(np.full((20, 24, 3), grey, np.uint8)).save(folder / f"{reference}-{level}.png")
        distortion = "brighter" if level < 3 else "brightest"
        name = f"{reference}-{level}.png"
        entries.append(
            Entry(
                where="",
                reference=f"{reference}-0.png",
                distorted=name,
                reference_id=f"{reference}",
                distortion=distortion,
                level=level or None,
                score=float(-level),
            )
        )
    labels = LabelList("made", "", "the made set", "higher", entries=change(entries))
    return build_table(options, labels, FileFinder(folder))


def _not_numbers(options: DataOptions) -> PairTable:
    return _load(options, lambda entries: [replace(entries[0], score=float("nan")), *entries[1:]])


def _levels_from_0(options: DataOptions) -> PairTable:
    return _load(options, lambda entries: [replace(entry, level=entry.level or 0) for entry in entries])


def _ignores_exclude(options: DataOptions) -> PairTable:
    return _load(options.model_copy(update={"exclude": ()}))


def _other_each_time(options: DataOptions) -> PairTable:
    return _load(options, lambda entries: [replace(entry, score=float(np.random.rand())) for entry in entries])


def _two_names(options: DataOptions) -> PairTable:
    table = _load(options)
    pairs = tuple(replace(pair, reference_id=f"{place}") for place, pair in enumerate(table.pairs))
    return replace(table, pairs=pairs)


def _no_files(options: DataOptions) -> PairTable:
    table = _load(options)
    pairs = tuple(replace(pair, distorted=pair.distorted.with_suffix(".bmp")) for pair in table.pairs)
    return replace(table, pairs=pairs)


DATA: dict[str, Callable[[DataOptions], PairTable]] = {
    "not-numbers": _not_numbers,
    "levels-from-0": _levels_from_0,
    "ignores-exclude": _ignores_exclude,
    "other-each-time": _other_each_time,
    "two-names": _two_names,
    "no-files": _no_files,
    "any-error": _load,
}


class Maps(nn.Module):
    """Two convolutions, of which every broken CNN below gets one thing wrong."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        with torch.device("meta"):
            self.first, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.to_empty(device="cpu")
        for layer in (self.first, self.second):
            nn.init.kaiming_uniform_(layer.weight, generator=generator)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> list[Tensor]:
        first = self.first(images).relu()
        return [first, self.second(first).relu()]


class NoGradient(Maps):
    def forward(self, images: Tensor) -> list[Tensor]:
        return super().forward(images.detach())


class OfTheBatch(Maps):
    def forward(self, images: Tensor) -> list[Tensor]:
        return super().forward(images - images.mean(dim=0))


class Dropping(Maps):
    def forward(self, images: Tensor) -> list[Tensor]:
        return [nn.functional.dropout(maps) for maps in super().forward(images)]


class Constant(Maps):
    def forward(self, images: Tensor) -> list[Tensor]:
        return [0 * maps for maps in super().forward(images)]


class Outsider(Maps):
    """A filter that is no parameter: it is not hashed, and stays behind when the CNN moves."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.filters = self.first.weight.detach().clone()
        self.first = nn.Identity()  # type: ignore[assignment]

    def forward(self, images: Tensor) -> list[Tensor]:
        first = nn.functional.conv2d(images, self.filters, padding=1).relu()
        return [first, self.second(first).relu()]


NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "no-gradient": NoGradient,
    "of-the-batch": OfTheBatch,
    "dropping": Dropping,
    "constant": Constant,
    "outsider": Outsider,
    "unseeded-cnn": lambda seed: Maps(int(torch.randint(2**31, ()))),
}


def build_channels(info: BackboneInfo, weights: str, seed: int) -> Cnn:
    return Cnn(Maps(seed), (6, 9), IMAGENET_MEAN, IMAGENET_STD)


def build_network(info: BackboneInfo, weights: str, seed: int) -> Cnn:
    return Cnn(NETWORKS[info.model](seed), (6, 8), IMAGENET_MEAN, IMAGENET_STD)


def _backbone(name: str, builder: Callable[..., Cnn]) -> BackboneInfo:
    return BackboneInfo(name=name, description="two convolutions", builder=f"{__name__}:{builder.__name__}", model=name)


def _difference(reference: Tensor, distorted: Tensor) -> float:
    return float((reference - distorted).abs().mean())


class _Counting:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, reference: Tensor, distorted: Tensor) -> float:
        self.calls += 1
        return _difference(reference, distorted) + 1e-3 * self.calls


def _of_large_images(reference: Tensor, distorted: Tensor) -> float:
    window = torch.ones(1, 3, 9, 9)
    return float(nn.functional.conv2d((reference - distorted).abs(), window).mean())


def _sampled(reference: Tensor, distorted: Tensor) -> float:
    return float((reference - distorted).abs().flatten()[torch.randint(reference.numel(), (50,))].mean())


def _baseline(name: str, build: Callable[[], Compare], **options: Any) -> Baseline:
    described = {"description": "a difference", "package": "iqatune", "module": "iqatune", "higher_is_better": False}
    return Baseline(name=name, build=build, **{**described, **options})


for searcher in Sound.__subclasses__():
    SEARCHERS.register(searcher.name, searcher)
for name, load in DATA.items():
    info = DatasetInfo(name=name, description="flat images", pairs=None, references=None, source="made", labels=())
    DATASETS.register(name, Adapter(info, load))
BACKBONES.register("channels", _backbone("channels", build_channels))
for name in NETWORKS:
    BACKBONES.register(name, _backbone(name, build_network))
for baseline in (
    _baseline("other-way-round", lambda: _difference, higher_is_better=True),
    _baseline("not-a-number", lambda: lambda reference, distorted: float("nan")),
    _baseline("counting", _Counting),
    _baseline("of-large-images", lambda: _of_large_images),
    _baseline("sampled", lambda: _sampled),
    _baseline("blind", lambda: lambda reference, distorted: 0.5),
):
    BASELINES.register(baseline.name, baseline)


class _Data(DatasetContract):
    makes_its_images = True


SUITES: dict[str, tuple[type, tuple[str, ...]]] = {
    "Searcher": (SearcherContract, tuple(searcher.name for searcher in Sound.__subclasses__())),
    "Dataset": (_Data, tuple(DATA)),
    "Backbone": (BackboneContract, ("channels", *NETWORKS)),
    "Baseline": (
        BaselineContract,
        ("other-way-round", "not-a-number", "counting", "of-large-images", "sampled", "blind"),
    ),
}
for kind, (suite, names) in SUITES.items():
    for name in names:
        globals()[f"Test {kind} {name}"] = type(f"Test {kind} {name}", (suite,), {"name": name})
