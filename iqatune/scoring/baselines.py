"""Metrics that are measured as they are, on the same pairs under the same resize: what a tuned metric has to beat."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from iqatune.backbones.identity import PRETRAINED, Identity
from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError
from iqatune.extras import install_command
from iqatune.images import Rgb
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions
from iqatune.registry import Plugin, Registry, broken, held_to_contract
from iqatune.scoring.measured import as_tensor, kept_scores, read_pair
from iqatune.statistics.cache import Cache
from iqatune.version import package_version

if TYPE_CHECKING:
    from torch import Tensor

VERSION = 3
"""Raised whenever the same pairs would get other scores, or a file another form: older ones are then not found."""

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
        build: makes the function that compares two images; called once in a process. Of a baseline with a backbone it
            takes where that one's parameters are, as `--backbone-weights` has it.
        luma: whether it is given luma (BT.601), (1, 1, H, W), in the place of RGB.
        minimum_size: the smallest image side that it takes, in pixels.
        higher_is_better: whether its number rises with quality.
        extra: the extra of this package that installs what it needs; None for a plug-in.
        at_identity: its number for an image beside itself, whatever the image: 1 for SSIM, 0 for a distance; None where
            there is no such number, as of PSNR, or it is not known. Texture tolerance needs it.
        backbone: the CNN of `iqatune list backbones` whose parameters decide its scores; empty where none does.
    """

    name: str
    description: str
    package: str
    module: str
    build: Callable[..., Compare]
    luma: bool = False
    minimum_size: int = 1
    higher_is_better: bool = True
    extra: str | None = None
    backbone: str = ""
    at_identity: float | None = None


@dataclass(frozen=True)
class Measured:
    """A baseline's scores of N pairs.

    Attributes:
        scores: (N,), higher is better.
        parameters: of its CNN; None where it has none.
    """

    scores: Floats
    parameters: Identity | None = field(default=None)


def _fault(item: Any, name: str) -> str | None:
    if not isinstance(item, Baseline):
        return f"a {type(item).__name__}, not an iqatune.scoring.baselines.Baseline"
    if item.name != name:
        return f"it calls itself '{item.name}'"
    if not all(isinstance(text, str) and text for text in (item.description, item.package, item.module)):
        return "its description, its package and its module are not text"
    if not isinstance(item.minimum_size, int) or item.minimum_size < 1:
        return f"its minimum_size is {item.minimum_size}, not a number of pixels"
    number = item.at_identity
    if number is not None and not (isinstance(number, int | float) and math.isfinite(number)):
        return f"its at_identity is {number}, not a number"
    return None if callable(item.build) else "its build cannot be called"


_PIQ, _LPIPS = "iqatune.scoring.piq_baselines", "iqatune.scoring.lpips"

