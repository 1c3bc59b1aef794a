"""Metrics without weights to tune, measured on the same pairs under the same resize: what a tuned metric has to beat.

Those built in come from piq (Kastryulin et al. 2022, 'PyTorch Image Quality: Metrics for Image Quality Assessment'),
with its defaults. PSNR and FSIMc see RGB; SSIM, MS-SSIM and VIF see luma (BT.601), as in the papers that define them.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError
from iqatune.images import read_rgb
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.registry import Plugin, Registry, broken, held_to_contract
from iqatune.statistics.cache import Cache, ReferenceGroup
from iqatune.statistics.digests import check_unchanged
from iqatune.version import package_version

if TYPE_CHECKING:
    from torch import Tensor

VERSION = 3
"""Raised whenever the same pairs would get other scores, or a file another form: older ones are then not found."""

CHUNK = 256
"""Pairs that are scored and kept together; an interrupted measurement loses no more than these."""

UNIFORM = "uniform"
"""The baseline that is the metric itself, untuned; it has no entry of its own."""

LUMA = (0.299, 0.587, 0.114)

Compare = Callable[["Tensor", "Tensor"], Any]
"""From a reference and a distorted image, (1, 3, H, W) float32 RGB in [0, 1] (or (1, 1, H, W) luma), to one number."""


class TooSmall(InputError):
    """An image is smaller than a baseline can take."""


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A metric that is measured as it is.

    Attributes:
        name: as on the command line.
        description: what it is and what it sees, in a line.
        package: the distribution that computes it; its version decides which kept scores are still good.
        module: what has to be importable for it.
        build: makes the function that compares two images; called once in a process.
        luma: whether it is given luma (BT.601), (1, 1, H, W), in the place of RGB.
        minimum_size: the smallest image side that it takes, in pixels.
        higher_is_better: whether its number rises with quality.
        extra: the extra of this package that installs what it needs; None for a plug-in.
    """

    name: str
    description: str
    package: str
    module: str
    build: Callable[[], Compare]
    luma: bool = False
    minimum_size: int = 1
    higher_is_better: bool = True
    extra: str | None = None


def _of_piq(function: str) -> Callable[[], Compare]:
    def build() -> Compare:
        import piq

        compare = getattr(piq, function)
        return lambda reference, distorted: compare(distorted, reference, data_range=1.0)

    return build


def _piq(name: str, function: str, description: str, *, luma: bool = False, minimum_size: int = 1) -> Baseline:
    return Baseline(
        name=name,
        description=description,
        package="piq",
        module="piq",
        build=_of_piq(function),
        luma=luma,
        minimum_size=minimum_size,
        extra="baselines",
    )


PSNR = _piq("psnr", "psnr", "peak signal-to-noise ratio, RGB")
SSIM = _piq("ssim", "ssim", "structural similarity, luma, downsampled as by its authors", luma=True, minimum_size=11)
MS_SSIM = _piq("ms-ssim", "multi_scale_ssim", "multi-scale structural similarity, luma", luma=True, minimum_size=161)
FSIM = _piq("fsim", "fsim", "feature similarity with chrominance (FSIMc), RGB", minimum_size=2)
VIF = _piq("vif", "vif_p", "visual information fidelity in the pixel domain, luma", luma=True, minimum_size=41)


def _fault(item: Any, name: str) -> str | None:
    if not isinstance(item, Baseline):
        return f"a {type(item).__name__}, not an iqatune.scoring.baselines.Baseline"
    if item.name != name:
        return f"it calls itself '{item.name}'"
    if not all(isinstance(text, str) and text for text in (item.description, item.package, item.module)):
        return "its description, its package and its module are not text"
    if not isinstance(item.minimum_size, int) or item.minimum_size < 1:
        return f"its minimum_size is {item.minimum_size}, not a number of pixels"
    return None if callable(item.build) else "its build cannot be called"


BASELINES: Registry[Baseline] = Registry(
    "baseline",
    {
        baseline.name: f"{__name__}:{attribute}"
        for attribute, baseline in (
            ("PSNR", PSNR),
            ("SSIM", SSIM),
            ("MS_SSIM", MS_SSIM),
            ("FSIM", FSIM),
            ("VIF", VIF),
        )
    },
    _fault,
)


@dataclass(frozen=True)
class ListedBaseline:
    """A baseline as it is listed, and the package that adds it."""

    name: str
    description: str
    plugin: Plugin | None = None


def available() -> tuple[ListedBaseline, ...]:
    """Every baseline that is measured; the uniform weights of a metric's own backbone are one more."""
    return tuple(_listed(name) for name in BASELINES.names())


def _listed(name: str) -> ListedBaseline:
    plugin = BASELINES.plugin(name)
    try:
        return ListedBaseline(name, BASELINES.find(name).description, plugin)
    except InputError as error:
        return ListedBaseline(name, error.line, plugin)


