#!/usr/bin/env python
"""Train a small generator with pixel loss alone, and with a tuned metric beside it: does the metric help?

A VAE-GAN learns to rebuild crops of scikit-image's colour photographs: once with pixel loss alone, and once with every
--metric beside it, from the same seeds, on the same crops in the same order. Every photograph is left out of training
once, and the copies of its crops are compared by PSNR, by FSIM, and by --judge, a metric of another CNN than those
that took part in training. Run from the root of the project:

    python scripts/generate.py --metric squeezenet.safetensors --judge mobilenetv2.safetensors

Writes figures.json, table.md, curves.png, rebuilt.png and samples.png. docs/generator.md says what came out.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from generator_figures import Compare, compare, one_by_one, picture_of_curves, picture_of_rows, table
from generator_model import LATENT, SIDE, TURNS, Discriminator, Encoder, Generator
from torch import Tensor
from torch.nn import functional as F

from iqatune import InputError, Metric
from iqatune.backbones.devices import resolve_device
from iqatune.cli.progress import Console
from iqatune.errors import as_flags
from iqatune.images import read_rgb
from iqatune.metric.base import ImageMetric
from iqatune.metric.files import SHORT_SIDE
from iqatune.progress import Progress
from iqatune.records.environment import environment
from iqatune.runtime.files import check_writable, sha256_of_file, write_together
from iqatune.scoring import baselines

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left", "hubble_deep_field", "retina", "ihc")
"""Every colour photograph in scikit-image's wheel; motorcycle_right shows what motorcycle_left does."""
FREE = tuple(name for name in PHOTOGRAPHS if name != "motorcycle_left")
"""Those that scikit-image says are CC0 or in the public domain, or free of known rights: pictures show these alone."""

PIXEL = "pixel"
"""The arm that is trained with pixel loss alone; the others are called as their metric's file."""

CURVE_POINTS = 10
"""How often the held-out crops are rebuilt and measured along the way."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""From the original crops and their copies, (B, 3, H, W) each, to one number."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a run is asked for; `--help` says what each means."""

    metric: tuple[Path, ...]
    judge: Path
    output: Path
    metric_weight: float
    adversarial_weight: float
    kl_weight: float
    steps: int
    folds: int
    batch: int
    width: int
    rate: float
    seed: int
    bf16: bool
    compile: str | None
    device: str

    @property
    def arms(self) -> list[str]:
        return [PIXEL, *(file.stem for file in self.metric)]

    def autocast(self, device: torch.device) -> torch.autocast:
        return torch.autocast(device.type, torch.bfloat16, enabled=self.bf16)


QUICK = {"steps": 20, "folds": 2, "batch": 4, "width": 8}


@dataclass
class Arm:
    """One way to train, and what comes of it.

    Attributes:
        metric: what is trained with beside the pixel loss; None for pixel loss alone.
        curves: what was measured along the way, of every fold.
        rebuilt: the copies of every held-out photograph's crops, (N, 3, SIDE, SIDE).
        samples: what the generator of the last fold makes of noise, likewise.
        seconds: what training took, of every fold.
    """

    metric: ImageMetric | None
    curves: list[dict[str, list[float]]] = field(default_factory=list)
    rebuilt: dict[str, Tensor] = field(default_factory=dict)
    samples: Tensor = field(default_factory=lambda: torch.empty(0, 3, SIDE, SIDE))
    seconds: list[float] = field(default_factory=list)


