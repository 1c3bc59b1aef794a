"""Checks of a backbone's parameters, and of the device by what it makes of them."""

import copy
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from iqatune.backbones.devices import resolve_device, true_float32
from iqatune.backbones.network import Backbone
from iqatune.doctor.findings import Outcome, some
from iqatune.errors import InputError, UsageError, counted
from iqatune.images import resized_size
from iqatune.records.options import BackboneOptions

SIDE = 64
TRIED = 8
"""The most frequent sizes of a data set's images, with which a backbone is tried; so it is with the extremes."""
SHORT_SIDE = BackboneOptions.model_fields["resize"].default
AGREEMENT = 1e-3
"""Largest difference from float64, as a share of a stage's largest value."""


def backbone_outcomes(backbone: Backbone) -> Iterator[Outcome]:
    """Parameters are finite, the hash that records will carry, what size it needs, and that every stage responds."""
    bad = [name for name, tensor in backbone.state_dict().items() if not tensor.isfinite().all()]
    if bad:
        yield "parameters", "problem", f"NaN or infinite: {some(bad)}; get the parameters again"
        return
    count = sum(parameter.numel() for parameter in backbone.parameters())
    source = f"{backbone.weights}, {backbone.found_in}" if backbone.found_in else backbone.weights
    yield "parameters", "ok", f"{count} finite ({source}), sha256 {backbone.parameters_sha256[:16]}..."
    channels = " ".join(str(channel) for channel in backbone.channels)
    taps = f"; taps {' '.join(backbone.taps)}" if backbone.taps else ""
    side = backbone.minimum_size
    size = f"the smallest square image that it accepted is {side}x{side}"
    if backbone.padding is not None:
        size = f"images are padded to {backbone.padding} pixels"
    yield "size", "ok", f"{size}; channels {channels}{taps}; pooling {backbone.pooling}"
    with torch.inference_mode():
        maps = backbone(noise_images(max(side, SIDE)))
    silent = [f"stage {stage}" for stage, values in enumerate(maps) if not values.isfinite().all() or not values.any()]
    if silent:
        yield (
            "response",
            "problem",
            f"{some(silent)} is all zeros or not finite for noise; these parameters cannot be used",
        )
    else:
        yield "response", "ok", f"all {len(maps)} stages respond"


def size_outcomes(backbone: Backbone, sizes: Mapping[Path, tuple[int, int]]) -> Iterator[Outcome]:
    """Whether the backbone takes a data set's own sizes, as a search by default resizes them: tried, not reckoned.

    Args:
        sizes: width and height of every image.
    """
    seen = Counter(resized_size(*size, SHORT_SIDE) for size in sizes.values())
    # of the others the smallest and the largest are those that a CNN is most likely not to take
    extremes = (min(seen, key=min, default=None), max(seen, key=max, default=None))
    tried = dict.fromkeys(size for size in (*(size for size, _ in seen.most_common(TRIED)), *extremes) if size)
    refused = [(size, line) for size in tried if (line := _refused(backbone, size)) is not None]
    of_all = f"{len(tried)} of {len(seen)} sizes tried"
    if refused:
        too = {size for size, _ in refused}
        images = [path.name for path, size in sizes.items() if resized_size(*size, SHORT_SIDE) in too]
        says = f"{len(refused)} refused ({counted(len(images), 'image')}, as {images[0]}), {of_all}: {refused[0][1]}"
        yield "taken sizes", "problem", says
    elif tried:
        taken = [f"{width}x{height}" for width, height in tried]
        how = "" if backbone.padding is None else f", padded to {backbone.padding}"
        yield "taken sizes", "ok", f"the backbone takes {some(taken)}{how}; {of_all}"


def _refused(backbone: Backbone, size: tuple[int, int]) -> str | None:
    width, height = size
    try:
        with torch.inference_mode():
            backbone(torch.zeros(1, 3, height, width))
    except InputError as error:
        return error.command_line
    return None


def device_outcomes(name: str, backbone: Backbone) -> Iterator[Outcome]:
    """The device is there, and computes what float64 on the CPU does.

    Args:
        name: the value of `--device`.
        backbone: on the CPU; it is left there.
    """
    try:
        device = resolve_device(name)
    except UsageError:
        raise
    except InputError as error:
        yield "found", "problem", error.command_line
        return
    yield "found", "ok", _name(device)
    images = noise_images(max(backbone.minimum_size, SIDE))
    try:
        with torch.inference_mode(), true_float32():
            exact = copy.deepcopy(backbone).double()(images.double())
            found = copy.deepcopy(backbone).to(device)(images.to(device))
    except RuntimeError as error:
        yield "arithmetic", "problem", f"cannot compute ({str(error).splitlines()[0]})"
        return
    differences = [_difference(ours.cpu().double(), theirs) for ours, theirs in zip(found, exact, strict=True)]
    worst = max(differences)
    if not worst <= AGREEMENT:
        yield "arithmetic", "problem", f"features differ from float64 on the CPU by {worst:.1e} of their largest value"
    else:
        yield "arithmetic", "ok", f"agrees with float64 on the CPU to {worst:.1e}"


def noise_images(side: int) -> torch.Tensor:
    """(2, 3, side, side) seeded noise in [0, 1], one image at half the contrast of the other."""
    noise = torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(0))
    return torch.cat((noise, 0.25 + 0.5 * noise))


def _difference(values: torch.Tensor, exact: torch.Tensor) -> float:
    largest = float(exact.abs().max())
    return float((values - exact).abs().max()) / (largest or 1.0)


def _name(device: torch.device) -> str:
    if device.type == "cpu":
        return f"cpu, {counted(torch.get_num_threads(), 'thread')}"
    free, total = torch.cuda.mem_get_info(device)
    return f"{device}: {torch.cuda.get_device_name(device)}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free"
