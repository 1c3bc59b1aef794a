"""The demo set, made on the fly: photographs of installed packages, damaged here, scored by SIMULATED observers.

It exists so that everything can be tried without getting a data set. No number of it says anything about how well a
metric agrees with people.

No metric takes part in the scores. A pair's true quality depends on its distortion, the amount of it and its reference:

    quality = 1 + 4 / (1 + exp(-z))
    z = slope ln(half / amount) + masking busyness + deviation

- The curve is a logistic in the logarithm of the amount, as Recommendation ITU-R BT.500 fits mean scores to an
  objective measure of an impairment. `half` and `slope` of every distortion are fitted to the mean scores of the
  amounts that KADID-10k has of it (Lin, Hosu and Saupe, "KADID-10k: A large-scale artificially distorted IQA
  database", QoMEX 2019), whose distortions are made in the same way.
- Busy references hide added errors (visual masking: Legge and Foley, J. Opt. Soc. Am. 70, 1980). `busyness` is the
  logarithm of the local contrast, standardised over the references; `masking` is how much of it goes into z: the
  loading on the first factor of how KADID's 81 references deviate from their distortions' curves.
- Every reference deviates in every distortion by what busyness does not explain. In KADID the standard deviations of
  that are .12 to .46.
- An observer's opinion is the true quality, plus a bias of that observer, plus noise (Janowski and Pinson, "The
  accuracy of subjects in a quality experiment: a theoretical subject model", IEEE Trans. Multimedia 17, 2015), in whole
  steps from 1 to 5. The score is the mean of 30 observers, as many as KADID has.

scripts/demo_observers.py fits the constants again. What was chosen here: which distortions, their amounts, and the
sizes of deviation, bias and noise. The choice lets a good metric reach an SRCC of about .9, as on published sets.
"""

import hashlib
import io
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import KW_ONLY, astuple, dataclass
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

REVISION = 2
"""To be raised when the code below changes what it makes."""
SIZE = (384, 288)
SEED = 2024
OBSERVERS = 30
OBSERVER_BIAS, OBSERVER_NOISE = 0.3, 0.7  # standard deviations, in steps of the 1..5 scale
DEVIATION = 0.25  # standard deviation of what a reference shows of a distortion, beyond its busyness


@dataclass(frozen=True)
class _Photograph:
    package: str
    file: str
    contrast: float
    """The mean of the standard deviation in windows of 7x7, in grey levels of the reference as it is made."""
    centre: float = 0.5
    """Where the crop lies: 0 at the top, 1 at the bottom."""

    @property
    def name(self) -> str:
        return Path(self.file).stem


PHOTOGRAPHS = (
    _Photograph("skimage", "data/astronaut.png", 16.5, centre=0.0),
    _Photograph("skimage", "data/camera.png", 12.1),
    _Photograph("skimage", "data/chelsea.png", 10.9),
    _Photograph("sklearn", "datasets/images/china.jpg", 17.4),
    _Photograph("skimage", "data/coffee.png", 13.2),
    _Photograph("skimage", "data/coins.png", 16.6),
    _Photograph("sklearn", "datasets/images/flower.jpg", 8.7),
    _Photograph("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", 18.2, centre=0.2),
    _Photograph("skimage", "data/motorcycle_left.png", 22.7),
    _Photograph("skimage", "data/rocket.jpg", 5.9),
)
"""Photographs in the wheels of packages that iqatune needs, so that nothing is downloaded; all larger than SIZE.

Public domain or CC0, but for two under CC BY 2.0 (flickr.com): china by danielbuechele, flower by vultilion.
"""

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


def _pixelation(image: Image.Image, block: float, rng: Generator) -> Image.Image:
    small = (round(image.width / block), round(image.height / block))
    return image.resize(small, Image.Resampling.NEAREST).resize(image.size, Image.Resampling.NEAREST)


def _jitter(image: Image.Image, sigma: float, rng: Generator) -> Image.Image:
    """Every pixel from somewhere near, five times over."""
    from scipy.ndimage import map_coordinates

    values = np.asarray(image, dtype=np.float64)
    places = np.indices(values.shape[:2], dtype=np.float64)
    for _ in range(5):
        near = places + rng.normal(0.0, sigma, places.shape)
        bands = [map_coordinates(values[..., band], near, order=1, mode="nearest") for band in range(3)]
        values = np.stack(bands, axis=-1)
    return _image(values)


