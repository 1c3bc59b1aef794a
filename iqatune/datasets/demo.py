"""The demo set, made on the fly: photographs from scikit-image, damaged here, scored by SIMULATED observers.

It exists so that everything can be tried without getting a data set. No number of it says anything about how well a
metric agrees with people.
"""

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from pydantic import TypeAdapter

from iqatune.datasets.adapter import Adapter, DatasetInfo, Entry, LabelList, Opinion, build_table, chosen_label
from iqatune.datasets.files import FileFinder
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError, UsageError
from iqatune.progress import Progress
from iqatune.records.options import DataOptions
from iqatune.runtime.files import sha256_of_file, temporary_folder
from iqatune.runtime.kept import keep_json, read_json
from iqatune.runtime.stamps import Stamped, stamp_of

REVISION = 1
"""To be raised when the code below changes what it makes."""
SIZE = (192, 144)
SEED = 2024
OBSERVERS = 20
OBSERVER_BIAS, OBSERVER_NOISE = 0.3, 0.7  # standard deviations, in steps of the 1..5 scale
MASKING = 0.12  # standard deviation of how much more or less a reference shows its damage

REFERENCES = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "gravel.png",
    "motorcycle_left.png",
    "rocket.jpg",
)
"""Files in scikit-image's wheel, so that nothing is downloaded."""

MADE = "made.json"
"""The list of the images as they were made: it tells those that are not the same any more."""
_OF = "the images of the demo set"
_STAMPED = TypeAdapter(dict[str, Stamped])

Generator = np.random.Generator


def _gaussian_noise(image: Image.Image, sigma: float, rng: Generator) -> Image.Image:
    values = np.asarray(image, dtype=np.float64)
    return _image(values + rng.normal(0.0, sigma, values.shape))


def _gaussian_blur(image: Image.Image, radius: float, rng: Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(radius))


def _jpeg(image: Image.Image, quality: float, rng: Generator) -> Image.Image:
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=int(quality))
    return Image.open(encoded).convert("RGB")


def _quantization(image: Image.Image, steps: float, rng: Generator) -> Image.Image:
    scale = (steps - 1) / 255.0
    return _image(np.rint(np.asarray(image, dtype=np.float64) * scale) / scale)


def _impulse_noise(image: Image.Image, fraction: float, rng: Generator) -> Image.Image:
    values = np.asarray(image, dtype=np.float64)
    hit = rng.random(values.shape[:2]) < fraction
    salt = rng.random(values.shape[:2]) < 0.5
    return _image(np.where(hit[..., None], np.where(salt, 255.0, 0.0)[..., None], values))


def _pixelation(image: Image.Image, block: float, rng: Generator) -> Image.Image:
    small = (round(image.width / block), round(image.height / block))
    return image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.NEAREST)


def _contrast(image: Image.Image, factor: float, rng: Generator) -> Image.Image:
    values = np.asarray(image, dtype=np.float64)
    return _image(values.mean() + factor * (values - values.mean()))