class Networks(torch.nn.Module):
    """The three networks, initialised from a seed; the global random state is left alone."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder, self.generator, self.discriminator = Encoder(width), Generator(width), Discriminator(width)

    @torch.no_grad()
    def rebuild(self, crops: Tensor) -> Tensor:
        rebuilt: Tensor = self.generator(self.encoder(crops).mean)
        return rebuilt


def photograph(name: str) -> Tensor:
    """A photograph of scikit-image, brought to the size that metrics are tuned for: (3, H, W) in [0, 1]."""
    resource = next(each for each in (files("skimage") / "data").iterdir() if each.name.startswith(f"{name}."))
    with as_file(resource) as path:
        return torch.from_numpy(read_rgb(path, SHORT_SIDE)).permute(2, 0, 1).float() / 255


def tiles(image: Tensor) -> Tensor:
    """All crops of an image that lie side by side, from its upper left: (N, 3, SIDE, SIDE)."""
    return image.unfold(1, SIDE, SIDE).unfold(2, SIDE, SIDE).permute(1, 2, 0, 3, 4).flatten(0, 1).contiguous()


def random_crops(images: list[Tensor], count: int, rng: np.random.Generator) -> Tensor:
    """Crops at random places of random images, half of them mirrored: (count, 3, SIDE, SIDE)."""
    crops = []
    for index in rng.integers(len(images), size=count):
        top, left = (int(rng.integers(side - SIDE + 1)) for side in images[index].shape[1:])
        crop = images[index][:, top : top + SIDE, left : left + SIDE]
        crops.append(crop.flip(2) if rng.random() < 0.5 else crop)
    return torch.stack(crops)


def turned(images: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """The images (B, C, H, W), each turned by a random number of quarters, and those numbers (B,)."""
    quarters = rng.integers(TURNS, size=len(images))
    turns = [image.rot90(int(quarter), (1, 2)) for image, quarter in zip(images, quarters, strict=True)]
    return torch.stack(turns), torch.from_numpy(quarters).to(images.device)


def train(
    networks: Networks, batches: Iterator[Tensor], metric: Loss | None, options: Options
) -> Iterator[dict[str, Tensor]]:
    """Train the networks in place; yields the losses of every step."""
    autoencoder = [*networks.encoder.parameters(), *networks.generator.parameters()]
    discriminator = list(networks.discriminator.parameters())
    optimizers = [torch.optim.Adam(group, options.rate, betas=(0.5, 0.99)) for group in (autoencoder, discriminator)]
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(each, options.steps) for each in optimizers]
    # of their own: every arm meets the same noise and the same turns
    noise, rng = torch.Generator().manual_seed(options.seed), np.random.default_rng(options.seed)

    for real in batches:
        # half as many images are made of noise as are rebuilt: they are for the discriminator alone
        drawn = torch.randn(len(real) * 3 // 2, *LATENT, generator=noise).to(real.device)
        with options.autocast(real.device):
            latent = networks.encoder(real)
            made = networks.generator(torch.cat((latent.sample(drawn[: len(real)]), drawn[len(real) :])))
            (real_turned, real_turns), (made_turned, made_turns) = turned(real, rng), turned(made, rng)

            # the discriminator learns to tell what is real, and how that is turned
            on_real, on_made = networks.discriminator(real_turned), networks.discriminator(made_turned.detach())
            hinge = F.relu(1 - on_real.real).mean() + F.relu(1 + on_made.real).mean()
            turn = F.cross_entropy(on_real.turn, real_turns)
        descend(optimizers[1], discriminator, hinge + turn)

        with options.autocast(real.device):
            # the others learn to rebuild, to be taken for real, and to make images that show how they are turned
            on_made, rebuilt = networks.discriminator(made_turned), made[: len(real)]
            adversarial = F.cross_entropy(on_made.turn, made_turns) - on_made.real.mean()
            losses = {
                "pixel": ((rebuilt - real).abs().mean(), 1.0),
                "kl": (latent.divergence().mean() / real[0].numel(), options.kl_weight),
                "adversarial": (adversarial, options.adversarial_weight),
            }
            if metric is not None:
                losses["metric"] = (metric(real, rebuilt), options.metric_weight)
            loss = torch.stack([value * weight for value, weight in losses.values()]).sum()
        descend(optimizers[0], autoencoder, loss)

        for schedule in schedules:
            schedule.step()
        yield {name: value.detach() for name, (value, _) in losses.items()} | {
            "discriminator": hinge.detach(),
            "turn": turn.detach(),
        }


def descend(optimizer: torch.optim.Optimizer, parameters: list[torch.nn.Parameter], loss: Tensor) -> None:
    """One step down the loss. Gradients are clipped: a metric's are steep where a channel is nearly silent."""
    optimizer.zero_grad()
    torch.autograd.backward(loss, inputs=parameters)
    torch.nn.utils.clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)
    optimizer.step()


