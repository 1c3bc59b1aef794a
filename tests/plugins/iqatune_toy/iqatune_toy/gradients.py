"""A data set: smooth pictures, noisy and blurred, with scores that fall with the damage."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageFilter
from platformdirs import user_cache_path

from iqatune.datasets.adapter import Adapter, DatasetInfo, Entry, LabelList, build_table, chosen_label
from iqatune.datasets.files import FileFinder
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.records.options import DataOptions
from iqatune.runtime.files import replacing

REFERENCES, LEVELS = range(6), range(1, 5)

INFO = DatasetInfo(
    name="gradients",
    description="smooth pictures, noisy and blurred; the scores are made up",
    pairs=48,
    references=6,
    source="made on the fly",
    labels=(),
)


def load(options: DataOptions) -> PairTable:
    if options.label is not None:
        chosen_label(options, INFO)  # refuses it: there is no other
    root = Path(options.data_root) if options.data_root else user_cache_path("iqatune-toy")
    folder = root / "gradients-1"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        entries = [entry for reference in REFERENCES for entry in make_images(folder, reference)]
    except OSError as error:
        raise InputError(f"`data_root` {folder}: cannot be written ({error.strerror}); name another folder") from error
    labels = LabelList("made up", "1", "gradients", "higher", entries=entries, simulated=True)
    return build_table(options, labels, FileFinder(folder))


def make_images(folder: Path, reference: int) -> list[Entry]:
    generator = np.random.default_rng(reference)
    rows, columns = np.mgrid[0:48, 0:56]
    waves = np.sin(rows[..., None] / generator.uniform(2, 9, 3) + columns[..., None] / generator.uniform(2, 9, 3))
    pixels = 128 + 60 * waves + generator.normal(0, 6, waves.shape)
    clean = save(pixels, folder / f"{reference}.png")
    entries = []
    for level in LEVELS:
        save(pixels + generator.normal(0, 7 * level, pixels.shape), folder / f"{reference}-noise-{level}.png")
        blurred = clean.filter(ImageFilter.GaussianBlur(level / 2))
        save(np.asarray(blurred), folder / f"{reference}-blur-{level}.png")
        for distortion, annoyance in (("noise", 1.0), ("blur", 0.8)):
            entries.append(
                Entry(
                    where=f"{reference} {distortion} {level}",
                    reference=f"{reference}.png",
                    distorted=f"{reference}-{distortion}-{level}.png",
                    reference_id=str(reference),
                    distortion=distortion,
                    level=level,
                    score=round(5 - annoyance * level + generator.normal(0, 0.3), 2),
                )
            )
    return entries


def save(pixels: ArrayLike, path: Path) -> Image.Image:
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if not path.exists():
        with replacing(path) as temporary:  # whole or not at all, whoever else makes it or ends this process
            image.save(temporary, "PNG")
    return image


ADAPTER = Adapter(INFO, load)