def _image(values: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


@dataclass(frozen=True)
class _Distortion:
    apply: Callable[[Image.Image, float, Generator], Image.Image]
    amounts: tuple[float, float, float, float, float]
    annoyance: float
    """What simulated observers take off for level 5, as a share of the scale."""


DISTORTIONS = {
    "gaussian-noise": _Distortion(_gaussian_noise, (6, 12, 22, 36, 60), 0.90),
    "gaussian-blur": _Distortion(_gaussian_blur, (0.6, 1.1, 1.8, 3, 5), 0.95),
    "jpeg": _Distortion(_jpeg, (50, 25, 14, 8, 4), 0.90),
    "quantization": _Distortion(_quantization, (24, 12, 8, 5, 3), 0.70),
    "impulse-noise": _Distortion(_impulse_noise, (0.004, 0.012, 0.03, 0.07, 0.15), 0.85),
    "pixelation": _Distortion(_pixelation, (2, 3, 4, 6, 9), 1.00),
    "contrast": _Distortion(_contrast, (0.8, 0.6, 0.45, 0.3, 0.18), 0.55),
}
LEVELS = range(1, 6)

INFO = DatasetInfo(
    name="demo",
    description="photographs from scikit-image, damaged on the fly, scores from SIMULATED observers (higher is better)",
    pairs=len(REFERENCES) * len(DISTORTIONS) * len(LEVELS),
    references=len(REFERENCES),
    source="made on the fly, nothing to download",
    labels=(),
    opinion=Opinion("MOS of the demo", (1.0, 5.0)),
)


def load(options: DataOptions) -> PairTable:
    """Make the images where they are not there yet, below the data root or the user's cache folder.

    Raises:
        InputError: when the folder cannot be written, or an option does not fit.
    """
    if options.pairs is not None or options.better is not None:
        raise UsageError("`pairs`, `better`: only `dataset` csv takes them; leave them out")
    if options.label is not None:
        chosen_label(options, INFO)
    digest = parameters_sha256()
    folder = (Path(options.data_root) if options.data_root else _cache_folder()) / f"demo-{digest[:12]}"
    try:
        ensure_images(folder)
    except OSError as error:
        raise InputError(
            f"{folder}: the demo images cannot be written ({error.strerror}); name another folder with `data_root`"
        ) from error
    labels = LabelList("simulated observers", digest, "the demo set", "higher", entries=_entries(), simulated=True)
    return build_table(options, labels, FileFinder(folder))


def parameters_sha256() -> str:
    """SHA-256 of everything the demo is made from."""
    distortions = {name: (kind.amounts, kind.annoyance) for name, kind in DISTORTIONS.items()}
    observers = (OBSERVERS, OBSERVER_BIAS, OBSERVER_NOISE, MASKING)
    parameters = (REVISION, SIZE, SEED, observers, REFERENCES, distortions)
    return hashlib.sha256(json.dumps(parameters).encode()).hexdigest()


def ensure_images(folder: Path) -> None:
    """Make the images unless all are there as they were made.

    They are made in a folder of their own and moved one by one, so that no half-written image is ever seen; two
    processes at once make the same images, and either's may stay.
    """
    names = [_reference_name(reference) for reference in REFERENCES] + [entry.distorted for entry in _entries()]
    folder.mkdir(parents=True, exist_ok=True)
    made = read_json(folder / MADE, _OF, _STAMPED, Progress()) or {}  # what is wrong with it is mended here
    if all(name in made and _is_as_made(folder / name, made[name]) for name in names):
        return
    with temporary_folder(folder.parent) as work:
        for name, image in _images():
            image.save(work / name, "PNG", compress_level=1)
        digests = {name: sha256_of_file(work / name) for name in names}
        for name in names:
            (work / name).replace(folder / name)
    keep_json(folder / MADE, _OF, {name: (*stamp_of(folder / name), digest) for name, digest in digests.items()})


def simulated_scores() -> NDArray[np.float64]:
    """Mean opinion scores 1..5, shape (references, distortions, levels).

    A pair's true quality falls linearly with its level, by its distortion's annoyance, scaled by how much its
    reference shows damage. Every observer has a bias, adds noise, and rates in whole steps.
    """
    rng = np.random.default_rng(SEED)
    annoyance = np.array([kind.annoyance for kind in DISTORTIONS.values()])
    shows = np.clip(rng.normal(1.0, MASKING, len(REFERENCES)), 0.7, 1.3)
    damage = shows[:, None, None] * annoyance[:, None] * np.array(LEVELS) / max(LEVELS)
    quality = 5.0 - 4.0 * np.minimum(damage, 1.0)
    bias = rng.normal(0.0, OBSERVER_BIAS, OBSERVERS)
    opinions = quality[..., None] + bias + rng.normal(0.0, OBSERVER_NOISE, (*quality.shape, OBSERVERS))
    scores: NDArray[np.float64] = np.clip(np.rint(opinions), 1, 5).mean(axis=-1)
    return scores


def _entries() -> list[Entry]:
    scores = simulated_scores()
    return [
        Entry(
            where=f"pair {reference} {distortion} {level}",
            reference=_reference_name(reference),
            distorted=_distorted_name(reference, distortion, level),
            reference_id=Path(reference).stem,
            distortion=distortion,
            level=level,
            score=float(scores[i, j, k]),
        )
        for i, reference in enumerate(REFERENCES)
        for j, distortion in enumerate(DISTORTIONS)
        for k, level in enumerate(LEVELS)
    ]


def _images() -> list[tuple[str, Image.Image]]:
    images = []
    for i, reference in enumerate(REFERENCES):
        original = _photograph(reference)
        images.append((_reference_name(reference), original))
        for j, (distortion, kind) in enumerate(DISTORTIONS.items()):
            for level, amount in zip(LEVELS, kind.amounts, strict=True):
                # a generator for each image: the same image whatever was made before it
                rng = np.random.default_rng((SEED, i, j, level))
                images.append((_distorted_name(reference, distortion, level), kind.apply(original, amount, rng)))
    return images


def _photograph(name: str) -> Image.Image:
    with as_file(files("skimage") / "data" / name) as path, Image.open(path) as image:
        return ImageOps.fit(image.convert("RGB"), SIZE, Image.Resampling.LANCZOS)


def _reference_name(reference: str) -> str:
    return f"{Path(reference).stem}.png"


def _distorted_name(reference: str, distortion: str, level: int) -> str:
    return f"{Path(reference).stem}.{distortion}.{level}.png"


def _is_as_made(path: Path, made: Stamped) -> bool:
    try:
        return stamp_of(path) == made[:-1] or sha256_of_file(path) == made[-1]
    except OSError:  # lost, or not to be read: making it tells what is wrong
        return False


def _cache_folder() -> Path:
    # imported here: nothing but the demo needs it
    from platformdirs import user_cache_path

    return user_cache_path("iqatune")


ADAPTER = Adapter(INFO, load)