def find(name: str) -> Baseline:
    """The baseline of that name, what it needs installed.

    Raises:
        InputError: when there is none, or what it needs is not installed.
    """
    baseline = BASELINES.find(name)
    with held_to_contract("baseline", name, BASELINES.plugin(name)):  # what a module is part of is imported
        importable = _is_importable(baseline.module)
    if not importable:
        install = baseline.package if baseline.extra is None else f"iqatune[{baseline.extra}]"
        raise InputError(f"`baseline` {name}: needs {baseline.module}; install {install}")
    return baseline


def _is_importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # what it is part of is absent, or it is no name of a module
        return False


def baseline_scores(
    name: str, table: PairTable, *, resize: int | None, device: str, cache: Cache, progress: Progress
) -> Floats:
    """(N,) scores of the pairs, higher is better, from the cache where they are.

    Args:
        resize: the protocol's short side; None for none.
        device: where to compute, as torch names it.

    Raises:
        InputError: when the name is unknown, its package is not installed, or an image is unreadable (`TooSmall`: too
            small).
    """
    baseline = find(name)
    lookup = cache.lookup_scores(table, baseline.name, _settings(baseline, resize), progress)
    lookup.tell_damage(progress)
    lookup.check_can_be_completed()
    scores: Floats = lookup.values
    if lookup.missing:
        measure = _Measure(baseline, resize=resize, device=device)
        done = len(table) - lookup.missing_pairs
        with progress.track(f"measuring {name}", len(table), "pairs", done=done) as advance:
            for part in _parts(lookup.missing):
                rows = list(part.rows)
                scores[rows] = [measure(table.pairs[row]) for row in rows]
                check_unchanged(part.stamps)
                part.keep(scores[rows])
                advance(len(rows))
    sign = 1.0 if baseline.higher_is_better else -1.0
    return sign * scores


def _parts(groups: Iterable[ReferenceGroup]) -> Iterator[ReferenceGroup]:
    """The groups, those of many pairs in parts; the first of them takes the place of what was damaged."""
    for group in groups:
        for start in range(0, len(group.rows), CHUNK):
            part = group.only(range(start, min(start + CHUNK, len(group.rows))))
            yield replace(part, damaged=() if start else group.damaged)


class _Measure:
    """Measures one pair after another."""

    def __init__(self, baseline: Baseline, *, resize: int | None, device: str) -> None:
        self._baseline = baseline
        self._is_builtin = BASELINES.is_builtin(baseline.name)
        self._plugin = BASELINES.plugin(baseline.name)
        with self._contract():
            self._compare: Compare = baseline.build()
        self._resize = resize
        self._device = device

    def __call__(self, pair: Pair) -> float:
        import torch

        from iqatune.backbones.devices import true_float32

        baseline = self._baseline
        reference, distorted = (read_rgb(path, self._resize) for path in (pair.reference, pair.distorted))
        if min(reference.shape[:2]) < baseline.minimum_size:
            size = f"{reference.shape[1]} x {reference.shape[0]}"
            raise TooSmall(
                f"`baseline` {baseline.name}: {pair.reference} is {size}, and it takes {baseline.minimum_size} pixels "
                "a side; leave this baseline out"
            )
        x, y = (
            torch.from_numpy(image).permute(2, 0, 1)[None].to(device=self._device, dtype=torch.float32) / 255
            for image in (reference, distorted)
        )
        if baseline.luma:
            shares = torch.tensor(LUMA, device=self._device)[None, :, None, None]
            x, y = (x * shares).sum(1, keepdim=True), (y * shares).sum(1, keepdim=True)
        with torch.inference_mode(), true_float32():
            return self._checked(x, y)

    def _checked(self, reference: "Tensor", distorted: "Tensor") -> float:
        """What the comparison gives; a plug-in that gives no finite number is named."""
        with self._contract():
            value = float(self._compare(reference, distorted))
        if not self._is_builtin and not math.isfinite(value):
            raise broken("baseline", self._baseline.name, self._plugin, f"its number for two images is {value}")
        return value

    def _contract(self) -> AbstractContextManager[None]:
        """What a plug-in does wrong in here is told with its name; what is built in raises as it does."""
        if self._is_builtin:
            return nullcontext()
        return held_to_contract("baseline", self._baseline.name, self._plugin)


def _settings(baseline: Baseline, resize: int | None) -> dict[str, object]:
    """All that decides the scores besides the images."""
    version = package_version(baseline.package)
    settings = {"version": VERSION, "baseline": baseline.name, baseline.package: version, "resize": resize}
    origin = BASELINES.origin(baseline.name)
    return settings | ({"plugin": origin} if origin else {})