def run_fold(
    arm: Arm, fold: int, images: Mapping[str, Tensor], *, judge: ImageMetric, options: Options
) -> Iterator[dict[str, list[float]]]:
    """Train an arm without the fold's photographs, and rebuild those; yields the curves after every step."""
    started = time.monotonic()
    seeded = replace(options, seed=options.seed + fold)
    networks = Networks(options.width, seeded.seed).to(judge.device)
    held_out = held_out_in(fold, options)
    seen, unseen = [images[name] for name in images if name not in held_out], {n: tiles(images[n]) for n in held_out}
    rng = np.random.default_rng(seeded.seed)
    batches = (random_crops(seen, options.batch, rng) for _ in range(options.steps))

    every = max(options.steps // CURVE_POINTS, 10)
    curves: dict[str, list[float]] = {}
    since: list[dict[str, Tensor]] = []
    for step, losses in enumerate(train(networks, batches, as_loss(arm.metric, options), seeded), start=1):
        since.append(losses)
        if step % every == 0 or step == options.steps:
            means = {name: float(torch.stack([each[name] for each in since]).mean()) for name in losses}
            for name, value in ({"step": step} | means | _held_out(networks, unseen, judge)).items():
                curves.setdefault(name, []).append(value)
            since = []
        yield curves
    arm.curves.append(curves)
    arm.rebuilt |= {name: networks.rebuild(crops) for name, crops in unseen.items()}
    noise = torch.randn(len(images), *LATENT, generator=torch.Generator().manual_seed(options.seed))
    with torch.no_grad():
        arm.samples = networks.generator(noise.to(judge.device))
    arm.seconds.append(round(time.monotonic() - started, 1))


@torch.no_grad()
def _held_out(networks: Networks, unseen: Mapping[str, Tensor], judge: ImageMetric) -> dict[str, float]:
    crops = torch.cat(list(unseen.values()))
    rebuilt = networks.rebuild(crops)
    squared = (rebuilt - crops).square().mean(dim=(1, 2, 3))
    return {"held-out psnr": float(-10 * squared.log10().mean()), "held-out judge": float(judge(crops, rebuilt).mean())}


def held_out_in(fold: int, options: Options) -> list[str]:
    return list(PHOTOGRAPHS[fold :: options.folds])


def load_metric(file: Path, device: torch.device) -> ImageMetric:
    """A metric as a loss wants it: on the device, and without the check of every image's range, which stops a GPU."""
    metric = Metric.load(file).to(device)
    metric.check_range = False
    return metric


def as_loss(metric: ImageMetric | None, options: Options) -> Loss | None:
    if metric is None:
        return None
    called = torch.compile(metric, backend=options.compile) if options.compile else metric
    return partial(called, reduction="mean")


def run(options: Options, progress: Progress) -> None:
    """Train all arms in all folds, compare them, and write what came out: all files or none."""
    arms, judge = prepare(options)
    measures: dict[str, Compare] = {name: one_by_one(baselines.find(name).build()) for name in ("psnr", "fsim")}
    measures |= {f"judge {options.judge.stem}": judge}
    measures |= {name: arm.metric for name, arm in arms.items() if arm.metric is not None}
    images = {name: photograph(name).to(judge.device) for name in PHOTOGRAPHS}
    with progress.track("training", options.folds * len(arms) * options.steps, "steps") as advance:
        for fold in range(options.folds):
            for name, arm in arms.items():
                for _ in run_fold(arm, fold, images, judge=judge, options=options):
                    advance(1)
                last = {key: values[-1] for key, values in arm.curves[-1].items() if key.startswith("held-out")}
                said = ", ".join(f"{key} {value:.4g}" for key, value in last.items())
                progress.say(f"fold {fold + 1} of {options.folds}, {name}: {said}, {arm.seconds[-1]:.0f} s")
    crops = {name: tiles(image) for name, image in images.items()}
    compared = compare(measures, crops, {name: arm.rebuilt for name, arm in arms.items()})
    document = {
        "options": _said(options),
        "judge": judge.origin,
        "crops": {name: len(each) for name, each in crops.items()},
        "folds": [held_out_in(fold, options) for fold in range(options.folds)],
        "measures": compared,
        "arms": {name: _told(arm) for name, arm in arms.items()},
        "environment": environment(str(judge.device)).model_dump(),
    }
    rows = {"reference": crops} | {name: arm.rebuilt for name, arm in arms.items()}
    middle = {row: torch.stack([shown[name][len(crops[name]) // 2] for name in FREE]) for row, shown in rows.items()}
    contents: dict[str, str | bytes] = {
        "figures.json": json.dumps(document, indent=1) + "\n",
        "table.md": table(compared),
        "curves.png": picture_of_curves({name: arm.curves for name, arm in arms.items()}),
        "rebuilt.png": picture_of_rows(middle),
        "samples.png": picture_of_rows({name: arm.samples for name, arm in arms.items()}),
    }
    write_together(options.output, contents)
    click.echo(contents["table.md"], nl=False)


def prepare(options: Options) -> tuple[dict[str, Arm], ImageMetric]:
    """The arms and the judge; what is wrong with them is said before hours are spent."""
    if len(set(options.arms)) < len(options.arms):
        raise InputError(f"`metric`: two arms would be called alike ({', '.join(options.arms)}); rename a file")
    if options.compile and options.compile not in torch.compiler.list_backends(exclude_tags=()):
        known = ", ".join(torch.compiler.list_backends())
        raise InputError(f"`compile` {options.compile}: unknown to torch; give one of {known}, or aot_eager")
    check_writable(options.output, option="output")
    device = resolve_device(options.device)
    judge = load_metric(options.judge, device)
    arms = {PIXEL: Arm(None)} | {file.stem: Arm(load_metric(file, device)) for file in options.metric}
    for name, arm in arms.items():
        learned = set() if arm.metric is None else {backbone.name for backbone in arm.metric.backbones}
        shared = learned.intersection(backbone.name for backbone in judge.backbones)
        if shared:
            raise InputError(
                f"`judge` {options.judge}: has the CNN of {name} ({', '.join(shared)}), which the generator learns to "
                "please; give a metric of another one"
            )
    return arms, judge


def _said(options: Options) -> dict[str, Any]:
    """The options, with names and hashes in the place of this machine's paths."""
    metrics = {file.name: sha256_of_file(file) for file in options.metric}
    judge = {options.judge.name: sha256_of_file(options.judge)}
    said = {name: value for name, value in asdict(options).items() if name != "output"}
    return said | {"metric": metrics, "judge": judge}


def _told(arm: Arm) -> dict[str, Any]:
    origin = None if arm.metric is None else arm.metric.origin
    return {"metric": origin, "seconds": arm.seconds, "curves": arm.curves}


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(help=__doc__.replace("    python", "\b\n    python"), context_settings={"show_default": True})
@click.option("--metric", type=FILE, multiple=True, required=True, help="To train with: any metric file; repeatable.")
@click.option("--judge", type=FILE, required=True, help="A metric of another CNN, which takes no part in training.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("results/generator"), help="Folder to write to."
)
@click.option("--metric-weight", type=click.FloatRange(min=0), default=0.1, help="Of D beside the pixel loss.")
@click.option("--adversarial-weight", type=click.FloatRange(min=0), default=0.005, help="Of the discriminator's word.")
@click.option(
    "--kl-weight", type=click.FloatRange(min=0), default=0.005, help="Of the latent's divergence from N(0, 1)."
)
@click.option("--steps", type=click.IntRange(min=1), default=300, help="Of training, in every arm and fold.")
@click.option("--folds", type=click.IntRange(2, len(PHOTOGRAPHS)), default=4, help="Every one leaves photographs out.")
@click.option("--batch", type=click.IntRange(min=2), default=8, help="Crops a step.")
@click.option("--width", type=click.IntRange(min=8), default=16, help="Channels of the first layers.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), default=1e-3, help="Adam's, falling to 0.")
@click.option("--seed", type=int, default=0, help="Of the first fold; the next ones take the next numbers.")
@click.option("--bf16", is_flag=True, help="Train under torch.autocast in bfloat16, the metric included.")
@click.option("--compile", metavar="BACKEND", help="Compile the metric: inductor, aot_eager, ...")
@click.option("--device", default="auto", help="auto, cpu, cuda or cuda:N.")
@click.option("--quick", is_flag=True, help=f"A try: {', '.join(f'--{key} {value}' for key, value in QUICK.items())}.")
def main(*, quick: bool, **given: Any) -> None:
    try:
        run(Options(**given | (QUICK if quick else {})), Console())
    except InputError as error:
        click.echo(f"generate: {as_flags(error.line)}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
