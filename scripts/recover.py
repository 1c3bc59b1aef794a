"""Recover an image from noise by descending a metric: what the metric is blind to stays wrong.

The test that Ding et al. 2020 put DISTS to: start at noise, follow the gradient of D to the reference. The picture
shows the reference, the start and what came out, and D and PSNR along the way. Run from the root of the project:

    python scripts/recover.py --backbone-weights FILE --output results/recover/squeezenet-imagenet
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from iqatune.backbones.devices import resolve_device
from iqatune.backbones.network import build_backbone
from iqatune.cli.progress import Console
from iqatune.errors import InputError
from iqatune.metric.module import Metric
from iqatune.metric.weights import uniform_weights
from iqatune.progress import Progress
from iqatune.runtime.files import replacing, write_text


def main() -> int:
    arguments = parse()
    try:
        metric = build(arguments).to(resolve_device(arguments.device))
        reference = photograph(arguments.image, arguments.size).to(metric.device)
        recover_and_write(metric, reference, arguments)
    except InputError as error:
        print(f"recover: {error}", file=sys.stderr)
        return 2
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metric", type=Path, help="result.json, export or DISTS weights [default: uniform weights]")
    parser.add_argument("--backbone", default="squeezenet", help="CNN of the uniform weights")
    parser.add_argument("--backbone-weights", default=None, metavar="pretrained|random|FILE")
    parser.add_argument("--image", type=Path, help="to recover [default: scikit-image's photograph of an astronaut]")
    parser.add_argument("--size", type=int, default=128, help="pixels a side, of the square in the middle")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--rate", type=float, default=0.03, help="Adam's first step size; falls to 0 along a cosine")
    parser.add_argument("--seed", type=int, default=0, help="of the noise to start at")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, required=True, help="writes OUTPUT.png and OUTPUT.json")
    return parser.parse_args()


def build(arguments: argparse.Namespace) -> Metric:
    if arguments.metric is not None:
        metric = Metric.load(arguments.metric, arguments.backbone_weights)
        if not isinstance(metric, Metric):
            sys.exit(f"{arguments.metric}: a fusion of several backbones; name a metric of one")
        return metric
    backbone = build_backbone(arguments.backbone, arguments.backbone_weights or "pretrained")
    return Metric(backbone, uniform_weights(backbone.channels), origin="uniform weights")


def photograph(path: Path | None, size: int) -> Tensor:
    """The square in the middle of an image, brought to `size` pixels a side: (1, 3, size, size) in [0, 1]."""
    if path is None:
        from skimage import data

        image = Image.fromarray(data.astronaut()).crop((80, 0, 368, 288))
    else:
        from iqatune.images import open_rgb

        image = open_rgb(path)
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    pixels = np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def recover(
    metric: Metric, reference: Tensor, start: Tensor, *, steps: int, rate: float, progress: Progress
) -> tuple[Tensor, list[float], list[float]]:
    """Descend D from `start`: the image that comes out, and D and PSNR (dB) before every step and at the end."""
    image = start.clone().requires_grad_()
    # gradients are steep where a channel that is silent in the reference falls silent: with Adam's usual long memory of
    # their squares a few of them would slow all later steps
    optimizer = torch.optim.Adam([image], lr=rate, betas=(0.9, 0.9))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    distances, psnrs = [], []
    with progress.track("descending", steps, "steps") as advance:
        for step in range(steps + 1):
            distance = metric(reference, image, reduction="mean")
            distances.append(distance.item())
            psnrs.append(-10 * (image.detach() - reference).square().mean().log10().item())
            if step < steps:
                optimizer.zero_grad()
                distance.backward()
                optimizer.step()
                schedule.step()
                with torch.no_grad():
                    image.clamp_(0, 1)
                advance(1)
    return image.detach(), distances, psnrs


def recover_and_write(metric: Metric, reference: Tensor, arguments: argparse.Namespace) -> None:
    generator = torch.Generator().manual_seed(arguments.seed)
    noise = torch.rand(reference.shape, generator=generator).to(reference.device)
    started = time.perf_counter()
    image, distances, psnrs = recover(
        metric, reference, noise, steps=arguments.steps, rate=arguments.rate, progress=Console()
    )
    seconds = time.perf_counter() - started
    title = f"{metric.backbone.name} ({metric.backbone.weights}), {metric.origin}"
    path = _beside(arguments.output, ".png")
    draw((reference, noise, image), path, distances=distances, psnrs=psnrs, title=title)
    # no path of this machine: a record is read elsewhere
    command = [Path(part).name if Path(part).is_absolute() else part for part in sys.argv]
    record = {
        "command": ["python", *command],
        "metric": metric.origin,
        "backbone": metric.backbone.name,
        "backbone_weights": metric.backbone.weights,
        "backbone_sha256": metric.backbone_sha256,
        "pooling": metric.backbone.pooling,
        "size": arguments.size,
        "steps": arguments.steps,
        "seed": arguments.seed,
        "start": {"distance": distances[0], "psnr": psnrs[0]},
        "end": {"distance": distances[-1], "psnr": psnrs[-1]},
        "distances": distances,
        "psnrs": psnrs,
        "seconds": seconds,
        "device": str(metric.device),
        "torch": torch.__version__,
    }
    write_text(_beside(arguments.output, ".json"), json.dumps(record, indent=1) + "\n")
    print(
        f"{arguments.output}.png: D {distances[0]:.4f} -> {distances[-1]:.4f}, "
        f"PSNR {psnrs[0]:.2f} -> {psnrs[-1]:.2f} dB in {seconds:.0f} s"
    )


def _beside(output: Path, suffix: str) -> Path:
    """The output's name with a suffix; what follows a point in the name stays."""
    return output.with_name(output.name + suffix)


def draw(images: tuple[Tensor, ...], path: Path, *, distances: list[float], psnrs: list[float], title: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.4), layout="constrained")
    panels = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.5))
    titles = ("reference", f"start: D = {distances[0]:.3f}", f"step {len(distances) - 1}: D = {distances[-1]:.4f}")
    for panel, image, panel_title in zip(panels, images, titles, strict=False):
        panel.imshow(image[0].permute(1, 2, 0).cpu().numpy(), interpolation="nearest")
        panel.set_title(panel_title, fontsize=10)
        panel.set_axis_off()
    curve = panels[3]
    (first,) = curve.semilogy(distances, color="tab:blue", label="D (left, log)")
    curve.set_xlabel("step")
    curve.set_ylabel("D, lower is better")
    right = curve.twinx()
    (second,) = right.plot(psnrs, color="tab:orange", label="PSNR (right)")
    right.set_ylabel("PSNR, dB")
    curve.legend(handles=[first, second], fontsize=8, loc="center right")
    figure.suptitle(title, fontsize=10)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


if __name__ == "__main__":
    sys.exit(main())