BASELINES: Registry[Baseline] = Registry(
    "baseline",
    {
        "psnr": f"{_PIQ}:PSNR",
        "ssim": f"{_PIQ}:SSIM",
        "ms-ssim": f"{_PIQ}:MS_SSIM",
        "fsim": f"{_PIQ}:FSIM",
        "vif": f"{_PIQ}:VIF",
        "vsi": f"{_PIQ}:VSI",
        "mdsi": f"{_PIQ}:MDSI",
        "haarpsi": f"{_PIQ}:HAARPSI",
        "gmsd": f"{_PIQ}:GMSD",
        "lpips": f"{_LPIPS}:ALEX",
        "lpips-vgg": f"{_LPIPS}:VGG",
        "lpips-squeeze": f"{_LPIPS}:SQUEEZE",
        "dists": "iqatune.scoring.dists:DISTS",
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
        install = f"install {baseline.package}" if baseline.extra is None else f"run {install_command(baseline.extra)}"
        raise InputError(f"`baseline` {name}: needs {baseline.module}; {install}")
    return baseline


def _is_importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # what it is part of is absent, or it is no name of a module
        return False


def baseline_scores(
    name: str,
    table: PairTable,
    *,
    resize: int | None,
    device: str,
    cache: Cache,
    progress: Progress,
    weights: str = PRETRAINED,
) -> Measured:
    """The scores of the pairs, from the cache where they are.

    Args:
        resize: the protocol's short side; None for none.
        device: where to compute, as torch names it.
        weights: of a baseline with a CNN: where that one's parameters are, "pretrained" or a file.

    Raises:
        InputError: when the name is unknown, its package is not installed, its parameters cannot be had, or an image is
            unreadable (`TooSmall`: too small).
    """
    baseline = find(name)
    parameters = _parameters(baseline, weights, cache, progress) if baseline.backbone else None
    scores = kept_scores(
        table,
        name,
        _settings(baseline, resize, parameters),
        lambda: _Measure(baseline, resize=resize, device=device, weights=weights),
        cache=cache,
        progress=progress,
    )
    sign = 1.0 if baseline.higher_is_better else -1.0
    return Measured(sign * scores, parameters)


def comparison(name: str, *, device: str, weights: str = PRETRAINED) -> Callable[[Rgb, Rgb], float]:
    """What compares two decoded images by a baseline, in its own numbers; arguments and errors as of `baseline_scores`.

    The images are of one size, and are not resized.
    """
    return _Measure(find(name), resize=None, device=device, weights=weights).of_images


def _parameters(baseline: Baseline, weights: str, cache: Cache, progress: Progress) -> Identity:
    """What tells the parameters of a baseline's CNN; it is built where that is not remembered."""
    options = BackboneOptions(backbone=baseline.backbone, backbone_weights=weights, pooling="native")
    identity = cache.identity(options, progress)
    if identity is None:
        # here, not above: torch takes seconds to import, and scores that are kept need none of it
        from iqatune.backbones.network import build_backbone

        try:
            identity = build_backbone(baseline.backbone, weights, "native").identity
        except InputError as error:
            line = error.line.replace("`backbone_weights`", "`baseline_weights`").replace(
                " or `baseline_weights` random", ""
            )
            raise InputError(f"`baseline` {baseline.name}: {line}") from error
        cache.remember(identity, options, progress)
    return identity


class _Measure:
    """Measures one pair after another."""

    def __init__(self, baseline: Baseline, *, resize: int | None, device: str, weights: str) -> None:
        self._baseline = baseline
        self._is_builtin = BASELINES.is_builtin(baseline.name)
        self._plugin = BASELINES.plugin(baseline.name)
        with self._contract():
            self._compare: Compare = baseline.build(weights) if baseline.backbone else baseline.build()
        self._resize = resize
        self._device = device

    def __call__(self, pair: Pair) -> float:
        return self.of_images(*read_pair(pair, self._resize), str(pair.reference))

    def of_images(self, reference: Rgb, distorted: Rgb, name: str = "the reference") -> float:
        """The baseline's own number for two decoded images; `name` is what an error calls the first."""
        import torch

        from iqatune.backbones.devices import true_float32

        baseline = self._baseline
        if min(reference.shape[:2]) < baseline.minimum_size:
            size = f"{reference.shape[1]} x {reference.shape[0]}"
            raise TooSmall(
                f"`baseline` {baseline.name}: {name} is {size}, and it takes {baseline.minimum_size} pixels "
                "a side; leave this baseline out"
            )
        x, y = (as_tensor(image, self._device) for image in (reference, distorted))
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


def _settings(baseline: Baseline, resize: int | None, parameters: Identity | None) -> dict[str, object]:
    """All that decides the scores besides the images."""
    version = package_version(baseline.package)
    settings = {"version": VERSION, "baseline": baseline.name, baseline.package: version, "resize": resize}
    origin = BASELINES.origin(baseline.name)
    if parameters is not None:
        settings["parameters_sha256"] = parameters.parameters_sha256
    return settings | ({"plugin": origin} if origin else {})