def _contrast(image: Image.Image, factor: float, rng: Generator) -> Image.Image:
    return _image(127.5 + factor * (np.asarray(image, dtype=np.float64) - 127.5))


def _image(values: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


@dataclass(frozen=True)
class _Distortion:
    apply: Callable[[Image.Image, float, Generator], Image.Image]
    amounts: tuple[float, float, float, float, float]
    _: KW_ONLY
    half: float
    """The amount at which quality is in the middle of the scale."""
    slope: float
    """Of z over the amount's logarithm; negative where less is worse, as with JPEG's quality."""
    masking: float = 0.0
    """What one standard deviation of busyness adds to z."""


DISTORTIONS = {
    "gaussian-noise": _Distortion(_gaussian_noise, (3, 7, 14, 28, 55), half=14.95, slope=1.49, masking=0.32),
    "gaussian-blur": _Distortion(_gaussian_blur, (0.45, 0.7, 1.1, 1.8, 3.6), half=1.009, slope=2.27, masking=0.06),
    "jpeg": _Distortion(_jpeg, (70, 30, 15, 8, 4), half=14.57, slope=-1.79, masking=0.35),
    "quantization": _Distortion(_quantization, (40, 20, 11, 7, 4), half=7.94, slope=-1.51, masking=0.63),
    "pixelation": _Distortion(_pixelation, (1.1, 1.25, 1.5, 2.2, 3.6), half=1.474, slope=2.46, masking=0.11),
    "jitter": _Distortion(_jitter, (0.05, 0.1, 0.2, 0.5, 1), half=0.221, slope=1.66),
    "contrast": _Distortion(_contrast, (0.96, 0.92, 0.87, 0.82, 0.76), half=0.352, slope=-2.55),
}
LEVELS = range(1, 6)

INFO = DatasetInfo(
    name="demo",
    description="photographs, damaged on the fly, with scores of SIMULATED observers (higher is better)",
    pairs=len(PHOTOGRAPHS) * len(DISTORTIONS) * len(LEVELS),
    references=len(PHOTOGRAPHS),
    ratings_per_score=OBSERVERS,
    source="made on the fly, nothing to download",
    labels=(),
    opinion=Opinion("MOS of the demo", (1.0, 5.0)),
)


def load(options: DataOptions) -> PairTable:
    """Make the images where they are not there yet, below the data root or the user's cache folder.

    Raises:
        InputError: when the folder cannot be written, or an option does not fit.
    """
    folder = _folder(options)
    try:
        ensure_images(folder)
    except OSError as error:
        raise InputError(
            f"{folder}: the demo images cannot be written ({error.strerror}); name another folder with `data_root`"
        ) from error
    return build_table(options, _labels(), FileFinder(folder))


def table_to_be(options: DataOptions) -> PairTable:
    """The table that `load` gives, whether or not its images are made yet.

    Raises:
        InputError: when an option does not fit.
    """
    return build_table(options, _labels(), _Named(_folder(options)))


@dataclass(frozen=True)
class _Named:
    """Takes every image to be where it will be."""

    root: Path

    def find(self, name: str) -> Path:
        return self.root / name


def _folder(options: DataOptions) -> Path:
    """Where the images are, or will be."""
    if options.pairs is not None or options.better is not None:
        raise UsageError("`pairs`, `better`: only `dataset` csv takes them; leave them out")
    if options.label is not None:
        chosen_label(options, INFO)
    return (Path(options.data_root) if options.data_root else _cache_folder()) / f"demo-{parameters_sha256()[:12]}"


def _labels() -> LabelList:
    digest = parameters_sha256()
    return LabelList("simulated observers", digest, "the demo set", "higher", entries=_entries(), simulated=True)


def parameters_sha256() -> str:
    """SHA-256 of everything the demo is made from."""
    distortions = {name: astuple(kind)[1:] for name, kind in DISTORTIONS.items()}
    observers = (OBSERVERS, OBSERVER_BIAS, OBSERVER_NOISE, DEVIATION)
    parameters = (REVISION, SIZE, SEED, observers, [astuple(photograph) for photograph in PHOTOGRAPHS], distortions)
    return hashlib.sha256(json.dumps(parameters).encode()).hexdigest()


def ensure_images(folder: Path) -> None:
    """Make the images that are not there as they were made.

    They are made in a folder of their own and moved one by one, so that no half-written image is ever seen; two
    processes at once make the same images, and either's may stay.
    """
    names = [_reference_name(photograph) for photograph in PHOTOGRAPHS] + [entry.distorted for entry in _entries()]
    folder.mkdir(parents=True, exist_ok=True)
    made = read_json(folder / MADE, _OF, _STAMPED, Progress()) or {}  # what is wrong with it is mended here
    wanted = {name for name in names if name not in made or not _is_as_made(folder / name, made[name])}
    if not wanted:
        return
    with temporary_folder(folder.parent) as work:
        for name, image in _images(wanted):
            image.save(work / name, "PNG", compress_level=1)
        for name in wanted:
            digest = sha256_of_file(work / name)
            (work / name).replace(folder / name)
            made[name] = (*stamp_of(folder / name), digest)
    keep_json(folder / MADE, _OF, made)


def simulated_opinions() -> NDArray[np.float64]:
    """Opinions 1..5 in whole steps, shape (references, distortions, levels, observers)."""
    rng = np.random.default_rng(SEED)
    kinds = DISTORTIONS.values()
    half, slope, masking = np.array([(kind.half, kind.slope, kind.masking) for kind in kinds]).T
    amounts = np.array([kind.amounts for kind in kinds])
    curves = slope[:, None] * np.log(half[:, None] / amounts)
    contrast = np.log([photograph.contrast for photograph in PHOTOGRAPHS])
    busyness = (contrast - contrast.mean()) / contrast.std()
    shown = np.outer(busyness, masking) + rng.normal(0.0, DEVIATION, (len(PHOTOGRAPHS), len(kinds)))
    quality = 1.0 + 4.0 / (1.0 + np.exp(-(curves + shown[..., None])))
    bias = rng.normal(0.0, OBSERVER_BIAS, OBSERVERS)
    opinions = quality[..., None] + bias + rng.normal(0.0, OBSERVER_NOISE, (*quality.shape, OBSERVERS))
    whole: NDArray[np.float64] = np.clip(np.rint(opinions), 1, 5)
    return whole


def _entries() -> list[Entry]:
    opinions = simulated_opinions()
    scores, deviations = opinions.mean(axis=-1), opinions.std(axis=-1, ddof=1)
    return [
        Entry(
            where=f"pair {photograph.name} {distortion} {level}",
            reference=_reference_name(photograph),
            distorted=_distorted_name(photograph, distortion, level),
            reference_id=photograph.name,
            distortion=distortion,
            level=level,
            score=float(scores[i, j, k]),
            score_std=float(deviations[i, j, k]),
        )
        for i, photograph in enumerate(PHOTOGRAPHS)
        for j, distortion in enumerate(DISTORTIONS)
        for k, level in enumerate(LEVELS)
    ]


def _images(wanted: Collection[str]) -> Iterator[tuple[str, Image.Image]]:
    for i, photograph in enumerate(PHOTOGRAPHS):
        original = _reference(photograph)
        if (name := _reference_name(photograph)) in wanted:
            yield name, original
        for j, (distortion, kind) in enumerate(DISTORTIONS.items()):
            for level, amount in zip(LEVELS, kind.amounts, strict=True):
                if (name := _distorted_name(photograph, distortion, level)) in wanted:
                    # a generator for each image: the same image whatever was made before it
                    yield name, kind.apply(original, amount, np.random.default_rng((SEED, i, j, level)))


def _reference(photograph: _Photograph) -> Image.Image:
    with as_file(files(photograph.package) / photograph.file) as path, Image.open(path) as image:
        return ImageOps.fit(image.convert("RGB"), SIZE, Image.Resampling.LANCZOS, centering=(0.5, photograph.centre))


def _reference_name(photograph: _Photograph) -> str:
    return f"{photograph.name}.png"


def _distorted_name(photograph: _Photograph, distortion: str, level: int) -> str:
    return f"{photograph.name}.{distortion}.{level}.png"


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
