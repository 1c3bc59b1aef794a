"""TID2013: 25 references, 24 distortions, 5 levels; MOS 0..9, higher is better.

Ponomarenko et al. 2015, 'Image database TID2013: Peculiarities, results and perspectives'.
"""

import re
from pathlib import Path

from iqatune.datasets.adapter import DatasetInfo, Entry, Opinion, Published, lines_of, parse_score, published_set
from iqatune.errors import InputError

DISTORTIONS = (
    "gaussian-noise",
    "color-noise",  # additive noise, stronger in the colour components than in luminance
    "correlated-noise",  # spatially correlated
    "masked-noise",
    "high-frequency-noise",
    "impulse-noise",
    "quantization-noise",
    "gaussian-blur",
    "denoising",
    "jpeg",
    "jpeg2000",
    "jpeg-transmission",  # transmission errors
    "jpeg2000-transmission",
    "pattern-noise",  # non eccentricity pattern noise
    "block-wise",  # local block-wise distortions of different intensity
    "mean-shift",
    "contrast",
    "saturation",
    "multiplicative-noise",
    "comfort-noise",
    "noisy-compression",  # lossy compression of noisy images
    "dithering",  # colour quantisation with dither
    "chromatic-aberrations",
    "sparse-sampling",  # and reconstruction
)
"""Short names of the 24 types in the order of the set's own numbers, which the file names carry."""

_LINE = re.compile(
    r"(?P<score>\S+)\s+(?P<name>I(?P<reference>\d\d)_(?P<type>\d\d)_(?P<level>\d)\.bmp)", re.IGNORECASE | re.ASCII
)


def read(path: Path) -> tuple[list[Entry], tuple[str, ...]]:
    """Entries of mos_with_names.txt: `5.51429 I01_01_1.bmp`."""
    lines = [(f"line {number}", line.strip()) for number, line in enumerate(lines_of(path), 1)]
    return [_entry(line, path, where) for where, line in lines if line], ()


def _entry(line: str, path: Path, where: str) -> Entry:
    match = _LINE.fullmatch(line)
    if match is None or not 1 <= int(match["type"]) <= len(DISTORTIONS):
        raise InputError(f"{path}: {where} is '{line}' where 'MOS I01_01_1.bmp' belongs; restore the set's own file")
    reference = f"I{match['reference']}"
    return Entry(
        where=where,
        reference=f"reference_images/{reference}.BMP",
        distorted=f"distorted_images/{match['name']}",
        reference_id=reference,
        distortion=DISTORTIONS[int(match["type"]) - 1],
        level=int(match["level"]),
        score=parse_score(match["score"], path, where),
    )


ADAPTER = published_set(
    DatasetInfo(
        name="tid2013",
        description="TID2013: 24 distortions x 5 levels, MOS (higher is better)",
        pairs=3000,
        references=25,
        source="https://www.ponomarenko.info/tid2013.htm",
        labels=("mos_with_names.txt",),
        published=Published(
            counts={(distortion, level): 25 for distortion in DISTORTIONS for level in range(1, 6)},
            scores=(0.24242, 7.2143),
        ),
        opinion=Opinion("MOS of TID2013", (0.0, 9.0)),
    ),
    better="higher",
    read=read,
)
